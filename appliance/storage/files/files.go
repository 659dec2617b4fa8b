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
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"causeway/appliance/link"
	"causeway/appliance/storage"
)

// Service does what the methods control.files.* ask. Make it with New.
type Service struct {
	dir string                      // where the volumes are mounted
	tls func() (*tls.Config, error) // whom to believe when files are fetched over HTTPS

	mu      sync.Mutex
	writing map[storage.Path]*writing // by the file that is to be
}

// New makes the service for the volumes mounted below dir, "/" on the box. tls
// says whom to believe when a file is fetched over HTTPS.
func New(dir string, tls func() (*tls.Config, error)) *Service {
	return &Service{dir: dir, tls: tls, writing: map[storage.Path]*writing{}}
}

// Methods are what the other processes may ask. Reading is for operators too:
// a file may hold what only they should know.
func (s *Service) Methods() link.Methods {
	return link.Methods{
		"control.files.dir":      link.ForOperators(s.List),
		"control.files.stat":     link.ForOperators(s.stat),
		"control.files.read":     link.ForOperators(s.read),
		"control.files.progress": link.ForOperators(s.progress),
		"control.files.mkdir":    link.ForOperators(s.mkdir),
		"control.files.delete":   link.ForOperators(s.remove),
		"control.files.write":    link.ForOperators(s.write),
		"control.files.copy":     link.ForOperators(s.copy),
		"control.files.host":     link.ForOperators(s.host),
		"control.files.text":     link.ForOperators(s.text),
	}
}

// nothing is the answer of a method that has none.
type nothing struct{}

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

// about says what went wrong with a path or place, without names that only this
// process knows.
func about(p fmt.Stringer, err error) error {
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

// change makes a change to what a path names: do is given its directory and
// its name there. The change lasts when change returns.
func (s *Service) change(p storage.Path, do func(dir *os.Root, name string) error) error {
	if err := mayChange(p); err != nil {
		return err
	}
	return s.on(p, func(volume *os.Root) error {
		directory, err := openDirectory(volume, p.Dir().Name)
		if err != nil {
			return err
		}
		defer directory.Close()
		if err := s.straight(p.Dir(), directory); err != nil {
			return err
		}
		// This very directory, whatever its path leads to by now.
		dir, err := os.OpenRoot(descriptor(directory))
		if err != nil {
			return err
		}
		defer dir.Close()
		if err := do(dir, p.Base()); err != nil {
			return err
		}
		return directory.Sync()
	})
}

// openDirectory opens a directory and nothing else: root.OpenRoot would wait
// for ever at a named pipe.
func openDirectory(volume *os.Root, name string) (*os.File, error) {
	return volume.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
}

// descriptor is the name by which the kernel knows an open file (proc(5)).
func descriptor(file *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", file.Fd()) }

// errLink refuses a path that is the way to something else.
var errLink error = refusal("leads elsewhere: links are not followed")

// straight says whether an open file is the one that its path says. On the
// volumes of the box, whoever made a link there would get us to read or change
// what mayRead and mayChange refuse by name.
func (s *Service) straight(p storage.Path, file *os.File) error {
	if p.Volume == storage.USB {
		return nil
	}
	is, err := os.Readlink(descriptor(file))
	if err == nil && is != filepath.Join(s.dir, p.Volume, p.Name) {
		err = errLink
	}
	return err
}
