package sip

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// fill takes all room of the ledger that no call has reserved.
func (l *memoryLedger) fill() { l.room = l.reserved }

// Whatever happens to a call while the journal is full, its answer and its end
// are recorded: else nobody would pay for it, or it would never be over.
func TestRoomOfAnswerAndEndIsKept(t *testing.T) {
	end := []model.CallEventKind{model.CallDisconnect, model.CallEnded}
	hangUp := func(b *bench, recordRoute []string) {
		set := append(routes(reversed(recordRoute)), tagged)
		bye := b.only(b.receive(lan1, caller, request("BYE", "sip:bob@192.168.43.2:5060", "b1", 2, set...)), "BYE sip:bob@192.168.43.2:5060 SIP/2.0")[0]
		b.receive(lan2, callee, answerTo(bye, 200, "OK"))
	}
	for _, test := range []struct {
		name string
		call func(b *bench)
		want []model.CallEventKind // the last events
	}{
		{"media changes", func(b *bench) {
			b.billing.MediaInfo = true
			b.configure(&testNets)
			rr := b.established()
			b.ledger.fill()
			for i := range 20 {
				ack := request("ACK", "sip:bob@192.168.43.2:5060", fmt.Sprint("a", i), 1, append(routes(reversed(rr)), tagged)...)
				b.receive(lan1, caller, withSDP(ack, sdp))
			}
			hangUp(b, rr)
		}, end},
		{"a call that goes to many", func(b *bench) {
			var targets []hop.Target
			for range 12 {
				targets = append(targets, toward(callee))
			}
			b.ledger.fill()
			b.ledger.room += b.p.setupRoom + b.p.endRoom
			invite := b.only(b.forked(targets...), invited)[0]
			for range len(targets) - 1 {
				out := b.receive(lan2, callee, answerTo(invite, 503, "No"))
				invite = out[len(out)-1]
			}
			b.receive(lan2, callee, answerTo(invite, 200, "OK"))
			hangUp(b, invite.values("Record-Route"))
		}, append([]model.CallEventKind{model.CallAnswered}, end...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			test.call(b)
			kinds := b.ledger.kinds
			if last := kinds[max(0, len(kinds)-len(test.want)):]; !slices.Equal(last, test.want) {
				t.Errorf("events = %v; want %v at the end", kinds, test.want)
			}
			if unrecorded := b.status().Counters[counterNames[countUnrecorded]]; unrecorded == 0 {
				t.Error("every event had room: the journal was not full")
			}
			b.empty()
		})
	}
}

// A call gives back at once what its media changes did not use.
func TestRoomWhileACallLasts(t *testing.T) {
	b := newBench(t)
	b.billing.MediaInfo = true
	b.configure(&testNets)
	set := append(routes(reversed(b.established())), tagged)
	b.receive(lan1, caller, withSDP(request("ACK", "sip:bob@192.168.43.2:5060", "a1", 1, set...), sdp))
	if n := b.ledger.last(model.CallMediaChanged); n.Kind == 0 || b.ledger.reserved != b.p.endRoom {
		t.Errorf("after %v the call has %d octets reserved; want %d", n.Kind, b.ledger.reserved, b.p.endRoom)
	}
}

// The destination of a call that failed is the branch whose response the caller
// got, whichever was tried last.
func TestDestinationOfFailedFork(t *testing.T) {
	type answer struct {
		by     netip.AddrPort
		status int
	}
	for _, test := range []struct {
		name     string
		parallel bool
		answers  []answer
		want     string // what the caller gets
		at       netip.AddrPort
	}{
		{"the last one, of equals", true, []answer{{callee, 486}, {second, 404}}, "404", second},
		{"the better one came first", true, []answer{{callee, 401}, {second, 486}}, "401", callee},
		{"the better one came last", true, []answer{{callee, 486}, {second, 401}}, "401", second},
		{"the first target answers last", true, []answer{{second, 486}, {callee, 404}}, "404", callee},
		{"the other one is silent", true, []answer{{callee, 486}}, "486", callee},
		{"declined", true, []answer{{callee, 603}, {second, 487}}, "603", callee},
		{"failover to a worse one", false, []answer{{callee, 500}, {second, 503}}, "500", callee},
		{"failover to a better one", false, []answer{{callee, 503}, {second, 486}}, "486", second},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			b.gate.billing = model.CallBilling{Filtered: true, PacketCable: true}
			targets := []hop.Target{toward(callee), toward(second)}
			if targets[1].Parallel = test.parallel; !test.parallel {
				targets[0].Failover = []model.CodeRange{{From: 500, To: 503}}
			}
			out := b.forked(targets...)
			for _, a := range test.answers {
				invite := to(out, a.by)[0]
				out = append(out, b.receive(lan2, a.by, answerTo(invite, a.status, "No"))...)
			}
			out = append(out, b.wait(time.Minute)...)
			if got := to(out, caller); len(got) == 0 || !strings.HasPrefix(got[0].text, "SIP/2.0 "+test.want) {
				t.Errorf("the caller got %v; want %s", got, test.want)
			}
			var first, last model.CallEvent // of the destination, and of all
			for _, e := range b.ledger.events {
				if e.Kind != model.CallRouted {
					continue
				}
				e.Time = time.Time{}
				if last = e; first.Kind == 0 && string(e.Peer) == test.at.String() {
					first = e
				}
			}
			if diff := cmp.Diff(first, last); diff != "" {
				t.Errorf("the last destination (-want +got):\n%s", diff)
			}
			if f := b.gate.failed; len(f) != 1 || f[0].Out.Address != test.at {
				t.Errorf("the failed-calls log has %+v; want one to %s", f, test.at)
			}
			b.empty()
		})
	}
}
