package update

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"causeway/appliance/appointment"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// pending is an order that is to be done, as the file has it; once kept it is
// replaced, never changed. A time of day is one
// of the box's clock, which may be set meanwhile; within counts real time, and
// anew when the box restarts.
type pending struct {
	Order   Order         `json:"order"`
	Bundle  string        `json:"bundle"` // path; empty: the other slot
	Version string        `json:"version"`
	Time    time.Time     `json:"time"`    // of At
	Boot    string        `json:"boot"`    // that Uptime is of
	Uptime  time.Duration `json:"uptime"`  // at which it happens in spite of calls; 0: never
	Fired   bool          `json:"fired"`   // init is asked
	Problem string        `json:"problem"` // why init did not do it; it is not tried again
}

// state is what control keeps beyond its life and that of the box.
type state struct {
	Pending *pending `json:"pending"` // nil: nothing is to be done
	Disks   bool     `json:"disks"`   // harddisk: could be written before the last activation
}

// Scheduled is an order that waits, for people.
type Scheduled struct {
	Version  string         `json:"version"`
	Rollback bool           `json:"rollback"`
	When     string         `json:"when"` // in words
	Operator model.Operator `json:"operator"`
	Problem  string         `json:"problem"` // why it did not come about; it waits no more
}

const (
	// quietTime is how long there must be no calls for the box to be idle.
	quietTime = 10 * time.Second
	// scheduleLook is how often the clock and the calls are looked at.
	scheduleLook = time.Second
)

func readState(file string) (s state, err error) {
	text, err := storage.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err == nil && s.Pending != nil {
		err = s.Pending.Order.check()
	}
	if err != nil {
		return state{}, fmt.Errorf("read %s: %w", file, err)
	}
	return s, nil
}

// resume takes up what an earlier life of control had to do.
func (u *Update) resume() {
	s, err := readState(u.options.State)
	if err != nil {
		u.options.Log.Error("a scheduled update may be lost", "error", err)
		return
	}
	u.state = s
	p := s.Pending
	switch {
	case p == nil || p.Problem != "":
	case p.Fired: // control ended while init did it
		u.keep(nil)
	case p.Boot != u.options.Boot:
		u.keep(u.planned(p))
	}
}

// keep makes p what is to be done, nil: nothing. Without the file it is so all the
// same, as long as this control runs. u.schedule is held, or nobody else is there.
func (u *Update) keep(p *pending) {
	u.mu.Lock()
	u.state.Pending = p
	u.mu.Unlock()
	if err := u.save(); err != nil {
		u.options.Log.Error("the schedule of the update is not kept for the next start of control", "error", err)
	}
}

func (u *Update) save() error {
	u.mu.Lock()
	text, err := json.Marshal(u.state)
	u.mu.Unlock()
	if err != nil {
		return err
	}
	return storage.WriteFile(u.options.State, text, 0o640)
}

// noteDisks keeps whether harddisk: can be written, for the gate of what comes.
func (u *Update) noteDisks(ctx context.Context) error {
	var health model.SystemHealth
	if err := u.options.Init(ctx, "health", nil, &health); err != nil {
		return err
	}
	disks := false
	for _, v := range health.Volumes {
		disks = disks || v.Name == storage.Harddisk && writable(v)
	}
	u.mu.Lock()
	u.state.Disks = disks
	u.mu.Unlock()
	return u.save()
}

// planned is p with the moment at which it is due, as it is reckoned now.
func (u *Update) planned(p *pending) *pending {
	q := *p
	q.Boot, q.Uptime, q.Time = u.options.Boot, 0, time.Time{}
	within := p.Order.Within
	if p.Order.When == Drain && within == 0 {
		within = longestDrain
	}
	if within > 0 {
		q.Uptime = u.options.Uptime() + time.Duration(within)*time.Minute
	}
	if p.Order.When == At {
		q.Time = appointment.Next(p.Order.At, u.options.Now())
	}
	return &q
}

// follow looks whether what is to be done is due, and does it. It says whether
// there is something to wait for. f is what init has told.
func (u *Update) follow(ctx context.Context, f model.Firmware) (waits bool) {
	u.schedule.Lock()
	defer u.schedule.Unlock()
	if u.drains = u.drains && isWritten(f); u.drains {
		u.drain(ctx) // until the box restarts
		return true
	}
	p := u.state.Pending // only written with u.schedule held
	if p == nil || p.Problem != "" {
		return false
	}
	if p.Order.When == Drain {
		u.drain(ctx)
	}
	if !u.due(ctx, p) {
		return true
	}
	if err := u.fire(ctx, p); err != nil {
		u.options.Log.Error("the scheduled update did not come about", "version", p.Version, "error", err)
	}
	return false
}

// due says whether the moment of p has come.
func (u *Update) due(ctx context.Context, p *pending) bool {
	now, uptime := u.options.Now(), u.options.Uptime()
	switch {
	case p.Order.When == At && !appointment.Stands(p.Order.At, p.Time, now):
		if q := u.planned(p); !q.Time.Equal(p.Time) {
			u.keep(q)
			u.options.Log.Warn("the clock or its zone was set, so the update is at another time", "time", q.Time.UTC())
		}
		return false
	case p.Order.When == At:
		return appointment.Left(p.Time, now) <= 0
	case p.Uptime > 0 && uptime >= p.Uptime:
		return true
	}
	calls, err := u.options.Calls(ctx)
	switch {
	case err != nil || calls > 0: // who does not answer may have calls
		u.quiet = 0
	case u.quiet == 0:
		u.quiet = uptime
	}
	return u.quiet > 0 && uptime-u.quiet >= quietTime
}

// fire has init do p. That it was told so is kept first: an update that came about
// is not begun again by the next life of control. u.schedule is held.
func (u *Update) fire(ctx context.Context, p *pending) error {
	fired := *p
	fired.Fired = true
	u.keep(&fired)
	u.options.Log.Warn("another firmware is put on trial", "version", p.Version, "by", p.Order.Operator.String())
	err := u.activate(ctx, p)
	if err == nil {
		u.drains = p.Order.When == Drain
		u.keep(nil)
		return nil
	}
	if p.Order.When == Now { // who asked is told
		u.keep(nil)
		return err
	}
	failed := fired
	failed.Problem = err.Error()
	u.keep(&failed)
	return err
}

// drain keeps new calls out for a while.
func (u *Update) drain(ctx context.Context) {
	if err := u.options.Drain(ctx); err != nil {
		u.options.Log.Warn("new calls may come in while the box drains", "error", err)
	}
}

// Cancel forgets what is to be done, and says what that was; nil: nothing.
func (u *Update) Cancel(by model.Operator) *Scheduled {
	u.schedule.Lock()
	defer u.schedule.Unlock()
	was := u.scheduled()
	if was != nil {
		u.keep(nil)
		u.options.Log.Warn("the scheduled update is cancelled", "version", was.Version, "by", by.String())
	}
	return was
}

// scheduled tells of what is to be done; nil: nothing. Once it is done it is not
// told any more.
func (u *Update) scheduled() *Scheduled {
	u.mu.Lock()
	defer u.mu.Unlock()
	p := u.state.Pending
	if p == nil || p.Fired && p.Problem == "" {
		return nil
	}
	return &Scheduled{p.Version, p.Order.Rollback, p.when(u.options.Now()), p.Order.Operator, p.Problem}
}

// when is the moment in words.
func (p *pending) when(now time.Time) string {
	latest := ""
	if p.Order.Within > 0 {
		latest = fmt.Sprintf(", within %d minutes", p.Order.Within)
	}
	switch p.Order.When {
	case At:
		return "at " + p.Time.In(now.Location()).Format(time.RFC3339)
	case Idle:
		return "when there are no calls" + latest
	case Drain:
		return "when the calls that there are have ended" + latest
	}
	return "now"
}
