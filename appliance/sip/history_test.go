package sip

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// asked are the calls that an operator is shown.
func (b *bench) asked(q HistoryQuery) History {
	b.Helper()
	shown, err := b.p.history(context.Background(), q)
	if err != nil {
		b.Fatal(err)
	}
	return shown
}

// TestCallsHistory: each way that a call may end, with all that is told of it.
func TestCallsHistory(t *testing.T) {
	hangsUp := func(b *bench) {
		set := append(routes(reversed(b.established())), tagged)
		time.Sleep(75 * time.Second) // of the bubble
		bye := b.receive(lan1, caller, request("BYE", "sip:bob@192.168.43.2:5060", "b1", 2, set...))[0]
		b.receive(lan2, callee, answerTo(bye, 200, "OK"))
	}
	for _, test := range []struct {
		name string
		call func(*bench)
		want EndedCall
	}{
		{"answered", hangsUp, EndedCall{Cause: "caller-hung-up", Status: 200, Lasted: 75 * time.Second}},
		{"hung up, not answered any more", func(b *bench) {
			set := append(routes(reversed(b.established())), tagged)
			b.receive(lan1, caller, request("BYE", "sip:bob@192.168.43.2:5060", "b1", 2, set...))
			b.wait(time.Minute)
		}, EndedCall{Cause: "caller-hung-up", Status: 408}},
		{"busy", func(b *bench) {
			b.receive(lan2, callee, answerTo(b.invited(), 486, "Busy Here"))
		}, EndedCall{Cause: "failed", Status: 486}},
		{"given up", func(b *bench) {
			invite := b.invited()
			b.receive(lan2, callee, answerTo(invite, 180, "Ringing"))
			b.receive(lan1, caller, cancelOfInvite)
			b.receive(lan2, callee, answerTo(invite, 487, "Request Terminated"))
		}, EndedCall{Cause: "cancelled", Status: 487}},
		{"silence", func(b *bench) {
			b.invited()
			b.wait(time.Minute)
		}, EndedCall{Cause: "timer", Status: 408}},
		{"no room", func(b *bench) {
			b.gate.place = hop.Refusal{Status: 503, Reason: "Call Limit Reached", Rule: "cac entry 1/t1/3 max-num-calls"}
			b.receive(lan1, caller, request("INVITE", bob, "i1", 1))
		}, EndedCall{Cause: "rule", Status: 503, Rule: "cac entry 1/t1/3 max-num-calls"}},
		{"session not refreshed", func(b *bench) {
			b.receive(lan2, callee, answerTo(b.invited(), 200, "OK", "Session-Expires: 90"))
			b.wait(90*time.Second + sessionGrace + tick)
		}, EndedCall{Cause: "stale"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				start := time.Now()
				time.Sleep(time.Second)
				test.call(b)
				want := test.want
				want.Began, want.Ended = start.Add(time.Second), time.Now()
				want.CallID, want.From, want.To = "call-1@192.0.2.1", "sip:alice@example.com", "sip:bob@example.com"
				want.Caller = model.CallSide{Network: "lan1", Adjacency: "lan1", Peer: "udp 192.168.42.2:5060"}
				if want.Rule == "" {
					want.Callee = model.CallSide{Network: "lan2", Adjacency: "lan2", Peer: "udp 192.168.43.2:5060"}
				}
				if want.Cause == "stale" || want.Cause == "caller-hung-up" {
					want.Answered = want.Began
				}
				shown := b.asked(HistoryQuery{Last: 20})
				if diff := cmp.Diff(History{Started: start, Over: 1, Total: 1, Some: []EndedCall{want}}, shown,
					cmpopts.IgnoreFields(model.OpenCall{}, "Key")); diff != "" {
					t.Errorf("the history (-want +got)\n%s", diff)
				}
				if _, err := model.ParseCallKey(shown.Some[0].Key); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestHistoryIsTheLast: what is shown is the newest calls without a gap, however
// many there were; what came before is said to be forgotten.
func TestHistoryIsTheLast(t *testing.T) {
	b := newBench(t)
	const calls = 3 * historyKept
	for i := range calls {
		invite := another(request("INVITE", bob, "i", 1), i)
		out := b.receive(lan1, caller, strings.Replace(invite, "sip:alice@", fmt.Sprintf("sip:+4930%d:pin@", i), 1))
		b.receive(lan2, callee, answerTo(out[1], 486, "Busy Here"))
		if b.ledger.events = nil; i == historyListed/2 {
			if shown := b.asked(HistoryQuery{Last: historyListed}); shown.Over != i+1 || shown.Total != i+1 || len(shown.Some) != i+1 || !shown.Since.IsZero() {
				t.Errorf("of %d calls %d are shown, those since %v; want all", i+1, len(shown.Some), shown.Since)
			}
		}
	}
	shown := b.asked(HistoryQuery{Last: 2 * historyListed})
	if shown.Over != calls || shown.Total > historyKept || len(shown.Some) != min(shown.Total, historyListed) || len(shown.Some) < historyListed/2 {
		t.Errorf("of %d calls %d are found and %d shown", shown.Over, shown.Total, len(shown.Some))
	}
	for i, c := range shown.Some {
		if want := fmt.Sprintf("sip:+4930%d@example.com", calls-1-i); c.From != want || c.Ended.Before(shown.Since) {
			t.Fatalf("call %d is from %s and ended %v; want %s, and all since %v", i, c.From, c.Ended, want, shown.Since)
		}
	}
	if shown.Since.Before(shown.Started) || time.Since(shown.Since) < 0 {
		t.Errorf("kept are the calls since %v; want a time after %v", shown.Since, shown.Started)
	}
	for number, want := range map[string]int{fmt.Sprint("+4930", calls-7): 1, "pin": 0, "example.com": 0, "5060": 0, "bob": shown.Total} {
		got := b.asked(HistoryQuery{Last: 3, Number: number})
		if got.Total != want || len(got.Some) != min(want, 3) {
			t.Errorf("%d calls of %s are found and %d shown; want %d", got.Total, number, len(got.Some), want)
		}
	}
}

// Of a call that lived through a restart of the proxy is shown what a request
// told of it, and the caller is the caller though the callee hangs up. Of one
// that nobody has heard of is nothing to show.
func TestHistoryOfRestoredCalls(t *testing.T) {
	before := newBench(t)
	set := routes(before.established())
	b := before.reborn(true)
	bye := b.only(b.receive(lan2, callee, fromCallee(request("BYE", "sip:alice@192.168.42.2:5060", "b1", 1, set...))), "BYE sip:alice@192.168.42.2:5060 SIP/2.0")[0]
	b.receive(lan1, caller, answerTo(bye, 200, "OK"))
	shown := b.asked(HistoryQuery{Last: 1})
	want := EndedCall{OpenCall: model.OpenCall{CallID: "call-1@192.0.2.1", From: "sip:alice@example.com", To: "sip:bob@example.com"}, Cause: "callee-hung-up", Status: 200}
	if diff := cmp.Diff([]EndedCall{want}, shown.Some, cmpopts.IgnoreFields(EndedCall{}, "Ended"), cmpopts.IgnoreFields(model.OpenCall{}, "Key")); diff != "" {
		t.Errorf("the history (-want +got)\n%s", diff)
	}

	silent := before.reborn(false)
	silent.p.abandon()
	if shown := silent.asked(HistoryQuery{Last: 1}); shown.Over != 0 {
		t.Errorf("the history of a call that only its key is known of: %+v", shown)
	}
}

// Nor are secrets shown of the calls that are open.
func TestOpenCallsArePlain(t *testing.T) {
	b := newBench(t)
	b.receive(lan1, caller, strings.Replace(request("INVITE", bob, "i", 1), "sip:alice@example.com", "sip:alice:secret@example.com;user=phone", 1))
	if open := b.p.openCalls(); open.Total != 1 || open.Some[0].From != "sip:alice@example.com" || open.Some[0].To != "sip:bob@example.com" {
		t.Errorf("the open calls are %+v; want one from sip:alice@example.com", open)
	}
}

// TestHistoryMemory: what is kept of each text fits, whatever is kept of the
// others; all calls have 1 MiB, and another one takes nothing.
func TestHistoryMemory(t *testing.T) {
	all := 0
	for i, most := range keptMost {
		if most == 0 || most > 255 {
			t.Errorf("%d octets are kept of text %d; want 1 to 255", most, i)
		}
		all += most
	}
	if all != keptOctets {
		t.Errorf("texts have %d octets at the most, and %d are kept", all, keptOctets)
	}
	h := newHistory(1)
	if octets := int(unsafe.Sizeof(h.ring[0])) * len(h.ring); octets > 1<<20 {
		t.Errorf("the history takes %d octets; want at most 1 MiB", octets)
	}
	c := &call{callID: "call-1@192.0.2.1", in: side{flow: flow{listen: &listenPoint{network: &network{name: "lan1"}}, to: caller}}}
	if n := testing.AllocsPerRun(2*historyKept, func() { h.note(c, 486, "cps") }); n != 0 {
		t.Errorf("noting a call takes %v allocations", n)
	}
}

// FuzzHistory: whatever strangers put into their texts, the beginning of each is
// kept and nothing of the others gets into it.
func FuzzHistory(f *testing.F) {
	f.Add("call-1@192.0.2.1", "sip:alice@example.com", "tel:+4930", "cps", "lan1")
	f.Add(strings.Repeat("c", 255), "sip:"+strings.Repeat("a", 251), strings.Repeat("sip:", 60), strings.Repeat("r", 255), strings.Repeat("n", 64))
	f.Fuzz(func(t *testing.T, callID, from, to, rule, name string) {
		h := newHistory(historyKept) // one place
		c := &call{callID: callID, from: from, to: to}
		c.in.listen = &listenPoint{network: &network{name: name}}
		h.note(c, 486, rule)
		shown := h.kept()[0].show()
		for i, text := range []struct{ kept, whole string }{keptCallID: {shown.CallID, callID}, keptRule: {shown.Rule, rule}, keptCallerNetwork: {shown.Caller.Network, name}} {
			if want := text.whole[:min(len(text.whole), keptMost[i])]; text.kept != want {
				t.Errorf("text %d is %q; want %q", i, text.kept, want)
			}
		}
		if (len(shown.From) > keptMost[keptFrom]) || (len(shown.To) > keptMost[keptTo]) {
			t.Errorf("shown are the URIs %q, %q", shown.From, shown.To)
		}
	})
}

// TestHistoryHidesPasswords: of a URI that is cut no part of its password is shown.
func TestHistoryHidesPasswords(t *testing.T) {
	for n := range 2 * keptMost[keptFrom] {
		h := newHistory(historyKept)
		c := &call{from: "sip:" + strings.Repeat("u", n) + ":hunter2@example.com"}
		c.in.listen = &listenPoint{network: &network{}}
		h.note(c, 486, "")
		if shown := h.kept()[0].show(); strings.Contains(shown.From, "h") {
			t.Errorf("with %d octets of a user it shows %q", n, shown.From)
		}
	}
}

// BenchmarkNote is what the history costs a call.
func BenchmarkNote(b *testing.B) {
	h := newHistory(1)
	c := &call{callID: "3848276298220188511@pc33.example.com", from: "sip:+15550100@example.com;user=phone", to: "sip:+15550101@example.com;user=phone", began: time.Now()}
	c.in.listen, c.in.to = &listenPoint{network: &network{name: "lan1"}}, caller
	c.out = branch{side: side{flow: flow{listen: c.in.listen, to: callee}}}
	b.ReportAllocs()
	for b.Loop() {
		h.note(c, 486, "")
	}
}
