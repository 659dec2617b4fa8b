package license

import (
	"testing"
	"time"

	"causeway/appliance/license/ela"
)

// TestRefusals: what cannot be believed changes nothing.
func TestRefusals(t *testing.T) {
	old := map[string][]byte{}
	for name, spoils := range map[string]func(kind string, answer []byte) []byte{
		"a flipped bit": func(_ string, answer []byte) []byte { return flip(answer) },
		"an old answer": func(kind string, _ []byte) []byte { return old[kind] },
		"nothing":       func(string, []byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			l.server.set(func() {
				l.server.spoils = func(kind string, answer []byte) []byte { old[kind] = answer; return answer }
			})
			l.register()
			before := l.Status()
			l.server.set(func() { l.server.spoils = spoils })
			l.clock.run(time.Hour)
			for kind, do := range map[string]func() error{
				"authorisation": func() error { _, err := l.renew(t.Context(), RenewRequest{}); return err },
				"renewal":       func() error { _, err := l.renew(t.Context(), RenewRequest{ID: true}); return err },
				"leave":         func() error { _, err := l.Agent.deregister(t.Context(), DeregisterRequest{}); return err },
				"registration": func() error {
					_, err := l.Agent.register(t.Context(), RegisterRequest{Token: "secret-token", Force: true})
					return err
				},
			} {
				if err := do(); err == nil {
					t.Errorf("%s: believed", kind)
				}
			}
			after := l.Status()
			if after.State != Authorized || after.Authorization.Deadline != before.Authorization.Deadline || after.Registration.IDSerial != before.Registration.IDSerial {
				t.Errorf("status = %+v; want that of before, %+v", after, before)
			}
		})
	}
}

// TestProblems: what a server refuses, or somebody on the way, changes nothing
// but when the next try is.
func TestProblems(t *testing.T) {
	l := newLife(t)
	l.register()
	for _, test := range []struct {
		problem ela.Problem
		wait    string
		next    time.Duration
		alarms  []string
	}{
		{ela.Problem{Type: ela.RateLimited, Status: 429}, "7200", 2 * time.Hour, []string{"renewal-failing"}},
		{ela.Problem{Type: ela.ServerFault, Status: 503}, "864000", day, []string{"renewal-failing"}},
		{ela.Problem{Type: ela.Revoked, Status: 403}, "", 15 * time.Minute << 2, []string{"renewal-failing"}},
		{ela.Problem{Type: ela.BadSeq, Status: 409}, "", 15 * time.Minute << 3, []string{"renewal-failing", "copied"}},
	} {
		l.server.set(func() { l.server.refuses, l.server.wait = &test.problem, test.wait })
		if _, err := l.renew(t.Context(), RenewRequest{}); err == nil {
			t.Fatalf("%s: no error", test.problem.Type)
		}
		s := l.Status()
		if got := s.Authorization.NextAttempt.Sub(s.Now); got != test.next {
			t.Errorf("%s: the next try is in %v; want %v", test.problem.Type, got, test.next)
		}
		l.is(Authorized, true)
		l.tells(test.alarms...)
	}
	l.server.set(func() { l.server.refuses = nil })
	l.pass(4 * time.Hour)
	l.tells()
}
