package license

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"causeway/appliance/license/ela"
	"causeway/appliance/model"
)

// oracle says what calls may do, from what happened to the box and what the
// server has answered. It knows neither states nor events.
type oracle struct {
	strict        bool
	off           bool
	consumed      time.Duration // of the evaluation
	registered    bool
	idEnd         time.Time
	authorized    bool
	deadline      time.Time
	locked        bool // cusp-9: an ID certificate has ended; only an authorisation helps
	boundaryClose bool // a moment of change is too close to be judged
}

// run has the box run from one moment on.
func (o *oracle) run(from time.Time, d time.Duration) {
	to := from.Add(d)
	o.boundaryClose = false
	for _, boundary := range []time.Time{o.idEnd, o.deadline} {
		o.boundaryClose = o.boundaryClose || to.Sub(boundary).Abs() < 2*drift
	}
	if o.off {
		return
	}
	if o.registered && !to.Before(o.idEnd) { // in this time, or before it
		before := max(o.idEnd.Sub(from), 0)
		o.evaluate(before)
		o.idEnds()
		o.evaluate(d - before)
		return
	}
	o.evaluate(d)
}

// idEnds is what the end of the ID certificate does.
func (o *oracle) idEnds() {
	if o.strict {
		o.locked = o.locked || o.authorized || o.consumed < evaluationPeriod
		return
	}
	if o.authorized || o.consumed < evaluationPeriod {
		o.registered, o.authorized = false, false
	}
}

// evaluate consumes the evaluation where the box lives on it.
func (o *oracle) evaluate(d time.Duration) {
	if o.authorized || o.locked {
		return
	}
	left := evaluationPeriod - o.consumed
	o.boundaryClose = o.boundaryClose || (left-d).Abs() < 2*drift
	o.consumed += min(d, left)
}

// calls says whether they may be set up.
func (o *oracle) calls(now time.Time) bool {
	switch {
	case o.off, o.locked:
		return false
	case o.authorized:
		return now.Before(o.deadline) || !o.strict
	}
	return o.consumed < evaluationPeriod
}

// TestFourHundredDays: however the server, the power and the operators behave,
// calls do what the table of §1.7 says, by the grant that the proxy has, and no
// more than 90 days of the evaluation are consumed.
func TestFourHundredDays(t *testing.T) {
	for _, profile := range []string{model.LicenseStrict, model.LicenseContinuity} {
		seen := map[State]bool{}
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("%s/%d", profile, seed), func(t *testing.T) {
				fourHundredDays(t, profile, rand.New(rand.NewPCG(seed, 8)), seen)
			})
		}
		if len(seen) != len(table) {
			t.Errorf("%s: the lives have come to %v only; want all states", profile, seen)
		}
	}
}

// ordeal is one life of a box, held against the oracle.
type ordeal struct {
	*life
	oracle
	t         *testing.T
	random    *rand.Rand
	registers int  // the box is registered at one of so many occasions
	mute      bool // Mother May I is not answered
	begun     time.Time
	grant     model.Grant  // that the proxy has
	allowed   bool         // calls, when it was looked at last
	changes   map[bool]int // of that
}

func fourHundredDays(t *testing.T, profile string, random *rand.Rand, seen map[State]bool) {
	x := &ordeal{
		life: newLife(t), oracle: oracle{strict: profile == model.LicenseStrict}, t: t, random: random,
		mute: random.IntN(2) == 0, registers: []int{1, 40}[random.IntN(2)], allowed: true, changes: map[bool]int{},
	}
	x.server.set(func() {
		x.server.lifetime = 120 * day // several of them
		x.server.spoils = func(kind string, answer []byte) []byte {
			if x.mute && kind == ela.TypeAuthorize {
				return nil
			}
			return answer
		}
	})
	x.apply(func(c *model.License) { c.Profile = profile })
	for x.begun = x.clock.now(); x.clock.now().Sub(x.begun) < 400*day; {
		if often := map[bool]int{false: 2000, true: 5000}; random.IntN(often[x.down]) == 0 { // up for 40 days, down for 100
			x.down = !x.down
		}
		x.happens(random.IntN(400))
		x.passes(time.Minute + time.Duration(random.Int64N(int64(time.Hour))))
		seen[x.Status().State] = true
	}
	t.Logf("calls were refused %d times, allowed again %d times; %v of the evaluation consumed", x.changes[false], x.changes[true], x.consumed)
}

// happens is what befalls the box; mostly nothing.
func (x *ordeal) happens(what int) {
	switch what {
	case 0: // without power, as an orderly end or a cut
		if x.random.IntN(2) == 0 {
			x.save()
		}
		x.clock.rest(time.Duration(x.random.Int64N(int64(5 * day))))
		x.oracle.run(x.clock.now(), 0)
		x.boot()
	case 1:
		quantity := x.random.IntN(4)
		x.server.set(func() { x.server.quantity = quantity })
	case 2:
		cps := 5 * (1 + x.random.IntN(4))
		x.apply(func(c *model.License) { c.CPS = cps })
	case 3:
		if x.random.IntN(4) == 0 && !x.locked {
			x.off = !x.off
			x.apply(func(c *model.License) { c.Off = x.off })
			x.oracle.run(x.clock.now(), 0)
		}
	case 4:
		if x.random.IntN(10) == 0 && !x.down {
			x.Agent.deregister(x.t.Context(), DeregisterRequest{}) // that it fails is part of life
		}
	case 5:
		x.server.set(func() { x.mute = x.mute != (x.random.IntN(10) == 0) })
	case 6:
		if x.random.IntN(x.registers) == 0 {
			x.Agent.register(x.t.Context(), RegisterRequest{Token: "secret-token"}) // likewise
			x.look()
		}
	}
	x.answered()
}

// answered tells the oracle what the server has answered since.
func (x *ordeal) answered() {
	for _, kind := range x.server.seen() {
		switch kind {
		case ela.TypeRegister, ela.TypeRenewID:
			x.registered, x.idEnd = true, x.keys.inForce.Leaf.NotAfter
		case ela.TypeAuthorize:
			if !x.mute {
				x.authorized, x.deadline, x.locked = true, x.clock.now().Add(authorizationPeriod), false
			}
		case ela.TypeDeregister:
			x.registered, x.authorized, x.locked = false, false, false
		}
	}
}

// passes lets time go by, and looks at what calls may do before and after control
// does.
func (x *ordeal) passes(d time.Duration) {
	x.t.Helper()
	from := x.clock.now()
	x.grant = x.Grant()
	x.clock.run(d)
	x.oracle.run(from, d)
	x.judge("before control looks")
	x.look()
	x.answered()
	x.grant = x.Grant()
	x.judge("after control has looked")
	if consumed := x.Status().Evaluation.Consumed; (consumed - x.consumed).Abs() > time.Second {
		x.t.Fatalf("after %v: %v of the evaluation are consumed; want %v (%+v)", x.clock.now().Sub(x.begun), consumed, x.consumed, x.oracle)
	}
}

func (x *ordeal) judge(when string) {
	x.t.Helper()
	want := x.calls(x.clock.now())
	if got := x.grant.At(x.clock.Uptime()).Calls; got != want && !x.boundaryClose {
		x.t.Fatalf("%s, after %v: calls %t by the grant %+v at %v; want %t (%+v, %v)",
			when, x.clock.now().Sub(x.begun), got, x.grant, x.clock.Uptime(), want, x.oracle, x.Status().State)
	}
	if want != x.allowed {
		x.allowed = want
		x.changes[want]++
	}
}
