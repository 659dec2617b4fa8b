package license

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/license/ela"
	"causeway/appliance/model"
)

// TestLife goes through the states as an operator would see them.
func TestLife(t *testing.T) {
	l := newLife(t)
	l.is(Unidentified, true)
	l.tells("evaluation")
	if g := l.Grant(); g.Now.LimitCPS != 10 || g.ChangesAt != evaluationPeriod || g.Then.Calls {
		t.Errorf("grant = %+v; want 10 calls per second, none after 90 days", g)
	}
	l.pass(10 * day)
	l.down = true
	if _, err := l.Agent.register(t.Context(), RegisterRequest{Token: "secret-token"}); err == nil {
		t.Error("registered without a server")
	}
	l.is(Unidentified, true) // L-9, X-2

	l.down = false
	l.server.set(func() { l.server.refuses = &ela.Problem{Type: ela.ServerFault, Status: 500} })
	l.pass(0)
	l.server.set(func() { l.server.refuses = nil })
	l.register()
	l.is(Authorized, true)
	l.tells()
	if got := l.server.seen(); !slices.Equal(got, []string{ela.TypeRegister, ela.TypeAuthorize}) {
		t.Errorf("the server has seen %q; want a registration and an authorisation", got)
	}
	s := l.Status()
	if s.Authorization.DaysLeft != 90 || s.Evaluation.Consumed != 10*day || s.Evaluation.Running || !s.Registration.Registered ||
		s.Registration.Instance != instanceID || s.Authorization.NextAttempt.Sub(s.Now) != 30*day || s.Registration.NextAttempt.Sub(s.Now).Round(day) != 180*day {
		t.Errorf("status = %+v", s)
	}

	l.apply(func(c *model.License) { c.CPS = 1000 }) // 200 licences of 100
	l.is(OutOfCompliance, true)
	l.tells("out-of-compliance")
	if g := l.Grant(); g.Now.LimitCPS != 1000 {
		t.Errorf("grant = %+v; want that more than there is is honoured (L-11)", g)
	}
	if s := l.Status(); !s.Listening || s.Authorization.NextAttempt.Sub(s.Now) != 12*time.Hour || s.Authorization.Count != 200 {
		t.Errorf("status = %+v; want notification listen mode, and the next request in 12 h", s)
	}
	l.server.set(func() { l.server.quantity = 200 })
	l.pass(11 * time.Hour)
	l.is(OutOfCompliance, true)
	l.pass(time.Hour)
	l.is(Authorized, true)

	l.server.seen()
	l.pass(100 * day)
	l.is(Authorized, true)
	if got := l.server.seen(); !slices.Equal(got, []string{ela.TypeAuthorize, ela.TypeAuthorize, ela.TypeAuthorize}) {
		t.Errorf("in 100 days the server has seen %q; want three authorisations", got)
	}
	l.pass(100 * day)
	if got := l.server.seen(); !slices.Contains(got, ela.TypeRenewID) {
		t.Errorf("the ID certificate was not renewed: %q", got)
	}

	if _, err := l.Agent.deregister(t.Context(), DeregisterRequest{}); err != nil {
		t.Fatal(err)
	}
	l.is(Unidentified, true)
	if left := l.Status().Evaluation.Left; left != 80*day {
		t.Errorf("%v of the evaluation are left; want 80 days", left)
	}
	l.reboot(day)
	l.is(Unidentified, true)
	l.pass(80*day - time.Second)
	l.is(Unidentified, true)
	l.tells("evaluation-ending")
	l.pass(time.Second)
	l.is(EvalExpired, false)
	l.tells("evaluation-expired")
	l.apply(func(c *model.License) { c.Off = true })
	l.is(Unconfigured, false)
	l.tells("unconfigured")
	l.apply(func(c *model.License) { c.Off = false })
	l.is(EvalExpired, false)
	l.register()
	l.is(Authorized, true)
}

// TestAuthorizationExpires: 90 days without a server, by profile; the proxy
// knows the end before.
func TestAuthorizationExpires(t *testing.T) {
	for _, test := range []struct {
		profile string
		calls   bool
	}{{model.LicenseStrict, false}, {model.LicenseContinuity, true}} {
		t.Run(test.profile, func(t *testing.T) {
			l := newLife(t)
			l.apply(func(c *model.License) { c.Profile = test.profile })
			l.register()
			l.pass(29 * day)
			l.is(Authorized, true)
			l.down = true
			l.pass(2 * day)
			l.is(Authorized, true)
			l.tells("renewal-failing")
			if s := l.Status(); s.Listening != test.calls || s.Authorization.DaysLeft != 59 {
				t.Errorf("status = %+v; want notification listen mode in cccsp-15, 59 days left", s)
			}
			l.pass(59*day - time.Second)
			l.is(Authorized, true)
			g := l.Grant()
			if now, then := g.At(l.clock.Uptime()), g.At(l.clock.Uptime()+4*time.Second); !now.Calls || then.Calls != test.calls {
				t.Errorf("grant = %+v at %v; calls now and %t then", g, l.clock.Uptime(), test.calls)
			}
			l.pass(time.Second)
			l.is(AuthorizationExpired, test.calls)
			l.tells("renewal-failing", "authorization-expired")
			l.reboot(day)
			l.is(AuthorizationExpired, test.calls)
			l.down = false
			l.pass(4 * time.Hour) // L-28
			l.is(Authorized, true)
			l.tells()
		})
	}
}

// TestIDExpires: a year without a server, by profile (§1.7).
func TestIDExpires(t *testing.T) {
	strict := newLife(t)
	strict.apply(func(c *model.License) { c.Profile = model.LicenseStrict })
	strict.pass(day)
	strict.register()
	strict.apply(func(c *model.License) { c.Offline = true })
	strict.pass(361 * day)
	strict.is(AuthorizationExpired, false)
	strict.tells("authorization-expired", "id-expired")
	strict.reboot(0)
	strict.is(AuthorizationExpired, false)
	strict.apply(func(c *model.License) { c.Offline = false })
	strict.register()
	strict.is(Authorized, true)

	continued := newLife(t)
	continued.pass(day)
	continued.register()
	continued.apply(func(c *model.License) { c.Offline = true })
	continued.pass(359 * day)
	continued.is(AuthorizationExpired, true)
	continued.tells("authorization-expired", "id-expiring")
	continued.pass(2 * day)
	continued.is(Unidentified, true)
	if why := continued.Status().Failure; !strings.Contains(why, "the ID certificate has ended") {
		t.Errorf("the latest failure is %q; want why the box is not registered any more", why)
	}
	if left := continued.Status().Evaluation.Left; left < 87*day || left > 89*day {
		t.Errorf("%v of the evaluation are left; want what was not consumed before", left)
	}
	continued.reboot(0)
	continued.is(Unidentified, true)
	continued.pass(90 * day)
	continued.is(EvalExpired, false)
}

// TestLeaving: who asks for a deregistration and keeps its answer away does not
// keep the licence; the server says which it is.
func TestLeaving(t *testing.T) {
	for _, profile := range []string{model.LicenseStrict, model.LicenseContinuity} {
		l := newLife(t)
		l.apply(func(c *model.License) { c.Profile = profile })
		l.pass(10 * day)
		l.register()
		unanswered := func() {
			t.Helper()
			l.server.set(func() { l.server.spoils = func(string, []byte) []byte { return nil } })
			if _, err := l.Agent.deregister(t.Context(), DeregisterRequest{}); err == nil {
				t.Fatal("believed nothing")
			}
		}
		unanswered()
		l.is(Authorized, true)
		l.server.set(func() { l.server.spoils = nil })
		l.look()
		l.pass(leaveWithin + day) // it was asked at once whether the licence is still there
		l.is(Authorized, true)

		unanswered()
		l.down = true
		roots := l.keys.roots // for whose lack the state cannot be verified
		l.keys.roots = nil
		l.reboot(0)
		l.keys.roots = roots
		l.look()
		l.is(Authorized, true)
		l.pass(leaveWithin - time.Hour)
		l.is(Authorized, true)
		l.pass(time.Hour)
		l.is(Unidentified, true)
		if s := l.Status(); s.Registration.Registered || s.Evaluation.Left.Round(time.Hour) != 80*day {
			t.Errorf("%s: status = %+v; want no registration, and 80 days of evaluation", profile, s)
		}
	}
}

// TestExchangesAreFolded: a server that is away for weeks does not push the last
// good exchange out of the list.
func TestExchangesAreFolded(t *testing.T) {
	l := newLife(t)
	l.register()
	l.down = true
	l.pass(40 * day)
	list := l.Status().Exchanges
	if len(list) != 3 || list[1].Result != "ok" || list[1].Kind != KindAuthorize || list[2].Times < 50 || list[2].Time.Sub(list[2].Since) < 9*day {
		t.Errorf("exchanges = %+v; want the two good ones, and one that failed many times", list)
	}
	for i := range 100 {
		list = remember(list, Exchange{Kind: KindAuthorize, Result: fmt.Sprint("failure ", i), Times: 1})
	}
	if len(list) != exchangesMost || list[0].Result != "ok" || list[1].Result != "ok" || list[exchangesMost-1].Result != "failure 99" {
		t.Errorf("exchanges = %+v; want %d with the good ones and the last failures", list, exchangesMost)
	}
}

// TestFailuresAreTold in one line, without the token that a server repeats.
func TestFailuresAreTold(t *testing.T) {
	l := newLife(t)
	l.server.set(func() {
		l.server.refuses = &ela.Problem{Type: ela.BadToken, Status: 403, Detail: "no account has made secret-token"}
	})
	_, err := l.Agent.register(t.Context(), RegisterRequest{Token: "secret-token"})
	sml, _ := os.ReadFile(filepath.Join(l.dir, "harddisk", "log", logName))
	for what, text := range map[string]string{"operator": fmt.Sprint(err), "show": l.Status().Failure, "log": l.log.String(), "sml.log": string(sml)} {
		if !strings.Contains(text, "no account has made …") || strings.Contains(text, "secret-token") {
			t.Errorf("%s: %q; want why it failed, without the token", what, text)
		}
	}
	if got, want := without("no account has made abcdefghijklmnop-and, abcdefghijklmnop-and-more", "abcdefghijklmnop-and-more"), "no account has made …, …"; got != want {
		t.Errorf("without = %q; want %q", got, want)
	}
	two := told{error: errors.Join(errors.New("192.0.2.1: no route"), errors.New("a name with \x1b[2J"))}
	if got, want := two.Error(), "192.0.2.1: no route; a name with ?[2J"; got != want {
		t.Errorf("told = %q; want %q", got, want)
	}
}

// TestReentitling: requests for more licences that fail (L-26, X-7).
func TestReentitling(t *testing.T) {
	for _, test := range []struct {
		profile string
		want    State
	}{{model.LicenseStrict, Authorized}, {model.LicenseContinuity, OutOfCompliance}} {
		l := newLife(t)
		l.apply(func(c *model.License) { c.Profile, c.ReentitleLimit = test.profile, 3 })
		l.register()
		l.down = true
		l.apply(func(c *model.License) { c.CPS = 20 })
		l.pass(15 * time.Minute)
		l.is(Authorized, true)
		l.pass(30 * time.Minute)
		l.is(test.want, true)
		l.down = false
		l.pass(5 * time.Hour)
		l.is(Authorized, true)
	}
}

// TestFewerLicences are told at once, too.
func TestFewerLicences(t *testing.T) {
	l := newLife(t)
	l.register()
	l.server.seen()
	l.apply(func(c *model.License) { c.CPS = 5 })
	if got := l.server.seen(); !slices.Equal(got, []string{ela.TypeAuthorize}) || l.Status().Authorization.Count != 1 {
		t.Errorf("the server has seen %q; want a request for one licence", got)
	}
}

// TestClock: dates of certificates are no failure of the licence while the
// clock of the box is not right.
func TestClock(t *testing.T) {
	l := newLife(t)
	l.register()
	l.clock.mu.Lock()
	l.clock.at = l.clock.at.Add(-30 * day) // as if the trusted time had been lost
	l.clock.mu.Unlock()
	l.synchronised = false
	if _, err := l.renew(t.Context(), RenewRequest{}); err == nil {
		t.Fatal("no error")
	}
	l.tells()
	l.server.seen()
	l.look()
	if got := l.server.seen(); len(got) != 0 {
		t.Errorf("the server has seen %q; want nothing before the clock is right", got)
	}
	l.clock.Raise(l.clock.now().Add(31 * day))
	l.synchronised = true
	l.look()
	if got := l.server.seen(); len(got) == 0 || l.Status().Failure != "" {
		t.Errorf("the server has seen %q, failure %q; want a request as soon as the clock is right", got, l.Status().Failure)
	}
	l.clock.tampered = "the clock was put ahead"
	l.tells("clock")
}

// TestLedAstray: time servers that once lied by 30 years cost the licence, as
// nothing says that it was a lie; a new registration sets all right.
func TestLedAstray(t *testing.T) {
	for _, profile := range []string{model.LicenseStrict, model.LicenseContinuity} {
		l := newLife(t)
		l.apply(func(c *model.License) { c.Profile = profile })
		l.register()
		l.pass(day)
		l.clock.lead(30 * 365 * day) // longer than any certificate
		l.look()
		if s := l.Status(); s.State == Authorized || s.Registration.Registered {
			t.Fatalf("%s: status = %+v; want neither registration nor authorisation", profile, s)
		}
		l.register()
		l.is(Authorized, true)
		if s := l.Status(); s.Now.Year() != 2026 || s.Authorization.DaysLeft != 90 || s.Authorization.NextAttempt.Sub(s.Now) != authorizeEvery {
			t.Errorf("%s: status = %+v; want the time of the server", profile, s)
		}
		l.tells()
		l.reboot(day)
		l.pass(40 * day)
		l.is(Authorized, true)
		l.tells()
	}
}

// TestServersBehind: time servers that lie by years to the other side keep no
// answer away.
func TestServersBehind(t *testing.T) {
	l := newLife(t)
	l.clock.mu.Lock()
	l.clock.behind = 5 * 365 * day
	l.clock.mu.Unlock()
	l.register()
	l.is(Authorized, true)
}

// TestRun: the agent does by itself what is due, while others ask, and ends.
func TestRun(t *testing.T) {
	l := newLife(t)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	asked := make(chan struct{})
	running.Go(func() {
		for {
			select {
			case <-asked:
				return
			default:
				l.Conditions()
				l.Grant()
			}
		}
	})
	if _, err := l.Agent.register(t.Context(), RegisterRequest{Token: "secret-token"}); err != nil {
		t.Error(err)
	}
	for l.Status().State != Authorized && t.Context().Err() == nil {
		time.Sleep(time.Millisecond)
	}
	close(asked)
	cancel()
	running.Wait()
	l.reboot(0)
	l.is(Authorized, true)
}
