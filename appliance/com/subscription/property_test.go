package subscription

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// belief is what a box must go by: what COM has answered last, and how long it
// has run without COM.
type belief struct {
	answer wire.License
	alone  bool
	away   time.Duration
}

// oracle says what a box must do, from what happened to it.
type oracle struct {
	belief
	kept belief // what a cut leaves
	by   *model.Config
}

// run has the box run.
func (o *oracle) run(d time.Duration) {
	for _, b := range []*belief{&o.belief, &o.kept} {
		if b.alone {
			b.away += d
		}
	}
}

// loses begins an outage, unless there is one.
func (b *belief) loses() {
	if !b.alone {
		b.alone, b.away = true, 0
	}
}

// has is how much of a feature is subscribed; -1: it is not.
func (b *belief) has(feature string, now time.Time) int {
	sum := -1
	for _, s := range b.answer.Subscriptions {
		if !b.answer.Pending && s.Feature == feature && (s.Expires.IsZero() || s.Expires.After(now)) {
			sum = max(sum, 0) + s.Count
		}
	}
	return sum
}

// tooLong says that the grace is over.
func (b *belief) tooLong() bool { return b.alone && b.away >= 720*time.Hour }

// allowance is what calls may do.
func (o *oracle) allowance(now time.Time) model.Allowance {
	count, wanted := o.has("calls", now), o.by.License.LimitCPS()
	if count <= 0 || o.by.COM.GraceEnd == "calls" && o.tooLong() {
		return model.Allowance{LimitCPS: wanted}
	}
	return model.Allowance{Calls: true, LimitCPS: min(count, wanted)}
}

// manages says whether remote management works.
func (o *oracle) manages(now time.Time) bool {
	return o.has("remote-management", now) >= 0 && !o.tooLong()
}

// day is the one that is told; 0: none is; 31: the grace is over.
func (o *oracle) day(now time.Time) (days int) {
	if !o.alone || o.has("remote-management", now) < 0 && o.has("calls", now) < 0 {
		return 0
	}
	if o.away >= 5*time.Minute {
		days = 1
	}
	for mark := 24 * time.Hour; mark <= min(o.away, 720*time.Hour); mark += 24 * time.Hour {
		days++
	}
	return days
}

// TestFourHundredDays: however the link, the power and the customer behave, the
// box allows what it must and as it had foreseen, and tells one day after the
// other (COM-12 to COM-15, X-11, X-15).
func TestFourHundredDays(t *testing.T) {
	outcomes := map[string]int{}
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			fourHundredDays(t, rand.New(rand.NewPCG(seed, 9)), outcomes)
		})
	}
	for _, outcome := range []string{
		"day 1", "day 15", "day 30", "day 31", "heard of after day 25", "ended connected", "ended alone", "pending",
		"cut with 0 files written", "cut with 1 files written", "cut with 2 files written",
	} {
		if outcomes[outcome] == 0 {
			t.Errorf("no life has come to %q; want all: %v", outcome, outcomes)
		}
	}
	t.Log(outcomes)
}

// ordeal is one life of a box, held against the oracle.
type ordeal struct {
	*life
	oracle
	random   *rand.Rand
	outcomes map[string]int
	until    time.Time // the link stays as it is
	mute     bool      // COM does not answer
	files    int       // that are written before the power goes; -1: it does not go
	writes   int       // that are left of these
	latest   int       // day that was told; -1: nobody knows any more
}

func fourHundredDays(t *testing.T, random *rand.Rand, outcomes map[string]int) {
	x := &ordeal{life: newLife(t), random: random, outcomes: outcomes, files: -1}
	x.oracle.by = &x.life.config
	begun := x.clock.Now()
	for x.comesUp(); x.clock.Now().Sub(begun) < 400*day; {
		x.happens()
		x.passes(time.Minute + time.Duration(random.Int64N(int64(5*time.Hour))))
	}
}

// comesUp starts control anew, with a disk that can be kept from being written.
func (x *ordeal) comesUp() {
	x.boot()
	x.store.Write = func(file string, content []byte, mode os.FileMode) error {
		if x.files >= 0 {
			if x.writes == 0 {
				return errors.New("no power")
			}
			x.writes--
		}
		return os.WriteFile(file, content, mode)
	}
}

// happens is what befalls the box; mostly nothing.
func (x *ordeal) happens() {
	chance := func(one int) bool { return x.random.IntN(one) == 0 }
	switch {
	case x.clock.Now().After(x.until):
		x.turn()
	case x.up && (chance(10) || x.mute && chance(3)):
		x.mute = chance(10)
		x.check()
	case chance(300):
		x.cut(func() {})
	case chance(300): // just then
		x.cut(x.turn)
	case chance(200): // the clock is put right
		x.clock.rest(time.Duration(x.random.Int64N(int64(2 * day))))
	case chance(300):
		x.apply(func(c *model.Config) {
			c.COM.GraceEnd = []string{"", model.GraceEndsCalls}[x.random.IntN(2)]
			c.License.CPS = 5 * (1 + x.random.IntN(4))
		})
	}
}

// turn has the link go, or come back.
func (x *ordeal) turn() {
	lengths := []time.Duration{20 * time.Minute, 3 * day, 29 * day, 80 * day}
	x.until = x.clock.Now().Add(time.Duration(x.random.Int64N(int64(lengths[x.random.IntN(len(lengths))]))))
	if x.up {
		x.disconnect()
		x.loses()
		x.keeps()
		return
	}
	x.begin()
	x.up, x.mute = true, x.random.IntN(10) == 0
	x.check()
}

// check has COM be asked, which may have something else to say than before.
func (x *ordeal) check() {
	x.com.err = nil
	if x.mute {
		x.com.err = errNoAnswer
	}
	x.subscribe()
	if x.exchange(x.t.Context(), x.com) != nil {
		x.loses()
		x.keeps()
		return
	}
	if x.alone && x.away > 25*day && !x.tooLong() && x.latest > 0 {
		x.outcomes["heard of after day 25"]++
	}
	x.belief, x.latest = belief{answer: x.com.answer}, 0
	x.keeps()
}

// subscribe has the customer subscribe something else, sometimes.
func (x *ordeal) subscribe() {
	if x.has("calls", x.clock.Now()) >= 0 && x.random.IntN(15) != 0 {
		return
	}
	x.com.answer = wire.License{Pending: x.random.IntN(20) == 0}
	for range 1 + x.random.IntN(4) {
		s := wire.Subscription{Feature: []string{wire.FeatureManagement, wire.FeatureCalls}[x.random.IntN(2)], Count: x.random.IntN(30)}
		if x.random.IntN(3) != 0 {
			s.Expires = x.clock.Now().Add(time.Duration(x.random.Int64N(int64(100 * day))))
		}
		x.com.answer.Subscriptions = append(x.com.answer.Subscriptions, s)
	}
	if x.com.answer.Pending {
		x.outcomes["pending"]++
	}
}

// keeps notes that the disk has what the box goes by, unless the power goes.
func (x *ordeal) keeps() {
	x.save()
	if x.files != 0 {
		x.kept = x.belief
	}
}

// cut has the power go while something happens, with none of the files written
// that this needs, one or both.
func (x *ordeal) cut(during func()) {
	if x.up {
		x.until = x.clock.Now() // it comes back when the power does
	}
	x.files = x.random.IntN(3)
	x.writes = x.files
	x.outcomes[fmt.Sprintf("cut with %d files written", x.files)]++
	during()
	x.files = -1
	ahead := time.Duration(x.random.Int64N(int64(15 * time.Minute))) // the trusted clock is, then
	x.clock.run(ahead)
	x.run(ahead)
	x.clock.rest(time.Duration(x.random.Int64N(int64(5 * day))))
	x.belief = x.kept
	x.loses()
	x.latest = -1
	x.comesUp()
	x.keeps()
}

// passes lets time go by, and looks at what the box does before and after it
// looks at its clocks.
func (x *ordeal) passes(d time.Duration) {
	x.t.Helper()
	foreseen, managed := x.Prospect(), x.manages(x.clock.Now())
	x.clock.run(d)
	x.run(d)
	now := x.clock.Now()
	if want := x.allowance(now); foreseen.At(d) != want {
		x.t.Fatalf("%v: %+v foresees %+v for calls after %v; want %+v (%+v)", now, foreseen, foreseen.At(d), d, want, x.belief)
	}
	if managed && !x.manages(now) && !x.tooLong() {
		x.outcomes[map[bool]string{true: "ended alone", false: "ended connected"}[x.alone]]++
	}
	for _, when := range []string{"before it looks", "after it has looked"} {
		management, calls := x.Allows(wire.FeatureManagement), x.Prospect().Now
		if management != x.manages(now) || calls != x.allowance(now) || calls.Calls != x.Allows(wire.FeatureCalls) {
			x.t.Fatalf("%v, %s: management %t, calls %+v; want %t, %+v (%+v)", now, when, management, calls, x.manages(now), x.allowance(now), x.belief)
		}
		x.judge(now)
		x.look()
	}
}

// judge holds the alarms of the grace against what should be told.
func (x *ordeal) judge(now time.Time) {
	x.t.Helper()
	got := slices.DeleteFunc(x.alarms(), func(name string) bool { return !strings.HasPrefix(name, "grace") })
	var want []string
	n := x.day(now)
	switch n {
	case 0:
	case 31:
		want = []string{"grace-over"}
	default:
		want = []string{fmt.Sprintf("grace day %d", n)}
	}
	if !slices.Equal(got, want) {
		x.t.Fatalf("%v: alarms %q; want %q (%+v)", now, got, want, x.belief)
	}
	if x.latest >= 0 && n > x.latest+1 {
		x.t.Fatalf("%v: day %d is told after day %d", now, n, x.latest)
	}
	if n != x.latest {
		x.outcomes[fmt.Sprintf("day %d", n)]++
	}
	x.latest = n
}
