package sip

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// deadline is an expirer that notes when it fired.
type deadline struct {
	timer
	fired time.Duration
}

func (d *deadline) expire(_ *worker, _ *shard, now time.Duration) { d.fired = now }

// Every timer fires at the first tick after its deadline, once, unless it was
// disarmed; arming it again moves it.
func TestWheel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h wheel
		h.init()
		now := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "start"))
		h.done = int64(now / tick)
		armed := make(map[*deadline]time.Duration)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1:
				d := &deadline{}
				d.owner = d
				at := now + time.Duration(rapid.Int64Range(0, int64(4*time.Minute)).Draw(t, "in"))
				h.arm(&d.timer, at)
				armed[d] = at
			case 2:
				for d := range armed {
					h.disarm(&d.timer)
					delete(armed, d)
					break
				}
			case 3:
				now += time.Duration(rapid.Int64Range(0, int64(2*time.Minute)).Draw(t, "pass"))
				h.run(nil, nil, now)
				for d, at := range armed {
					due := (at+tick-1)/tick*tick <= now
					if due != (d.fired != 0) {
						t.Fatalf("at %v a timer for %v: fired at %v; want fired %v", now, at, d.fired, due)
					}
					if due {
						delete(armed, d)
					}
				}
			}
			if h.armed != len(armed) {
				t.Fatalf("armed = %d; want %d", h.armed, len(armed))
			}
		}
	})
}
