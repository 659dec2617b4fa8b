// Package files is what an operator does with the files on bootflash:,
// harddisk: and usb0:: the commands, and the service behind them that control
// runs. Nothing here mounts or formats: init does, and is asked from here.
//
// In: paths that operators type (storage.Path) and calls over link. Out: files.
// A file is written under a temporary name, flushed and renamed, so that it is
// there whole or not at all. No symbolic link leads out of a volume (os.Root),
// and what belongs to the box itself is listed but left alone (owned.go).
package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"causeway/appliance/link"
	"causeway/appliance/storage"
)

// Service does what the methods control.files.* ask. Make it with New.
type Service struct {
	dir string // where the volumes are mounted

	mu      sync.Mutex
	writing map[storage.Path]*writing // by the file that is to be
}

// New makes the service for the volumes mounted below dir, "/" on the box.
func New(dir string) *Service {
	return &Service{dir: dir, writing: map[storage.Path]*writing{}}
}

// Methods are what the other processes may ask. Reading is for operators too:
// a file may hold what only they should know.
func (s *Service) Methods() link.Methods {
	return link.Methods{
		"control.files.dir":      operators(s.list),
		"control.files.stat":     operators(s.stat),
		"control.files.read":     operators(s.read),
		"control.files.progress": operators(s.progress),
		"control.files.mkdir":    operators(s.mkdir),
		"control.files.delete":   operators(s.remove),
		"control.files.write":    operators(s.write),
		"control.files.copy":     operators(s.copy),
	}
}

// nothing is the answer of a method that has none.
type nothing struct{}

// operators lets only operators' sessions call a method.
func operators[P, R any](method func(context.Context, P) (R, error)) func(context.Context, P) (R, error) {
	return func(ctx context.Context, params P) (R, error) {
		if err := link.OnlyOperators(ctx); err != nil {
			var none R
			return none, err
		}
		return method(ctx, params)
	}
}

// on does something on the volume of a path, and says of an error what path it
// is about.
func (s *Service) on(p storage.Path, do func(*os.Root) error) error {
	volume, err := storage.OpenVolume(s.dir, p.Volume)
	if err != nil {
		return err
	}
	defer volume.Close()
	return about(p, do(volume))
}

// about says what went wrong with a path, without names that only this process
// knows.
func about(p storage.Path, err error) error {
	if err == nil {
		return nil
	}
	var pathError *fs.PathError
	var linkError *os.LinkError
	switch {
	case errors.As(err, &pathError):
		err = pathError.Err
	case errors.As(err, &linkError):
		err = linkError.Err
	}
	return fmt.Errorf("%v: %w", p, err)
}

// syncDir makes what changed in a directory last.
func syncDir(volume *os.Root, name string) error {
	dir, err := volume.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
