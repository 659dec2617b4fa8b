// Package update brings a new firmware to the box: it puts a bundle on the shelf
// (harddisk:/firmware/), has init run it on trial in the slot that does not run,
// and decides on trial whether the box is healthy. Which slots there are, what is
// in them and how one is written is init's.
//
// In come what operators and COM want, the state of init, proxy, billing and the
// configuration. Out go bundles that are known to be signed and to fit, init's
// activate, bless and fallback, and alarms. What counts as healthy is data: checks.
package update

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/storage/files"
)

// Options are what an Update works with.
type Options struct {
	Volumes string // directory that the volumes are mounted in
	Keys    string // file of the keys that bundles are signed with
	State   string // file that keeps what is to be done, also over a restart of the box
	Boot    string // names this boot
	Build   model.BuildInfo
	Files   *files.Service
	// Init calls a method of init: "firmware", "activate", "bless", "fallback",
	// "health".
	Init func(ctx context.Context, method string, params, result any) error
	// Look gives what the health gate judges; an error says who did not answer.
	Look   func(ctx context.Context) (Look, error)
	Calls  func(ctx context.Context) (open int, err error)
	Drain  func(ctx context.Context) error // keeps new calls out for some seconds
	Now    func() time.Time                // the box's clock, in its zone
	Uptime func() time.Duration            // CLOCK_BOOTTIME, which nobody sets
	Log    *slog.Logger
}

// Update is the firmware of the box as control sees it. Make it with New; Run must
// be called for it.
type Update struct {
	options Options
	shelf   shelf
	kick    chan struct{} // holds one: there is something to look at
	fetch   chan struct{} // holds one: there is another Fetch

	schedule sync.Mutex    // held while an order is kept or done; before mu
	drains   bool          // until the box restarts
	quiet    time.Duration // uptime since which there are no calls; 0: there are

	mu        sync.Mutex
	state     state          // written with schedule held, too
	firmware  model.Firmware // as init told last
	staging   *bringing      // nil: no bundle comes
	fetching  *fetching      // nil: COM wants none, or has it
	gate      gate
	confirmed bool // the trial, over COM
}

// New makes an Update, which takes up what an earlier life of control had to do.
func New(o Options) *Update {
	u := &Update{options: o, shelf: shelf{volumes: o.Volumes, keys: o.Keys, build: o.Build}, kick: make(chan struct{}, 1), fetch: make(chan struct{}, 1)}
	u.resume()
	return u
}

// The pace of Run, and how long init may take to answer.
const (
	trialLook = time.Second
	idleLook  = 5 * time.Second
	initLimit = 4 * time.Second
)

// Run judges a trial, and does what is to be done, until ctx ends.
func (u *Update) Run(ctx context.Context) error {
	for {
		wait := u.step(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-u.kick:
		case <-time.After(wait):
		}
	}
}

// step looks at everything once, and says how long to wait until the next time.
func (u *Update) step(ctx context.Context) time.Duration {
	f, err := u.ask(ctx)
	switch {
	case err != nil:
		return trialLook // init is about to come
	case f.Trial != nil:
		u.judge(ctx, *f.Trial)
		return trialLook
	case u.follow(ctx, f):
		return scheduleLook
	}
	return idleLook
}

// wake has Run look at once.
func (u *Update) wake() {
	select {
	case u.kick <- struct{}{}:
	default: // it will
	}
}

// ask asks init for the slots.
func (u *Update) ask(ctx context.Context) (f model.Firmware, err error) {
	ctx, cancel := context.WithTimeout(ctx, initLimit)
	defer cancel()
	if err := u.options.Init(ctx, "firmware", nil, &f); err != nil {
		return f, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.firmware = f
	return f, nil
}

// Firmware is what init told last of the slots.
func (u *Update) Firmware() model.Firmware {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.firmware
}

// floor is the lowest version that the box takes; init has the last word on that.
func (u *Update) floor() string { return u.Firmware().Floor }

// hadDisks says whether harddisk: could be written before the trial.
func (u *Update) hadDisks() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.state.Disks
}

// Status is the answer of control.update.status.
type Status struct {
	Staged    *Staged    `json:"staged"`    // nil: no bundle is on the shelf
	Staging   *Staging   `json:"staging"`   // nil: none comes
	Scheduled *Scheduled `json:"scheduled"` // nil: nothing is to be done
	Waits     string     `json:"waits"`     // what a trial waits for, a sentence; empty: there is none
}

// Status tells of all but the slots.
func (u *Update) Status() Status {
	s := Status{Staged: u.shelf.staged(), Scheduled: u.scheduled()}
	u.mu.Lock()
	defer u.mu.Unlock()
	if b := u.staging; b != nil {
		s.Staging = &Staging{b.from, b.have.Load(), b.size}
	}
	switch {
	case u.firmware.Trial == nil:
	case u.gate.passed && u.firmware.Trial.Confirm:
		s.Waits = "the confirmation over COM"
	default:
		s.Waits = u.gate.waits()
	}
	return s
}

// Cancelled is the answer of control.update.cancel.
type Cancelled struct {
	Was *Scheduled `json:"was"` // nil: nothing was to be done
}

// byRequest says who wants something that needs no more words.
type byRequest struct {
	Operator model.Operator `json:"operator"`
}

// Methods are what sessions may ask.
func (u *Update) Methods() link.Methods {
	return link.Methods{
		"control.update.status": func(context.Context) (Status, error) { return u.Status(), nil },
		"control.update.stage":  link.ForOperators(u.stage),
		"control.update.order":  link.ForOperators(func(ctx context.Context, o Order) (nothing, error) { return nothing{}, u.Order(ctx, o) }),
		"control.update.cancel": link.ForOperators(func(_ context.Context, r byRequest) (Cancelled, error) {
			return Cancelled{u.Cancel(r.Operator)}, nil
		}),
		"control.update.confirm": link.ForOperators(func(ctx context.Context, r byRequest) (nothing, error) {
			return nothing{}, u.Confirm(ctx, r.Operator)
		}),
	}
}
