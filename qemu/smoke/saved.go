package smoke

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"causeway/qemu/machine"
)

// Saved is a box that was saved while it answered calls. Any number of boxes go on
// from there: that takes a moment, where a boot takes two processors ten seconds.
type Saved struct {
	setup Setup
	disk  string // what was on its disk then
}

// Save boots a box on the disk of its setup, logs in to its console, and saves it in
// dir, which exists. The disk stays as it is then.
func Save(ctx context.Context, setup Setup, dir string) (s *Saved, err error) {
	s = &Saved{setup, setup.Disk}
	box, err := Boot(ctx, setup)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	s.setup.saved = filepath.Join(dir, "state")
	err = box.Machine.Console.Enable(ctx)
	if err == nil {
		err = box.Machine.Save(ctx, s.setup.saved)
	}
	if err != nil {
		return nil, box.Explain(err)
	}
	return s, nil
}

// GoOn starts a box that goes on from the saved one, with a copy of its disk at
// path. An operator is at its console, and has set the clock, which stood still.
func (s *Saved) GoOn(ctx context.Context, path string) (*Box, error) {
	if err := machine.CopyDisk(path, s.disk); err != nil {
		return nil, err
	}
	setup := s.setup
	setup.Disk = path
	box, err := Start(ctx, setup)
	if err != nil {
		return nil, err
	}
	if _, err := box.Machine.Console.Command(ctx, time.Now().UTC().Format("clock set 15:04:05 2 January 2006")); err != nil {
		err = box.Explain(err)
		box.Close()
		return nil, err
	}
	return box, nil
}
