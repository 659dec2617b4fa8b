package slot

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/u-root/u-root/pkg/efivarfs"
)

// order brings the firmware's entries after the state: both slots have theirs,
// the blessed one is the first, the other the second, and those of others
// follow as they were. Nothing is written that is right already. s.mu is held.
func (s *Slots) order() error {
	for _, slot := range slots {
		part := s.Disk.Slot(slot.name)
		if part == nil {
			continue
		}
		content, err := entry(entryPrefix+slot.name, slot.guid, part, s.Board.EFIFile)
		if err == nil {
			err = s.firmware.write(entryVariable(slot.number), content)
		}
		if err != nil {
			return err
		}
	}
	before, err := s.firmware.numbers(bootOrder)
	if err != nil {
		return err
	}
	copies, err := s.copies()
	if err != nil {
		s.Log("%v", err) // they do no harm behind ours
	}
	after := []uint16{number(s.state.Blessed), number(other(s.state.Blessed))}
	for _, foreign := range before {
		if !slices.Contains(after, foreign) && !slices.Contains(copies, foreign) {
			after = append(after, foreign)
		}
	}
	if err := s.firmware.write(bootOrder, encodeNumbers(after)); err != nil {
		return err
	}
	for _, number := range copies {
		if err := s.firmware.remove(entryVariable(number)); err != nil {
			s.Log("%v", err)
		}
	}
	return nil
}

// startNext has the firmware start the image of a slot at the next start, and
// only then. s.mu is held.
func (s *Slots) startNext(slot string, proven bool) error {
	if err := s.order(); err != nil {
		return err
	}
	next := number(slot)
	if !proven {
		// An entry of its own, in nobody's order; order removes it later.
		next = unprovenNumber
		part := s.Disk.Slot(slot)
		if part == nil {
			return fmt.Errorf("no disk has slot %s", slot)
		}
		content, err := entry(entryPrefix+"trial", slots[slotIndex(slot)].guid, part, unprovenFile)
		if err == nil {
			err = s.firmware.write(entryVariable(next), content)
		}
		if err != nil {
			return err
		}
	}
	return s.firmware.write(bootNext, encodeNumbers([]uint16{next}))
}

var entryName = regexp.MustCompile(`^Boot([0-9A-F]{4})$`)

// copies gives the numbers of entries that the firmware has made of ours.
func (s *Slots) copies() (numbers []uint16, err error) {
	all, err := s.firmware.List()
	if err != nil {
		return nil, fmt.Errorf("list EFI variables: %w", err)
	}
	for _, name := range all {
		digits := entryName.FindStringSubmatch(name.Name)
		if digits == nil || name.GUID != global {
			continue
		}
		number, err := strconv.ParseUint(digits[1], 16, 16)
		if err != nil || slotOf(uint16(number)) != "" {
			continue
		}
		content, err := s.firmware.read(efivarfs.VariableDescriptor{Name: name.Name, GUID: global})
		if err != nil {
			return numbers, err
		}
		if isOurs(content) {
			numbers = append(numbers, uint16(number))
		}
	}
	return numbers, nil
}

// Settle brings what is kept after what Boot found: the state, the firmware's
// variables, the floor. It is for a box that works already.
func (s *Slots) Settle() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil || s.state.Trial != nil && s.trial == nil {
		return nil // there is nothing to keep, or the next trial is prepared already
	}
	errs := []error{s.order(), s.keep()}
	if s.trial == nil {
		errs = append(errs, s.firmware.remove(trialMark))
	}
	if s.state.Floor != "" {
		errs = append(errs, s.firmware.write(floorCopy, []byte(s.state.Floor)))
	}
	return errors.Join(errs...)
}

// keep writes the state if it is not what the file has. s.mu is held.
func (s *Slots) keep() error {
	if kept, err := readState(s.File); err == nil && kept != nil {
		was, errWas := kept.encode()
		is, errIs := s.state.encode()
		if errWas == nil && errIs == nil && bytes.Equal(was, is) {
			return nil
		}
	}
	return s.change(func(*state) {})
}
