package servergroup

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// TestStates walks the table of states, written down here a second time from
// what operators are told: what an element with two retries is after each
// event, of calls and of pings alike.
func TestStates(t *testing.T) {
	const second = time.Second
	type row struct {
		from     state
		failures int
		what     event
		rest     time.Duration
		to       state
		after    int // failures
		changed  bool
	}
	for _, test := range []row{
		{up, 0, answered, 0, up, 0, false},
		{up, 1, answered, 0, up, 0, false},
		{up, 0, failed, 0, up, 1, false},
		{up, 1, failed, 0, down, 2, true},
		{up, 0, refused, 20 * second, busy, 0, true},
		{up, 1, refused, 20 * second, busy, 0, true},
		{down, 2, answered, 0, up, 0, true},
		{down, 2, failed, 0, down, 3, false},
		{down, 2, refused, 20 * second, busy, 0, true},
		{busy, 0, answered, 0, busy, 0, false},
		{busy, 1, answered, 0, busy, 0, false},
		{busy, 0, failed, 0, busy, 1, false},
		{busy, 1, failed, 0, down, 2, true},
		{busy, 0, refused, 20 * second, busy, 0, false},
	} {
		const began, restsUntil, now = 10 * second, 110 * second, 100 * second
		before := condition{state: test.from, failures: test.failures, since: began, until: restsUntil}
		got := before.after(test.what, callAnswered, test.rest, now, 2)
		name := fmt.Sprintf("state %d with %d failures, event %d", test.from, test.failures, test.what)
		if got.state != test.to || got.failures != test.after {
			t.Errorf("%s = state %d, %d failures; want state %d, %d failures", name, got.state, got.failures, test.to, test.after)
		}
		want := began
		if test.changed {
			want = now
		}
		if got.since != want {
			t.Errorf("%s: since %v; want %v", name, got.since, want)
		}
		until := map[state]time.Duration{up: got.until, down: now + 30*second, busy: restsUntil}[got.state]
		if test.what == refused {
			until = now + 20*second
		}
		if got.until != until {
			t.Errorf("%s: until %v; want %v", name, got.until, until)
		}
	}
}

// alone is an element of a registry without configuration.
func alone(t *testing.T, transport model.Transport) *Element {
	t.Helper()
	e := New(Options{}).element(Key{Network: "net", Transport: transport, Host: "192.0.2.1"})
	e.rules.Store(&rules{retries: retriesOf(model.ElementTries{}, transport)})
	return e
}

// TestReport: what calls say about an element, and when time changes it back.
func TestReport(t *testing.T) {
	type report struct {
		outcome    hop.Outcome
		retryAfter time.Duration
	}
	no, ok := report{hop.TimedOut, 0}, report{hop.Answered, 0}
	for _, test := range []struct {
		name      string
		transport model.Transport
		rest      time.Duration // configured
		reports   []report
		wait      time.Duration
		up        bool
	}{
		{"nothing heard", model.UDP, 0, nil, 0, true},
		{"one failure over UDP", model.UDP, 0, []report{no}, 0, true},
		{"two failures over UDP", model.UDP, 0, []report{no, no}, 0, false},
		{"not in a row", model.UDP, 0, []report{no, ok, no}, 0, true},
		{"of different kinds", model.UDP, 0, []report{{hop.Unreachable, 0}, {hop.Failed, 0}}, 0, false},
		{"one failure over TCP", model.TCP, 0, []report{no}, 0, false},
		{"one failure over TLS", model.TLS, 0, []report{no}, 0, false},
		{"an answer brings it back", model.TCP, 0, []report{no, ok}, 0, true},
		{"time does not bring it back", model.TCP, 0, []report{no}, time.Hour, false},
		{"Retry-After", model.UDP, 0, []report{{hop.Failed, 20 * time.Second}}, 19 * time.Second, false},
		{"Retry-After is over", model.UDP, 0, []report{{hop.Failed, 20 * time.Second}}, 20 * time.Second, true},
		{"an answer in between", model.UDP, 0, []report{{hop.Failed, 20 * time.Second}, ok}, 0, false},
		{"Retry-After of years", model.UDP, 0, []report{{hop.Failed, 1e6 * time.Hour}}, time.Hour, true},
		{"a default for 503 without Retry-After", model.TCP, 5 * time.Second, []report{{hop.Failed, 0}}, 4 * time.Second, false},
		{"its end", model.TCP, 5 * time.Second, []report{{hop.Failed, 0}}, 5 * time.Second, true},
		{"that has a Retry-After", model.TCP, 5 * time.Second, []report{{hop.Failed, 9 * time.Second}}, 8 * time.Second, false},
		{"the default is not for silence", model.UDP, 5 * time.Second, []report{no}, 0, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := alone(t, test.transport)
			e.rules.Store(&rules{retries: e.rules.Load().retries, rest: test.rest})
			for _, r := range test.reports {
				e.Report(r.outcome, r.retryAfter)
			}
			time.Sleep(test.wait)
			if got := e.Up(); got != test.up {
				t.Errorf("%s: Up() = %v; want %v", test.name, got, test.up)
			}
		})
	}
}

// TestReportCounts: every report is counted by its outcome.
func TestReportCounts(t *testing.T) {
	e := alone(t, model.UDP)
	for outcome, n := range []int{hop.Answered: 4, hop.Failed: 3, hop.TimedOut: 2, hop.Unreachable: 1} {
		for range n {
			e.Report(hop.Outcome(outcome), 0)
		}
	}
	if got := e.status(e.now(), time.Now()).Calls; got != [4]int64{4, 3, 2, 1} {
		t.Errorf("status.Calls = %v; want 4, 3, 2, 1", got)
	}
}

// TestReportAllocates: a call that an element serves costs no memory.
func TestReportAllocates(t *testing.T) {
	e := alone(t, model.UDP)
	e.Report(hop.Answered, 0)
	if n := testing.AllocsPerRun(100, func() { e.Report(hop.Answered, 0) }); n != 0 {
		t.Errorf("Report(Answered) allocates %v times; want 0", n)
	}
}
