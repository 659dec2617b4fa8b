package license

import (
	"slices"
	"testing"
	"time"

	"causeway/appliance/license/ela"
)

// TestLadder: when the next try is after each failure in a row (X-5, L-27, L-28).
func TestLadder(t *testing.T) {
	const quarter, four = 15 * time.Minute, 4 * time.Hour
	doubling := []time.Duration{quarter, 2 * quarter, time.Hour, 2 * time.Hour, four, four, four}
	for _, test := range []struct {
		state State
		want  []time.Duration
	}{
		{Registered, doubling},
		{EvalExpired, doubling},
		{Authorized, doubling},
		{OutOfCompliance, append(slices.Repeat([]time.Duration{quarter}, 8), four, four)}, // two hours
		{AuthorizationExpired, []time.Duration{four, four, four}},
	} {
		now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		var a attempts
		for i, want := range test.want {
			a.fail(now, test.state, 0, false, 0)
			if a.Wait != want {
				t.Errorf("%v: after failure %d the next try is in %v; want %v", test.state, i+1, a.Wait, want)
			}
			now = now.Add(a.Wait)
		}
	}
}

// TestIntervals: what a server says about when to ask, within reason.
func TestIntervals(t *testing.T) {
	for _, test := range []struct {
		named      int64 // seconds
		authorize  time.Duration
		outOfIt    time.Duration
		renewAfter time.Duration
	}{
		{0, 30 * day, 12 * time.Hour, 180 * day},
		{1, 15 * time.Minute, 15 * time.Minute, 15 * time.Minute},
		{43200, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour},
		{15552000, 30 * day, 30 * day, 180 * day},
		{155520000, 30 * day, 30 * day, 180 * day}, // L-61
	} {
		l := newLife(t)
		l.register()
		l.update(func(m moment) {
			f := l.facts
			k, r := *f.Authorization, *f.Registration
			k.is.RenewInterval, k.is.RetryInterval, r.is.RenewInterval = test.named, test.named, test.named
			f.Authorization, f.Registration = &k, &r
			check := func(what string, want time.Duration, at time.Time, ok bool) {
				if got := at.Sub(m.now); !ok || (got-want).Abs() > time.Minute {
					t.Errorf("%d s: %s in %v, %t; want %v", test.named, what, got, ok, want)
				}
			}
			at, ok := f.authorizeAt(l.config.License, m)
			check("authorisation", test.authorize, at, ok)
			at, ok = f.renewAt(m)
			check("renewal", test.renewAfter, at, ok)
			f.State = OutOfCompliance
			at, ok = f.authorizeAt(l.config.License, m)
			check("out of compliance: authorisation", test.outOfIt, at, ok)
		})
	}
}

// TestSpread: boxes that fail together do not ask together again, and none asks
// before it may.
func TestSpread(t *testing.T) {
	for _, test := range []struct {
		wait time.Duration // as the server says
		part float64
		want time.Duration
	}{
		{0, 0, 15 * time.Minute},
		{0, 1, 16*time.Minute + 30*time.Second},
		{4 * time.Hour, 0.5, 4*time.Hour + 7*time.Minute + 30*time.Second},
		{day, 1, day + 15*time.Minute},
	} {
		var a attempts
		a.fail(time.Time{}, Authorized, test.wait, false, test.part)
		if a.Wait != test.want {
			t.Errorf("wait %v, part %v: the next try is in %v; want %v", test.wait, test.part, a.Wait, test.want)
		}
	}
	l := newLife(t)
	l.spread = 1
	l.register()
	if s := l.Status(); s.Authorization.NextAttempt.Sub(s.Now) <= authorizeEvery {
		t.Errorf("the next authorisation is in %v; want a little more than %v", s.Authorization.NextAttempt.Sub(s.Now), authorizeEvery)
	}
}

// TestDaysLeft: the unit bug of the source document's log (L-63).
func TestDaysLeft(t *testing.T) {
	for _, test := range []struct {
		left time.Duration
		want int
	}{
		{seconds(7775673), 90}, {90 * day, 90}, {89*day + 1, 90}, {day, 1}, {1, 1}, {0, 0}, {-day, 0},
	} {
		if got := daysLeft(test.left); got != test.want {
			t.Errorf("daysLeft(%v) = %d; want %d", test.left, got, test.want)
		}
	}
	start := time.UnixMilli(1494337382539) // L-47: expiry 7775673 s came 326 s after start_date
	k := authorization{Arrived: start.Add(326 * time.Second), is: ela.Authorized{Start: start, Expiry: 7775673}}
	if got, want := k.deadline(), start.Add(authorizationPeriod-time.Second); !got.Equal(want) {
		t.Errorf("deadline() = %v; want %v, the earlier of both", got, want)
	}
}
