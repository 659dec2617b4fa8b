package slot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
	"causeway/appliance/storage"
	"causeway/init/volume"
)

// shortestTrial is what an image needs at the least to come up.
const shortestTrial = time.Minute

// Activate puts an image in the slot that does not run, and has the box restart
// for its trial. It returns when nothing stands against that; the rest goes on
// in the background, until ctx ends, and Firmware tells about it.
func (s *Slots) Activate(ctx context.Context, wanted model.Activation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayActivate(); err != nil {
		return err
	}
	next := trial{
		Slot: other(s.Running), Operator: wanted.Operator,
		Confirm: wanted.Confirm, Limit: wanted.Limit,
	}
	if next.Limit == 0 {
		next.Limit = model.DefaultTrialLimit
	}
	if next.Limit < shortestTrial || next.Limit > model.LongestTrial {
		return fmt.Errorf("a trial takes %v to %v, not %v", shortestTrial, model.LongestTrial, next.Limit)
	}
	if wanted.Bundle == "" {
		return s.goBack(next)
	}
	return s.install(ctx, next, wanted.Bundle)
}

// mayActivate says what stands against an activation. s.mu is held.
func (s *Slots) mayActivate() error {
	switch {
	case s.Variables == nil:
		return errors.New("this box was not started by UEFI firmware: it has no slots")
	case !isSlot(s.Running):
		return errors.New("this box was not started from a slot")
	case s.state == nil || !s.Disk.OnDisk(volume.Bootflash):
		return errors.New("bootflash: is not on a disk that can be written: nothing can be kept of a trial")
	case s.trial != nil:
		return fmt.Errorf("version %s in slot %s is on trial", s.trial.Version, s.trial.Slot)
	case s.state.Trial != nil || s.writing != nil && s.writing.Problem == "":
		return fmt.Errorf("version %s is on its way into slot %s", s.writing.Version, s.writing.Slot)
	case s.Disk.Slot(other(s.Running)) == nil:
		return fmt.Errorf("there is no disk with slot %s", other(s.Running))
	}
	return nil
}

// goBack tries what the other slot has. s.mu is held.
func (s *Slots) goBack(next trial) error {
	image, known := s.state.Images[next.Slot]
	switch floor := s.state.Floor; {
	case !known || image.SHA256 == "":
		return fmt.Errorf("slot %s has nothing to go back to", next.Slot)
	case image.Failed:
		return fmt.Errorf("version %s in slot %s has failed: only its bundle brings it back", image.Version, next.Slot)
	case bundle.Below(image.Version, floor):
		return fmt.Errorf("version %s in slot %s is older than %s, the oldest that this box takes", image.Version, next.Slot, floor)
	}
	next.Version = image.Version
	s.begin(next, 0, func() error {
		if problem := s.examine(next.Slot, image.SHA256); problem != "" {
			return errors.New(problem)
		}
		return s.arm(next, image)
	})
	return nil
}

// install puts the image of a bundle in the other slot. s.mu is held.
func (s *Slots) install(ctx context.Context, next trial, path string) error {
	file, err := s.open(path)
	if err != nil {
		return err
	}
	opened, err := s.check(file)
	if err != nil {
		file.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	manifest := opened.Manifest
	next.Version = manifest.Version
	s.begin(next, manifest.Size, func() error {
		defer file.Close()
		if err := s.forget(next.Slot); err != nil {
			return err
		}
		if err := s.Disk.WriteSlot(next.Slot, unprovenFile, manifest.SHA256, func(slot io.Writer) error {
			_, err := opened.Unpack(ctx, io.MultiWriter(slot, progress{s}))
			return err
		}); err != nil {
			return err
		}
		return s.arm(next, image{Version: manifest.Version, SHA256: manifest.SHA256})
	})
	return nil
}

// check reads the manifest of a bundle, which this box must know and take.
func (s *Slots) check(file io.Reader) (*bundle.Bundle, error) {
	keys, err := s.Keys()
	if err != nil {
		return nil, err
	}
	opened, err := bundle.Open(file, keys)
	if err != nil {
		return nil, err
	}
	return opened, opened.Manifest.Fits(s.Build, s.state.Floor)
}

// open opens a file on a volume for reading.
func (s *Slots) open(path string) (*os.File, error) {
	parsed, err := storage.ParsePath(path)
	if err != nil {
		return nil, err
	}
	root, err := storage.OpenVolume(s.Root, parsed.Volume)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := root.OpenFile(parsed.Name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, errors.Unwrap(err)) // without the path of the system
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > bundle.Max {
		file.Close()
		return nil, fmt.Errorf("%s is no bundle: a plain file of at most %d octets", path, bundle.Max)
	}
	return file, nil
}

// begin does what ends in a restart, in the background. s.mu is held.
func (s *Slots) begin(next trial, size int64, do func() error) {
	s.writing = &model.SlotWriting{Slot: next.Slot, Version: next.Version, Size: size}
	s.Log("slot %s: %s comes", next.Slot, next.Version)
	s.Go(func() {
		s.adopt() // what runs is to be gone back to
		err := do()
		if err == nil {
			s.Restart(fmt.Sprintf("firmware %s on trial in slot %s", next.Version, next.Slot))
			return
		}
		s.Log("slot %s: %v", next.Slot, err)
		s.mu.Lock()
		s.writing.Problem = err.Error()
		s.mu.Unlock()
		s.Look()
	})
}

// progress counts what has been written.
type progress struct{ s *Slots }

func (p progress) Write(content []byte) (int, error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.s.writing.Have += int64(len(content))
	return len(content), nil
}

// forget notes that a slot has nothing, before that is so.
func (s *Slots) forget(slot string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.damaged, slot)
	return s.change(func(state *state) { delete(state.Images, slot) })
}

// arm has the next start be that of an image on trial.
func (s *Slots) arm(next trial, written image) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.change(func(state *state) {
		state.Images[next.Slot] = written
		state.Trial = &next
	}); err != nil {
		return err
	}
	err := s.firmware.write(trialMark, []byte(next.Slot))
	if err == nil {
		err = s.startNext(next.Slot, written.Proven)
	}
	if err != nil {
		return errors.Join(err, s.change(func(state *state) { state.Trial = nil }))
	}
	return nil
}
