package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
