// Package subscription is what the customer has subscribed for this box, and how
// long the box goes by that without COM: 30 days of grace, with an alarm a day
// (COM-12 to COM-15, COM-22, X-11, X-15).
//
// In come COM's answers to license.request and license.check, asked for when a
// session begins, every day, and when COM says that something has changed; the
// loss of the session; and the trusted time. Out go the functions that may be
// used (Allows), what calls may do where a subscription governs them (Prospect),
// and alarms. The grace is counted in running time of the box, the end of a
// subscription is a date of the trusted clock: setting the clock moves neither.
//
// What was answered is kept in two files under an HMAC. Which functions a
// subscription is for, and what the end of the grace does to them, is one table
// (functions.go).
package subscription

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Options are what a Subscription works with.
type Options struct {
	File    string // of the state: /bootflash/com/subscription
	Copy    string // of its second copy, in another directory
	Key     []byte // authenticates both files; nobody but control has it
	Clock   Clock  // the trusted time
	Changed func() // other functions or calls are allowed now; must not block
	Log     *slog.Logger

	write  func(file string, content []byte, mode os.FileMode) error // nil: storage.WriteFile
	spread func() float64                                            // from 0 to 1; nil: by chance
}

// Clock is the time that subscriptions go by (clock.Trusted).
type Clock interface {
	Now() time.Time           // never runs backwards
	Elapsed() time.Duration   // for which the box has run since it was new
	Raise(to time.Time) error // it is at least this time
}

// moment is what the two clocks say.
type moment struct {
	now     time.Time     // trusted
	elapsed time.Duration // for which the box has run since it was new
}

// Subscription is that of the box. Its methods may be called at any time from
// any goroutine.
type Subscription struct {
	options Options
	store   storage.Pair[facts]
	ask     chan struct{} // holds one: Connected asks COM now
	saving  sync.Mutex    // held while the disk is waited for; taken before mu

	mu       sync.Mutex
	facts    facts
	dirty    bool // facts are not what the files have
	com      model.COM
	license  model.License
	sessions int    // that are up: 1, or 0
	told     effect // that Changed was called for last
	problem  string // what is wrong with the stored state; empty: nothing
	unread   bool   // it is there, and the disk does not give it
	unsaved  string // why it could not be saved
}

// New makes the subscription with what an earlier life has kept. Without Apply it
// goes by the defaults of the configuration.
func New(o Options) *Subscription {
	if o.spread == nil {
		o.spread = rand.Float64
	}
	s := &Subscription{options: o, ask: make(chan struct{}, 1)}
	s.store = storage.Pair[facts]{
		Name: "the state of the subscription", Files: [2]string{o.File, o.Copy}, Key: o.Key, Write: o.write,
		Number: func(f facts) uint64 { return f.Number },
	}
	_ = storage.RemoveTemporary(filepath.Dir(o.File)) // where that fails they harm nobody
	s.recall()
	return s
}

// Apply takes the configuration in force.
func (s *Subscription) Apply(c *model.Config) {
	s.update(func(moment) {
		before := s.wanted()
		s.com, s.license = c.COM, c.License
		if !slices.Equal(before, s.wanted()) {
			s.Check()
		}
	})
}

// lookEvery is how often the clocks are looked at: the trusted time may jump.
const lookEvery = 5 * time.Second

// Run ends what has ended, and keeps the state, until ctx ends.
func (s *Subscription) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		s.look()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look brings all up to now.
func (s *Subscription) look() {
	s.mu.Lock()
	unread := s.unread
	s.mu.Unlock()
	if unread {
		s.recall()
	}
	s.update(func(moment) {})
	s.save()
}

// update does something with the facts and tells if other things are allowed
// then. Without a session the grace runs.
func (s *Subscription) update(do func(moment)) {
	m := s.moment()
	s.mu.Lock()
	do(m)
	if s.sessions == 0 {
		s.await(m)
	}
	before, now := s.told, s.effect(m)
	s.told = now
	s.mu.Unlock()
	if before == now {
		return
	}
	s.options.Log.Info("the subscription allows", "remote-management", now.management, "calls", now.calls.Calls, "calls-per-second", now.calls.LimitCPS)
	s.options.Changed()
}

// await begins the grace, unless there is nothing to lose. s.mu is held.
func (s *Subscription) await(m moment) {
	if !s.facts.Grace.Running && s.facts.subscribed(m.now) {
		s.facts.Grace = grace{Running: true, At: m.elapsed}
		s.dirty = true
	}
}

// moment is now. It may wait for the disk.
func (s *Subscription) moment() moment {
	return moment{s.options.Clock.Now(), s.options.Clock.Elapsed()}
}

// wanted is what COM is asked for. s.mu is held.
func (s *Subscription) wanted() []wire.Wanted {
	list := []wire.Wanted{{Feature: wire.FeatureManagement, Count: 1}}
	if s.license.Governor() != model.SourceSmart {
		list = append(list, wire.Wanted{Feature: wire.FeatureCalls, Count: s.license.LimitCPS()})
	}
	return list
}
