package sip

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// Two more callees on LAN2.
var (
	second = netip.MustParseAddrPort("192.168.43.3:5060")
	third  = netip.MustParseAddrPort("192.168.43.4:5060")
)

// element remembers how requests to it went.
type element struct {
	down     bool
	shut     bool
	outcomes []hop.Outcome
	after    time.Duration
}

func (e *element) Up() bool        { return !e.down }
func (e *element) InService() bool { return !e.shut }
func (e *element) Report(o hop.Outcome, retryAfter time.Duration) {
	e.outcomes, e.after = append(e.outcomes, o), max(e.after, retryAfter)
}

func toward(to netip.AddrPort) hop.Target { return hop.Target{Network: "lan2", Address: to} }

func parallel(t hop.Target) hop.Target {
	t.Parallel = true
	return t
}

// forked sends an INVITE to targets and gives what the first of them got.
func (b *bench) forked(targets ...hop.Target) []sent {
	b.Helper()
	b.plans.last.targets = targets
	out := b.receive(lan1, caller, request("INVITE", "sip:bob@example.com", "i1", 1))
	if len(out) == 0 || out[0].startLine() != "SIP/2.0 100 Trying" {
		b.Fatalf("sent %v; want a 100 first", out)
	}
	return out[1:]
}

// to gives the datagrams that went to an address.
func to(out []sent, address netip.AddrPort) (those []sent) {
	for _, s := range out {
		if s.to == address {
			those = append(those, s)
		}
	}
	return those
}

const invited = "INVITE sip:bob@example.com SIP/2.0"

// A response that is a reason to fail over leads to the next target, others do not.
func TestFailover(t *testing.T) {
	for _, test := range []struct {
		status   int
		failover []model.CodeRange
		next     bool
		outcome  hop.Outcome
	}{
		{503, nil, true, hop.Failed},
		{486, nil, false, hop.Answered},
		{500, nil, false, hop.Answered},
		{500, []model.CodeRange{{From: 480, To: 480}, {From: 500, To: 599}}, true, hop.Failed},
		{603, []model.CodeRange{{From: 400, To: 699}}, false, hop.Failed}, // §16.7 step 5: a 6xx ends the search
	} {
		b, e := newBench(t), &element{}
		first := toward(callee)
		first.Failover, first.Element = test.failover, e
		invite := b.only(b.forked(first, toward(second)), invited)[0]
		out := b.receive(lan2, callee, answerTo(invite, test.status, "No", "Retry-After: 7"))
		if next := len(to(out, second)) == 1; next != test.next {
			t.Errorf("%d, failover %v: second target tried: %v; want %v", test.status, test.failover, next, test.next)
		}
		if !slices.Equal(e.outcomes, []hop.Outcome{test.outcome}) {
			t.Errorf("%d: outcomes = %v; want %v", test.status, e.outcomes, test.outcome)
		}
		if test.outcome == hop.Failed && e.after != 7*time.Second {
			t.Errorf("%d: Retry-After = %v; want 7 s", test.status, e.after)
		}
		b.empty()
	}
}

// Silence leads to the next target after TU1; the silent one gets a CANCEL
// should it say something yet.
func TestFailoverOnSilence(t *testing.T) {
	b, e := newBench(t), &element{}
	first := toward(callee)
	first.Element = e
	invite := b.only(b.forked(first, toward(second)), invited)[0]
	out := b.wait(5 * time.Second)
	next := to(out, second)
	if len(next) != 1 || !slices.Equal(e.outcomes, []hop.Outcome{hop.TimedOut}) {
		t.Fatalf("after TU1: sent %v, outcomes %v; want the INVITE to the second target", out, e.outcomes)
	}
	if again := to(b.wait(4*time.Second), callee); len(again) != 0 {
		t.Errorf("the target that was given up got %v", again)
	}
	b.only(b.receive(lan2, callee, answerTo(invite, 180, "Ringing")), "CANCEL sip:bob@example.com SIP/2.0")
	b.only(b.receive(lan2, callee, answerTo(invite, 487, "Request Terminated")), "ACK sip:bob@example.com SIP/2.0")
	b.only(b.receive(lan2, second, answerTo(next[0], 200, "OK")), "SIP/2.0 200 OK")
	if n := b.status().OpenCalls; n != 1 {
		t.Errorf("%d open calls; want 1", n)
	}
}

// Of the targets after the first, one that is down is left out while there is
// another; the first is routing's choice.
func TestDownElementsAreLeftOut(t *testing.T) {
	down := toward(second)
	down.Element = &element{down: true}
	b := newBench(t)
	invite := b.only(b.forked(toward(callee), down, toward(third)), invited)[0]
	if out := b.receive(lan2, callee, answerTo(invite, 503, "No")); len(to(out, third)) != 1 || len(to(out, second)) != 0 {
		t.Errorf("sent %v; want the INVITE to the third target", out)
	}
	if out := newBench(t).forked(down, toward(callee)); len(out) != 1 || out[0].to != second {
		t.Errorf("sent %v; want the INVITE to the first target", out)
	}
}

// An element that is shut down after it was chosen is left out, also where it is
// the last: then what was heard before is the answer. Only a call that was on its
// way to nobody else still goes there.
func TestShutDownElementsAreLeftOut(t *testing.T) {
	e := &element{}
	last := toward(second)
	last.Element = e
	b := newBench(t)
	invite := b.only(b.forked(toward(callee), last), invited)[0]
	e.shut = true
	out := b.receive(lan2, callee, answerTo(invite, 503, "No"))
	if len(to(out, second)) != 0 || len(to(out, caller)) != 1 || !strings.HasPrefix(to(out, caller)[0].text, "SIP/2.0 500 ") {
		t.Errorf("sent %v; want 500 to the caller and nothing to the second target", out)
	}
	for _, test := range []struct {
		targets []hop.Target
		want    netip.AddrPort
	}{
		{[]hop.Target{last, toward(third)}, third},
		{[]hop.Target{last}, second},
	} {
		b := newBench(t)
		if out := b.only(b.forked(test.targets...), invited); out[0].to != test.want {
			t.Errorf("of %d targets the INVITE went to %v; want %v", len(test.targets), out[0].to, test.want)
		}
	}
}

// Open calls are counted by the element that took them, and no others.
func TestCallsByElement(t *testing.T) {
	b, busy, idle := newBench(t), &element{}, &element{}
	first, next := toward(callee), toward(second)
	first.Element, next.Element = idle, busy
	invite := b.only(b.forked(first, next), invited)[0]
	again := to(b.receive(lan2, callee, answerTo(invite, 503, "No")), second)
	if len(again) != 1 {
		t.Fatalf("the second target got %v; want the INVITE", again)
	}
	b.receive(lan2, second, answerTo(again[0], 200, "OK"))
	if got := b.p.CallsByElement(); len(got) != 1 || got[busy] != 1 {
		t.Errorf("CallsByElement = %v; want 1 of the second", got)
	}
	b = newBench(t)
	invite = b.only(b.forked(first), invited)[0]
	if got := b.p.CallsByElement(); got[idle] != 1 {
		t.Errorf("while it is set up CallsByElement = %v; want 1", got)
	}
	b.receive(lan2, callee, answerTo(invite, 486, "Busy Here"))
	if got := b.p.CallsByElement(); len(got) != 0 {
		t.Errorf("after its end CallsByElement = %v; want none", got)
	}
}

// RFC 3261 §16.7 step 6: the best response of several branches.
func TestBestResponse(t *testing.T) {
	for _, test := range []struct {
		first, last int
		want        string
	}{
		{486, 404, "SIP/2.0 404 "}, // of equal ones the last
		{404, 486, "SIP/2.0 486 "},
		{503, 486, "SIP/2.0 486 "},
		{486, 503, "SIP/2.0 486 "},
		{503, 503, "SIP/2.0 500 "},
		{404, 407, "SIP/2.0 407 "},
		{401, 404, "SIP/2.0 401 "},
		{302, 486, "SIP/2.0 302 "},
		{404, 600, "SIP/2.0 600 "},
	} {
		b := newBench(t)
		out := b.only(b.forked(toward(callee), parallel(toward(second))), invited, invited)
		b.only(b.receive(lan2, callee, answerTo(out[0], test.first, "First")), "ACK sip:bob@example.com SIP/2.0")
		got := to(b.receive(lan2, second, answerTo(out[1], test.last, "Last")), caller)
		if len(got) != 1 || !strings.HasPrefix(got[0].text, test.want) {
			t.Errorf("%d and %d: answered %v; want %s", test.first, test.last, got, test.want)
		}
		b.empty()
	}
}

// All challenges go upstream together (§16.7 step 7).
func TestChallengesAreAggregated(t *testing.T) {
	b := newBench(t)
	out := b.forked(toward(callee), parallel(toward(second)))
	b.receive(lan2, callee, answerTo(out[0], 407, "First", `Proxy-Authenticate: Digest realm="a"`))
	got := to(b.receive(lan2, second, answerTo(out[1], 401, "Last", `WWW-Authenticate: Digest realm="b"`)), caller)
	if len(got) != 1 || got[0].value("Proxy-Authenticate") != `Digest realm="a"` || got[0].value("WWW-Authenticate") != `Digest realm="b"` {
		t.Errorf("answered %v; want both challenges", got)
	}
	if n := len(got[0].values("WWW-Authenticate")); n != 1 {
		t.Errorf("%d WWW-Authenticate; want 1", n)
	}
	b.empty()
}

// The first 2xx ends the search; a late one of another branch goes upstream
// all the same (§16.7 step 5).
func TestForkAnswered(t *testing.T) {
	b := newBench(t)
	out := b.only(b.forked(toward(callee), parallel(toward(second)), parallel(toward(third))), invited, invited, invited)
	b.only(b.receive(lan2, callee, answerTo(out[0], 180, "Ringing")), "SIP/2.0 180 Ringing")
	b.only(b.receive(lan2, second, answerTo(out[1], 180, "Ringing")), "SIP/2.0 180 Ringing")
	got := b.only(b.receive(lan2, callee, answerTo(out[0], 200, "OK")), "CANCEL sip:bob@example.com SIP/2.0", "SIP/2.0 200 OK")
	if got[0].to != second {
		t.Errorf("CANCEL went to %v; want %v: the third has not rung", got[0].to, second)
	}
	b.only(b.receive(lan2, third, answerTo(out[2], 183, "Session Progress")), "CANCEL sip:bob@example.com SIP/2.0")
	late := b.only(b.receive(lan2, second, answerTo(out[1], 200, "OK")), "SIP/2.0 200 OK")
	if late[0].to != caller {
		t.Errorf("the late 200 went to %v", late[0].to)
	}
	b.only(b.receive(lan2, third, answerTo(out[2], 487, "Request Terminated")), "ACK sip:bob@example.com SIP/2.0")
	if b.gate.seats != 1 {
		t.Errorf("%d seats are taken; want 1", b.gate.seats)
	}
}

// A 200 of a branch that rang when another had declined for all.
func TestAnswerAfterDecline(t *testing.T) {
	b := newBench(t)
	out := b.forked(toward(callee), parallel(toward(second)))
	b.receive(lan2, second, answerTo(out[1], 180, "Ringing"))
	b.only(b.receive(lan2, callee, answerTo(out[0], 603, "Decline")), "ACK sip:bob@example.com SIP/2.0", "CANCEL sip:bob@example.com SIP/2.0")
	b.only(b.receive(lan2, second, answerTo(out[1], 200, "OK")), "SIP/2.0 200 OK")
}

// CANCEL reaches every branch, and no further target is tried.
func TestCancelOfFork(t *testing.T) {
	b := newBench(t)
	out := b.forked(toward(callee), parallel(toward(second)), toward(third))
	b.receive(lan2, callee, answerTo(out[0], 180, "Ringing"))
	b.only(b.receive(lan1, caller, cancelFor("sip:bob@example.com")), "SIP/2.0 200 OK", "CANCEL sip:bob@example.com SIP/2.0")
	b.only(b.receive(lan2, callee, answerTo(out[0], 487, "Request Terminated")), "ACK sip:bob@example.com SIP/2.0")
	b.only(b.receive(lan2, second, answerTo(out[1], 503, "Service Unavailable")), "ACK sip:bob@example.com SIP/2.0", "SIP/2.0 487 Request Terminated")
	b.empty()
}

func cancelFor(uri string) string { return request("CANCEL", uri, "i1", 1) }

// RFC 5393 §5.3.3: the branches share the breadth of the request.
func TestMaxBreadth(t *testing.T) {
	b := newBench(t)
	for _, s := range b.forked(toward(callee), parallel(toward(second)), parallel(toward(third))) {
		if got := s.values("Max-Breadth"); !slices.Equal(got, []string{"20"}) {
			t.Errorf("Max-Breadth = %q; want a third of 60", got)
		}
	}
	b = newBench(t)
	b.plans.last.targets = []hop.Target{toward(callee), parallel(toward(second))}
	out := b.receive(lan1, caller, request("INVITE", bob, "i1", 1, "Max-Breadth: 1"))
	if len(out) != 2 || out[1].startLine() != "SIP/2.0 440 Max-Breadth Exceeded" {
		t.Errorf("sent %v; want 440", out)
	}
	b.empty()
}

// A target that waits for DNS, and the next place of one that failed, have
// their share like the others of the group.
func TestMaxBreadthOfLaterBranches(t *testing.T) {
	b, o := newBench(t), &oracle{places: make(map[string][]hop.Place)}
	b.p.options.Locator = o
	shares := func(out []sent) (shares []string) {
		for _, s := range out {
			if strings.HasPrefix(s.text, "INVITE ") {
				shares = append(shares, s.value("Max-Breadth"))
			}
		}
		return shares
	}
	got := shares(b.forked(toward(third), parallel(named("trunk.example.com"))))
	out := b.tell(o, "trunk.example.com", udp(callee), udp(second))
	got = append(got, shares(out)...)
	got = append(got, shares(b.receive(lan2, callee, answerTo(out[0], 503, "No")))...)
	if want := []string{"30", "30", "30"}; !slices.Equal(got, want) {
		t.Errorf("Max-Breadth = %q; want %q", got, want)
	}
	b.empty()
}

// "route recursion": the contacts of a redirection are tried by q-value.
func TestRecursion(t *testing.T) {
	b := newBench(t)
	networks := testNets
	networks.Recursion = true
	b.configure(&networks)
	invite := b.only(b.forked(toward(callee)), invited)[0]
	moved := answerTo(invite, 302, "Moved", "Contact: <sip:bob@192.168.43.4>;q=0.2, <sip:bob@192.168.43.3>;q=0.9, <sip:x@127.0.0.1>")
	out := b.only(b.receive(lan2, callee, moved), "ACK sip:bob@example.com SIP/2.0", "INVITE sip:bob@192.168.43.3 SIP/2.0")
	out = b.only(b.receive(lan2, second, answerTo(out[1], 404, "Not Found")), "ACK sip:bob@192.168.43.3 SIP/2.0", "INVITE sip:bob@192.168.43.4 SIP/2.0")
	again := answerTo(out[1], 302, "Moved", "Contact: <sip:bob@192.168.43.3>")
	b.only(b.receive(lan2, third, again), "ACK sip:bob@192.168.43.4 SIP/2.0", "SIP/2.0 302 Moved")
	b.empty()
}

// Without it the caller gets the redirection.
func TestRedirectionGoesUpstream(t *testing.T) {
	b := newBench(t)
	invite := b.forked(toward(callee))[0]
	b.only(b.receive(lan2, callee, answerTo(invite, 302, "Moved", "Contact: <sip:bob@192.168.43.4>")), "ACK sip:bob@example.com SIP/2.0", "SIP/2.0 302 Moved")
	b.empty()
}

// RFC 5393 §4.2: what comes again the way it came before is a loop; with
// another Request-URI it is a spiral, and goes on.
func TestLoop(t *testing.T) {
	b := newBench(t)
	invite := b.only(b.forked(toward(callee)), invited)[0]
	again := b.only(b.receive(lan2, callee, invite.text), "SIP/2.0 100 Trying", invited)[1] // it did not come from there before
	b.only(b.receive(lan2, callee, again.text), "SIP/2.0 482 Loop Detected")
	spiral := strings.Replace(again.text, "INVITE sip:bob@example.com", "INVITE sip:bob2@example.com", 1)
	b.only(b.receive(lan2, callee, strings.Replace(spiral, ";branch=z9hG4bKc", ";branch=z9hG4bKd", 1)), "SIP/2.0 100 Trying", "INVITE sip:bob2@example.com SIP/2.0")
}

// Admission's room is given back whatever becomes of a call, and its no is
// the caller's answer.
func TestSeats(t *testing.T) {
	b := newBench(t)
	b.gate.place = hop.Refusal{Status: 503, Reason: "Call Limit Reached", Rule: "cac entry 1/t1/3 max-num-calls", RetryAfter: 9}
	b.plans.last.targets = nil
	out := b.receive(lan1, caller, request("INVITE", bob, "i1", 1))
	if len(out) != 2 || out[1].startLine() != "SIP/2.0 503 Call Limit Reached" || out[1].value("Retry-After") != "9" {
		t.Fatalf("sent %v; want the refusal", out)
	}
	if len(b.gate.failed) != 1 || b.gate.failed[0].Rule != b.gate.place.Rule {
		t.Errorf("failed calls = %v; want one by %q", b.gate.failed, b.gate.place.Rule)
	}
	b.empty()
	if want := []model.EndCause{model.EndRule}; !slices.Equal(b.ledger.causes, want) {
		t.Errorf("causes = %v; want %v", b.ledger.causes, want)
	}
}
