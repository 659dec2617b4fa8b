// Package storage is bootflash:, harddisk: and usb0:, and the way state is kept
// on them so that a power cut at any moment leaves the old file or the new one,
// whole.
package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"
)

// OpenFile is os.OpenFile for files only. What else stands at path, on a volume
// that others write or that is damaged, is refused: a pipe would be waited for
// without end.
func OpenFile(path string, flag int, mode os.FileMode) (*os.File, error) {
	return regular(os.OpenFile(path, flag|unix.O_NONBLOCK, mode))
}

// OpenIn is OpenFile within a directory.
func OpenIn(dir *os.Root, name string, flag int, mode os.FileMode) (*os.File, error) {
	return regular(dir.OpenFile(name, flag|unix.O_NONBLOCK, mode))
}

var errNotFile = errors.New("not a regular file")

func regular(file *os.File, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: file.Name(), Err: errNotFile}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// Open opens a file for reading, as OpenFile does.
func Open(path string) (*os.File, error) { return OpenFile(path, os.O_RDONLY, 0) }

// ReadFile reads a whole file, and as OpenFile nothing else.
func ReadFile(path string) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// WriteFile puts a whole file in the place of path: a temporary file beside it
// is written and flushed, renamed, and the directory flushed. When it returns
// nil the new content survives a power cut; on an error the old file is there
// as it was.
func WriteFile(path string, content []byte, mode os.FileMode) error {
	dir := filepath.Dir(path)
	temporary, err := os.CreateTemp(dir, filepath.Base(path)+".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(temporary.Name()) // after the rename there is nothing to remove
	if err := fill(temporary, content, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temporary.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return SyncDir(dir)
}

// temporaryName is what os.CreateTemp makes of WriteFile's pattern.
var temporaryName = regexp.MustCompile(`^.+\.new-[0-9]+$`)

// RemoveTemporary removes what power cuts left of WriteFile in dir. It is for
// the owner of dir when it starts, before anyone writes there.
func RemoveTemporary(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("clean up %s: %w", dir, err)
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !temporaryName.MatchString(entry.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("clean up %s: %w", dir, err)
		}
	}
	return nil
}

// fill writes, flushes and closes file.
func fill(file *os.File, content []byte, mode os.FileMode) error {
	defer file.Close()
	if _, err := file.Write(content); err != nil {
		return err
	}
	if err := file.Chmod(mode); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return file.Close()
}

// SyncDir makes what was created, renamed or removed in dir last.
func SyncDir(dir string) error {
	directory, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("flush directory %s: %w", dir, err)
	}
	defer directory.Close()
	if err := directory.Sync(); err != nil {
		return fmt.Errorf("flush directory %s: %w", dir, err)
	}
	return nil
}
