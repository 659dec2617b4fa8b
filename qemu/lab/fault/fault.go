// Package fault keeps the faults that the lab's servers are told to make: a list
// that is set as a whole, from which each strike takes the first that fits.
package fault

import (
	"slices"
	"sync"
)

// List is a list of faults. Its methods may be called at any time.
type List[F any] struct {
	mu     sync.Mutex
	faults []F
}

// Set replaces all faults by those that pass check; with one that does not it
// changes nothing, and gives its error.
func (l *List[F]) Set(faults []F, check func(F) error) error {
	for _, f := range faults {
		if err := check(f); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = slices.Clone(faults)
	return nil
}

// All are those that are left.
func (l *List[F]) All() []F {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]F{}, l.faults...)
}

// Strike gives the first fault that fits, and counts it down: times gives where a
// fault has how often it still strikes, 0 for always. Nil: none fits.
func (l *List[F]) Strike(fits func(F) bool, times func(*F) *int) *F {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.IndexFunc(l.faults, fits)
	if at < 0 {
		return nil
	}
	struck := l.faults[at]
	switch left := times(&l.faults[at]); *left {
	case 0:
	case 1:
		l.faults = slices.Delete(l.faults, at, at+1)
	default:
		*left--
	}
	return &struck
}
