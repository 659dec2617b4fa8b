package sip

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

const tagged = "To: <sip:bob@example.com>;tag=b1"

// Route elements that a strict router left may lie side by side in one field,
// or all be ours.
func TestStrictRouterInOneField(t *testing.T) {
	b := newBench(t)
	b.receive(lan1, caller, request("MESSAGE", "sip:192.168.42.1:5060;lr;cw=x", "s1", 1, "Route: <sip:192.168.42.1:5060;lr>"))
	set := reversed(b.established())
	text := request("BYE", strings.Trim(set[0], "<>"), "s2", 2, "Route: "+set[1]+", <sip:bob@192.168.43.2:5060>", tagged)
	out := b.only(b.receive(lan1, caller, text), "BYE sip:bob@192.168.43.2:5060 SIP/2.0")[0]
	if out.to != callee || len(out.values("Route")) != 0 {
		t.Errorf("BYE went to %v with Route %q", out.to, out.values("Route"))
	}
}

// A response that names no further hop is somebody's invention.
func TestResponseWithoutSecondVia(t *testing.T) {
	for _, status := range []int{200, 486} {
		b := newBench(t)
		invite := b.invited()
		b.only(b.receive(lan2, callee, strings.Replace(answerTo(invite, status, "X"), "Via: "+invite.values("Via")[1]+"\r\n", "", 1)))
		b.empty()
	}
}

// Who made one call cannot send what is no call anywhere he likes.
func TestTokenIsOfOneCall(t *testing.T) {
	b := newBench(t)
	set := append(routes(reversed(b.established())), "To: <sip:x@example.com>;tag=made-up")
	other := strings.Replace(request("INVITE", "sip:bob@203.0.113.9", "n1", 7, set...), "call-1@", "call-2@", 1)
	b.only(b.receive(lan1, caller, other), "SIP/2.0 481 Call/Transaction Does Not Exist")
}

// In a dialog, too, the services of the box itself are out of reach.
func TestDestinationsOfTheBoxItself(t *testing.T) {
	b := newBench(t)
	set := append(routes(reversed(b.established())), tagged)
	for uri, want := range map[string]string{
		"sip:127.0.0.1:53":        "SIP/2.0 403 Destination Not Allowed",
		"sip:0.0.0.0":             "SIP/2.0 403 Destination Not Allowed",
		"sip:224.0.0.1":           "SIP/2.0 403 Destination Not Allowed",
		"sip:bob@192.168.43.1":    "SIP/2.0 482 Next Hop Is This Box",
		"sip:bob@192.168.43.1:22": "SIP/2.0 403 Destination Not Allowed",
		"sip:bob.example.com":     "SIP/2.0 500 Destination Not Found",
		"sips:bob@192.168.43.2":   "SIP/2.0 500 No Listen Point Reaches The Next Hop",
		"sip:b@[2001:db8::1]":     "SIP/2.0 500 No Listen Point Reaches The Next Hop",
		"sip:b@1.2.3.4;lr;cw=zz":  "INFO sip:b@1.2.3.4;lr;cw=zz SIP/2.0",
	} {
		b.only(b.receive(lan1, caller, request("INFO", uri, "d"+uri, 2, set...)), want)
	}
}

// Nor does DNS lead there, nor a routing that follows the Request-URI, nor an
// ACK, which nobody would answer.
func TestNamesOfTheBoxItself(t *testing.T) {
	for _, at := range []string{"127.0.0.1:53", "[::ffff:127.0.0.1]:53", "192.168.42.1:22", "192.168.43.1:5060", "0.0.0.0:5060"} {
		b, o := newBench(t), &oracle{places: map[string][]hop.Place{"evil.example.com": {udp(addressOf(at))}}}
		b.p.options.Locator = o
		set := append(routes(reversed(b.established())), tagged)
		b.only(b.receive(lan1, caller, request("ACK", "sip:bob@evil.example.com", "k", 1, set...)))
		out := b.receive(lan1, caller, request("INFO", "sip:bob@evil.example.com", "n", 2, set...))
		if len(out) != 1 || out[0].to != caller {
			t.Errorf("%s: sent %v; want an answer alone", at, out)
		}
		for _, target := range []hop.Target{named("evil.example.com"), toward(addressOf(at))} {
			b.plans.last.targets = []hop.Target{target}
			out := b.receive(lan1, caller, request("MESSAGE", "sip:bob@evil.example.com", "m"+target.Host, 2))
			if len(out) != 1 || out[0].to != caller {
				t.Errorf("%s: sent %v; want an answer alone", at, out)
			}
		}
	}
}

// One address of a host that will not do leaves the others to try.
func TestPlacesBesideForbiddenOnes(t *testing.T) {
	b, o := newBench(t), &oracle{places: map[string][]hop.Place{"b.example.com": {udp(lan2), udp(addressOf("127.0.0.1:53")), udp(callee)}}}
	b.p.options.Locator = o
	b.plans.last.targets = []hop.Target{named("b.example.com")}
	b.only(b.receive(lan1, caller, request("MESSAGE", "sip:bob@b.example.com", "m", 2)), "MESSAGE sip:bob@b.example.com SIP/2.0")
}

// Before a dialog nobody has a Record-Route of ours: what looks like a strict
// router there is none.
func TestNoStrictRouterBeforeDialog(t *testing.T) {
	b := newBench(t)
	text := request("MESSAGE", "sip:192.168.42.1:5060;lr;cw=x", "s1", 1, "Route: <sip:192.168.42.1:5060;lr>")
	b.only(b.receive(lan1, caller, text), "MESSAGE sip:192.168.43.2:5060;lr;cw=x SIP/2.0")
}

// Where Vias are hidden the callee has seen none but ours, and can give back
// no other.
func TestHiddenViasComeAlone(t *testing.T) {
	b := newBench(t)
	networks := testNets
	networks.Networks = []model.SIPNetwork{network1, network2}
	networks.Networks[1].HeaderHide = true
	b.configure(&networks)
	invite := b.receive(lan1, caller, request("INVITE", bob, "i1", 1))[1]
	ok := answerTo(invite, 200, "OK")
	b.only(b.receive(lan2, callee, strings.Replace(ok, "\r\nRecord-Route", ", SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\nRecord-Route", 1)))
	b.only(b.receive(lan2, callee, ok), "SIP/2.0 200 OK")
}

// BYE ends one early dialog, not the call: another fork may answer.
func TestByeInEarlyDialog(t *testing.T) {
	b := newBench(t)
	invite := b.invited()
	b.receive(lan2, callee, answerTo(invite, 180, "Ringing"))
	hangUp := func(branch, tag string) {
		set := append(routes(reversed(invite.values("Record-Route"))), "To: <sip:bob@example.com>;tag="+tag)
		bye := b.only(b.receive(lan1, caller, request("BYE", "sip:bob@192.168.43.2:5060", branch, 2, set...)), "BYE sip:bob@192.168.43.2:5060 SIP/2.0")[0]
		b.receive(lan2, callee, answerTo(bye, 200, "OK"))
	}
	hangUp("b1", "b1")
	b.receive(lan2, callee, strings.Replace(answerTo(invite, 200, "OK"), "tag=b1", "tag=b2", 1))
	hangUp("b2", "b2")
	want := []model.CallEventKind{model.CallOffered, model.CallRouted, model.CallProvisional, model.CallAnswered, model.CallDisconnect, model.CallEnded}
	if !slices.Equal(b.ledger.kinds, want) {
		t.Errorf("events = %v; want %v", b.ledger.kinds, want)
	}
	b.empty()
}

// A BYE that comes again, after a challenge, finds room for the end of the
// call even when the journal is full.
func TestSecondByeFindsRoom(t *testing.T) {
	b := newBench(t)
	set := append(routes(reversed(b.established())), tagged)
	for i, status := range []int{401, 200} {
		b.ledger.room = b.ledger.reserved // full
		bye := b.receive(lan1, caller, request("BYE", "sip:bob@192.168.43.2:5060", fmt.Sprint("b", i), 2+i, set...))[0]
		b.receive(lan2, callee, answerTo(bye, status, "X"))
	}
	if last := b.ledger.kinds[len(b.ledger.kinds)-1]; last != model.CallEnded {
		t.Errorf("last event = %v; want %v", last, model.CallEnded)
	}
	b.empty()
}

// A BYE that cannot be sent on ends the call all the same: its sender is gone.
func TestByeThatCannotBeSent(t *testing.T) {
	b := newBench(t)
	invite := b.invited()
	b.only(b.receive(lan2, callee, answerTo(invite, 200, "OK", "Contact: <sip:bob@callee.example.com>")), "SIP/2.0 200 OK")
	set := append(routes(reversed(invite.values("Record-Route"))), tagged)
	b.only(b.receive(lan1, caller, request("BYE", "sip:bob@callee.example.com", "b1", 2, set...)), "SIP/2.0 500 Destination Not Found")
	b.empty()
}

// A BYE that goes elsewhere than to the other side ends no call: it would go
// on without a record.
func TestByeThatGoesElsewhere(t *testing.T) {
	b := newBench(t)
	set := append(routes(reversed(b.established())), tagged)
	out := b.only(b.receive(lan1, caller, request("BYE", "sip:bob@203.0.113.9", "b1", 2, set...)), "BYE sip:bob@203.0.113.9 SIP/2.0")[0]
	b.only(b.receive(lan2, callee, answerTo(out, 200, "OK")), "SIP/2.0 200 OK")
	if n := b.status().OpenCalls; n != 1 {
		t.Errorf("%d open calls; want 1", n)
	}
	out = b.only(b.receive(lan1, caller, request("BYE", "sip:bob@192.168.43.2:5060", "b2", 3, set...)), "BYE sip:bob@192.168.43.2:5060 SIP/2.0")[0]
	b.only(b.receive(lan2, callee, answerTo(out, 200, "OK")), "SIP/2.0 200 OK")
	b.empty()
}

// What leaves us must be readable to us: there is room for what we add.
func TestTooManyHeaders(t *testing.T) {
	extra := make([]string, message.MaxFields-12)
	for i := range extra {
		extra[i] = fmt.Sprintf("X-%d: y", i)
	}
	b := newBench(t)
	b.only(b.receive(lan1, caller, request("INVITE", bob, "h1", 1, extra...)), "SIP/2.0 513 Message Too Large")
	out := b.receive(lan1, caller, request("INVITE", bob, "h2", 1, extra[:len(extra)-4]...))
	b.only(b.receive(lan2, callee, answerTo(out[1], 486, "Busy Here")), "ACK sip:bob@192.168.43.2:5060 SIP/2.0", "SIP/2.0 486 Busy Here")
	b.empty()
}

// RFC 4475 §3.2.1: a branch that is the cookie alone tells nothing.
func TestBareCookie(t *testing.T) {
	b := newBench(t)
	for cseq := range 2 {
		b.only(b.receive(lan1, caller, request("MESSAGE", bob, "", 1+cseq)), "MESSAGE sip:bob@192.168.43.2:5060 SIP/2.0")
	}
}

// sips may not go on without TLS (RFC 3261 §26.2.2).
func TestSIPSOverUDP(t *testing.T) {
	b := newBench(t)
	b.only(b.receive(lan1, caller, request("MESSAGE", "sips:bob@example.com", "m", 1)), "SIP/2.0 416 No Secure Next Hop")
}

// RFC 4320: no provisional response but 100 and no 408 to other requests.
func TestOtherRequestsGetNo1xxAndNo408(t *testing.T) {
	b := newBench(t)
	out := b.receive(lan1, caller, request("MESSAGE", bob, "m", 1))
	b.only(b.receive(lan2, callee, answerTo(out[0], 183, "Session Progress")))
	b.only(b.receive(lan2, callee, answerTo(out[0], 408, "Request Timeout")))
	b.empty()
}

// ACKs that wait for DNS take bounded memory.
func TestWaitingACKsAreBounded(t *testing.T) {
	b, o := newBench(t), &oracle{places: make(map[string][]hop.Place)}
	b.p.options.Locator = o
	set := append(routes(reversed(b.established())), tagged)
	ack := func(i int) {
		b.receive(lan1, caller, request("ACK", "sip:bob@x.example.com", fmt.Sprint("k", i), 1, set...))
	}
	for i := range 2 * parkedMost {
		ack(i)
	}
	if n := len(o.waiting); n != parkedMost {
		t.Errorf("%d wait; want %d", n, parkedMost)
	}
	if out := b.tell(o, "x.example.com", udp(callee)); len(out) != parkedMost {
		t.Errorf("%d were sent; want %d", len(out), parkedMost)
	}
	delete(o.places, "x.example.com")
	if ack(-1); len(o.waiting) != 1 {
		t.Errorf("%d wait later; want 1", len(o.waiting))
	}
}

func TestIPv6(t *testing.T) {
	b := newBench(t)
	in, out, to := addressOf("[2001:db8:1::1]:5060"), addressOf("[2001:db8:2::1]:5070"), addressOf("[2001:db8:2::2]:5060")
	b.configure(&model.SIP{Networks: []model.SIPNetwork{
		{Name: "a", Listens: []model.SIPListen{{Address: in}}, NextHop: model.SIPNextHop{Address: to, Network: "b"}},
		{Name: "b", Listens: []model.SIPListen{{Address: out}}},
	}})
	from := addressOf("[2001:db8:1::2]:5062")
	six := func(s string) string {
		return strings.Replace(s, "SIP/2.0/UDP 192.168.42.2:5060", "SIP/2.0/UDP [2001:db8:1::2]:5062", 1)
	}
	invite := b.receive(in, from, six(request("INVITE", "sip:bob@[2001:db8:1::1]", "i1", 1)))[1]
	if invite.startLine() != "INVITE sip:bob@[2001:db8:2::2]:5060 SIP/2.0" || invite.to != to || len(invite.values("Via")) != 2 {
		t.Fatalf("to %v:\n%s", invite.to, invite.text)
	}
	if ok := b.only(b.receive(out, to, answerTo(invite, 200, "OK")), "SIP/2.0 200 OK")[0]; ok.to != from {
		t.Errorf("200 went to %v; want %v", ok.to, from)
	}
	set := append(routes(reversed(invite.values("Record-Route"))), tagged)
	bye := b.only(b.receive(in, from, six(request("BYE", "sip:bob@[2001:db8:2::2]", "b1", 2, set...))), "BYE sip:bob@[2001:db8:2::2] SIP/2.0")[0]
	if bye.to != to {
		t.Errorf("BYE went to %v; want %v", bye.to, to)
	}
}

// Clients that call every branch the same (RFC 4475 does) still make a call for
// every Call-ID, whichever of them share a shard.
func TestBranchOfManyCalls(t *testing.T) {
	b := newBench(t)
	for i := range 4 * len(b.p.shards) {
		text := strings.Replace(request("MESSAGE", "sip:bob@example.com", "same", 1), "call-1@", fmt.Sprintf("call-%d@", i), 1)
		b.only(b.receive(lan1, caller, text), "MESSAGE sip:bob@example.com SIP/2.0")
	}
}
