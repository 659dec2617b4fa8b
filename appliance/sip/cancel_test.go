package sip

import (
	"testing"
	"time"

	"causeway/appliance/model"
)

var cancelOfInvite = request("CANCEL", bob, "i1", 1)

func TestCancelWhileRinging(t *testing.T) {
	b := newBench(t)
	invite := b.invited()
	b.receive(lan2, callee, answerTo(invite, 180, "Ringing"))
	out := b.only(b.receive(lan1, caller, cancelOfInvite), "SIP/2.0 200 OK", "CANCEL sip:bob@192.168.43.2:5060 SIP/2.0")
	cancel := out[1]
	if cancel.value("Via") != invite.value("Via") || cancel.value("CSeq") != "1 CANCEL" || len(cancel.values("Via")) != 1 || cancel.to != callee {
		t.Errorf("CANCEL of our own:\n%s", cancel.text)
	}
	b.only(b.receive(lan1, caller, cancelOfInvite), "SIP/2.0 200 OK") // repeated: nothing new downstream
	b.only(b.receive(lan2, callee, answerTo(cancel, 200, "OK")))
	b.only(b.receive(lan2, callee, answerTo(invite, 487, "Request Terminated")),
		"ACK sip:bob@192.168.43.2:5060 SIP/2.0", "SIP/2.0 487 Request Terminated")
	if got := b.ledger.causes[0]; got != model.EndCancelled {
		t.Errorf("cause = %v; want %v", got, model.EndCancelled)
	}
	b.empty()
}

// RFC 3261 §9.1: no CANCEL before a provisional response came.
func TestCancelBeforeAnyResponse(t *testing.T) {
	b := newBench(t)
	invite := b.invited()
	b.only(b.receive(lan1, caller, cancelOfInvite), "SIP/2.0 200 OK")
	b.only(b.receive(lan2, callee, answerTo(invite, 100, "Trying")), "CANCEL sip:bob@192.168.43.2:5060 SIP/2.0")
	b.receive(lan2, callee, answerTo(invite, 487, "Request Terminated"))
	b.empty()
}

// The 200 that crosses a CANCEL on the wire is a call, and is billed as one.
func TestAnswerCrossesCancel(t *testing.T) {
	b := newBench(t)
	invite := b.invited()
	b.receive(lan2, callee, answerTo(invite, 180, "Ringing"))
	b.receive(lan1, caller, cancelOfInvite)
	b.only(b.receive(lan2, callee, answerTo(invite, 200, "OK")), "SIP/2.0 200 OK")
	if got := b.ledger.kinds[len(b.ledger.kinds)-1]; got != model.CallAnswered {
		t.Errorf("last event = %v; want %v", got, model.CallAnswered)
	}
	if n := b.status().OpenCalls; n != 1 {
		t.Errorf("%d open calls; want 1", n)
	}
}

func TestCancelIsRepeatedUntilAnswered(t *testing.T) {
	b := newBench(t)
	invite := b.invited()
	b.receive(lan2, callee, answerTo(invite, 180, "Ringing"))
	cancel := b.receive(lan1, caller, cancelOfInvite)[1]
	b.only(b.wait(500*time.Millisecond+tick), cancel.startLine())
	b.receive(lan2, callee, answerTo(cancel, 200, "OK"))
	// The callee answers CANCEL but never the INVITE: 64·T1 later it is over.
	b.only(b.wait(31*time.Second + 400*time.Millisecond))
	b.only(b.wait(500*time.Millisecond), "SIP/2.0 487 Request Terminated")
	b.empty()
}

func TestCancelOfNothing(t *testing.T) {
	b := newBench(t)
	b.only(b.receive(lan1, caller, cancelOfInvite), "SIP/2.0 481 Call/Transaction Does Not Exist")
	b.empty()
}

// Timer C: after three minutes of ringing the proxy cancels by itself (§16.8).
func TestTimerC(t *testing.T) {
	b := newBench(t)
	invite := b.invited()
	b.receive(lan2, callee, answerTo(invite, 180, "Ringing"))
	b.only(b.wait(180 * time.Second))
	out := b.wait(1100 * time.Millisecond)
	if len(out) == 0 || out[0].startLine() != "CANCEL sip:bob@192.168.43.2:5060 SIP/2.0" {
		t.Fatalf("after timer C was sent %v", out)
	}
	b.only(b.receive(lan2, callee, answerTo(invite, 487, "Request Terminated")),
		"ACK sip:bob@192.168.43.2:5060 SIP/2.0", "SIP/2.0 487 Request Terminated")
	b.empty()
}

// A 2xx that comes when all is over upstream ends its branch all the same: the
// callee gets no further CANCEL.
func TestAnswerAfterServerIsOver(t *testing.T) {
	b := newBench(t)
	b.timed(model.SIPTimers{ClientTn: 64000})
	out := b.only(b.forked(toward(callee), parallel(toward(second))), invited, invited)
	b.receive(lan2, second, answerTo(out[1], 180, "Ringing"))
	b.receive(lan2, callee, answerTo(out[0], 200, "OK"))
	b.wait(33 * time.Second)
	b.only(b.receive(lan2, second, answerTo(out[1], 200, "OK")))
	b.only(b.wait(40 * time.Second))
}
