package slot

import (
	"cmp"
	"slices"

	"causeway/appliance/model"
)

// Look looks which images the slots have.
func (s *Slots) Look() {
	found := s.Disk.Slots()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked = found
}

// Verify looks whether the slots have what was put there. It reads all of it,
// which takes seconds; while one is written it would wait, and is left for later.
func (s *Slots) Verify() {
	s.adopt()
	for _, slot := range slots {
		known, whole := s.settled(slot.name)
		if !whole || s.isWriting() {
			continue
		}
		problem := s.examine(slot.name, known.SHA256)
		s.mu.Lock()
		if s.state.Images[slot.name].SHA256 == known.SHA256 {
			s.damaged[slot.name] = problem
		}
		s.mu.Unlock()
	}
}

// isWriting says whether an image is on its way into a slot.
func (s *Slots) isWriting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writing != nil && s.writing.Problem == ""
}

// settled gives the image that a slot is known to have.
func (s *Slots) settled(slot string) (known image, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil {
		return known, false
	}
	known = s.state.Images[slot]
	return known, known.SHA256 != ""
}

// adopt takes what runs for what belongs in its slot, if that is not known: the
// firmware has read it.
func (s *Slots) adopt() {
	if _, known := s.settled(s.Running); known || !isSlot(s.Running) {
		return
	}
	sum, err := s.sum(s.Running)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil {
		return
	}
	if err == nil {
		err = s.change(func(next *state) {
			next.Images[s.Running] = image{Version: s.Build.Version, SHA256: sum, Proven: s.Running == next.Blessed}
		})
	}
	if err != nil {
		s.Log("slot %s: %v", s.Running, err)
	}
}

// Status gives what the slots have, as the last look found it.
func (s *Slots) Status() []model.SlotStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status()
}

// status is Status with s.mu held.
func (s *Slots) status() []model.SlotStatus {
	all := slices.Clone(s.looked)
	if s.state == nil {
		return all
	}
	for i := range all {
		slot := &all[i]
		known, there := s.state.Images[slot.Name]
		slot.Problem = s.damaged[slot.Name]
		slot.Version = cmp.Or(known.Version, slot.Version)
		switch {
		case s.trial != nil && s.trial.Slot == slot.Name:
			slot.State = model.SlotTrial
		case slot.Problem != "":
			slot.State = model.SlotDamaged
		case s.state.Blessed == slot.Name:
			slot.State = model.SlotBlessed
		case there && known.Failed:
			slot.State = model.SlotFailed
		case there:
			slot.State = model.SlotReady
		case slot.Version == "" || s.writing != nil && s.writing.Slot == slot.Name:
			slot.State, slot.Version = model.SlotEmpty, ""
		default:
			slot.State, slot.Problem = model.SlotDamaged, "nobody knows whether its image is whole"
		}
	}
	return all
}

// Problems says what is wrong with what runs, a sentence each.
func (s *Slots) Problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrong == "" {
		return nil
	}
	return []string{s.wrong}
}

// Firmware reports on both slots, what is being written, and trials.
func (s *Slots) Firmware() model.Firmware {
	s.mu.Lock()
	defer s.mu.Unlock()
	report := model.Firmware{Running: s.Running, Slots: s.status()}
	if s.writing != nil {
		writing := *s.writing
		report.Writing = &writing
	}
	if t := s.trial; t != nil {
		report.Trial = &model.Trial{
			Slot: t.Slot, Version: t.Version, Operator: t.Operator, Confirm: t.Confirm,
			Left: max(0, t.Limit-s.Uptime()),
		}
	}
	if s.state != nil {
		report.Blessed, report.Floor, report.Last = s.state.Blessed, s.state.Floor, s.state.Last
	}
	return report
}
