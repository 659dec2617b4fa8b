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

// Every timer fires once, between its deadline and the tick after, unless it
// was disarmed.
func TestWheel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h wheel

		now := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "start"))
		h.done = int64(now / tick)
		armed := make(map[*deadline]int64) // the tick by which it must have fired
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				d := &deadline{}
				d.owner = d
				at := now + time.Duration(rapid.Int64Range(0, int64(4*time.Minute)).Draw(t, "in"))
				h.arm(&d.timer, at)
				armed[d] = max(tickOf(at), h.done+1)
			case 2:
				for d := range armed {
					h.disarm(&d.timer)
					delete(armed, d)
					break
				}
			case 3:
				for d := range armed {
					at := now + time.Duration(rapid.Int64Range(0, int64(4*time.Minute)).Draw(t, "again in"))
					h.arm(&d.timer, at)
					armed[d] = max(tickOf(at), h.done+1)
					break
				}
			case 4:
				now += time.Duration(rapid.Int64Range(0, int64(2*time.Minute)).Draw(t, "pass"))
				h.run(nil, nil, now)
				for d, latest := range armed {
					fired := d.fired != 0
					if late := int64(now/tick) >= latest; late && !fired || fired && d.at > now {
						t.Fatalf("at %v a timer for %v: fired is %v", now, d.at, fired)
					}
					if fired {
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
