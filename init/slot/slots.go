// Package slot decides which of the two slots the box starts from. An image is
// written to the slot that does not run, the firmware starts it once, and only
// when it has proved itself does the box start from it for good; else the slot
// that was blessed before is back.
//
// boot.go judges what was started, activate.go puts an image in the other slot,
// order.go has the firmware's variables follow the state in state.go, which is
// the authority.
package slot

import (
	"crypto/ed25519"
	"errors"
	"io"
	"io/fs"
	"maps"
	"sync"
	"time"

	"github.com/u-root/u-root/pkg/efivarfs"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
	"causeway/board"
	"causeway/init/volume"
)

// Disk is where the slots' images are; volume.Volumes is one.
type Disk interface {
	OnDisk(volume string) bool
	// Slot gives the partition of a slot; nil if there is none.
	Slot(slot string) *volume.Partition
	// Slots looks what is in the slots.
	Slots() []model.SlotStatus
	// SlotSum reads the first of the programs that a slot has, and gives its
	// SHA-256 in hexadecimal; fs.ErrNotExist if it has none.
	SlotSum(slot string, programs ...string) (string, error)
	// WriteSlot empties a slot and puts there what image writes, which must
	// have that SHA-256 when it is read back.
	WriteSlot(slot, program, sum string, image func(io.Writer) error) error
	// RenameSlot gives the program of a slot another name; fs.ErrNotExist if it
	// has none of the old.
	RenameSlot(slot, from, to string) error
}

// Options are what Slots works with. All are needed but Variables.
type Options struct {
	Running   string          // as the function of that name says
	Variables efivarfs.EFIVar // nil: the box was not started by UEFI
	Disk      Disk
	File      string // of the state, on bootflash:
	Root      string // where the volumes are mounted
	Board     *board.Board
	Build     model.BuildInfo // of what runs
	Keys      func() ([]ed25519.PublicKey, error)
	Uptime    func() time.Duration // since the kernel started
	Now       func() time.Time
	Log       func(format string, args ...any)
	// Restart has the box go down for a reason, and come up again.
	Restart func(reason string)
	// Go runs f in the background.
	Go func(f func())
}

// Slots are the two slots of a box.
type Slots struct {
	Options
	firmware variables

	mu      sync.Mutex
	state   *state // nil: it cannot be read, or there are no slots
	trial   *trial // what runs is on trial; nil otherwise
	writing *model.SlotWriting
	wrong   string             // why what runs is not what should, a sentence; empty if it is
	looked  []model.SlotStatus // what the last look found
	damaged map[string]string  // by slot: what is wrong with its image
}

// New makes the slots of a box. Nothing is judged before Boot.
func New(options Options) *Slots {
	return &Slots{Options: options, firmware: variables{options.Variables}, damaged: map[string]string{}}
}

// OnTrial reports whether what runs has yet to prove itself.
func (s *Slots) OnTrial() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trial != nil
}

// Limit gives how long after the kernel's start the trial ends by itself; 0
// without one.
func (s *Slots) Limit() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trial == nil {
		return 0
	}
	return s.trial.Limit
}

// change makes a change to the state: it counts when it is on the disk. s.mu
// is held.
func (s *Slots) change(do func(*state)) error {
	if !s.Disk.OnDisk(volume.Bootflash) {
		return errors.New("bootflash: is not on a disk that can be written")
	}
	next := *s.state
	next.Images = maps.Clone(s.state.Images)
	if s.state.Trial != nil {
		next.Trial = new(trial)
		*next.Trial = *s.state.Trial
	}
	do(&next)
	if err := next.save(s.File); err != nil {
		return err
	}
	s.state = &next
	return nil
}

// Bless ends the trial of what runs: the box starts from it from now on.
func (s *Slots) Bless() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trial == nil {
		return errNoTrial
	}
	if s.state == nil {
		return errors.New("the state of the slots cannot be read, so that it cannot be kept")
	}
	// An image that was gone back to has its place already.
	if err := s.Disk.RenameSlot(s.Running, unprovenFile, s.Board.EFIFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// A cut from here on has the next boot bring the firmware's order after it.
	if err := s.change(func(next *state) {
		next.Last = next.Trial.end("", s.Now())
		next.Blessed, next.Trial, next.Returned = s.Running, nil, false
		next.Floor = bundle.Higher(next.Floor, s.Build.Floor)
		proven := next.Images[s.Running]
		proven.Proven, proven.Failed = true, false
		next.Images[s.Running] = proven
	}); err != nil {
		return err
	}
	s.Log("slot %s: %s is blessed", s.Running, s.Build.Version)
	s.trial, s.wrong = nil, ""
	if err := s.order(); err != nil {
		// It is tried again at every boot; until then each takes a restart.
		s.Log("%v", err)
	}
	return nil
}

var errNoTrial = errors.New("what runs is not on trial")

// Fallback ends the trial: the box restarts from the blessed slot.
func (s *Slots) Fallback(reason string) error {
	if !s.OnTrial() {
		return errNoTrial
	}
	s.Restart(reason)
	return nil
}

// Ending keeps why the box goes down, if a trial ends by it.
func (s *Slots) Ending(reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trial == nil || s.state == nil {
		return nil
	}
	return s.change(func(next *state) { next.Trial.Reason = reason })
}

// end is how a trial ended: with a reason for going back, or blessed without.
func (t *trial) end(reason string, now time.Time) *model.TrialEnd {
	return &model.TrialEnd{
		Slot: t.Slot, Version: t.Version, Operator: t.Operator,
		Blessed: reason == "", Reason: reason, Time: now,
	}
}
