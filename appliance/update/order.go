package update

import (
	"context"
	"errors"
	"fmt"
	"time"

	"causeway/appliance/appointment"
	"causeway/appliance/model"
)

// When says when an image is to be run on trial.
type When string

// The moments.
const (
	Now   When = "now"
	At    When = "at"    // a time of day
	Idle  When = "idle"  // when nobody has talked for a while
	Drain When = "drain" // likewise, and new calls are refused until then
)

// Order asks for a trial: of the staged bundle, or of the other slot as it is.
type Order struct {
	Operator model.Operator `json:"operator"`
	Rollback bool           `json:"rollback"` // the other slot
	When     When           `json:"when"`
	At       string         `json:"at"`     // "15:04", the next such time by the box's clock and zone
	Within   int            `json:"within"` // minutes after which it happens in spite of calls; 0: Idle never, Drain longestDrain
	Trial    int            `json:"trial"`  // minutes that the trial may take; 0: model.DefaultTrialLimit
}

// The bounds of orders, in minutes.
const (
	longestWait  = 24 * 60
	longestDrain = 60 // where none is said: the box takes no calls meanwhile
	longestTrial = int(model.LongestTrial / time.Minute)
)

func (o *Order) check() error {
	_, err := time.Parse(appointment.Layout, o.At)
	switch {
	case o.When != Now && o.When != At && o.When != Idle && o.When != Drain:
		return fmt.Errorf("there is no moment %q", o.When)
	case (o.When == At) != (err == nil):
		return fmt.Errorf("%q at %q is not a time of day", o.When, o.At)
	case o.Within < 0 || o.Within > longestWait || o.Within > 0 && o.When != Idle && o.When != Drain:
		return fmt.Errorf("within %d minutes: only what waits for calls waits, 1 to %d minutes", o.Within, longestWait)
	case o.Trial < 0 || o.Trial > longestTrial:
		return fmt.Errorf("a trial takes 1 to %d minutes, not %d", longestTrial, o.Trial)
	}
	return nil
}

// nothing is the answer of a method that has none.
type nothing struct{}

var (
	errNothingStaged = errors.New("no bundle is staged: upgrade stage brings one")
	errTrial         = errors.New("the firmware that runs is on trial: upgrade rollback gives it up")
)

// Order does what an order says, or keeps it for its time, in the place of any that
// was kept before. On trial, a rollback ends that at once.
func (u *Update) Order(ctx context.Context, o Order) error {
	if err := o.check(); err != nil {
		return err
	}
	f, err := u.ask(ctx)
	switch {
	case err != nil:
		return err
	case f.Trial != nil && o.Rollback && o.When == Now:
		return u.fallBack(ctx, o.Operator.String()+" gave up the trial")
	case f.Trial != nil:
		return errTrial
	}
	p := &pending{Order: o}
	if o.Rollback {
		err = p.ofSlot(f)
	} else {
		err = p.ofBundle(u.shelf.staged())
	}
	if err != nil {
		return err
	}
	u.schedule.Lock()
	defer u.schedule.Unlock()
	if o.When == Now {
		return u.fire(ctx, p)
	}
	p = u.planned(p)
	u.quiet = 0
	u.keep(p)
	u.options.Log.Warn("another firmware is to be put on trial", "version", p.Version, "when", p.when(u.options.Now()), "by", o.Operator.String())
	u.wake()
	return nil
}

// ofSlot makes it about the image in the other slot.
func (p *pending) ofSlot(f model.Firmware) error {
	for _, s := range f.Slots {
		if s.Name == f.Running {
			continue
		}
		switch s.State {
		case model.SlotReady:
			p.Version = s.Version
			return nil
		case model.SlotFailed:
			return fmt.Errorf("slot %s has %s, which did not prove itself: stage its bundle to try it again", s.Name, s.Version)
		}
		return fmt.Errorf("slot %s has no image to go back to: it is %s", s.Name, s.State)
	}
	return errors.New("this box has no other slot")
}

// ofBundle makes it about the bundle on the shelf.
func (p *pending) ofBundle(s *Staged) error {
	if s == nil {
		return errNothingStaged
	}
	p.Bundle, p.Version = s.Path(), s.Version
	return nil
}

// activate asks init to run an image on trial, and notes how the box was before.
func (u *Update) activate(ctx context.Context, p *pending) error {
	ctx, cancel := context.WithTimeout(ctx, activateLimit)
	defer cancel()
	if err := u.noteDisks(ctx); err != nil {
		return err
	}
	a := model.Activation{Bundle: p.Bundle, Operator: p.Order.Operator, Confirm: overCOM(p.Order.Operator), Limit: time.Duration(p.Order.Trial) * time.Minute}
	if a.Confirm && a.Limit == 0 {
		a.Limit = confirmLimit
	}
	return u.options.Init(ctx, "activate", a, nil)
}

// confirmLimit is how long a trial may take that COM confirms, if nobody says so.
const confirmLimit = 15 * time.Minute

// activateLimit is how long init may take to look at a bundle.
const activateLimit = time.Minute

// Confirm notes that COM agrees to the image on trial. The link to COM is made
// anew at each boot, so whoever says so has reached the image itself.
func (u *Update) Confirm(ctx context.Context, by model.Operator) error {
	f, err := u.ask(ctx)
	switch {
	case err != nil:
		return err
	case f.Trial == nil:
		return errors.New("no firmware is on trial")
	case !f.Trial.Confirm:
		return errors.New("the trial was not asked for over COM: it ends by itself")
	case !overCOM(by):
		return errors.New("the trial was asked for over COM: it is confirmed over COM")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.confirmed = true
	u.options.Log.Warn("the firmware on trial is confirmed", "version", f.Trial.Version, "by", by.String())
	return nil
}

func (u *Update) waitsForCOM(t model.Trial) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return t.Confirm && !u.confirmed
}
