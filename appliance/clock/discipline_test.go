package clock

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beevik/ntp"
	"golang.org/x/sys/unix"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// follow starts a clock with one server and waits until it is right.
func follow(t *testing.T, w *world) (c *Clock, stop func()) {
	t.Helper()
	c = w.clock()
	c.Apply(&model.Config{TimeServers: []string{"192.0.2.1"}})
	stop = w.run(t, c)
	pass(time.Minute)
	if !c.Synchronised() {
		t.Fatalf("not synchronised after a minute: %s", c.Status())
	}
	return c, stop
}

// TestStepRefused: a clock that was right is not moved by more than 1,000 s
// until the operator says so.
func TestStepRefused(t *testing.T) {
	for _, jump := range []time.Duration{1100 * time.Second, -2 * day, 10 * 365 * day} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 0, map[string]*server{"192.0.2.1": {}})
			c, stop := follow(t, w)
			defer stop()
			w.set("192.0.2.1", func(s *server) { s.ahead = jump })
			pass(time.Hour)
			conditions := c.Conditions()
			if w.wrong().Abs() > time.Millisecond || len(conditions) != 1 || conditions[0].Name != alarm.ClockStepRefused || !strings.Contains(conditions[0].Text, jump.String()) {
				t.Errorf("the clock went by %s, conditions %v; want it left alone, and told", w.wrong(), conditions)
			}
			offered := c.synchronisation().Refused
			if _, err := c.takeStep(t.Context(), StepRequest{offered + time.Minute}); err == nil {
				t.Error("another step was taken than agreed to")
			}
			if _, err := c.takeStep(t.Context(), StepRequest{offered}); err != nil {
				t.Errorf("takeStep = %v; want nil", err)
			}
			pass(time.Hour)
			if wrong := w.wrong() - jump; wrong.Abs() > time.Millisecond || len(c.Conditions()) > 0 {
				t.Errorf("after the step the clock is off by %s, conditions %v; want none", wrong, c.Conditions())
			}
			if _, err := c.takeStep(t.Context(), StepRequest{offered}); err == nil {
				t.Error("a step was taken twice")
			}
		})
	}
}

// A clock that had no server for a day is still one that was right.
func TestStepRefusedAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, map[string]*server{"192.0.2.1": {}})
		c, stop := follow(t, w)
		defer stop()
		w.set("192.0.2.1", func(s *server) { s.dead = true })
		pass(day)
		if c.Synchronised() {
			t.Error("the kernel takes a clock for synchronised that had no server for a day")
		}
		w.set("192.0.2.1", func(s *server) { s.dead, s.ahead = false, 2*day })
		pass(time.Hour)
		if w.wrong().Abs() > time.Millisecond || len(c.Conditions()) != 1 {
			t.Errorf("the clock is wrong by %s, conditions %v; want the step refused", w.wrong(), c.Conditions())
		}
		w.set("192.0.2.1", func(s *server) { s.ahead = 30 * time.Second })
		pass(time.Hour)
		if wrong := w.wrong() - 30*time.Second; wrong.Abs() > time.Millisecond || len(c.Conditions()) > 0 || !c.Synchronised() {
			t.Errorf("the clock is off by %s, conditions %v, synchronised %v; want it to follow by 30s", wrong, c.Conditions(), c.Synchronised())
		}
	})
}

// A refusal ends when the servers agree with the clock again.
func TestRefusalEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, map[string]*server{"192.0.2.1": {}})
		c, stop := follow(t, w)
		defer stop()
		w.set("192.0.2.1", func(s *server) { s.ahead = day })
		pass(time.Hour)
		w.set("192.0.2.1", func(s *server) { s.ahead = 0 })
		pass(time.Hour)
		if got := c.Conditions(); len(got) > 0 || w.kernel.steps() != "" {
			t.Errorf("conditions %v, kernel %q; want none, and no step", got, w.kernel.steps())
		}
	})
}

// What the kernel has worked off of an offset is no longer between this clock
// and the servers that were asked before.
func TestWorkedOff(t *testing.T) {
	c := New(Options{})
	c.associations[0].filter.add(sample{at: epoch, offset: 100 * time.Millisecond})
	c.remaining = 100 * time.Millisecond
	for _, remaining := range []time.Duration{100 * time.Millisecond, 40 * time.Millisecond, 40 * time.Millisecond, 0} {
		c.workedOff(remaining)
		if got := c.associations[0].filter[0].offset; got != remaining {
			t.Errorf("with %s to be worked off the server is %s away; want as much", remaining, got)
		}
	}
}

// The clock of a machine that stood still is right again within a minute of
// the next answer.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, map[string]*server{"192.0.2.1": {}, "192.0.2.2": {}, "192.0.2.3": {}})
		c := w.clock()
		c.Apply(&model.Config{TimeServers: []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}})
		defer w.run(t, c)()
		pass(2 * time.Hour)
		w.kernel.look()
		w.kernel.mu.Lock()
		w.kernel.ahead -= 5 * time.Minute
		w.kernel.mu.Unlock()
		pass(maxPoll + time.Minute)
		if w.wrong().Abs() > 10*time.Millisecond || !c.Synchronised() {
			t.Errorf("the clock is wrong by %s, synchronised %v", w.wrong(), c.Synchronised())
		}
	})
}

// TestDrift: an oscillator that is wrong by 40 ppm is learnt by the kernel
// (here: given), kept hourly, and given back to the kernel of the next boot.
func TestDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, map[string]*server{"192.0.2.1": {}})
		w.kernel.ppm = -40.5
		w.kernel.skew = 40.5e-6
		_, stop := follow(t, w)
		pass(2 * time.Hour)
		stop()
		if text, err := os.ReadFile(w.file(DriftFile)); err != nil || string(text) != "-40.500\n" {
			t.Errorf("the drift file is %q, %v; want -40.500", text, err)
		}

		next := newWorld(t, -time.Minute, w.servers)
		next.dir, next.kernel.skew = w.dir, 40.5e-6
		_, stop = follow(t, next)
		stop()
		if got, want := next.kernel.steps(), "frequency -40.500, step 1m0s"; got != want {
			t.Errorf("the next boot told the kernel %q; want %q", got, want)
		}
	})
}

// TestLeap asks on several days, of servers that announce a leap second.
func TestLeap(t *testing.T) {
	date := func(month time.Month, day int) time.Time { return time.Date(2028, month, day, 12, 0, 0, 0, time.UTC) }
	tests := []struct {
		at      time.Time
		smeared bool
		leaps   []ntp.LeapIndicator
		want    int32
	}{
		{date(time.June, 30), false, []ntp.LeapIndicator{1, 1, 0}, unix.STA_INS},
		{date(time.December, 31), false, []ntp.LeapIndicator{2}, unix.STA_DEL},
		{date(time.December, 31), false, []ntp.LeapIndicator{1, 0}, 0},
		{date(time.December, 31), false, []ntp.LeapIndicator{0, 0, 0}, 0},
		{date(time.December, 31), true, []ntp.LeapIndicator{1, 1}, 0},
		{date(time.December, 30), false, []ntp.LeapIndicator{1, 1}, 0},
		{date(time.July, 31), false, []ntp.LeapIndicator{1, 1}, 0},
		{time.Date(2028, time.June, 30, 23, 0, 0, 0, time.FixedZone("", -7200)), false, []ntp.LeapIndicator{1}, 0}, // 1 July, UTC
	}
	for _, test := range tests {
		c := New(Options{})
		c.smeared, c.associations = test.smeared, nil
		for _, leap := range test.leaps {
			c.associations = append(c.associations, &association{mark: markSurvivor, last: &ntp.Response{Leap: leap}})
		}
		c.associations = append(c.associations, &association{mark: markFalseticker, last: &ntp.Response{Leap: 1}}, &association{})
		if got := c.leapOf(test.at); got != test.want {
			t.Errorf("leapOf(%s, %v) = %#x; want %#x", test.at, test.leaps, got, test.want)
		}
	}
}

// TestSmear follows a source over its smear: from noon to noon, half a second
// off in the middle. The clock goes with it without a step.
func TestSmear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, map[string]*server{"216.239.35.0": {}})
		c := w.clock()
		c.Apply(&model.Config{TimeServers: []string{"216.239.35.0"}})
		defer w.run(t, c)()
		pass(time.Hour)
		const smear, tick = 24 * time.Hour, time.Minute
		worst := time.Duration(0)
		for passed := time.Duration(0); passed < smear; passed += tick {
			smeared := -scale(passed, 1.0/86400)
			w.set("216.239.35.0", func(s *server) { s.ahead = smeared })
			pass(tick)
			worst = max(worst, (w.wrong() - smeared).Abs())
		}
		pass(time.Hour)
		if worst > 40*time.Millisecond || (w.wrong()+time.Second).Abs() > 5*time.Millisecond || w.kernel.steps() != "" {
			t.Errorf("over the smear the clock was off by %s, and is at %s after it, kernel %q; want 40 ms, -1s, no step", worst, w.wrong(), w.kernel.steps())
		}
	})
}

// TestKiss: a server that denies is not asked again, one that complains is
// asked less and less.
func TestKiss(t *testing.T) {
	count := func(kiss string, during time.Duration) (n int) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 0, map[string]*server{"192.0.2.1": {}})
			_, stop := follow(t, w)
			defer stop()
			w.set("192.0.2.1", func(s *server) { s.kiss, s.asked = kiss, nil })
			pass(during)
			w.set("192.0.2.1", func(s *server) { n = len(s.asked) })
		})
		return n
	}
	for kiss, want := range map[string]int{"DENY": 1, "RSTR": 1, "RATE": 13} {
		if got := count(kiss, 3*time.Hour); got != want {
			t.Errorf("in three hours a server that says %s was asked %d times; want %d", kiss, got, want)
		}
	}
}

// A server that complains at the first question is left alone for two minutes,
// then for twice as long.
func TestKissAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, map[string]*server{"192.0.2.1": {kiss: "RATE"}})
		c := w.clock()
		c.Apply(&model.Config{TimeServers: []string{"192.0.2.1"}})
		defer w.run(t, c)()
		pass(time.Hour)
		want := []time.Duration{0, 2 * minPoll, 6 * minPoll, 14 * minPoll, 30 * minPoll, 46 * minPoll}
		w.set("192.0.2.1", func(s *server) {
			if !slices.Equal(s.asked, want) {
				t.Errorf("asked at %v; want %v", s.asked, want)
			}
		})
	})
}

// A server that says another time with every answer does not make the others
// be asked all the time, and does not become the one that is followed.
func TestJumper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, map[string]*server{"192.0.2.1": {}, "192.0.2.2": {}})
		c := w.clock()
		c.Apply(&model.Config{TimeServers: []string{"192.0.2.1", "192.0.2.2"}})
		defer w.run(t, c)()
		for i := range 3 * 3600 {
			w.set("192.0.2.2", func(s *server) { s.ahead = time.Duration(i%7) * time.Minute })
			pass(time.Second)
		}
		for address, most := range map[string]int{"192.0.2.1": 260, "192.0.2.2": 1000} { // each 64 s, and a burst in 1,024 s or 2 min
			w.set(address, func(s *server) {
				if n := len(s.asked); n > most {
					t.Errorf("%s was asked %d times in three hours; want at most %d", address, n, most)
				}
			})
		}
		w.expectRight(t, c, true)
	})
}

// TestAccuracy states how far the clock is off after ten minutes, with an
// oscillator of -30 ppm and a way on which half of the answers take 30 ms longer.
func TestAccuracy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour, map[string]*server{"192.0.2.1": {noise: 30 * time.Millisecond}})
		w.kernel.skew = -30e-6
		_, stop := follow(t, w)
		defer stop()
		pass(9 * time.Minute)
		worst := 0.0
		for range 60 {
			pass(time.Minute)
			worst = math.Max(worst, w.wrong().Abs().Seconds())
		}
		if worst > 0.025 { // an answer that came late is wrong by 15 ms
			t.Errorf("the clock was off by %s; want 25 ms at the most", fmt.Sprint(worst))
		}
	})
}
