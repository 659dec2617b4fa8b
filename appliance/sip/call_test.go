package sip

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
)

const bob = "sip:bob@192.168.42.1:5060"

// invited sends an INVITE through and gives it as the callee got it.
func (b *bench) invited() sent {
	b.Helper()
	out := b.only(b.receive(lan1, caller, request("INVITE", bob, "i1", 1)), "SIP/2.0 100 Trying", "INVITE sip:bob@192.168.43.2:5060 SIP/2.0")
	return out[1]
}

// established sets up a call and gives the Record-Route values in the order of
// the message, as caller and callee saw them.
func (b *bench) established() (recordRoute []string) {
	b.Helper()
	invite := b.invited()
	b.only(b.receive(lan2, callee, answerTo(invite, 200, "OK", "Contact: <sip:bob@192.168.43.2:5060>")), "SIP/2.0 200 OK")
	return invite.values("Record-Route")
}

func reversed(s []string) []string {
	r := make([]string, len(s))
	for i, v := range s {
		r[len(s)-1-i] = v
	}
	return r
}

func routes(values []string) (lines []string) {
	for _, v := range values {
		lines = append(lines, "Route: "+v)
	}
	return lines
}

func TestForwardedRequest(t *testing.T) {
	b := newBench(t)
	out := b.receive(lan1, caller, request("INVITE", bob, "i1", 1, "X-Odd:  kept  as it came", "Max-Forwards: 7"))
	trying, invite := out[0], out[1]
	if trying.to != caller || trying.from != lan1 {
		t.Errorf("100 went from %v to %v", trying.from, trying.to)
	}
	wantTrying := "SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP 192.168.42.2:5060;branch=z9hG4bKi1\r\n" +
		"From: <sip:alice@example.com>;tag=a1\r\nTo: <sip:bob@example.com>\r\nCall-ID: call-1@192.0.2.1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
	if trying.text != wantTrying {
		t.Errorf("100 is\n%s\nwant\n%s", trying.text, wantTrying)
	}
	if invite.to != callee || invite.from != lan2 {
		t.Errorf("INVITE went from %v to %v", invite.from, invite.to)
	}
	vias := invite.values("Via")
	if len(vias) != 2 || !strings.HasPrefix(vias[0], "SIP/2.0/UDP 192.168.43.1:5060;branch=z9hG4bKc") || vias[1] != "SIP/2.0/UDP 192.168.42.2:5060;branch=z9hG4bKi1" {
		t.Errorf("Via = %q", vias)
	}
	rr := invite.values("Record-Route")
	if len(rr) != 2 || !strings.HasPrefix(rr[0], "<sip:192.168.43.1:5060;lr;cw=") || !strings.HasPrefix(rr[1], "<sip:192.168.42.1:5060;lr;cw=") {
		t.Errorf("Record-Route = %q", rr)
	}
	if got := invite.value("Max-Forwards"); got != "6" {
		t.Errorf("Max-Forwards = %q; want 6", got)
	}
	if !strings.Contains(invite.text, "\r\nX-Odd:  kept  as it came\r\n") || !strings.HasSuffix(invite.text, sdp) {
		t.Errorf("the rest did not pass as it came:\n%s", invite.text)
	}
}

// A Request-URI that names us names the next hop then, with its transport.
func TestAddressOfNextHop(t *testing.T) {
	b := newBench(t)
	networks := testNets
	networks.Networks = []model.SIPNetwork{network1, network2}
	networks.Networks[0].Listens = append(network1.Listens, model.SIPListen{Transport: model.TCP, Address: lan1})
	b.configure(&networks)
	for i, test := range []struct{ uri, want string }{
		{"sip:bob@192.168.42.1", "sip:bob@192.168.43.2:5060"},
		{"sip:bob@192.168.42.1;Transport=UDP", "sip:bob@192.168.43.2:5060;Transport=UDP"},
		{"sip:bob@192.168.42.1;a=b;transport=TCP;user=phone", "sip:bob@192.168.43.2:5060;a=b;transport=udp;user=phone"},
		{"sip:bob@192.168.42.1;transport=tcp;transport;user=ip", "sip:bob@192.168.43.2:5060;transport=udp;transport;user=ip"},
		{"sip:bob@example.com;transport=tcp", "sip:bob@example.com;transport=tcp"},
	} {
		b.only(b.receive(lan1, caller, request("MESSAGE", test.uri, fmt.Sprint("m", i), 1)), "MESSAGE "+test.want+" SIP/2.0")
	}
	b.empty()
}

func TestMaxForwardsIsAddedWhereThereIsNone(t *testing.T) {
	b := newBench(t)
	text := strings.Replace(request("OPTIONS", bob, "o1", 1), "Max-Forwards: 70\r\n", "", 1)
	if got := b.receive(lan1, caller, text)[0].value("Max-Forwards"); got != "70" {
		t.Errorf("Max-Forwards = %q; want 70", got)
	}
}

func TestCall(t *testing.T) {
	b := newBench(t)
	invite := b.invited()
	if out := b.receive(lan2, callee, answerTo(invite, 100, "Trying")); len(out) != 0 {
		t.Errorf("a 100 from downstream went on: %v", out)
	}
	b.only(b.receive(lan2, callee, answerTo(invite, 180, "Ringing")), "SIP/2.0 180 Ringing")
	ok := b.only(b.receive(lan2, callee, answerTo(invite, 200, "OK", "Contact: <sip:bob@192.168.43.2:5060>")), "SIP/2.0 200 OK")[0]
	if ok.to != caller || len(ok.values("Via")) != 1 {
		t.Errorf("200 went to %v with Via %q", ok.to, ok.values("Via"))
	}
	set := routes(reversed(ok.values("Record-Route")))

	ack := b.only(b.receive(lan1, caller, request("ACK", "sip:bob@192.168.43.2:5060", "a1", 1, append(set, tagged)...)), "ACK sip:bob@192.168.43.2:5060 SIP/2.0")[0]
	if ack.to != callee || ack.from != lan2 || len(ack.values("Route")) != 0 {
		t.Errorf("ACK went from %v to %v with Route %q", ack.from, ack.to, ack.values("Route"))
	}
	again := b.receive(lan1, caller, request("ACK", "sip:bob@192.168.43.2:5060", "a1", 1, append(set, tagged)...))
	if len(again) != 1 || again[0].value("Via") != ack.value("Via") {
		t.Error("a repeated ACK has another branch (RFC 3261 §16.11)")
	}
	// A repeated 200 goes upstream again: the ACK may have been lost (RFC 6026).
	b.only(b.receive(lan2, callee, answerTo(invite, 200, "OK", "Contact: <sip:bob@192.168.43.2:5060>")), "SIP/2.0 200 OK")

	bye := b.only(b.receive(lan1, caller, request("BYE", "sip:bob@192.168.43.2:5060", "b1", 2, append(set, tagged)...)), "BYE sip:bob@192.168.43.2:5060 SIP/2.0")[0]
	b.only(b.receive(lan2, callee, answerTo(bye, 200, "OK")), "SIP/2.0 200 OK")
	want := []model.CallEventKind{model.CallOffered, model.CallRouted, model.CallProvisional, model.CallAnswered, model.CallDisconnect, model.CallEnded}
	if !reflect.DeepEqual(b.ledger.kinds, want) {
		t.Errorf("events = %v; want %v", b.ledger.kinds, want)
	}
	if want := []model.EndCause{model.EndCallerHungUp, model.EndCallerHungUp}; !reflect.DeepEqual(b.ledger.causes, want) {
		t.Errorf("causes = %v; want %v", b.ledger.causes, want)
	}
	b.empty()
}

// The callee's side of the dialog: its Route is in the order of Record-Route.
func TestCalleeHangsUp(t *testing.T) {
	b := newBench(t)
	set := routes(b.established())
	bye := strings.NewReplacer(
		"SIP/2.0/UDP 192.168.42.2:5060", "SIP/2.0/UDP 192.168.43.2:5060",
		"From: <sip:alice@example.com>;tag=a1", "From: <sip:bob@example.com>;tag=b1",
	).Replace(request("BYE", "sip:alice@192.168.42.2:5060", "bb", 1, append(set, "To: <sip:alice@example.com>;tag=a1")...))
	out := b.only(b.receive(lan2, callee, bye), "BYE sip:alice@192.168.42.2:5060 SIP/2.0")[0]
	if out.from != lan1 || out.to != caller {
		t.Errorf("BYE went from %v to %v", out.from, out.to)
	}
	b.only(b.receive(lan1, caller, answerTo(out, 200, "OK")), "SIP/2.0 200 OK")
	if got := b.ledger.causes[0]; got != model.EndCalleeHungUp {
		t.Errorf("cause = %v; want %v", got, model.EndCalleeHungUp)
	}
	b.empty()
}

// A proxy that was restarted knows nothing but its key, and still serves the
// dialogs set up before: Record-Route needs no memory.
func TestDialogSurvivesRestart(t *testing.T) {
	before := newBench(t)
	set := append(routes(reversed(before.established())), "To: <sip:bob@example.com>;tag=b1")
	bye := request("BYE", "sip:bob@192.168.43.2:5060", "b1", 2, set...)
	b := before.reborn(true)
	out := b.only(b.receive(lan1, caller, bye), "BYE sip:bob@192.168.43.2:5060 SIP/2.0")[0]
	b.only(b.receive(lan2, callee, answerTo(out, 200, "OK")), "SIP/2.0 200 OK")
	if want := []model.CallEventKind{model.CallDisconnect, model.CallEnded}; !reflect.DeepEqual(b.ledger.kinds, want) {
		t.Errorf("events = %v; want %v", b.ledger.kinds, want)
	}
	b.empty()
}

func TestForgedDialogIsRefused(t *testing.T) {
	b := newBench(t)
	set := routes(reversed(b.established()))
	for name, text := range map[string]string{
		"no route":     request("BYE", "sip:bob@192.168.43.2:5060", "f1", 2, tagged),
		"no token":     request("BYE", "sip:bob@192.0.2.9", "f2", 2, "Route: <sip:192.168.42.1:5060;lr>", tagged),
		"other token":  request("BYE", "sip:bob@192.0.2.9", "f3", 2, "Route: <sip:192.168.42.1:5060;lr;cw="+strings.Repeat("A", tokenText)+">", tagged),
		"other dialog": strings.Replace(request("BYE", "sip:bob@192.0.2.9", "f4", 2, append(set, tagged)...), ";tag=a1", ";tag=x", 1),
	} {
		t.Run(name, func(t *testing.T) {
			b.T = t
			b.only(b.receive(lan1, caller, text), "SIP/2.0 481 Call/Transaction Does Not Exist")
		})
	}
}

func TestRetransmissionsAreAbsorbed(t *testing.T) {
	b := newBench(t)
	invite := b.invited()
	b.only(b.receive(lan1, caller, request("INVITE", bob, "i1", 1)), "SIP/2.0 100 Trying")
	b.receive(lan2, callee, answerTo(invite, 183, "Session Progress"))
	b.only(b.receive(lan1, caller, request("INVITE", bob, "i1", 1)), "SIP/2.0 183 Session Progress")
	b.receive(lan2, callee, answerTo(invite, 486, "Busy Here"))
	b.only(b.receive(lan1, caller, request("INVITE", bob, "i1", 1)), "SIP/2.0 486 Busy Here")
	b.only(b.receive(lan1, caller, request("ACK", bob, "i1", 1, "To: <sip:bob@example.com>;tag=b1")))
	b.only(b.receive(lan1, caller, request("INVITE", bob, "i1", 1)))
	b.empty()
}

func TestFailedCall(t *testing.T) {
	b := newBench(t)
	invite := b.invited()
	out := b.only(b.receive(lan2, callee, answerTo(invite, 486, "Busy Here")),
		"ACK sip:bob@192.168.43.2:5060 SIP/2.0", "SIP/2.0 486 Busy Here")
	if ack := out[0]; ack.value("Via") != invite.value("Via") || ack.value("CSeq") != "1 ACK" || !strings.Contains(ack.value("To"), "tag=b1") || ack.to != callee {
		t.Errorf("ACK of our own:\n%s", ack.text)
	}
	// Timer G repeats the final response until the ACK comes.
	b.only(b.wait(499 * time.Millisecond))
	b.only(b.wait(1*time.Millisecond+tick), "SIP/2.0 486 Busy Here")
	b.receive(lan1, caller, request("ACK", bob, "i1", 1, "To: <sip:bob@example.com>;tag=b1"))
	b.only(b.wait(time.Minute))
	if got := b.ledger.causes[0]; got != model.EndFailed {
		t.Errorf("cause = %v; want %v", got, model.EndFailed)
	}
	b.empty()
}

// RFC 3261 §16.7 step 6: a 503 says nothing about us.
func TestServiceUnavailableBecomesServerError(t *testing.T) {
	b := newBench(t)
	invite := b.invited()
	b.only(b.receive(lan2, callee, answerTo(invite, 503, "Overloaded")),
		"ACK sip:bob@192.168.43.2:5060 SIP/2.0", "SIP/2.0 500 Server Internal Error")
	b.empty()
}

// §16.9: a next hop that cannot be reached counts as one that said 503.
func TestUnreachableBecomesServerError(t *testing.T) {
	b := newBench(t)
	invite := b.invited()
	b.only(b.unreachable(invite), "SIP/2.0 500 Server Internal Error")
	if len(b.gate.failed) != 1 || b.gate.failed[0].Status != 500 {
		t.Errorf("failed calls = %+v; want one that was told 500", b.gate.failed)
	}
	b.empty()
}

func TestNoAnswer(t *testing.T) {
	b := newBench(t)
	b.invited()
	if resent := len(b.wait(31 * time.Second)); resent != 5 { // timer A: after 0.5, 1.5, 3.5, 7.5 and 15.5 s
		t.Errorf("INVITE was repeated %d times in 31 s; want 5", resent)
	}
	out := b.wait(2 * time.Second)
	if last := out[len(out)-1]; last.startLine() != "SIP/2.0 408 Request Timeout" || last.to != caller || len(last.values("Via")) != 1 {
		t.Errorf("after timer B the last message is\n%s", last.text)
	}
	if got := b.ledger.causes[0]; got != model.EndTimer {
		t.Errorf("cause = %v; want %v", got, model.EndTimer)
	}
	b.empty()
}

// RFC 4320 §4.2: no 408 to anything but INVITE.
func TestNoAnswerToOtherRequests(t *testing.T) {
	b := newBench(t)
	b.only(b.receive(lan1, caller, request("MESSAGE", bob, "m1", 1)), "MESSAGE sip:bob@192.168.43.2:5060 SIP/2.0")
	// Timer E: 0.5, 1.5, 3.5, then every 4 s up to 32 s; a 100 when it reaches T2 (RFC 4320 §4.1).
	toCaller, toCallee := 0, 0
	for _, s := range b.wait(40 * time.Second) {
		switch {
		case s.to == callee:
			toCallee++
		case s.startLine() == "SIP/2.0 100 Trying":
			toCaller++
		default:
			t.Errorf("%q went to %v", s.startLine(), s.to)
		}
	}
	if toCallee != 10 || toCaller != 1 {
		t.Errorf("MESSAGE was repeated %d times, 100 sent %d times; want 10, 1", toCallee, toCaller)
	}
	b.empty()
}
