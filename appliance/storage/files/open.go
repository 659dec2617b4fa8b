package files

import (
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"causeway/appliance/storage"
)

// What follows is for sessions that keep files open, as SFTP does. The rules
// are those of the methods.

// Stat tells of a file or directory; of a symbolic link itself.
func (s *Service) Stat(p storage.Path) (info fs.FileInfo, err error) {
	err = s.on(p, func(volume *os.Root) error {
		info, err = volume.Lstat(p.Name)
		return err
	})
	return info, err
}

// Directory is a directory that is being listed. Its owner closes it.
type Directory struct {
	path storage.Path
	file *os.File // gives the names
	root *os.Root // of the same directory
}

// OpenDirectory opens a directory for a listing.
func (s *Service) OpenDirectory(p storage.Path) (*Directory, error) {
	d := &Directory{path: p}
	err := s.on(p, func(volume *os.Root) (err error) {
		if d.file, err = openDirectory(volume, p.Name); err != nil {
			return err
		}
		if err = s.straight(p, d.file); err == nil {
			d.root, err = os.OpenRoot(descriptor(d.file))
		}
		if err != nil {
			d.file.Close()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Next gives the next entries, at most n, in no order; at the end io.EOF. It
// holds no more of them, however large the directory.
func (d *Directory) Next(n int) (entries []fs.FileInfo, err error) {
	for len(entries) == 0 {
		names, err := d.file.Readdirnames(n)
		if err == io.EOF {
			return nil, err
		}
		if err != nil {
			return nil, about(d.path, err)
		}
		for _, name := range names {
			if info, err := d.root.Lstat(name); err == nil { // else it has gone meanwhile
				entries = append(entries, info)
			}
		}
	}
	return entries, nil
}

// Close gives back what the listing held.
func (d *Directory) Close() error {
	d.root.Close()
	return d.file.Close()
}

// Rename gives a file or directory another name on its volume. replace says
// that a file of that name goes.
func (s *Service) Rename(from, to storage.Path, replace bool) error {
	if from.Volume != to.Volume {
		return refuse("%v is on another volume than %v: it has to be copied", to, from)
	}
	return s.change(from, func(fromDir *os.Root, fromName string) error {
		info, err := fromDir.Lstat(fromName)
		if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
			err = errNotFile
		}
		if err != nil {
			return err
		}
		return s.change(to, func(toDir *os.Root, toName string) error {
			flags := uint(unix.RENAME_NOREPLACE)
			if _, err := toDir.Lstat(toName); err == nil {
				if err := mayTake(toDir, toName, replace); err != nil {
					return err
				}
				flags = 0
			}
			return renameAt(fromDir, fromName, toDir, toName, flags)
		})
	})
}

// renameAt is renameat2(2): that of os.Root knows one directory only.
func renameAt(fromDir *os.Root, from string, toDir *os.Root, to string, flags uint) error {
	fromFile, err := fromDir.Open(".")
	if err != nil {
		return err
	}
	defer fromFile.Close()
	toFile, err := toDir.Open(".")
	if err != nil {
		return err
	}
	defer toFile.Close()
	return unix.Renameat2(int(fromFile.Fd()), from, int(toFile.Fd()), to, flags)
}
