package sip

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// fromCallee makes a request of the harness one that the callee sends within
// the dialog.
func fromCallee(text string) string {
	return strings.NewReplacer(
		"SIP/2.0/UDP 192.168.42.2:5060", "SIP/2.0/UDP 192.168.43.2:5060",
		"From: <sip:alice@example.com>;tag=a1", "From: <sip:bob@example.com>;tag=b1",
		"To: <sip:bob@example.com>", "To: <sip:alice@example.com>;tag=a1",
	).Replace(text)
}

// RFC 3261 §16.6 step 6: a next hop that is a strict router finds itself in
// the Request-URI, and the Request-URI at the end of the Route.
func TestStrictRouterAfterUs(t *testing.T) {
	const strict = "<sip:192.168.43.9:5070>"
	for _, method := range []string{"INFO", "ACK"} {
		b := newBench(t)
		own := routes(reversed(b.established()))
		for name, test := range map[string]struct{ route, want []string }{
			"alone":      {[]string{"Route: " + strict}, []string{"<sip:bob@192.0.2.5>"}},
			"with more":  {[]string{"Route: " + strict, "Route: <sip:p.example.com;lr>"}, []string{"<sip:p.example.com;lr>", "<sip:bob@192.0.2.5>"}},
			"in a list":  {[]string{"Route: " + strict + ", <sip:p.example.com;lr>"}, []string{"<sip:p.example.com;lr>", "<sip:bob@192.0.2.5>"}},
			"lines away": {[]string{"Route: " + strict, "X-Other: x", "Route: <sip:p.example.com;lr>"}, []string{"<sip:p.example.com;lr>", "<sip:bob@192.0.2.5>"}},
		} {
			text := request(method, "sip:bob@192.0.2.5", strings.ReplaceAll("t"+method+name, " ", "-"), 2, append(append(own, test.route...), tagged)...)
			out := b.only(b.receive(lan1, caller, text), method+" sip:192.168.43.9:5070 SIP/2.0")[0]
			if out.to != addressOf("192.168.43.9:5070") || !slices.Equal(out.values("Route"), test.want) {
				t.Errorf("%s %s: went to %v with Route %q; want %q", method, name, out.to, out.values("Route"), test.want)
			}
		}
	}
}

// Strict routers on both sides: the real Request-URI came last in the Route,
// and stays there.
func TestBetweenStrictRouters(t *testing.T) {
	b := newBench(t)
	set := reversed(b.established())
	text := request("INFO", strings.Trim(set[0], "<>"), "s1", 2, "Route: "+set[1]+", <sip:192.168.43.9:5070>, <sip:bob@192.0.2.5>", tagged)
	out := b.only(b.receive(lan1, caller, text), "INFO sip:192.168.43.9:5070 SIP/2.0")[0]
	if want := []string{"<sip:bob@192.0.2.5>"}; !slices.Equal(out.values("Route"), want) {
		t.Errorf("Route = %q; want %q", out.values("Route"), want)
	}
}

// Only requests within dialogs can have been through a strict router: we have
// no URI of ours in others.
func TestOwnURIOutsideDialogs(t *testing.T) {
	b := newBench(t)
	text := request("MESSAGE", "sip:x@192.168.42.1:5060;lr;cw=x", "s1", 1, "Route: <sip:192.168.42.1:5060;lr>")
	b.only(b.receive(lan1, caller, text), "MESSAGE sip:x@192.168.43.2:5060;lr;cw=x SIP/2.0")
}

// The order of header fields means nothing.
func TestRouteBeforeVia(t *testing.T) {
	b := newBench(t)
	b.plans.last.targets = []hop.Target{toward(callee), toward(second)}
	text := request("INVITE", "sip:bob@example.com", "i1", 1)
	text = strings.Replace(text, "Via: ", "Route: <sip:192.168.42.1;lr>\r\nVia: ", 1)
	out := b.receive(lan1, addressOf("192.168.42.9:5060"), text)
	out = b.receive(lan2, callee, answerTo(out[1], 503, "No"))
	if again := to(out, second); len(again) != 1 || len(again[0].values("Route")) != 0 {
		t.Errorf("the second target got %v; want the INVITE without our Route", again)
	}
}

// The way back through a NAT is that of one listen point.
func TestPinnedPathKeepsItsListenPoint(t *testing.T) {
	b := newBench(t)
	other := addressOf("192.168.42.1:5070")
	nat := network1
	nat.Kind, nat.Listens = model.NetworkNAT, []model.SIPListen{{Address: lan1}, {Address: other}}
	b.configure(&model.SIP{Networks: []model.SIPNetwork{nat, network2}})
	behind := addressOf("192.168.42.99:40000")
	invite := b.receive(other, behind, request("INVITE", bob, "i1", 1))[1]
	b.receive(lan2, callee, answerTo(invite, 200, "OK", "Contact: <sip:bob@192.168.43.2:5060>"))
	text := fromCallee(request("INFO", "sip:alice@10.0.0.1:5060", "n1", 2, routes(invite.values("Record-Route"))...))
	if out := b.receive(lan2, callee, text); len(out) != 1 || out[0].to != behind || out[0].from != other {
		t.Errorf("sent %v; want the INFO from %v", out, other)
	}
}

// A commit may take a listen point away that dialogs have in their route sets:
// the signature tells that it was ours.
func TestRouteOfListenPointThatIsGone(t *testing.T) {
	b := newBench(t)
	set := append(routes(reversed(b.established())), tagged)
	moved := network2
	moved.Listens = []model.SIPListen{{Address: addressOf("192.168.43.1:5070")}}
	b.configure(&model.SIP{Networks: []model.SIPNetwork{network1, moved}})
	bye := b.only(b.receive(lan1, caller, request("BYE", "sip:bob@192.168.43.2:5060", "b1", 2, set...)), "BYE sip:bob@192.168.43.2:5060 SIP/2.0")[0]
	if bye.to != callee || bye.from != moved.Listens[0].Address || len(bye.values("Route")) != 0 {
		t.Errorf("BYE went from %v to %v with Route %q", bye.from, bye.to, bye.values("Route"))
	}
}

// RFC 3261 §16.6 step 4: sips begets sips.
func TestRecordRouteOfSIPS(t *testing.T) {
	b := newBench(t)
	place := hop.Place{Transport: model.TLS, Address: addressOf("192.168.42.1:5061")}
	l := &listenPoint{Place: place, network: &network{}}
	l.write(&model.Config{}, &model.SIPNetwork{})
	w := b.w
	if err := w.msg.Parse([]byte(request("INVITE", "sips:bob@example.com", "i", 1))); err != nil {
		t.Fatal(err)
	}
	w.at, w.from = l, caller
	w.describe()
	line := string(w.appendRecordRoute(nil, &serverTransaction{}, l, callee))
	if !strings.HasPrefix(line, "Record-Route: <sips:192.168.42.1:5061;") {
		t.Errorf("Record-Route of sips is %q", line)
	}
	text := strings.TrimSuffix(strings.TrimPrefix(line, "Record-Route: <"), ">\r\n")
	uri, err := message.ParseURI([]byte(text), message.Span{End: uint16(len(text))})
	config := &snapshot{own: map[hop.Place]*listenPoint{place: l}}
	if err != nil || config.ownURI([]byte(text), &uri) != l {
		t.Errorf("%s is not taken for ours: %v", text, err)
	}
}

// RFC 6665 §4.3: a NOTIFY makes a dialog, so it is record-routed.
func TestNotifyIsRecordRouted(t *testing.T) {
	b := newBench(t)
	contact := "Contact: <sip:alice@192.168.42.2:5060>"
	subscribe := b.only(b.receive(lan1, caller, request("SUBSCRIBE", bob, "s1", 1, contact)), "SUBSCRIBE sip:bob@192.168.43.2:5060 SIP/2.0")[0]
	// Before the answer, and from another notifier than the one that answers.
	set := routes(subscribe.values("Record-Route"))
	notify := b.only(b.receive(lan2, callee, fromCallee(request("NOTIFY", "sip:alice@192.168.42.2:5060", "n1", 7, set...))), "NOTIFY sip:alice@192.168.42.2:5060 SIP/2.0")[0]
	if notify.to != caller || len(notify.values("Record-Route")) != 2 {
		t.Fatalf("NOTIFY went to %v with Record-Route %q", notify.to, notify.values("Record-Route"))
	}
	// The subscriber's route set is that of the NOTIFY.
	set = append(routes(notify.values("Record-Route")), tagged)
	out := b.only(b.receive(lan1, caller, request("SUBSCRIBE", "sip:bob@192.168.43.2:5060", "s2", 2, set...)), "SUBSCRIBE sip:bob@192.168.43.2:5060 SIP/2.0")[0]
	if out.to != callee || out.from != lan2 || len(out.values("Route")) != 0 {
		t.Errorf("SUBSCRIBE went from %v to %v with Route %q", out.from, out.to, out.values("Route"))
	}
}

// What comes back from another neighbour may go another way than before: it is
// a loop when it comes that way again.
func TestSpiralThroughAnotherNetwork(t *testing.T) {
	b := newBench(t)
	back := network2
	back.NextHop = model.SIPNextHop{Address: second, Network: "lan2"}
	b.configure(&model.SIP{Networks: []model.SIPNetwork{network1, back}})
	invite := b.only(b.receive(lan1, caller, request("INVITE", "sip:bob@example.com", "i1", 1)), "SIP/2.0 100 Trying", invited)[1]
	through := func(s sent, branch string) string { // a neighbour that changes nothing
		return strings.Replace(s.text, "Via: ", "Via: SIP/2.0/UDP 192.168.43.2:5060;branch=z9hG4bK"+branch+"\r\nVia: ", 1)
	}
	again := b.only(b.receive(lan2, callee, through(invite, "p1")), "SIP/2.0 100 Trying", invited)[1]
	if again.to != second {
		t.Errorf("went to %v; want %v", again.to, second)
	}
	b.only(b.receive(lan2, callee, through(again, "p2")), "SIP/2.0 482 Loop Detected")
}

// Nor does an ACK show the next network who sent it.
func TestHiddenAck(t *testing.T) {
	b := newBench(t)
	hidden := network2
	hidden.HeaderHide = true
	b.configure(&model.SIP{Networks: []model.SIPNetwork{network1, hidden}})
	set := append(routes(reversed(b.established())), tagged)
	ack := b.only(b.receive(lan1, addressOf("192.168.42.7:5060"), request("ACK", "sip:bob@192.168.43.2:5060", "k", 1, set...)), "ACK sip:bob@192.168.43.2:5060 SIP/2.0")[0]
	if len(ack.values("Via")) != 1 || strings.Contains(ack.text, "192.168.42.2:5060;branch") || strings.Contains(ack.text, "received") {
		t.Errorf("the next network sees\n%s", ack.text)
	}
}

// The ACK of a re-INVITE that we have refused ends here: the callee knows
// nothing of it.
func TestAckOfRefusedReinvite(t *testing.T) {
	b := newBench(t)
	set := append(routes(reversed(b.established())), tagged)
	b.only(b.receive(lan1, caller, request("INVITE", "sip:bob@192.168.43.2:5060", "r1", 2, append(set, "Max-Forwards: 0")...)), "SIP/2.0 483 Too Many Hops")
	b.only(b.receive(lan1, caller, request("ACK", "sip:bob@192.168.43.2:5060", "r1", 2, set...)))
}

// A connection that is gone is opened again to where its owner listens, not to
// the port it came from (RFC 3261 §18.2.2).
func TestAnswerAfterConnection(t *testing.T) {
	b := newBench(t)
	w := b.w
	text := strings.Replace(request("OPTIONS", bob, "o", 1), "SIP/2.0/UDP 192.168.42.2:5060", "SIP/2.0/TCP 192.168.42.2:5080;rport", 1)
	if err := w.msg.Parse([]byte(text)); err != nil {
		t.Fatal(err)
	}
	w.at = &listenPoint{Place: hop.Place{Transport: model.TCP, Address: lan1}}
	w.from = netip.AddrPortFrom(caller.Addr(), 49152)
	w.examineVia()
	if got := w.back().to; got.Port() != 5080 {
		t.Errorf("answers go to %v; want port 5080", got)
	}
}

// sips is not sent in the clear whatever transport its URI names.
func TestSIPSWithTransportUDP(t *testing.T) {
	b := newBench(t)
	set := append(routes(reversed(b.established())), tagged)
	b.only(b.receive(lan1, caller, request("INFO", "sips:bob@192.168.43.2:5061;transport=udp", "u", 2, set...)), "SIP/2.0 500 No Listen Point Reaches The Next Hop")
}
