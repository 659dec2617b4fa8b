package clock

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

const day = 24 * time.Hour

// at makes a reading.
func at(offset, distance time.Duration) reading {
	return reading{server: &association{}, offset: offset, distance: distance, jitter: time.Millisecond, stratum: 2}
}

func preferred(r reading) reading {
	r.prefer = true
	return r
}

// TestElect walks the rule of the package documentation.
func TestElect(t *testing.T) {
	const ms = time.Millisecond
	right := []witness{{"right before", 0, 50 * ms}}
	hardware := []witness{{"hardware", 3 * time.Minute, handBound}}
	never := -100 * 365 * day
	tests := []struct {
		name      string
		readings  []reading
		first     bool
		witnesses []witness
		earliest  time.Duration
		want      string // marks in the order of the readings
		witness   string
	}{
		{"one is believed", []reading{at(time.Hour, 10*ms)}, true, hardware, never, "*", ""},
		{"two that agree", []reading{at(0, 30*ms), at(20*ms, 10*ms)}, true, nil, never, "+*", ""},
		{"three to one, whatever it claims", []reading{at(0, time.Second), at(10*ms, time.Second), at(20*ms, 900*ms), at(-2*day, 0)}, true, nil, never, "++*x", ""},
		{"two to one", []reading{at(-2*day, ms), at(0, 30*ms), at(0, 20*ms)}, true, nil, never, "x+*", ""},
		{"two to one although the clock says otherwise", []reading{at(0, ms), at(time.Hour, 30*ms), at(time.Hour, 20*ms)}, false, right, never, "x+*", ""},
		{"two, and the clock was right", []reading{at(2*day, ms), at(10*ms, 30*ms)}, false, right, never, "x*", "right before"},
		{"it outweighs the preferred one", []reading{preferred(at(2*day, ms)), at(10*ms, 30*ms)}, false, right, never, "x*", "right before"},
		{"both are near to it", []reading{at(-30*ms, 10*ms), at(30*ms, 10*ms)}, false, right, never, "xx", ""},
		{"both are near to it, one is preferred", []reading{at(-30*ms, 10*ms), preferred(at(30*ms, 10*ms))}, false, right, never, "x*", "the preferred server"},
		{"neither is near to it", []reading{at(-2*day, 10*ms), preferred(at(2*day, 10*ms))}, false, right, never, "xx", ""},
		{"two to two, and the clock was right", []reading{at(2*day, ms), at(2*day, ms), at(0, 5*ms), at(0, 4*ms)}, false, right, never, "xx+*", "right before"},
		{"first, and nothing is known", []reading{at(2*day, ms), at(0, 5*ms)}, true, nil, never, "xx", ""},
		{"first, preferred", []reading{at(2*day, ms), preferred(at(0, 5*ms))}, true, hardware, never, "x*", "the preferred server"},
		{"first, preferred but impossible", []reading{preferred(at(-2*day, ms)), at(0, 5*ms)}, true, nil, -day, "x*", "the time before which it cannot be"},
		{"first, hardware clock", []reading{at(2*day, ms), at(0, 5*ms)}, true, hardware, never, "x*", "hardware"},
		{"first, hardware clock near both", []reading{at(10*time.Minute, ms), at(0, 5*ms)}, true, hardware, never, "xx", ""},
		{"first, hardware clock without battery", []reading{at(2*day, ms), at(0, 5*ms)}, true, []witness{{"hardware", -30 * 365 * day, handBound}}, never, "xx", ""},
		{"first, one too early", []reading{at(-2*day, ms), at(0, 5*ms)}, true, nil, -time.Hour, "x*", "the time before which it cannot be"},
		{"first, all too early", []reading{at(-2*day, ms), at(-3*day, 5*ms)}, true, nil, -time.Hour, "xx", ""},
		{"three that all disagree", []reading{at(0, ms), at(time.Second, ms), at(2*time.Second, ms)}, true, nil, never, "xxx", ""},
		{"nobody", nil, true, hardware, never, "", ""},
	}
	for _, test := range tests {
		got := elect(test.readings, test.first, test.witnesses, test.earliest, nil)
		marks := ""
		for _, r := range test.readings {
			marks += string(got.marks[r.server])
		}
		followed := got.peer != nil
		if marks != test.want || got.witness != test.witness || followed == (got.conflict != "") && len(test.readings) > 0 {
			t.Errorf("%s: marks %s, witness %q, conflict %q; want %s, %q", test.name, marks, got.witness, got.conflict, test.want, test.witness)
		}
	}
}

// TestLiar has one of two servers lie by two days, each way, at boot and
// later, claiming to be nearer or farther than the honest one: its time is
// never taken.
func TestLiar(t *testing.T) {
	knowledge := []struct {
		name      string
		hardware  time.Duration // how far the hardware clock is wrong
		hasOne    bool
		rebooted  time.Duration // the trusted time was kept so long ago; 0: never
		followsAt map[time.Duration]bool
	}{
		{"nothing", 0, false, 0, map[time.Duration]bool{-2 * day: false, 2 * day: false}},
		{"hardware clock", 20 * time.Minute, true, 0, map[time.Duration]bool{-2 * day: true, 2 * day: true}},
		{"hardware clock without battery", -20 * 365 * day, true, 0, map[time.Duration]bool{-2 * day: false, 2 * day: false}},
		{"rebooted a minute ago", 0, false, time.Minute, map[time.Duration]bool{-2 * day: true, 2 * day: false}},
		{"rebooted two days ago", 0, false, 2 * day, map[time.Duration]bool{-2 * day: false, 2 * day: false}},
	}
	for _, lie := range []time.Duration{-2 * day, 2 * day} {
		for _, distances := range [][2]time.Duration{{0, 100 * time.Millisecond}, {100 * time.Millisecond, 0}} {
			for _, known := range knowledge {
				for _, late := range []bool{false, true} {
					name := fmt.Sprintf("%v/%v/%s/late=%v", lie, distances[0], known.name, late)
					t.Run(name, func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							w := newWorld(t, -known.rebooted, map[string]*server{
								"192.0.2.1": {distance: distances[0], ahead: lie},
								"192.0.2.2": {distance: distances[1]},
							})
							if known.hasOne {
								w.hardware = func() (time.Time, error) { return time.Now().Add(known.hardware), nil }
							}
							if known.rebooted > 0 {
								w.keepTrusted(t, time.Now().Add(-known.rebooted))
							}
							if late { // the clock was right before the lie
								w.set("192.0.2.1", func(s *server) { s.ahead = 0 })
							}
							c := w.clock()
							c.Apply(&model.Config{TimeServers: []string{"192.0.2.1", "192.0.2.2"}})
							defer w.run(t, c)()
							pass(time.Hour)
							w.set("192.0.2.1", func(s *server) { s.ahead = lie })
							pass(time.Hour)
							follows := late || known.followsAt[lie]
							w.expectRight(t, c, follows)
							pass(6 * time.Hour)
							w.expectRight(t, c, follows)
						})
					})
				}
			}
		}
	}
}

// keepTrusted leaves the file of an earlier boot.
func (w *world) keepTrusted(t *testing.T, at time.Time) {
	earlier := OpenTrusted(TrustedOptions{
		File: w.file(TrustedFile), Floor: at, Boot: "earlier", Uptime: func() time.Duration { return 0 },
		Clock: func(*unix.Timex) (int, error) { return 0, unix.EPERM },
	})
	if err := earlier.save(0); err != nil {
		t.Fatal(err)
	}
}

// expectRight says that the honest server is followed, or that none is and
// that this is told.
func (w *world) expectRight(t *testing.T, c *Clock, follows bool) {
	t.Helper()
	var conditions []string
	for _, condition := range c.Conditions() {
		conditions = append(conditions, condition.Name)
	}
	switch {
	case follows && (!c.Synchronised() || w.wrong().Abs() > 10*time.Millisecond || len(conditions) > 0):
		t.Errorf("synchronised %v, wrong by %s, conditions %q; want the honest server followed: %s", c.Synchronised(), w.wrong(), conditions, c.Status())
	case !follows && (c.Synchronised() || w.kernel.steps() != "" || fmt.Sprint(conditions) != fmt.Sprint([]string{alarm.ClockDisagreement})):
		t.Errorf("synchronised %v, kernel %q, conditions %q; want none followed, and told", c.Synchronised(), w.kernel.steps(), conditions)
	}
}

// TestMajority has three servers right and one lie, from boot on; the clock
// itself is right or wrong by months.
func TestMajority(t *testing.T) {
	for _, ahead := range []time.Duration{0, -90 * day, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, ahead, map[string]*server{
				"192.0.2.1": {ahead: 2 * day}, "192.0.2.2": {distance: 50 * time.Millisecond, noise: 30 * time.Millisecond},
				"192.0.2.3": {rtt: 90 * time.Millisecond}, "192.0.2.4": {rtt: 40 * time.Millisecond, noise: 200 * time.Millisecond},
			})
			c := w.clock()
			c.Apply(&model.Config{TimeServers: []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"}})
			defer w.run(t, c)()
			pass(10 * time.Minute)
			w.expectRight(t, c, true)
			pass(day)
			w.expectRight(t, c, true)
			if mark := c.associations[0].mark; mark != markFalseticker {
				t.Errorf("the liar has the mark %q; want x", mark)
			}
		})
	}
}
