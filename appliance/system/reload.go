package system

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"sync"
	"time"

	"causeway/appliance/appointment"
	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// ReloadRequest is what control.reload takes: a delay, or a time of day.
type ReloadRequest struct {
	Operator model.Operator `json:"operator"`
	Minutes  int            `json:"minutes"` // 1–longestDelay; 0: At
	At       string         `json:"at"`      // "15:04", the next such time by the box's clock and zone
	Reason   string         `json:"reason"`
}

// ReloadStatus is the answer of control.reload, control.reload-cancel and
// control.reload-status.
type ReloadStatus struct {
	Scheduled bool           `json:"scheduled"`
	Time      time.Time      `json:"time"`
	Left      time.Duration  `json:"left"` // 0: it is due
	Operator  model.Operator `json:"operator"`
	Reason    string         `json:"reason"`
	Problem   string         `json:"problem"` // why it did not happen when it was due; it is tried again
}

// longestDelay is 24 days in minutes, as with IOS.
const longestDelay = 24 * 24 * 60

// ReloadOptions is what a Reload uses.
type ReloadOptions struct {
	File   string               // keeps the schedule for the next start of control; no boot leaves it
	Now    func() time.Time     // the box's clock, in its zone
	Uptime func() time.Duration // CLOCK_BOOTTIME, which nobody sets
	Reboot func(ctx context.Context, reason string) error
	Log    *slog.Logger
}

// Reload is the restart of the box that an operator asked for a time. The
// session may end and control may start anew; a box that restarts for another
// reason has nothing scheduled.
type Reload struct {
	options ReloadOptions
	kick    chan struct{} // holds one: the schedule changed

	mu      sync.Mutex
	pending *pending // nil: none
}

// pending is a reload that is to come, as the file has it. A delay counts real
// time; a time of day is one of the box's clock, which may be set meanwhile.
type pending struct {
	Request ReloadRequest `json:"request"`
	Uptime  time.Duration `json:"uptime"` // at which it is due: of a delay
	Time    time.Time     `json:"time"`   // likewise of a time of day
	Problem string        `json:"problem"`

	warned time.Duration // how long before it the log told last
}

// NewReload gives a Reload with what an earlier life of control had scheduled
// since boot, if anything.
func NewReload(options ReloadOptions) *Reload {
	r := &Reload{options: options, kick: make(chan struct{}, 1)}
	var err error
	if r.pending, err = restore(options.File); err != nil {
		options.Log.Error("a scheduled reload may be lost", "error", err)
	}
	return r
}

// restore reads the file; without one there is nothing pending.
func restore(file string) (*pending, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the scheduled reload: %w", err)
	}
	p := &pending{warned: math.MaxInt64}
	if err := json.Unmarshal(content, p); err != nil {
		return nil, fmt.Errorf("read the scheduled reload in %s: %w", file, err)
	}
	if err := p.Request.check(); err != nil {
		return nil, fmt.Errorf("read the scheduled reload in %s: %w", file, err)
	}
	return p, nil
}

// keep brings the file up to date. Without it the schedule stands all the same,
// as long as this control runs. r.mu is held.
func (r *Reload) keep() {
	var err error
	if r.pending == nil {
		if err = os.Remove(r.options.File); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	} else {
		var content []byte
		if content, err = json.Marshal(r.pending); err == nil {
			err = storage.WriteFile(r.options.File, content, 0o640)
		}
	}
	if err != nil {
		r.options.Log.Error("the schedule of the reload is not kept for the next start of control", "error", err)
	}
}

// warnings are how long before a reload the log tells of it, the last first.
var warnings = []time.Duration{time.Minute, 5 * time.Minute}

// look is the longest between two looks at the clock: it may be set.
const look = 10 * time.Second

// Run keeps the schedule until ctx ends.
func (r *Reload) Run(ctx context.Context) error {
	for {
		var next <-chan time.Time
		if wait, waiting := r.step(ctx); waiting {
			next = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.kick:
		case <-next:
		}
	}
}

// step does what is due now. It says how long to wait until there may be more
// to do, and whether there is a reload to wait for.
func (r *Reload) step(ctx context.Context) (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending == nil {
		return 0, false
	}
	p := r.pending
	if r.moved(p) {
		r.keep()
		r.options.Log.Warn("the clock or its zone was set, so the reload is at another time", "time", r.status().Time.UTC())
	}
	left := r.left(p)
	if left <= 0 {
		return r.fire(ctx, p)
	}
	next := min(left, look)
	for _, warning := range warnings {
		switch {
		case left > warning:
			next = min(next, left-warning)
		case p.warned > warning:
			p.warned = warning
			r.options.Log.Warn("the appliance is going to restart", "in", left.Round(time.Second), "reason", p.Request.reason())
		}
	}
	return next, true
}

// fire restarts the box. What init refuses is tried again. r.mu is held, which
// a caller of a method waits for; init answers at once or within the limit of
// link.
func (r *Reload) fire(ctx context.Context, p *pending) (time.Duration, bool) {
	if p.Problem == "" {
		r.options.Log.Warn("the appliance restarts now", "reason", p.Request.reason())
	}
	if err := r.options.Reboot(ctx, p.Request.reason()); err != nil {
		if p.Problem != err.Error() {
			p.Problem = err.Error()
			r.keep()
			r.options.Log.Error("the scheduled reload did not happen, it is tried again", "error", err)
		}
		return look, true
	}
	r.pending = nil
	r.keep()
	return 0, false
}

// moved plans p anew if the clock, which may have been set, or its zone says
// that its time of day is at another moment, and reports whether it is.
func (r *Reload) moved(p *pending) bool {
	if p.Request.At == "" || p.Problem != "" || appointment.Stands(p.Request.At, p.Time, r.options.Now()) {
		return false
	}
	before := p.Time
	r.plan(p)
	return !p.Time.Equal(before) // a time that the end of winter time skips never shows
}

// plan sets when p is due.
func (r *Reload) plan(p *pending) {
	if p.Request.At != "" {
		p.Time = appointment.Next(p.Request.At, r.options.Now())
	} else {
		p.Uptime = r.options.Uptime() + time.Duration(p.Request.Minutes)*time.Minute
	}
	p.warned = r.left(p) + 1
}

func (r *Reload) left(p *pending) time.Duration {
	if p.Request.At == "" {
		return p.Uptime - r.options.Uptime()
	}
	return appointment.Left(p.Time, r.options.Now())
}

func (q *ReloadRequest) reason() string {
	if q.Reason == "" {
		return "scheduled by " + q.Operator.String()
	}
	return fmt.Sprintf("scheduled by %s: %s", q.Operator, q.Reason)
}

func (q *ReloadRequest) check() error {
	_, err := time.Parse(appointment.Layout, q.At)
	switch {
	case q.At == "" && (q.Minutes < 1 || q.Minutes > longestDelay):
		return fmt.Errorf("a reload in %d minutes is not between 1 and %d", q.Minutes, longestDelay)
	case q.At != "" && q.Minutes != 0:
		return errors.New("a reload is either in a time or at a time")
	case q.At != "" && err != nil:
		return fmt.Errorf("reload at %q: not a time of day", q.At)
	}
	return nil
}

// Methods are what control serves of it. Any process may ask for the status.
func (r *Reload) Methods() link.Methods {
	return link.Methods{
		"control.reload": func(ctx context.Context, q ReloadRequest) (ReloadStatus, error) {
			if err := link.OnlyOperators(ctx); err != nil {
				return ReloadStatus{}, err
			}
			return r.schedule(q)
		},
		"control.reload-cancel": func(ctx context.Context) (ReloadStatus, error) {
			if err := link.OnlyOperators(ctx); err != nil {
				return ReloadStatus{}, err
			}
			return r.cancel()
		},
		"control.reload-status": func(context.Context) (ReloadStatus, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.status(), nil
		},
	}
}

// schedule takes the place of what was scheduled before.
func (r *Reload) schedule(q ReloadRequest) (ReloadStatus, error) {
	if err := q.check(); err != nil {
		return ReloadStatus{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = &pending{Request: q}
	r.plan(r.pending)
	r.keep()
	status := r.status()
	r.options.Log.Warn("a reload is scheduled", "time", status.Time.UTC(), "reason", q.reason())
	r.wake()
	return status, nil
}

// cancel gives what was cancelled.
func (r *Reload) cancel() (ReloadStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.status()
	if was.Scheduled {
		r.pending = nil
		r.keep()
		r.options.Log.Warn("the scheduled reload is cancelled")
		r.wake()
	}
	return was, nil
}

// status is the schedule now. r.mu is held.
func (r *Reload) status() ReloadStatus {
	if r.pending == nil {
		return ReloadStatus{}
	}
	p := r.pending
	left := r.left(p)
	return ReloadStatus{
		Scheduled: true,
		Time:      r.options.Now().Add(left).Round(time.Second),
		Left:      max(left, 0),
		Operator:  p.Request.Operator,
		Reason:    p.Request.Reason,
		Problem:   p.Problem,
	}
}

// ClockSet has the schedule looked at: the clock, or its zone, was set.
func (r *Reload) ClockSet() { r.wake() }

func (r *Reload) wake() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}
