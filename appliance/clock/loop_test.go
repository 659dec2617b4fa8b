package clock

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// TestLoop: the kernel's loop learns what the oscillator is wrong by, also from
// a server that wants to be asked less often than the clock would.
func TestLoop(t *testing.T) {
	for _, skew := range []float64{50e-6, -100e-6} {
		for _, least := range []time.Duration{0, 512 * time.Second, maxPoll} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 0, map[string]*server{"192.0.2.1": {}})
				w.kernel.skew = skew
				c, stop := follow(t, w)
				defer stop()
				c.mu.Lock()
				c.associations[0].least = least
				c.mu.Unlock()
				pass(day)
				worst := time.Duration(0)
				for range 24 * 60 {
					pass(time.Minute)
					worst = max(worst, w.wrong().Abs())
				}
				if worst > time.Millisecond || w.kernel.steps() != "" {
					t.Errorf("oscillator %g, a server asked every %s: off by %s on the second day, kernel %q; want 1ms, no step", skew, least, worst, w.kernel.steps())
				}
			})
		}
	}
}

// The loop does not take a step back for time that ran backwards: it would
// learn the opposite of what the next offset says.
func TestStepBackTeachesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, map[string]*server{"192.0.2.1": {}})
		_, stop := follow(t, w)
		defer stop()
		w.set("192.0.2.1", func(s *server) { s.ahead = -900 * time.Second })
		for w.kernel.steps() == "" {
			pass(time.Second)
		}
		w.set("192.0.2.1", func(s *server) { s.ahead += 5 * time.Millisecond })
		worst := 0.0
		for range 600 {
			pass(time.Second)
			w.kernel.mu.Lock()
			worst = max(worst, math.Abs(w.kernel.ppm))
			w.kernel.mu.Unlock()
		}
		if w.kernel.steps() != "step -15m0s" || worst > 50 {
			t.Errorf("kernel %q, then its frequency was wrong by %.1f ppm; want a step, and 50 at the most", w.kernel.steps(), worst)
		}
	})
}
