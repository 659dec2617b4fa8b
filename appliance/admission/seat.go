package admission

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// entryKey names an entry across commits.
type entryKey struct {
	set   int
	table string
	entry int
}

// tallies are the counters of an entry. They outlive the plan: a call that is
// counted may last longer than the commit that took its limit away and the one
// that brought it back, so they are never given up.
type tallies struct {
	failures atomic.Int64 // calls that the entry refused
	admitted atomic.Int64 // calls, or sides of them, that it gave a place
	// byName are, for each scope, the things that calls are counted for: the
	// adjacency a, the account b; of the global scope the empty name. The maps
	// never change: adding to one replaces it.
	byName [len(model.CACScopeNames)]atomic.Pointer[map[string]*tally]
	mu     sync.Mutex // over adding
}

// tally is what is counted for one thing.
type tally struct {
	calls atomic.Int64 // now
	rate  bucket
}

// talliesOf gives the counters of an entry, those it has always had. g.mu is held.
func (g *Gate) talliesOf(key entryKey) *tallies {
	t := g.seats[key]
	if t == nil {
		t = &tallies{}
		for i := range t.byName {
			t.byName[i].Store(&map[string]*tally{})
		}
		g.seats[key] = t
	}
	return t
}

// of gives the tally of one thing. Only the first call of each waits for others.
func (t *tallies) of(scope model.CACScope, name string) *tally {
	if known := (*t.byName[scope].Load())[name]; known != nil {
		return known
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := *t.byName[scope].Load()
	if known := old[name]; known != nil {
		return known
	}
	more := maps.Clone(old)
	more[name] = &tally{}
	t.byName[scope].Store(&more)
	return more[name]
}

// enter counts one more call if there are fewer than most; 0: always.
func (t *tally) enter(most int64) bool {
	for {
		calls := t.calls.Load()
		if most > 0 && calls >= most {
			return false
		}
		if t.calls.CompareAndSwap(calls, calls+1) {
			return true
		}
	}
}

// Seat is a call's place in all tallies that count it. It implements hop.Seat.
type Seat struct {
	taken   []place
	room    [8]place // of taken, for all but long policy sets
	billing model.CallBilling
	left    atomic.Bool
}

// place is one tally that counts the call, and the token it took there.
type place struct {
	*tally
	token time.Duration // 0: none
}

// Billing is by which methods the call is billed.
func (s *Seat) Billing() model.CallBilling { return s.billing }

// Leave gives all places back; only the first time counts.
func (s *Seat) Leave() {
	if s.left.Swap(true) {
		return
	}
	for _, p := range s.taken {
		p.calls.Add(-1)
	}
}

// undo is Leave for a call that does not come about: it did not use the rate either.
func (s *Seat) undo() {
	for _, p := range s.taken {
		p.calls.Add(-1)
		p.rate.giveBack(p.token)
	}
}

func (s *Seat) has(t *tally) bool {
	for _, p := range s.taken {
		if p.tally == t {
			return true
		}
	}
	return false
}

// Place gives a call that goes to out its place in every tally of the active
// policy set that counts it, or in none and says which entry has no room.
// Emergency calls are counted and not refused.
func (g *Gate) Place(in *hop.Incoming, out *hop.Target) (hop.Seat, hop.Refusal) {
	p := g.plan.Load()
	if p.cac == nil {
		return nil, hop.Refusal{}
	}
	s := &seating{plan: p, in: in, now: g.now(), legs: [legCount]*model.Adjacency{in.Adjacency, out.Adjacency}, seat: &Seat{}}
	s.seat.taken = s.seat.room[:0]
	if refusal := s.through(p.cac.first); refusal != nil {
		s.seat.undo()
		g.counted.cac.Add(1)
		return nil, *refusal
	}
	if len(s.seat.taken) == 0 && !s.seat.billing.Filtered {
		return nil, hop.Refusal{}
	}
	return s.seat, hop.Refusal{}
}

// seating is the way of one call through the tables.
type seating struct {
	plan *plan
	in   *hop.Incoming
	now  time.Duration
	legs [legCount]*model.Adjacency
	seat *Seat
}

// through leads the call from a table to the last one. Where its legs are
// taken by two entries both count it, and the later one says how it goes on.
func (s *seating) through(t *cacTable) *hop.Refusal {
	dialled := s.in.URI.User.In(s.in.Message.Raw)
	for t != nil {
		found := t.find(&s.legs, dialled)
		first, last := found[caller], found[callee]
		if first != nil && last != nil && first.config.Number > last.config.Number {
			first, last = last, first
		}
		t = t.next
		for i, e := range [...]*cacEntry{first, last} {
			if e == nil || i > 0 && e == first {
				continue
			}
			if refusal := s.take(e, found); refusal != nil {
				return refusal
			}
			e.bill(&s.seat.billing)
			t = e.next
		}
	}
	return nil
}

// take takes the places that an entry's scope asks for: of the legs that the
// entry took, or of the side that the scope names.
func (s *seating) take(e *cacEntry, found [legCount]*cacEntry) *hop.Refusal {
	switch e.scope {
	case model.ScopeCall:
		return nil
	case model.ScopeGlobal:
		return s.takeOne(e, "")
	}
	for side, leg := range s.legs {
		if leg == nil {
			continue
		}
		name, counts := "", found[side] == e
		switch e.scope {
		case model.ScopeAdjacency:
			name = leg.Name
		case model.ScopeAdjacencyGroup:
			name = leg.Group
		case model.ScopeAccount:
			name = leg.Account
		case model.ScopeSource:
			name, counts = leg.Name, side == caller
		case model.ScopeDestination:
			name, counts = leg.Name, side == callee
		}
		if !counts || name == "" {
			continue
		}
		if refusal := s.takeOne(e, name); refusal != nil {
			return refusal
		}
	}
	return nil
}

// takeOne takes one place. A call is counted once, however many of its legs
// lead to the same tally.
func (s *seating) takeOne(e *cacEntry, name string) *hop.Refusal {
	t := e.of(e.scope, name)
	if s.seat.has(t) {
		return nil
	}
	var refusal *hop.Refusal
	token := e.token
	switch {
	case !t.enter(int64(e.config.MaxCalls)):
		refusal = &e.tooMany
	case token > 0 && !t.rate.take(s.now, token, e.depth):
		t.calls.Add(-1)
		refusal = &e.tooFast
	}
	if refusal != nil {
		if !s.plan.exempts(s.in) {
			e.failures.Add(1)
			return refusal
		}
		token = 0
		t.calls.Add(1)
	}
	e.admitted.Add(1)
	s.seat.taken = append(s.seat.taken, place{t, token})
	return nil
}
