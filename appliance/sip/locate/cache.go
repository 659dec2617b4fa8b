package locate

import (
	"context"
	"sync/atomic"
	"time"

	"causeway/appliance/sip/hop"
)

// How long an answer serves.
const (
	shortestLife = 5 * time.Second
	longestLife  = 24 * time.Hour
	failureLife  = 5 * time.Second // of a failure, and between tries to renew an answer
	longestStale = 24 * time.Hour  // beyond its life, while the DNS fails (RFC 8767 §5)
	renewBefore  = 30 * time.Second
)

// sweepInterval is how often answers are looked at that are to be renewed or
// forgotten.
const sweepInterval = time.Second

// entry is one query and the newest answer to it.
type entry struct {
	query  hop.Query
	answer atomic.Pointer[answer]
	used   atomic.Bool // by a call, since it was last cleared

	slot  int       // of the cache
	renew time.Time // when to look it up again, if it is used
}

// cache holds all entries, for who sweeps and makes room. The zero value is
// empty.
type cache struct {
	slots []*entry // nil: free
	free  []int    // slots
	hand  int      // of the clock
}

// find gives the entry of a query in its normal form, or nil.
func (l *Locator) find(q hop.Query) *entry {
	found, ok := l.entries.Load(q)
	if !ok {
		return nil
	}
	return found.(*entry)
}

// keep notes the outcome of a look-up, with l.mu held. A failure of the DNS
// leaves an older answer in force.
func (l *Locator) keep(q hop.Query, a *answer) {
	e := l.find(q)
	if e == nil {
		e = &entry{query: q}
		l.makeRoom(e)
	} else if old := e.answer.Load(); a.guessed && !old.failed() && (a.failed() || !old.guessed) {
		e.used.Store(true) // whether a call asks in the meantime or not
		e.renew = a.stored.Add(failureLife)
		return
	}
	e.renew = a.stored.Add(a.life - min(a.life/10, renewBefore))
	e.answer.Store(a)
	l.entries.Store(q, e)
}

// makeRoom gives an entry a slot, with l.mu held. In a full cache one goes
// that no call has used since the hand last passed it.
func (l *Locator) makeRoom(e *entry) {
	c := &l.kept
	switch {
	case len(c.free) > 0:
		e.slot = c.free[len(c.free)-1]
		c.free = c.free[:len(c.free)-1]
	case len(c.slots) < cacheSize:
		e.slot = len(c.slots)
		c.slots = append(c.slots, nil)
	default:
		for c.slots[c.hand].used.Swap(false) {
			c.hand = (c.hand + 1) % cacheSize
		}
		e.slot = c.hand
		l.entries.Delete(c.slots[e.slot].query)
		c.hand = (c.hand + 1) % cacheSize
	}
	c.slots[e.slot] = e
}

// forget removes an entry, with l.mu held.
func (l *Locator) forget(e *entry) {
	l.entries.Delete(e.query)
	l.kept.slots[e.slot] = nil
	l.kept.free = append(l.kept.free, e.slot)
}

// sweep renews and forgets answers until ctx ends.
func (l *Locator) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			l.mu.Lock()
			for _, e := range l.kept.slots {
				if e != nil {
					l.lookAfter(e, now)
				}
			}
			l.mu.Unlock()
		}
	}
}

// lookAfter forgets an entry whose time is over, and renews one in use, with
// l.mu held.
func (l *Locator) lookAfter(e *entry, now time.Time) {
	a := e.answer.Load()
	age := now.Sub(a.stored)
	switch {
	case age < a.life && now.Before(e.renew), l.flights[e.query] != nil:
	case age >= a.life+longestStale, age >= a.life && (a.failed() || !e.used.Load()):
		l.forget(e)
	case e.used.Load() && !a.failed() && !now.Before(e.renew) && l.start(e.query):
		e.used.Store(false)
	}
}

// Renew has all answers in use looked up again, and others forgotten: for a
// commit that changed what Options say. Calls to hosts in use do not wait for
// it.
func (l *Locator) Renew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.generation++
	for _, e := range l.kept.slots {
		switch {
		case e == nil:
		case e.used.Load() && !e.answer.Load().failed():
			e.renew = time.Time{}
		default:
			l.forget(e)
		}
	}
}

// Clear forgets all answers and gives their number.
func (l *Locator) Clear() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	cleared := len(l.kept.slots) - len(l.kept.free)
	l.entries.Clear()
	l.kept = cache{}
	return cleared
}
