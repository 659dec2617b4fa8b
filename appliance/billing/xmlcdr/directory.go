package xmlcdr

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"causeway/appliance/storage"
)

// directory is what is done with the directory of the files. A test's fails.
type directory interface {
	Open(name string, flag int) (file, error)
	Rename(from, to string) error
	Remove(name string) error
	Names() ([]string, error) // sorted
	Sync() error
	// Moved reports an error if the path of the directory leads to another one
	// now: its volume is gone, or another is in its place.
	Moved() error
	// Renames reports whether a power cut leaves a renamed file whole.
	Renames() bool
	Close() error
}

// file is what is done with one file.
type file interface {
	io.ReadWriteCloser
	Datasync() error // makes content and size last
	Truncate(size int64) error
}

// enter opens the directory, if its volume is there.
func (f *Files) enter() (directory, error) {
	if f.options.Mount != "" {
		if err := storage.Mounted(f.options.Mount); err != nil {
			return nil, err
		}
	}
	return f.options.open(f.options.Dir)
}

// osDirectory is a real one. What is done in it stays in it, whatever is
// mounted or unmounted meanwhile.
type osDirectory struct {
	*os.Root
	path string
	info os.FileInfo
}

// Operators delete files that they have copied.
const (
	dirMode  = 0o775 | os.ModeSetgid
	fileMode = 0o664
)

func openDirectory(path string) (directory, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(path, dirMode.Perm()); err != nil {
			return nil, err
		}
		os.Chmod(path, dirMode) // whatever our umask is; FAT has no modes
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return osDirectory{root, path, info}, nil
}

func (d osDirectory) Open(name string, flag int) (file, error) {
	f, err := storage.OpenIn(d.Root, name, flag, fileMode)
	if err != nil {
		return nil, err
	}
	if flag&os.O_CREATE != 0 {
		f.Chmod(fileMode) // likewise
	}
	return osFile{f}, nil
}

func (d osDirectory) Names() ([]string, error) {
	handle, err := d.Root.Open(".")
	if err != nil {
		return nil, err
	}
	defer handle.Close()
	names, err := handle.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

func (d osDirectory) Sync() error {
	handle, err := d.Root.Open(".")
	if err != nil {
		return err
	}
	defer handle.Close()
	return handle.Sync()
}

func (d osDirectory) Moved() error {
	info, err := os.Stat(d.path)
	if err == nil && !os.SameFile(info, d.info) {
		err = fmt.Errorf("%s: %w any more", d.path, storage.ErrNotMounted)
	}
	return err
}

func (d osDirectory) Renames() bool {
	var st unix.Statfs_t
	return unix.Statfs(d.path, &st) == nil && st.Type != unix.MSDOS_SUPER_MAGIC
}

type osFile struct{ *os.File }

func (f osFile) Datasync() error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
