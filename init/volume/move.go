package volume

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// memorySuffix ends the names of files that were in memory while disk had
// another of the name.
const memorySuffix = ".memory"

// move moves the files below from to the same names below to, with owners and
// modes. Nothing is overwritten but earlier files of that suffix: beside are
// the files, by their names below to, that were there and differ; those moved
// stand beside them with memorySuffix. A cut on the way loses nothing, and
// moving again completes it. No directory from is nothing to do.
func move(from, to string) (beside []string, err error) {
	var moved []string // deepest last
	err = filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		switch {
		case entry.IsDir():
			err = moveDirectory(path, target)
		case entry.Type().IsRegular():
			if err = copyFile(path, target); errors.Is(err, fs.ErrExist) {
				beside = append(beside, name)
				err = copyBeside(path, target+memorySuffix)
			}
		default:
			return nil // sockets and the like live in /run
		}
		if err == nil {
			moved = append(moved, path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) && len(moved) == 0 {
		return nil, nil
	}
	if err != nil {
		return beside, fmt.Errorf("move %s to %s: %w", from, to, err)
	}
	// Each file was synced; their names must be too before the old ones go.
	unix.Sync()
	slices.Reverse(moved)
	for _, path := range moved {
		// A directory that keeps a file stays, and so does a mount point.
		if err := os.Remove(path); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EBUSY) {
			return beside, fmt.Errorf("move %s to %s: %w", from, to, err)
		}
	}
	return beside, nil
}

// moveDirectory makes the directory to like the directory from, unless it is
// there.
func moveDirectory(from, to string) error {
	info, err := os.Stat(to)
	if err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	return copyOwner(from, to)
}

// copyFile copies a file to a name that must be free, or taken by the same
// octets: then an earlier copy was cut off before it could remove the old one.
func copyFile(from, to string) error {
	if same, err := sameContent(from, to); err != nil || same {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s: %w", to, fs.ErrExist)
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	temporary := to + ".moving" // left over by a cut: written anew
	target, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	if err = errors.Join(err, target.Sync(), target.Close()); err != nil {
		return err
	}
	if err := copyOwner(from, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, to)
}

// copyBeside copies a file to a name that an older one may have.
func copyBeside(from, to string) error {
	err := copyFile(from, to)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Remove(to); err != nil {
		return err
	}
	return copyFile(from, to)
}

// sameContent reports whether both files are there and equal.
func sameContent(a, b string) (bool, error) {
	x, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer x.Close()
	y, err := os.Open(b)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer y.Close()
	p, q := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errX := io.ReadFull(x, p)
		m, errY := io.ReadFull(y, q)
		if n != m || !bytes.Equal(p[:n], q[:m]) {
			return false, nil
		}
		if errX != nil || errY != nil { // the end of both, or of one by an error
			return endOfFile(errX) && endOfFile(errY), nil
		}
	}
}

func endOfFile(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }

// copyOwner gives to the owner, group and mode of from.
func copyOwner(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(to, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	return os.Chmod(to, info.Mode()) // after chown, which clears setgid
}
