package slot

import (
	"errors"
	"fmt"
	"io/fs"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
	"causeway/init/volume"
)

// Boot judges what was started. It says why the box has to restart at once;
// empty if it goes on. evidence tells what is known of how the last run ended,
// a clause such as "the watchdog reset it"; empty if nothing is.
func (s *Slots) Boot(evidence string) (restart string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !isSlot(s.Running) {
		return "", nil
	}
	if s.Disk.OnDisk(volume.Bootflash) {
		s.state, err = readState(s.File)
		if s.state == nil && (err == nil || errors.Is(err, errDamaged)) {
			s.state = s.rebuilt()
		}
	}
	if s.state == nil {
		s.withoutState()
		return "", err
	}
	if known, there := s.state.Images[s.Running]; there && known.Version != s.Build.Version && !s.starts() {
		// Somebody else has put an image there, the installer for one.
		s.Log("slot %s has %s, not %s", s.Running, s.Build.Version, known.Version)
		delete(s.state.Images, s.Running)
	}
	switch {
	case s.starts() && s.try(*s.state.Trial):
	case s.Running == s.state.Blessed:
		s.state.Returned = false
		s.failed(evidence)
	default:
		s.failed(evidence)
		restart = s.wrongSlot()
	}
	s.raiseFloor()
	return restart, err
}

// starts reports whether this is the one start of an image on trial. s.mu is
// held, as below.
func (s *Slots) starts() bool {
	t := s.state.Trial
	return t != nil && t.Slot == s.Running && !t.Started
}

// try begins the trial of what runs, if that can be noted: in the state or, with a
// bootflash: that is full, by taking the mark away. One that left no trace would
// begin again at each start, for ever where the blessed slot does not start.
func (s *Slots) try(t trial) (begun bool) {
	t.Started = true
	if err := s.change(func(next *state) { next.Trial = &t }); err != nil {
		s.Log("%v", err)
		if !s.takeMark() {
			return false
		}
		s.state.Trial = &t // it ends like any other; only blessing needs the disk
	}
	s.trial = s.state.Trial
	s.Log("slot %s: %s is on trial for %v", s.trial.Slot, s.trial.Version, s.trial.Limit)
	return true
}

// failed ends the trial that the box came back from, if there was one.
func (s *Slots) failed(evidence string) {
	t := s.state.Trial
	if t == nil {
		return
	}
	reason := t.Reason
	switch {
	case reason != "":
	case evidence != "":
		reason = evidence
	case !t.Started:
		reason = "it did not get far enough to be on trial, or the firmware did not start it"
	default:
		reason = "it ended without a word: a hang, a panic or a power cut"
	}
	s.state.Last = t.end(reason, s.Now())
	s.state.Trial = nil
	image := s.state.Images[t.Slot]
	image.Failed = true
	s.state.Images[t.Slot] = image
	s.Log("slot %s: %s did not prove itself: %s", t.Slot, t.Version, reason)
}

// wrongSlot deals with a box that was started neither from the blessed slot nor
// for a trial: the firmware has lost or sorted its variables, or does not start
// what is there.
func (s *Slots) wrongSlot() (restart string) {
	blessed := s.state.Blessed
	running := s.state.Images[s.Running]
	s.wrong = fmt.Sprintf("slot %s runs, the box is to start from slot %s", s.Running, blessed)
	problem := s.examine(blessed, s.state.Images[blessed].SHA256)
	if problem == "" && !s.state.Returned {
		err := s.change(func(next *state) { next.Returned = true })
		if err == nil {
			err = s.startNext(blessed, true)
		}
		if err == nil {
			return s.wrong
		}
		s.Log("%v", err)
		problem = err.Error()
	}
	if problem == "" {
		problem = "the firmware does not start it"
	}
	s.wrong += ": " + problem
	switch {
	case running.Proven && !running.Failed:
		s.Log("%s; slot %s is blessed", s.wrong, s.Running)
		s.state.Blessed, s.state.Returned, s.wrong = s.Running, false, ""
	case !running.Failed:
		// It gets the chance to prove itself that it never had, once.
		s.Log("%s", s.wrong)
		s.try(trial{Slot: s.Running, Version: s.Build.Version, Limit: model.DefaultTrialLimit})
	default:
		s.Log("%s, and slot %s has failed before", s.wrong, s.Running)
	}
	return ""
}

// examine says what is wrong with the image of a slot, a clause; empty if it has
// the SHA-256 that is known of it, or if none is.
func (s *Slots) examine(slot, known string) (problem string) {
	sum, err := s.sum(slot)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "slot " + slot + " has no image"
	case err != nil:
		return err.Error()
	case known != "" && known != sum:
		return "the image in slot " + slot + " is not what was written there"
	}
	return ""
}

// sum reads the image of a slot, proven or not, and gives its SHA-256.
func (s *Slots) sum(slot string) (string, error) {
	return s.Disk.SlotSum(slot, s.Board.EFIFile, unprovenFile)
}

// rebuilt gives the state of a box that has none: a new one, or one whose
// bootflash: is. The firmware's order says what was blessed.
func (s *Slots) rebuilt() *state {
	rebuilt := &state{Blessed: s.Running, Images: map[string]image{}}
	order, err := s.firmware.numbers(bootOrder)
	if err != nil {
		s.Log("%v", err)
	}
	for _, number := range order {
		slot := slotOf(number)
		if slot == "" {
			continue
		}
		if slot != s.Running {
			if _, err := s.sum(slot); err == nil {
				rebuilt.Blessed = slot
			}
		}
		break
	}
	return rebuilt
}

// raiseFloor brings the floor to what the firmware has kept of it, and to what a
// blessed image wants.
func (s *Slots) raiseFloor() {
	kept, err := s.firmware.readFloor()
	if err != nil {
		s.Log("%v", err)
	}
	s.state.Floor = bundle.Higher(s.state.Floor, kept)
	if s.Running == s.state.Blessed {
		s.state.Floor = bundle.Higher(s.state.Floor, s.Build.Floor)
	}
}

// withoutState finds out whether what runs is on trial when the state cannot be
// read: the new image may be why. It gets no second run.
func (s *Slots) withoutState() {
	if s.takeMark() {
		s.trial = &trial{Slot: s.Running, Version: s.Build.Version, Limit: model.DefaultTrialLimit, Started: true}
		s.Log("slot %s: %s is on trial, without bootflash:", s.Running, s.Build.Version)
	}
}

// takeMark takes the mark of what runs away, and reports whether it was there.
func (s *Slots) takeMark() bool {
	mark, err := s.firmware.read(trialMark)
	there := string(mark) == s.Running
	if err == nil && there {
		err = s.firmware.remove(trialMark)
	}
	if err != nil {
		s.Log("%v", err)
	}
	return there && err == nil
}
