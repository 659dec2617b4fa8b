// Package storage is bootflash:, harddisk: and usb0:, and the way state is kept
// on them so that a power cut at any moment leaves the old file or the new one,
// whole.
package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

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
