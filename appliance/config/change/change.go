// Package change decides which configuration the box runs with, and is how
// operators change it: one candidate, commit with or without a confirmation to
// come, rollback, and the store of the last revisions.
//
// In: what operators say (the methods of api.go), the revisions in the store,
// a configuration handed in by the machine, and what processes have against a
// revision. Out: the configuration in force, handed to the subjects and the
// peers, and the store, whose state at any cut of power is the last committed
// revision or the one before. Configuration is the one place that decides what
// is in force: Start does so at boot, Commit and Rollback for an operator,
// Abandon and the end of a pending commit's time against one.
package change

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Options are what a Configuration works with.
type Options struct {
	Grammar  *config.Grammar
	BuiltIn  string // the configuration of a new box
	Version  string // of this firmware
	Dir      string // directory of the revisions
	Machine  string // file of the configuration handed in by the machine
	Choice   string // file in which the rescue menu says what to start with
	StateDir string // directory of what outlives the process but not the boot
	Peers    []Peer
	// Adopt hands what is in force to all who run with it. It must not wait.
	Adopt func(InForce)
	// Remark says what an operator should know who puts a configuration in the
	// place of another, a sentence each; nil: nothing.
	Remark func(before InForce, after *model.Config) []string
	Now    func() time.Time // the clock that people see; nil: time.Now
	Log    *slog.Logger
}

// Status is what there is to tell about the configuration.
type Status struct {
	InForce  InForce
	Pending  *Pending
	Problems []string // a sentence each; they end with the next revision that stays
}

// Configuration is the configuration of the box and all that may become it.
type Configuration struct {
	Options
	kick   chan struct{} // holds one: Run shall look at the time again
	status atomic.Pointer[Status]

	mu        sync.Mutex // held while something changes, a whole commit long
	store     *Store
	builtIn   InForce
	inForce   InForce
	before    InForce    // what was in force until the last commit
	pending   *Pending   // replaced, never changed; its Until has a monotonic reading, see asTold
	candidate *candidate // nil: as what is in force, and nobody holds it
	steady    int        // the pending revision that has proved good
	noted     InForce    // what the file of what is in force says
	usersFrom int        // the revision whose users may log in; 0: what is in force

	// What speaks at start against the newest revision, until one is
	// committed or confirmed.
	machine *InForce // what the machine handed in and the store did not take
	choice  string   // of the rescue menu
	starts  int      // how often control ended soon after its start
	told    []string

	unserved string // why what is in force did not serve, until it does
}

// New makes a Configuration. Nothing is in force until Start.
func New(o Options) *Configuration {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Configuration{Options: o, kick: make(chan struct{}, 1), store: &Store{}}
	c.status.Store(&Status{})
	return c
}

// InForce is what the box should run with.
func (c *Configuration) InForce() InForce { return c.status.Load().InForce }

// Status tells how things stand. It does not wait for a commit that is under way.
func (c *Configuration) Status() Status {
	status := *c.status.Load()
	status.Pending = c.asTold(status.Pending)
	return status
}

// asTold says when a commit is undone by the clock as it is set now. What is
// left of its minutes is elapsed time, whatever the clock was set to meanwhile.
func (c *Configuration) asTold(p *Pending) *Pending {
	if p == nil {
		return nil
	}
	told := *p
	told.Until = c.Now().Add(time.Until(p.Until)).Round(0)
	return &told
}

// end publishes what a change came to, and lets the next one begin.
func (c *Configuration) end() {
	c.publish()
	c.mu.Unlock()
}

func (c *Configuration) publish() {
	c.keepInForce()
	c.status.Store(&Status{c.inForce, c.pending, c.problems()})
	select {
	case c.kick <- struct{}{}:
	default: // Run will look anyway
	}
}

// put puts f in force. A candidate without changes follows it.
func (c *Configuration) put(f InForce) {
	f.Access, c.usersFrom = c.accessOf(f)
	follows := c.candidate != nil && !c.changed()
	c.inForce = f
	if follows {
		c.candidate.draft = c.draft()
	}
	c.publish()
	c.Log.Info("configuration", "source", f.Source, "number", f.Number, "revision", f.ID)
	c.Adopt(f)
}

// problems are sentences for the operator, the gravest first.
func (c *Configuration) problems() []string {
	var list []string
	stands := c.store.Newest(Revision.Stands).Number
	for _, r := range c.store.Revisions() {
		if r.State == StateWithdrawn && r.Number > stands {
			list = append(list, fmt.Sprintf("revision %d of %v was withdrawn: %s", r.Number, r.Operator, r.Reason))
		}
	}
	list = append(list, c.told...)
	if c.unserved != "" {
		list = append(list, c.unserved)
	}
	if n := len(c.inForce.Aside); n > 0 {
		list = append(list, fmt.Sprintf("lines that this firmware does not know are kept aside: %d", n))
	}
	return append(list, c.store.damagedAfter(stands)...)
}

// tell adds a sentence to the problems, once.
func (c *Configuration) tell(format string, args ...any) {
	sentence := fmt.Sprintf(format, args...)
	if !slices.Contains(c.told, sentence) {
		c.told = append(c.told, sentence)
		c.Log.Error("configuration", "problem", sentence)
	}
}

// Methods are what sessions call; see api.go.
func (c *Configuration) Methods() link.Methods {
	return link.Methods{
		"control.configure": link.ForOperators(c.Configure),
		"control.edit":      link.ForOperators(c.Edit),
		"control.load":      link.ForOperators(c.Load),
		"control.defaults":  link.ForOperators(c.Defaults),
		"control.abort":     link.ForOperators(c.Abort),
		"control.release":   link.ForOperators(c.Release),
		"control.commit":    link.ForOperators(c.Commit),
		"control.confirm":   link.ForOperators(c.Confirm),
		"control.validate": link.ForOperators(func(ctx context.Context, _ struct{}) (Validated, error) {
			return Validated{c.Validate(ctx)}, nil
		}),
		"control.rollback":  link.ForOperators(c.Rollback),
		"control.candidate": link.ForOperators(func(ctx context.Context, _ struct{}) (Candidate, error) { return c.Candidate(ctx) }),
		"control.standing":  link.ForOperators(func(ctx context.Context, _ struct{}) (Standing, error) { return c.Standing(ctx) }),
		"control.history":   c.History,
		"control.revision":  link.ForOperators(c.Revision),
	}
}

// History lists the revisions that are kept.
func (c *Configuration) History(context.Context) (History, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	revisions := c.store.Revisions()
	for i := range revisions {
		if p := c.asTold(c.pending); p != nil && revisions[i].Number == p.Revision {
			revisions[i].Until = p.Until
		}
	}
	return History{c.inForce.Number, revisions, c.store.Damaged()}, nil
}

// Revision gives one revision with its text as it was kept, or what is in force
// with its text as proxy and billing have it.
func (c *Configuration) Revision(_ context.Context, r RevisionRequest) (RevisionText, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Revision != 0 {
		revision, text, err := c.store.Text(r.Revision)
		return RevisionText{revision, text}, err
	}
	revision := c.store.Get(c.inForce.Number) // of the built-in one nothing is known
	revision.ID = c.inForce.ID
	return RevisionText{revision, c.inForce.Text}, nil
}
