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
	Build   model.BuildInfo
	Files   *files.Service
	// Init calls a method of init: "firmware", "activate", "bless", "fallback".
	Init func(ctx context.Context, method string, params, result any) error
	// Look gives what the health gate judges; an error says who did not answer.
	Look func(ctx context.Context) (Look, error)
	Log  *slog.Logger
}

// Update is the firmware of the box as control sees it. Make it with New; Run must
// be called for it.
type Update struct {
	options Options
	shelf   shelf

	mu       sync.Mutex
	firmware model.Firmware // as init told last
	known    bool           // it did
	staging  *bringing      // nil: no bundle comes
	gate     gate

	confirmed bool // the trial, over COM
}

// New makes an Update.
func New(o Options) *Update {
	return &Update{options: o, shelf: shelf{volumes: o.Volumes, keys: o.Keys, board: o.Build.Board}}
}

// The pace of Run, and how long init may take to answer.
const (
	trialLook = time.Second
	idleLook  = 5 * time.Second
	initLimit = 4 * time.Second
)

// Run judges a trial until ctx ends.
func (u *Update) Run(ctx context.Context) error {
	for {
		wait := u.step(ctx)
		select {
		case <-ctx.Done():
			return nil
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
	}
	return idleLook
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
	u.firmware, u.known = f, true
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

// Status is the answer of control.update.status.
type Status struct {
	Staged  *Staged  `json:"staged"`  // nil: no bundle is on the shelf
	Staging *Staging `json:"staging"` // nil: none comes
	Waits   string   `json:"waits"`   // what a trial waits for, a sentence; empty: there is none
}

func (u *Update) status() Status {
	s := Status{Staged: u.shelf.staged()}
	u.mu.Lock()
	defer u.mu.Unlock()
	if b := u.staging; b != nil {
		s.Staging = &Staging{b.from, b.have.Load(), b.size}
	}
	if u.firmware.Trial != nil {
		s.Waits = u.gate.waits()
		if u.gate.passed {
			s.Waits = "the confirmation over COM"
		}
	}
	return s
}

// activate asks init to run an image on trial.
func (u *Update) activate(ctx context.Context, a model.Activation) error {
	ctx, cancel := context.WithTimeout(ctx, activateLimit)
	defer cancel()
	return u.options.Init(ctx, "activate", a, nil)
}

// activateLimit is how long init may take to look at a bundle.
const activateLimit = time.Minute

// Methods are what sessions may ask.
func (u *Update) Methods() link.Methods {
	return link.Methods{
		"control.update.status":   func(context.Context) (Status, error) { return u.status(), nil },
		"control.update.stage":    link.ForOperators(u.stage),
		"control.update.activate": link.ForOperators(u.order),
		"control.update.rollback": link.ForOperators(u.rollback),
		"control.update.confirm":  link.ForOperators(u.confirm),
	}
}
