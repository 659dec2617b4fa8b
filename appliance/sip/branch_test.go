package sip

import (
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// timed gives the callees' network other timers than the callers' has.
func (b *bench) timed(timers model.SIPTimers) {
	networks := testNets
	networks.Networks = []model.SIPNetwork{network1, network2}
	networks.Networks[1].Timers = timers
	b.configure(&networks)
}

const ackOfInvited = "ACK sip:bob@example.com SIP/2.0"

// A branch may outlive the server transaction: the networks have timers of
// their own.
func TestBranchOutlivesServer(t *testing.T) {
	b := newBench(t)
	b.timed(model.SIPTimers{ClientTn: 64000})
	out := b.only(b.forked(toward(callee), parallel(toward(second))), invited, invited)
	b.only(b.receive(lan2, callee, answerTo(out[0], 200, "OK")), "SIP/2.0 200 OK")
	b.wait(2 * time.Minute)
	if b.gate.seats != 1 {
		t.Errorf("%d seats are taken; want that of the call", b.gate.seats)
	}
}

// TU1 is for the sake of another target: without one a silent branch has all
// of its time.
func TestSilentBranchWithoutAlternative(t *testing.T) {
	b := newBench(t)
	out := b.only(b.forked(toward(callee), parallel(toward(second))), invited, invited)
	b.only(b.receive(lan2, second, answerTo(out[1], 180, "Ringing")), "SIP/2.0 180 Ringing")
	b.wait(20 * time.Second)
	got := b.receive(lan2, callee, answerTo(out[0], 200, "OK"))
	if len(to(got, caller)) != 1 || got[len(got)-1].startLine() != "SIP/2.0 200 OK" {
		t.Errorf("sent %v; want the 200", got)
	}
}

// Only provisional responses from 101 on restart timer C (RFC 3261 §16.7 step 2).
func TestTryingDoesNotRestartTimerC(t *testing.T) {
	b := newBench(t)
	invite := b.invited()
	b.receive(lan2, callee, answerTo(invite, 180, "Ringing"))
	b.only(b.wait(100 * time.Second))
	b.receive(lan2, callee, answerTo(invite, 100, "Trying"))
	if out := b.wait(82 * time.Second); len(out) == 0 || !strings.HasPrefix(out[0].text, "CANCEL ") {
		t.Errorf("after timer C was sent %v; want CANCEL", out)
	}
	b.receive(lan2, callee, answerTo(invite, 487, "Request Terminated"))
	b.empty()
}

// RFC 3263 §4.3: the places of a host are one target: the second is tried when
// the first fails, whatever its neighbours in the group do meanwhile.
func TestPlacesOfAParallelTarget(t *testing.T) {
	b, o := newBench(t), &oracle{places: map[string][]hop.Place{"trunk.example.com": {udp(callee), udp(second)}}}
	b.p.options.Locator = o
	out := b.only(b.forked(named("trunk.example.com"), parallel(toward(third))), invited, invited)
	if out[0].to != callee || out[1].to != third {
		t.Fatalf("went to %v and %v; want the first place and the other target", out[0].to, out[1].to)
	}
	b.receive(lan2, third, answerTo(out[1], 180, "Ringing"))
	again := b.only(b.receive(lan2, callee, answerTo(out[0], 503, "No")), ackOfInvited, invited)[1]
	if again.to != second {
		t.Errorf("went to %v; want the second place", again.to)
	}
	b.only(b.receive(lan2, second, answerTo(again, 486, "Busy")), ackOfInvited)
	b.only(b.receive(lan2, third, answerTo(out[1], 486, "Busy")), ackOfInvited, "SIP/2.0 486 Busy")
	b.empty()
}

// Those after a group are tried when all of it has failed, and not where one
// of it has given an answer that ends the search.
func TestTargetsAfterAGroup(t *testing.T) {
	for _, test := range []struct {
		first, last int
		next        bool
	}{{503, 503, true}, {486, 503, false}, {503, 486, false}} {
		b := newBench(t)
		out := b.only(b.forked(toward(callee), parallel(toward(second)), toward(third)), invited, invited)
		b.only(b.receive(lan2, second, answerTo(out[1], 180, "Ringing")), "SIP/2.0 180 Ringing")
		b.only(b.receive(lan2, callee, answerTo(out[0], test.first, "No")), ackOfInvited)
		got := b.receive(lan2, second, answerTo(out[1], test.last, "No"))
		if next := len(to(got, third)) == 1; next != test.next {
			t.Errorf("%d and %d: next target tried: %v; want %v", test.first, test.last, next, test.next)
		}
		b.empty()
	}
}

// CANCEL is for INVITE alone (RFC 3261 §9.1).
func TestDeclineOfOtherRequests(t *testing.T) {
	b := newBench(t)
	b.plans.last.targets = []hop.Target{toward(callee), parallel(toward(second))}
	out := b.receive(lan1, caller, request("MESSAGE", "sip:bob@example.com", "m1", 1))
	b.only(b.receive(lan2, second, answerTo(out[1], 100, "Trying")))
	b.only(b.receive(lan2, callee, answerTo(out[0], 603, "Decline")))
	b.only(b.receive(lan2, second, answerTo(out[1], 200, "OK")), "SIP/2.0 603 Decline")
	b.empty()
}

func recursive(b *bench) {
	networks := testNets
	networks.Recursion = true
	b.configure(&networks)
}

// RFC 3261 §16.7 step 4: a redirection that was followed is no answer any more.
func TestFollowedRedirectionIsNoAnswer(t *testing.T) {
	b := newBench(t)
	recursive(b)
	invite := b.only(b.forked(toward(callee)), invited)[0]
	moved := answerTo(invite, 302, "Moved", "Contact: <sip:bob@192.168.43.3>")
	out := b.only(b.receive(lan2, callee, moved), ackOfInvited, "INVITE sip:bob@192.168.43.3 SIP/2.0")
	b.only(b.receive(lan2, second, answerTo(out[1], 404, "Not Found")), "ACK sip:bob@192.168.43.3 SIP/2.0", "SIP/2.0 404 Not Found")
	b.empty()
}

// One that leads nowhere we can go is an answer like others.
func TestRedirectionThatCannotBeFollowed(t *testing.T) {
	b := newBench(t)
	recursive(b)
	invite := b.only(b.forked(toward(callee), toward(second)), invited)[0]
	moved := answerTo(invite, 302, "Moved", "Contact: <tel:+1234>")
	b.only(b.receive(lan2, callee, moved), ackOfInvited, "SIP/2.0 302 Moved")
	b.empty()
}

// A silent callee counts as 408 (RFC 3261 §16.8), which is better than a 5xx
// whichever comes first.
func TestSilenceIsBetterThanServerError(t *testing.T) {
	for _, late := range []bool{false, true} {
		b := newBench(t)
		out := b.only(b.forked(toward(callee), parallel(toward(second))), invited, invited)
		b.receive(lan2, second, answerTo(out[1], 180, "Ringing"))
		if late {
			b.wait(40 * time.Second)
		}
		got := b.receive(lan2, second, answerTo(out[1], 500, "Broken"))
		if !late {
			got = b.wait(40 * time.Second)
		}
		if got := to(got, caller); len(got) == 0 || !strings.HasPrefix(got[0].text, "SIP/2.0 408 ") {
			t.Errorf("500 is late: %v: answered %v; want 408", late, got)
		}
		b.empty()
	}
}

// unreachable has a request not get to its next hop, and takes what is sent
// then.
func (b *bench) unreachable(request sent) []sent {
	s := b.p.shardOf([]byte("call-1@192.0.2.1"))
	_, branch, _ := strings.Cut(request.value("Via"), "branch=")
	b.out = nil
	s.client([]byte(branch)).unreachable(b.w, s)
	return b.out
}

// An element that is down is left out as well when the one before was
// unreachable and is forgotten already.
func TestDownElementAfterUnreachable(t *testing.T) {
	down := toward(second)
	down.Element = &element{down: true}
	b := newBench(t)
	invite := b.only(b.forked(toward(callee), down, toward(third)), invited)[0]
	if out := b.only(b.unreachable(invite), invited); out[0].to != third {
		t.Errorf("went to %v; want the third", out[0].to)
	}
}

// RFC 4320 §4.2: a 408 to another request than INVITE is not passed on, and
// repetitions of the request are not sent on anew.
func TestRequestAfter408(t *testing.T) {
	b := newBench(t)
	out := b.receive(lan1, caller, request("MESSAGE", bob, "m", 1))
	b.only(b.receive(lan2, callee, answerTo(out[0], 408, "Request Timeout")))
	b.only(b.receive(lan1, caller, request("MESSAGE", bob, "m", 1)))
	b.empty()
}
