package subscription

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// TestGrace: 30 days without COM, each with its alarm, in which all works; then
// what com grace-end says stops, until COM is there again (COM-12 to COM-15).
func TestGrace(t *testing.T) {
	for _, test := range []struct {
		graceEnd string
		calls    bool // go on when the grace is over
		tells    []string
	}{
		{"", true, []string{"grace-over"}},
		{model.GraceEndsCalls, false, []string{"grace-over", "calls-refused"}},
	} {
		t.Run("com grace-end "+test.graceEnd, func(t *testing.T) {
			l := newLife(t)
			l.apply(func(c *model.Config) { c.License.Source, c.COM.GraceEnd = model.SourceCOM, test.graceEnd })
			l.connect()
			l.pass(40 * day)
			l.allows(true, true)
			l.tells()

			l.disconnect()
			l.clock.run(tellAfter - time.Second)
			l.tells() // not every short break is one
			l.clock.run(time.Second)
			for n := range 30 {
				l.tells(fmt.Sprintf("grace day %d", n+1))
				l.allows(true, true)
				if n == 12 {
					l.reboot(50 * day) // without power no grace is used
					l.tells("grace day 13")
				}
				l.pass(day - tellAfter - time.Second)
				l.tells(fmt.Sprintf("grace day %d", n+1))
				l.clock.run(tellAfter + time.Second)
				l.look()
			}
			l.allows(false, test.calls)
			l.tells(test.tells...)
			l.reboot(day)
			l.pass(100 * day)
			l.allows(false, test.calls)
			l.tells(test.tells...)

			l.connect()
			l.allows(true, true)
			l.tells()
		})
	}
}

// TestGraceIsReset: COM's answer on the 29th day gives 30 more (COM-14); a
// session without an answer gives none.
func TestGraceIsReset(t *testing.T) {
	l := newLife(t)
	l.connect()
	l.disconnect()
	l.pass(28*day + time.Hour)
	l.com.err = errNoAnswer
	l.connect()
	l.tells("grace day 29")
	l.com.err = nil
	l.connect()
	l.tells()
	l.disconnect()
	l.disconnect() // both sessions
	l.pass(30*day - time.Hour)
	l.allows(true, true)
	l.tells("grace day 30")
	l.pass(time.Hour)
	l.allows(false, true)
}

// TestSilence: COM that keeps the session and does not confirm the subscription
// is away as well.
func TestSilence(t *testing.T) {
	l := newLife(t)
	l.connect()
	l.com.err = errNoAnswer
	if err := l.exchange(t.Context(), l.com); err == nil {
		t.Error("exchange without an answer = nil; want an error")
	}
	l.pass(31 * day)
	l.allows(false, true)
	l.com.err = nil
	if err := l.exchange(t.Context(), l.com); err != nil {
		t.Error(err)
	}
	l.allows(true, true)
}

// TestGraceIsNotCounted: without a subscription there is no grace, and no alarm.
func TestGraceIsNotCounted(t *testing.T) {
	l := newLife(t)
	l.pass(40 * day)
	l.allows(false, false)
	l.tells()
	l.com.answer = wire.License{Pending: true, Subscriptions: l.com.answer.Subscriptions}
	l.connect()
	l.allows(false, false)
	l.disconnect()
	l.pass(40 * day)
	l.tells()
	if status := l.Status(); !status.Pending || status.Grace.Running || len(status.Subscriptions) != 0 {
		t.Errorf("Status() = %+v; want a box that nobody has approved", status)
	}
}

// TestEnd: a subscription ends at its date, connected or not, without a grace
// setting the clock back is the trusted clock's affair.
func TestEnd(t *testing.T) {
	for _, connected := range []bool{true, false} {
		t.Run(fmt.Sprintf("connected %t", connected), func(t *testing.T) {
			l := newLife(t)
			end := l.clock.Now().Add(20 * day)
			l.com.answer.Subscriptions[0].Expires = end
			l.com.answer.Subscriptions[1].Expires = end.Add(day)
			l.apply(func(c *model.Config) { c.License.Source = model.SourceBoth })
			l.connect()
			l.tells("subscription-ending remote-management", "subscription-ending calls")
			var away []string
			if !connected {
				l.disconnect()
			}
			l.pass(20*day - time.Second)
			l.allows(true, true)
			l.clock.run(time.Second)
			if !connected {
				away = []string{"grace day 21"}
			}
			l.allows(false, true)
			l.tells(append(away, "subscription-ended remote-management", "subscription-ending calls")...)
			before := l.changed
			l.pass(day)
			l.allows(false, false)
			l.tells("subscription-ended remote-management", "subscription-ended calls", "calls-refused")
			if l.changed != before+2 { // management was not looked at yet
				t.Errorf("Changed was called %d times; want it for each of the two", l.changed-before)
			}
			l.reboot(time.Hour)
			l.allows(false, false)

			l.com.answer.Subscriptions = append(l.com.answer.Subscriptions, wire.Subscription{Feature: wire.FeatureCalls, Count: 5, Expires: end.Add(90 * day)})
			l.connect() // it was renewed
			l.allows(false, true)
			l.tells("subscription-ended remote-management")
		})
	}
}

// TestProspect: the proxy is told what calls may do, and what from when on.
func TestProspect(t *testing.T) {
	l := newLife(t)
	now := l.clock.Now()
	l.apply(func(c *model.Config) { c.License.CPS, c.License.Source = 50, model.SourceCOM })
	is := func(what string, want model.Prospect) {
		t.Helper()
		if got := l.Prospect(); got != want {
			t.Errorf("%s: Prospect() = %+v; want %+v", what, got, want)
		}
	}
	allowed := func(limit int) model.Allowance { return model.Allowance{Calls: true, LimitCPS: limit} }
	refused := model.Allowance{LimitCPS: 50}
	is("never subscribed", model.Prospect{Now: refused})

	l.connect()
	is("for ever", model.Prospect{Now: allowed(20)})
	l.com.answer.Subscriptions = []wire.Subscription{
		{Feature: wire.FeatureCalls, Count: 40, Expires: now.Add(60 * day)},
		{Feature: wire.FeatureCalls, Count: 5, Expires: now.Add(10 * day)},
		{Feature: wire.FeatureManagement, Count: 1, Expires: now.Add(5 * day)},
		{Feature: wire.FeatureCalls, Count: 30, Expires: now},
	}
	l.connect()
	is("two run, one is over", model.Prospect{Now: allowed(45), Changes: true, Left: 10 * day, Then: allowed(40)})
	l.clock.run(10 * day)
	is("one is left", model.Prospect{Now: allowed(40), Changes: true, Left: 50 * day, Then: refused})
	l.apply(func(c *model.Config) { c.License.CPS = 10 })
	is("more than is asked for", model.Prospect{Now: allowed(10), Changes: true, Left: 50 * day, Then: model.Allowance{LimitCPS: 10}})
	l.end()
	l.disconnect()
	l.clock.run(day)
	is("in grace", model.Prospect{Now: allowed(10), Changes: true, Left: 49 * day, Then: model.Allowance{LimitCPS: 10}})
	l.apply(func(c *model.Config) { c.COM.GraceEnd = model.GraceEndsCalls })
	is("in grace that ends calls", model.Prospect{Now: allowed(10), Changes: true, Left: 29 * day, Then: model.Allowance{LimitCPS: 10}})
	l.com.answer.Subscriptions = []wire.Subscription{{Feature: wire.FeatureCalls, Count: 0}}
	l.connect()
	is("for no calls", model.Prospect{Now: model.Allowance{LimitCPS: 10}})
}

// TestWanted: COM is asked for what the configuration needs, and else only
// whether it is as it was.
func TestWanted(t *testing.T) {
	const request, check = `license.request {"wanted":[{"feature":"remote-management","count":1}`, "license.check null"
	l := newLife(t)
	ask := func(what string, want ...string) {
		t.Helper()
		if got := l.com.asked(); !slices.Equal(got, want) {
			t.Errorf("%s: COM was asked %q; want %q", what, got, want)
		}
	}
	l.com.err = errNoAnswer
	l.connect()
	ask("no answer", request+"]}")
	l.com.err = nil
	l.connect()
	ask("again", request+"]}")
	l.connect()
	l.reboot(0)
	l.connect()
	ask("as before", check, check)
	l.apply(func(c *model.Config) { c.License.Source = model.SourceBoth })
	l.connect()
	ask("calls", request+`,{"feature":"calls","count":10}]}`)
	l.apply(func(c *model.Config) { c.License.CPS = 25 })
	l.connect()
	l.connect()
	ask("more calls", request+`,{"feature":"calls","count":25}]}`, check)
}

// TestRefusedAnswers: an answer that cannot be true changes nothing.
func TestRefusedAnswers(t *testing.T) {
	one := func(feature string, count int, expires time.Time) wire.License {
		return wire.License{Subscriptions: []wire.Subscription{{Feature: feature, Count: count, Expires: expires}}}
	}
	for _, test := range []struct {
		answer wire.License
		want   string
	}{
		{one("", 1, time.Time{}), "no name of a feature"},
		{one("calls\x1b[2J", 1, time.Time{}), "no name of a feature"},
		{one(strings.Repeat("a", longestFeature+1), 1, time.Time{}), "no name of a feature"},
		{one("calls", -1, time.Time{}), "a count of -1"},
		{one("calls", model.LicenseMost+1, time.Time{}), "a count of 10001"},
		{one("calls", 1, time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)), "the year 1999"},
		{wire.License{Subscriptions: make([]wire.Subscription, mostSubscriptions+1)}, "33 subscriptions"},
	} {
		l := newLife(t)
		l.connect()
		l.com.answer = test.answer
		if err := l.exchange(t.Context(), l.com); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("exchange with %+v = %v; want %q", test.answer, err, test.want)
		}
		l.allows(true, true)
	}
}

// FuzzCheck: what passes can be kept, and is what it was.
func FuzzCheck(f *testing.F) {
	f.Add("calls", 20, int64(1_800_000_000))
	f.Add("remote-management", 1, int64(0))
	f.Add("\x1b[2J", -1, int64(-1)<<40)
	f.Fuzz(func(t *testing.T, feature string, count int, expires int64) {
		answer := wire.License{Subscriptions: []wire.Subscription{{Feature: feature, Count: count, Expires: time.Unix(expires, 0).UTC()}}}
		if check(answer) != nil {
			return
		}
		l := newLife(t)
		l.com.answer = answer
		l.connect()
		before := fmt.Sprint(l.Status().Subscriptions, l.Prospect())
		l.reboot(0)
		if after := fmt.Sprint(l.Status().Subscriptions, l.Prospect()); after != before {
			t.Errorf("after a reboot: %s; want %s", after, before)
		}
	})
}

// TestConfigurationTells: who has nothing to do with COM hears nothing of it.
func TestConfigurationTells(t *testing.T) {
	l := newLife(t)
	l.connect()
	l.disconnect()
	l.pass(2*day + time.Hour)
	for _, test := range []struct {
		name   string
		change func(*model.Config)
		want   []string
	}{
		{"as it was", func(*model.Config) {}, []string{"grace day 3"}},
		{"com shutdown", func(c *model.Config) { c.COM.Off = true }, []string{"grace day 3"}},
		{"com role secondary", func(c *model.Config) { c.COM.Secondary = true }, nil},
		{"that governs calls", func(c *model.Config) { c.License.Source = model.SourceCOM }, []string{"grace day 3"}},
		{"no com server", func(c *model.Config) { c.COM, c.License.Source = model.COM{}, "" }, nil},
	} {
		l.apply(test.change)
		if got := l.alarms(); !slices.Equal(got, test.want) {
			t.Errorf("%s: alarms %q; want %q", test.name, got, test.want)
		}
	}
}

func TestOrdinal(t *testing.T) {
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 22: "22nd", 23: "23rd", 30: "30th"} {
		if got := ordinal(n); got != want {
			t.Errorf("ordinal(%d) = %q; want %q", n, got, want)
		}
	}
}
