//go:build testclock

package control

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/clock"
	"causeway/appliance/link"
	"causeway/appliance/storage"
)

// movedClock lets tests put the trusted time ahead, that of day and that of
// running: its clocks show more than this machine's. By how much is kept beside
// the trusted time, so that no restart looks like a clock that was set back.
// It lets them say, too, that the clock is right where control may not set it.
// Release images are built without it.
type movedClock struct {
	file  string
	ahead atomic.Int64 // nanoseconds
	right atomic.Bool
}

// synchronised says whether the clock is right.
func (m *movedClock) synchronised(really func() bool) func() bool {
	return func() bool { return m.right.Load() || really() }
}

// under puts a moved clock under the trusted time.
func (m *movedClock) under(o clock.TrustedOptions) clock.TrustedOptions {
	m.file = o.File + ".moved"
	if text, err := os.ReadFile(m.file); err == nil {
		if ahead, err := time.ParseDuration(string(text)); err == nil {
			m.ahead.Store(int64(ahead))
		}
	}
	adjust := o.Clock
	o.Uptime = m.running(o.Uptime)
	o.Clock = func(t *unix.Timex) (int, error) {
		state, err := adjust(t)
		t.Time.Sec += m.ahead.Load() / int64(time.Second)
		return state, err
	}
	return o
}

// running gives the time since the start of the machine, put ahead likewise.
func (m *movedClock) running(really func() time.Duration) func() time.Duration {
	return func() time.Duration { return really() + time.Duration(m.ahead.Load()) }
}

// advance is the parameter of control.license.advance.
type advance struct {
	By int64 `json:"by"` // seconds
}

// methods are those of tests; moved tells those who go by the clock.
func (m *movedClock) methods(moved func()) link.Methods {
	return link.Methods{
		"control.license.advance": func(ctx context.Context, a advance) error {
			if err := link.OnlyOperators(ctx); err != nil {
				return err
			}
			if a.By < 0 {
				return fmt.Errorf("advance by %d s: time does not run backwards", a.By)
			}
			ahead := m.ahead.Add(a.By * int64(time.Second))
			if err := storage.WriteFile(m.file, []byte(time.Duration(ahead).String()), 0o600); err != nil {
				return fmt.Errorf("keep the moved clock: %w", err)
			}
			moved()
			return nil
		},
		// Until control ends the clock counts as right.
		"control.clock.right": func(ctx context.Context) error {
			if err := link.OnlyOperators(ctx); err != nil {
				return err
			}
			m.right.Store(true)
			moved()
			return nil
		},
	}
}
