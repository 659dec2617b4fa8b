package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"causeway/appliance/link"
)

// Debugging lasts this long, in minutes.
const (
	debugMin     = 1
	debugMax     = 60
	debugDefault = 10
)

// debugRate is how many debug lines a process writes in a second. init passes
// on twice as many lines of a process, so others have room beside them.
const debugRate = 50

// New makes the logger that a process writes its lines with, and the switch of
// its debug lines. A line has no time: the kernel's ring has its own.
func New(w io.Writer, process string) (*slog.Logger, *Debug) {
	d := &Debug{process: process}
	text := slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: &d.level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return a
		},
	})
	d.log = slog.New(text)
	return slog.New(handler{text, d}), d
}

// Debug switches the debug lines of a process. They end by themselves.
type Debug struct {
	process string
	level   slog.LevelVar
	log     *slog.Logger // beside the limit

	mu      sync.Mutex
	until   time.Time // zero: off
	timer   *time.Timer
	second  time.Time // the one that written and held count in
	written int
	held    int // lines that were not written since that was last said
	dropped int // the same since debugging was turned on
}

// DebugRequest is the parameter of <process>.debug: how many minutes to debug
// from now on, 0 to stop; nil changes nothing.
type DebugRequest struct {
	Minutes *int `json:"minutes"`
}

// DebugStatus is its answer.
type DebugStatus struct {
	Left    time.Duration `json:"left"`    // 0: off
	Dropped int           `json:"dropped"` // lines above the rate, since it was turned on
}

// Methods are <process>.debug, which anyone may ask and operators may change.
func (d *Debug) Methods() link.Methods {
	return link.Methods{
		d.process + ".debug": func(ctx context.Context, r DebugRequest) (DebugStatus, error) {
			if r.Minutes == nil {
				return d.status(), nil
			}
			if err := link.OnlyOperators(ctx); err != nil {
				return DebugStatus{}, err
			}
			if err := d.set(*r.Minutes); err != nil {
				return DebugStatus{}, err
			}
			return d.status(), nil
		},
	}
}

// set turns debugging on for some minutes, or off.
func (d *Debug) set(minutes int) error {
	if minutes != 0 && (minutes < debugMin || minutes > debugMax) {
		return fmt.Errorf("debug for %d minutes: %d to %d are allowed", minutes, debugMin, debugMax)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if minutes == 0 {
		d.end()
		return nil
	}
	if d.timer != nil {
		d.timer.Stop()
	}
	limit := time.Duration(minutes) * time.Minute
	d.until, d.dropped = time.Now().Add(limit), 0
	d.timer = time.AfterFunc(limit, d.expire)
	d.level.Set(slog.LevelDebug)
	d.log.Info("debugging is on", "minutes", minutes)
	return nil
}

// expire turns debugging off, unless it was prolonged in this moment.
func (d *Debug) expire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !time.Now().Before(d.until) {
		d.end()
	}
}

// end turns debugging off with d.mu held.
func (d *Debug) end() {
	if d.until.IsZero() {
		return
	}
	d.timer.Stop()
	d.level.Set(slog.LevelInfo)
	d.until, d.held = time.Time{}, 0
	d.log.Info("debugging is off", "dropped", d.dropped)
}

func (d *Debug) status() DebugStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.until.IsZero() {
		return DebugStatus{}
	}
	return DebugStatus{Left: max(time.Until(d.until), time.Nanosecond), Dropped: d.dropped}
}

// take reports whether a debug line may be written now, and says how many were
// not, before the first that may again.
func (d *Debug) take(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.second) >= time.Second {
		d.second, d.written = now, 0
		if d.held > 0 {
			d.log.Debug("debug lines were dropped", "lines", d.held)
			d.held = 0
		}
	}
	if d.written == debugRate {
		d.held++
		d.dropped++
		return false
	}
	d.written++
	return true
}

// handler holds debug lines to their rate.
type handler struct {
	slog.Handler
	debug *Debug
}

// Handle writes a line, or drops it.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo && !h.debug.take(time.Now()) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the limit on what is derived.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs), h.debug}
}

// WithGroup keeps the limit on what is derived.
func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.debug}
}
