package license

import (
	"testing"
	"time"

	"causeway/appliance/model"
)

// TestSources: what governs calls, by each source.
func TestSources(t *testing.T) {
	allowed := func(limit int) model.Allowance { return model.Allowance{Calls: true, LimitCPS: limit} }
	refused := model.Allowance{LimitCPS: 10}
	for _, test := range []struct {
		name       string
		smart, com bool
		source     string
		profile    string
		count      int // of the subscription
		want       model.Allowance
	}{
		{"smart, licensed", true, false, "", "", 0, allowed(10)},
		{"smart, not licensed", false, true, "", "", 5, refused},
		{"com, subscribed", false, true, model.SourceCOM, "", 5, allowed(5)},
		{"com, not subscribed", true, false, model.SourceCOM, "", 0, refused},
		{"both", true, true, model.SourceBoth, "", 5, allowed(5)},
		{"both, the licence has the smaller limit", true, true, model.SourceBoth, "", 50, allowed(10)},
		{"both, not licensed", false, true, model.SourceBoth, model.LicenseStrict, 10, refused},
		{"both, not subscribed", true, false, model.SourceBoth, "", 0, refused},
		{"the profile of subscriptions", false, true, "", model.LicenseSubscription, 5, allowed(5)},
		{"the profile of subscriptions, whatever the source is", true, false, model.SourceBoth, model.LicenseSubscription, 0, refused},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLife(t)
			if l.subscribed.Now = refused; test.com {
				l.subscribed.Now = allowed(test.count)
			}
			l.apply(func(c *model.License) { c.Off, c.Source, c.Profile = !test.smart, test.source, test.profile })
			status := l.Status()
			if got := l.Grant().Now; got != test.want || status.Calls != test.want.Calls || status.LimitCPS != test.want.LimitCPS {
				t.Errorf("Grant() = %+v, Status() = %t, %d; want %+v", got, status.Calls, status.LimitCPS, test.want)
			}
		})
	}
}

// TestStricter: the grant names the first change of what both allow.
func TestStricter(t *testing.T) {
	allowed := func(limit int) model.Allowance { return model.Allowance{Calls: true, LimitCPS: limit} }
	refused := model.Allowance{LimitCPS: 10}
	stays := func(a model.Allowance) model.Prospect { return model.Prospect{Now: a} }
	changes := func(now model.Allowance, left time.Duration, then model.Allowance) model.Prospect {
		return model.Prospect{Now: now, Changes: true, Left: left, Then: then}
	}
	for _, test := range []struct{ x, y, want model.Prospect }{
		{stays(allowed(10)), stays(allowed(5)), stays(allowed(5))},
		{stays(allowed(10)), stays(refused), stays(refused)},
		{changes(allowed(10), day, refused), stays(allowed(5)), changes(allowed(5), day, model.Allowance{LimitCPS: 5})},
		{changes(allowed(10), day, refused), changes(allowed(10), time.Hour, allowed(5)), changes(allowed(10), time.Hour, allowed(5))},
		// what one refuses the other cannot change
		{changes(allowed(10), day, refused), stays(refused), stays(refused)},
		// the first change is none of what both allow: the limit of the other is smaller
		{changes(allowed(20), time.Hour, allowed(10)), changes(allowed(5), day, refused), changes(allowed(5), day, model.Allowance{LimitCPS: 5})},
	} {
		for _, got := range []model.Prospect{stricter(test.x, test.y), stricter(test.y, test.x)} {
			if got.Now.Calls != test.want.Now.Calls || got.Changes != test.want.Changes || got.Left != test.want.Left || got.Then.Calls != test.want.Then.Calls ||
				got.Now.Calls && got.Now.LimitCPS != test.want.Now.LimitCPS || got.Then.Calls && got.Then.LimitCPS != test.want.Then.LimitCPS {
				t.Errorf("stricter(%+v, %+v) = %+v; want %+v", test.x, test.y, got, test.want)
			}
		}
	}
}

// TestSubscriptionEnds: the proxy has the end of the subscription in its grant,
// and control looks no second time at what has not changed.
func TestSubscriptionEnds(t *testing.T) {
	l := newLife(t)
	end := l.clock.now().Add(10 * day)
	look := func() model.Grant {
		l.subscribed = model.Prospect{Now: model.Allowance{Calls: true, LimitCPS: 5}, Changes: true, Left: end.Sub(l.clock.now()), Then: model.Allowance{LimitCPS: 10}}
		return l.Grant()
	}
	l.apply(func(c *model.License) { c.Source = model.SourceCOM })
	first := look()
	if got := first.At(l.clock.Uptime() + 10*day - time.Minute); !got.Calls || got.LimitCPS != 5 {
		t.Errorf("the grant %+v a minute before the end allows %+v; want 5 calls per second", first, got)
	}
	if got := first.At(l.clock.Uptime() + 10*day + time.Minute); got.Calls {
		t.Errorf("the grant %+v a minute after the end allows %+v; want no calls", first, got)
	}
	l.clock.run(day)
	if second := look(); second != first {
		t.Errorf("a day later the grant is %+v; want the same as before, %+v", second, first)
	}
}

// TestRest: while the subscription governs, the agent consumes nothing, asks
// nobody and tells nothing; then it goes on from where it was.
func TestRest(t *testing.T) {
	l := newLife(t)
	l.pass(20 * day)
	l.apply(func(c *model.License) { c.Profile = model.LicenseSubscription })
	l.pass(50 * day)
	l.reboot(day)
	l.pass(50 * day)
	status := l.Status()
	if e := status.Evaluation; e.Running || e.Consumed != 20*day || status.State != Unidentified {
		t.Errorf("after 100 days of rest: %v, evaluation %+v; want 20 days consumed", status.State, e)
	}
	l.tells()
	l.apply(func(c *model.License) { c.Profile = "" })
	l.is(Unidentified, true)
	l.register()
	l.is(Authorized, true)
	l.server.seen()

	l.apply(func(c *model.License) { c.Profile = model.LicenseSubscription })
	l.pass(100 * day)
	if asked := l.server.seen(); len(asked) != 0 {
		t.Errorf("the agent has asked for %q while it rests; want nothing", asked)
	}
	l.tells()
	l.clock.tampered = "the clock was put ahead"
	l.tells("clock") // subscriptions end by it
	l.clock.tampered = ""

	l.down = true
	l.apply(func(c *model.License) { c.Profile = model.LicenseStrict })
	l.is(AuthorizationExpired, false) // the 90 days are over
	l.down = false
	l.apply(nil)
	l.pass(5 * time.Hour)
	l.is(Authorized, true)
}
