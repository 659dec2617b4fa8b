package subscription

import (
	"errors"
	"fmt"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// saveEvery is how old the grace in the files may get: so much of it may be
// unknown when the record of running time is lost.
const saveEvery = time.Hour

// recall takes up what an earlier life has kept. The time was at least what it
// was then.
func (s *Subscription) recall() {
	f, found, problem := s.store.Load()
	if found {
		if err := s.options.Clock.Raise(f.Time); err != nil {
			s.options.Log.Warn("the time of the subscription's state does not serve", "error", err)
		}
	}
	m := s.moment()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.facts.Checked.IsZero() {
		return // COM has answered while the disk was waited for
	}
	s.unread, s.problem = !found && errors.Is(problem, storage.ErrUnread), ""
	if problem != nil {
		s.tell(problem)
	}
	if !found {
		return
	}
	s.facts, s.dirty = f, problem != nil
	if g := &s.facts.Grace; g.Running && m.elapsed < g.At { // which cannot be
		s.tell(fmt.Errorf("the box had run for %s at %s, and comes up with %s: the record of that was lost", g.At, instant(f.Time), m.elapsed))
		*g = grace{true, g.Passed + saveEvery, m.elapsed}
		s.dirty = true
	}
}

// tell notes that the stored state is not as it should be. s.mu is held.
func (s *Subscription) tell(problem error) {
	s.problem = problem.Error()
	s.options.Log.Error("the state of the subscription is not as it was kept", "error", problem)
}

// save writes the facts if they are other ones, or the grace has gone on.
func (s *Subscription) save() {
	s.saving.Lock()
	defer s.saving.Unlock()
	m := s.moment()
	s.mu.Lock()
	g := &s.facts.Grace
	goesOn := g.Running && g.Passed < model.COMGrace && m.elapsed-g.At >= saveEvery
	if s.unread || !s.dirty && !goesOn {
		s.mu.Unlock()
		return
	}
	s.facts.Number = max(s.facts.Number+1, uint64(m.now.Unix())) // larger than in files that did not read
	s.facts.Time = m.now
	if g.Running {
		*g = grace{true, g.passed(m), m.elapsed} // holds though the record of running time be lost
	}
	keep := s.facts
	s.dirty = false
	s.mu.Unlock()

	err := s.store.Save(keep)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.unsaved = ""
		return
	}
	s.dirty = true
	if s.unsaved == "" {
		s.options.Log.Error("the state of the subscription is not saved", "error", err)
	}
	s.unsaved = err.Error()
}
