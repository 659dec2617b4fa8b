package sip

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
)

// last gives the newest event of the kind.
func (l *memoryLedger) last(kind model.CallEventKind) model.CallEvent {
	for _, e := range slices.Backward(l.events) {
		if e.Kind == kind {
			return e
		}
	}
	return model.CallEvent{}
}

// A session that nobody refreshes is over when its time and the time for its
// BYE have passed (RFC 4028 §10); a refresh renews it, or lifts the limit.
func TestSessionExpires(t *testing.T) {
	for _, test := range []struct {
		name    string
		answer  string // to the INVITE
		refresh string // answer to an UPDATE a minute later; "": there is none
		lasts   time.Duration
	}{
		{"none", "", "", 0},
		{"expires", "Session-Expires: 90;refresher=uac", "", 90*time.Second + sessionGrace},
		{"compact form", "x: 90", "", 90*time.Second + sessionGrace},
		{"refreshed", "Session-Expires: 90", "Session-Expires: 1800", 60*time.Second + 1800*time.Second + sessionGrace},
		{"lifted", "Session-Expires: 90", "Require: x", 0},
		{"senseless", "Session-Expires: soon", "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			invite := b.invited()
			extra := []string{"Contact: <sip:bob@192.168.43.2:5060>"}
			if test.answer != "" {
				extra = append(extra, test.answer)
			}
			b.receive(lan2, callee, answerTo(invite, 200, "OK", extra...))
			passed := time.Duration(0)
			if test.refresh != "" {
				passed = time.Minute
				b.wait(passed)
				set := append(routes(reversed(invite.values("Record-Route"))), tagged)
				update := b.only(b.receive(lan1, caller, request("UPDATE", "sip:bob@192.168.43.2:5060", "u1", 2, set...)), "UPDATE sip:bob@192.168.43.2:5060 SIP/2.0")[0]
				b.receive(lan2, callee, answerTo(update, 200, "OK", test.refresh))
			}
			if test.lasts == 0 {
				b.wait(24 * time.Hour)
				if open := b.status().OpenCalls; open != 1 {
					t.Fatalf("%d calls are open after a day; want 1", open)
				}
				return
			}
			b.wait(test.lasts - passed - time.Second)
			if open := b.status().OpenCalls; open != 1 {
				t.Fatalf("%d calls are open before the end; want 1", open)
			}
			b.wait(2 * time.Second)
			b.empty()
			if ended := b.ledger.last(model.CallEnded); ended.Cause != model.EndStale {
				t.Errorf("it ended with %v; want %v", ended.Cause, model.EndStale)
			}
		})
	}
}

// A BYE ends the session's time with the call.
func TestSessionEndsWithTheCall(t *testing.T) {
	b := newBench(t)
	invite := b.invited()
	b.receive(lan2, callee, answerTo(invite, 200, "OK", "Contact: <sip:bob@192.168.43.2:5060>", "Session-Expires: 90"))
	set := append(routes(reversed(invite.values("Record-Route"))), tagged)
	bye := b.only(b.receive(lan1, caller, request("BYE", "sip:bob@192.168.43.2:5060", "b1", 2, set...)), "BYE sip:bob@192.168.43.2:5060 SIP/2.0")[0]
	b.receive(lan2, callee, answerTo(bye, 200, "OK"))
	b.wait(10 * time.Minute)
	b.empty()
	if ended := b.ledger.last(model.CallEnded); ended.Cause != model.EndCallerHungUp {
		t.Errorf("it ended with %v; want %v", ended.Cause, model.EndCallerHungUp)
	}
}

// What CDRs say of the callee's side comes with the branch that answered.
func TestAnsweredEventTellsOfItsBranch(t *testing.T) {
	b := newBench(t)
	b.gate.billing = model.CallBilling{Filtered: true, XML: true}
	invite := b.invited()
	b.receive(lan2, callee, answerTo(invite, 200, "OK"))
	offered, routed, answered := b.ledger.last(model.CallOffered), b.ledger.last(model.CallRouted), b.ledger.last(model.CallAnswered)
	if string(offered.Transport) != "UDP" || string(offered.Peer) != caller.String() {
		t.Errorf("offered by %s %s; want UDP %v", offered.Transport, offered.Peer, caller)
	}
	for _, e := range []model.CallEvent{routed, answered} {
		if e.Billing != b.gate.billing || string(e.Transport) != "UDP" || string(e.Peer) != callee.String() || string(e.Network) == "" || string(e.Adjacency) == "" {
			t.Errorf("%v says %+v, %s %s, network %q, adjacency %q", e.Kind, e.Billing, e.Transport, e.Peer, e.Network, e.Adjacency)
		}
	}
}

// withSDP gives a message a session description in the place of no body.
func withSDP(text, body string) string {
	head := strings.Replace(text, "Content-Length: 0\r\n\r\n", "", 1)
	return head + "Content-Type: application/sdp\r\n\r\n" + body
}

// What changes the media is recorded with both descriptions.
func TestMediaChanges(t *testing.T) {
	b := newBench(t)
	b.billing.MediaInfo = true
	b.configure(&testNets)
	set := append(routes(reversed(b.established())), tagged)
	answerSDP := strings.Replace(sdp, "v=0", "v=0\r\ns=answer", 1)
	again := b.receive(lan1, caller, request("INVITE", "sip:bob@192.168.43.2:5060", "i2", 2, set...))
	b.receive(lan2, callee, withSDP(answerTo(again[len(again)-1], 200, "OK"), answerSDP))
	want := model.CallEvent{Kind: model.CallMediaChanged, Offer: []byte(sdp), SDP: []byte(answerSDP)}
	check := func(what string) {
		t.Helper()
		got := b.ledger.last(model.CallMediaChanged)
		got.Key, got.Time = model.CallKey{}, time.Time{}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("after a re-INVITE")
	ack := withSDP(request("ACK", "sip:bob@192.168.43.2:5060", "a3", 2, set...), sdp)
	b.only(b.receive(lan1, caller, ack), "ACK sip:bob@192.168.43.2:5060 SIP/2.0")
	want = model.CallEvent{Kind: model.CallMediaChanged, SDP: []byte(sdp), CalleeOffered: true}
	check("after the ACK of a late offer")
	n := len(b.ledger.events)
	b.billing.MediaInfo = false
	b.configure(&testNets)
	b.receive(lan1, caller, ack)
	if len(b.ledger.events) != n {
		t.Errorf("without cdr media-info came %v", b.ledger.events[n:])
	}
}

// A call of an earlier life of the process is refreshed and changed like any other.
func TestRestoredCallIsRefreshed(t *testing.T) {
	before := newBench(t)
	set := append(routes(reversed(before.established())), tagged)
	b := before.reborn(true)
	b.billing.MediaInfo = true
	b.configure(&testNets)
	out := b.receive(lan1, caller, request("INVITE", "sip:bob@192.168.43.2:5060", "i2", 2, set...))
	b.receive(lan2, callee, withSDP(answerTo(out[len(out)-1], 200, "OK", "Session-Expires: 90"), sdp))
	if got := b.ledger.last(model.CallMediaChanged); string(got.Offer) != sdp || string(got.SDP) != sdp {
		t.Errorf("media-changed is %+v; want both descriptions", got)
	}
	b.wait(90*time.Second + sessionGrace - time.Second)
	if open := b.status().OpenCalls; open != 1 {
		t.Fatalf("%d calls are open before the session's end; want 1", open)
	}
	b.wait(2 * time.Second)
	b.empty()
	if ended := b.ledger.last(model.CallEnded); ended.Cause != model.EndStale {
		t.Errorf("it ended with %v; want %v", ended.Cause, model.EndStale)
	}
}

// A call that was being set up and is given up early is over when nobody can
// answer it any more.
func TestRestoredCallIsAbandoned(t *testing.T) {
	before := newBench(t)
	set := append(routes(reversed(before.invited().values("Record-Route"))), tagged)
	b := before.reborn(false)
	b.only(b.receive(lan1, caller, request("BYE", "sip:bob@192.168.43.2:5060", "b1", 2, set...)), "BYE sip:bob@192.168.43.2:5060 SIP/2.0")
	b.p.abandon()
	b.empty()
	if got := b.ledger.events; len(got) != 1 || got[0].Kind != model.CallEnded || got[0].Cause != model.EndStale {
		t.Errorf("events = %v; want one end", got)
	}
}

// A call that is not heard of for a day after a restart was hung up meanwhile.
func TestRestoredCallIsSilent(t *testing.T) {
	before := newBench(t)
	before.established()
	b := before.reborn(true)
	b.p.abandon()
	if open := b.status().OpenCalls; open != 1 || len(b.ledger.events) > 0 {
		t.Fatalf("%d calls are open at first, events %v; want the call", open, b.ledger.events)
	}
	b.p.restoredAt = b.p.restoredAt.Add(-longestSilence)
	b.p.abandon()
	b.empty()
	if got := b.ledger.events; len(got) != 1 || got[0].Kind != model.CallEnded || got[0].Cause != model.EndStale {
		t.Errorf("events = %v; want one end", got)
	}
}

// Calls that came while billing is off make no events, those that came before go on.
func TestBillingIsOff(t *testing.T) {
	b := newBench(t)
	set := append(routes(reversed(b.established())), tagged)
	b.billing.Active = false
	b.configure(&testNets)
	second := strings.NewReplacer("call-1@", "call-2@", "z9hG4bKi1", "z9hG4bKi9").Replace(request("INVITE", bob, "i1", 1))
	n := len(b.ledger.events)
	b.receive(lan1, caller, second)
	if len(b.ledger.events) != n || b.ledger.reserved == 0 {
		t.Errorf("a call while billing is off made %v", b.ledger.events[n:])
	}
	b.ledger.room = 0
	third := strings.NewReplacer("call-1@", "call-3@", "z9hG4bKi1", "z9hG4bKi8").Replace(request("INVITE", bob, "i1", 1))
	if out := b.receive(lan1, caller, third); len(out) != 2 {
		t.Errorf("without room, and billing off, the INVITE led to %v", out)
	}
	bye := b.only(b.receive(lan1, caller, request("BYE", "sip:bob@192.168.43.2:5060", "b1", 2, set...)), "BYE sip:bob@192.168.43.2:5060 SIP/2.0")[0]
	b.receive(lan2, callee, answerTo(bye, 200, "OK"))
	if ended := b.ledger.last(model.CallEnded); ended.Cause != model.EndCallerHungUp {
		t.Errorf("the call of before ended with %v; want %v", ended.Cause, model.EndCallerHungUp)
	}
}

// Who keeps records of calls can ask which of them the proxy still knows.
func TestGone(t *testing.T) {
	b := newBench(t)
	b.established()
	if gone, err := b.p.Gone(Keys{[]string{model.CallKey{1}.String()}}); err == nil {
		t.Errorf("gone = %v before anybody has said what was open; want an error", gone)
	}
	open, restored, unknown := b.ledger.last(model.CallOffered).Key.String(), model.CallKey{1}, model.CallKey{2}.String()
	b.p.Restore([]RestoredCall{{Key: restored, Answered: true}})
	gone, err := b.p.Gone(Keys{[]string{open, unknown, restored.String()}})
	if diff := cmp.Diff([]string{unknown}, gone.Keys); err != nil || diff != "" {
		t.Errorf("gone = %v (-want +got):\n%s", err, diff)
	}
	if _, err := b.p.Gone(Keys{[]string{"nonsense"}}); err == nil {
		t.Error("gone of no key = nil; want an error")
	}
}
