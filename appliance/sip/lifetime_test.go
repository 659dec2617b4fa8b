package sip

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// rewriter is a routing whose policies put a header field on top of requests
// after routing.
type rewriter struct{ *nextHops }

func (rewriter) Rewrites(stage model.TriggerKind) bool {
	return stage == model.TriggerPostNormalization
}

func (rewriter) Rewrite(b []byte, _ model.TriggerKind, in *hop.Incoming, _ *hop.Target) []byte {
	if in.Message.IsResponse {
		return nil
	}
	line, rest, _ := bytes.Cut(in.Message.Raw, []byte("\r\n"))
	return append(append(append(b, line...), "\r\nX-Policy: yes\r\n"...), rest...)
}

// rewrites has the bench's policies change requests.
func (b *bench) rewrites() {
	now := *b.p.config.Load()
	now.plan = rewriter{b.plans.last}
	b.p.config.Store(&now)
}

// An ACK goes through normalisation less our Route elements, as other requests do.
func TestAckIsNormalised(t *testing.T) {
	b := newBench(t)
	set := append(routes(reversed(b.established())), tagged)
	b.rewrites()
	ack := b.only(b.receive(lan1, caller, request("ACK", "sip:bob@192.168.43.2:5060", "a1", 1, set...)), "ACK sip:bob@192.168.43.2:5060 SIP/2.0")[0]
	for name, want := range map[string]int{"X-Policy": 1, "Route": 0, "Via": 2, "From": 1, "Call-ID": 1, "Max-Forwards": 1} {
		if got := ack.values(name); len(got) != want {
			t.Errorf("%s = %q; want %d", name, got, want)
		}
	}
}

// A thread that only runs timers does not gather what it wrote for them.
func TestTimersKeepNoText(t *testing.T) {
	b := newBench(t)
	for i := range 20 {
		b.plans.last.targets = []hop.Target{toward(callee), toward(second)}
		text := request("INVITE", "sip:bob@example.com", fmt.Sprint("i", i), 1)
		b.receive(lan1, caller, strings.Replace(text, "call-1", fmt.Sprint("call-", i), 1))
	}
	b.w.scratch = b.w.scratch[:0]
	if out := b.wait(6 * time.Second); len(to(out, second)) < 20 {
		t.Fatalf("%d requests went to the second target; want 20", len(to(out, second)))
	}
	if n := len(b.w.scratch); n > 2*addedOctets {
		t.Errorf("%d octets of text are kept after 20 requests; want those of one", n)
	}
}

// DNS is asked once for a target, however many branches end meanwhile; and
// CANCEL ends the request all the same.
func TestBranchEndsWhileLocating(t *testing.T) {
	b, o := newBench(t), &oracle{places: make(map[string][]hop.Place)}
	b.p.options.Locator = o
	first := toward(callee)
	first.Failover = []model.CodeRange{{From: 400, To: 599}}
	invite := b.only(b.forked(first, parallel(named("trunk.example.com")), toward(third)), invited)[0]
	b.only(b.receive(lan2, callee, answerTo(invite, 486, "Busy Here")), "ACK sip:bob@example.com SIP/2.0")
	if len(o.waiting) != 1 {
		t.Errorf("asked %d times; want once", len(o.waiting))
	}
	b.only(b.receive(lan1, caller, cancelFor("sip:bob@example.com")), "SIP/2.0 200 OK", "SIP/2.0 486 Busy Here")
	b.tell(o, "trunk.example.com", udp(second))
	b.empty()
}

// The failed-calls log hears of the request that is refused, not of another
// one that the thread had in hand before.
func TestRefusedCallIsDescribed(t *testing.T) {
	b := newBench(t)
	b.receive(lan2, callee, request("OPTIONS", "sip:192.168.43.1", "o", 1))
	b.gate.shed = hop.Refusal{Status: 503, Rule: model.RuleOverload}
	b.receive(lan1, caller, strings.Replace(request("INVITE", bob, "i", 1), "CSeq: 1 INVITE", "CSeq: 1 BYE", 1))
	if len(b.gate.failed) != 1 || b.gate.network != "lan1" {
		t.Errorf("%d failures, network %q; want one of lan1", len(b.gate.failed), b.gate.network)
	}
}

// Repetitions are known as long as the note of one of them is there.
func TestRefusalNotedTwice(t *testing.T) {
	var r refusals
	r.note(1, 1, hop.Refusal{Status: 403})
	r.note(1, 9, hop.Refusal{Status: 404})
	for i := range uint64(refusalsKept - 1) {
		r.note(100+i, 9, hop.Refusal{Status: 500})
	}
	if got := r.recall(1, 5); got == nil || got.Status != 404 {
		t.Errorf("recall = %v; want the 404", got)
	}
}

// What an answer of DNS starts is repeated although nothing else comes in.
func TestTimersAfterDNS(t *testing.T) {
	o := &oracle{places: make(map[string][]hop.Place)}
	routing := &byUser{targets: map[string]hop.Target{"bob": named("bob.example.com")}}
	p := runProxyWith(t, func(options *Options) { options.Locator, options.Routing = o, routing })
	in, out := freeAddress(t), freeAddress(t)
	alice, _ := listenUDP(t)
	bobConn, bobAt := listenUDP(t)
	commit(t, p, &model.SIP{Networks: []model.SIPNetwork{
		{Name: "in", Listens: []model.SIPListen{{Address: in}}},
		{Name: "lan2", Listens: []model.SIPListen{{Address: out}}},
	}})
	if _, err := alice.WriteToUDPAddrPort([]byte(fromLoopback(request("INVITE", "sip:bob@example.com", "i", 1))), in); err != nil {
		t.Fatal(err)
	}
	read(t, alice, "SIP/2.0 100")
	for !p.timersArmed.waiting.Load() {
		time.Sleep(time.Millisecond)
	}
	p.Status(new(model.ProxyStatus)) // takes every shard's lock: what the reader wrote is seen here
	o.places["bob.example.com"] = []hop.Place{udp(bobAt)}
	o.waiting[0]()
	for range 2 {
		read(t, bobConn, "INVITE ")
	}
}
