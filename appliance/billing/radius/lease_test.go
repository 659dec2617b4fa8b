package radius

import (
	"errors"
	"testing"
	"time"
)

// When all lines are open and all identifiers rest, the one is taken that has
// rested for the longest time; none only when all are in use.
func TestLeaseOfRestingIdentifiers(t *testing.T) {
	s, now := &server{}, time.Now()
	for n := range maxLines {
		l := &line{server: s}
		for id := range l.slots {
			l.slots[id].rests = now.Add(holdOff - time.Duration(n)*time.Millisecond)
		}
		s.lines = append(s.lines, l)
	}
	s.lines[5].slots[77].rests = now.Add(time.Second)
	if l, id, err := s.lease(t.Context()); err != nil || l != s.lines[5] || id != 77 {
		t.Errorf("lease = identifier %d, %v; want 77 of line 5", id, err)
	}
	for range maxLines*identifiers - 1 {
		if _, _, err := s.lease(t.Context()); err != nil {
			t.Fatalf("lease = %v; want an identifier", err)
		}
	}
	if _, _, err := s.lease(t.Context()); !errors.Is(err, errNoIdentifiers) {
		t.Errorf("lease of one more than there are = %v; want %v", err, errNoIdentifiers)
	}
}
