package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// ErrNotMounted says that there is no such volume now.
var ErrNotMounted = errors.New("is not mounted")

// OpenVolume opens a volume that is mounted below dir, "/" on the box. No name
// given to it, and no symbolic link on it, leads out of the volume.
func OpenVolume(dir, volume string) (*os.Root, error) {
	if !slices.Contains(Volumes(), volume) {
		return nil, fmt.Errorf("there is no volume %q", volume)
	}
	root, err := os.OpenRoot(filepath.Join(dir, volume))
	if errors.Is(err, fs.ErrNotExist) { // init removes the mount point of what it unmounts
		err = ErrNotMounted
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", volume, err)
	}
	return root, nil
}

// Mounted reports an error unless a file system is mounted at point.
func Mounted(point string) error {
	device := func(path string) (uint64, error) {
		var st syscall.Stat_t
		err := syscall.Stat(path, &st)
		return uint64(st.Dev), err
	}
	here, err := device(point)
	above, errAbove := device(filepath.Dir(point))
	if errors.Is(err, fs.ErrNotExist) || err == nil && errAbove == nil && here == above {
		err = ErrNotMounted
	}
	if err := errors.Join(err, errAbove); err != nil {
		return fmt.Errorf("%s: %w", point, err)
	}
	return nil
}
