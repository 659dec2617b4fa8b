package model

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func offered() CallEvent {
	return CallEvent{
		Kind:       CallOffered,
		Key:        CallKey{0xDE, 0xAD, 0xBE, 0xEF, 1, 2, 3, 4, 5, 6, 7, 8},
		Time:       time.Date(2026, 11, 22, 0, 33, 16, 250_000_001, time.UTC),
		CallID:     []byte("a84b4c76e66710@192.0.2.7"),
		From:       []byte(`"Alice" <sip:15551230001@a.example>;tag=1928301774`),
		To:         []byte("<sip:15551230002@b.example>"),
		RequestURI: []byte("sip:15551230002@192.168.42.1"),
		Network:    []byte("inside"),
		Peer:       []byte("192.0.2.7:5060"),
		SDP:        []byte("v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\n"),
		Transport:  []byte("UDP"),
	}
}

func TestCallEventRoundTrip(t *testing.T) {
	ended := CallEvent{Kind: CallEnded, Time: time.Unix(0, 1).UTC(), Status: 486, Cause: EndFailed, Rule: []byte("r")}
	for _, event := range []CallEvent{offered(), ended} {
		var got CallEvent
		if err := got.Decode(event.AppendTo(nil)); err != nil {
			t.Fatalf("Decode(%v) = %v; want nil", event.Kind, err)
		}
		if diff := cmp.Diff(event, got); diff != "" {
			t.Errorf("Decode(AppendTo(%v)) differs (-want +got):\n%s", event.Kind, diff)
		}
	}
}

// The journal outlives the program: these octets must not change.
func TestCallEventFormat(t *testing.T) {
	event := CallEvent{
		Kind: CallEnded, Key: CallKey{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
		Time: time.Unix(0, 0x0102030405060708), Status: 487, Cause: EndCancelled,
		CallID: []byte("x@y"), Rule: []byte("cac"), SDP: bytes.Repeat([]byte("s"), 200),
	}
	want := []byte("\x01\x08\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x08\x07\x06\x05\x04\x03\x02\x01\xE7\x01\x03\x00" +
		"\x01\x03x@y" + "\x07\x03cac" + "\x08\xC8\x01" + strings.Repeat("s", 200))
	if got := event.AppendTo(nil); !bytes.Equal(got, want) {
		t.Errorf("AppendTo = %x; want %x", got, want)
	}
}

func TestCallEventIsBounded(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 70_000)
	event := CallEvent{
		Kind: CallOffered, Time: time.Unix(1, 0), CallID: long, From: long, To: long, RequestURI: long,
		Network: long, Peer: long, Rule: long, SDP: long, Adjacency: long, Account: long, Transport: long, Offer: long,
		CalleeOffered: true,
	}
	encoded := event.AppendTo(nil)
	if len(encoded) != MaxCallEvent {
		t.Errorf("len(AppendTo) = %d; want MaxCallEvent %d", len(encoded), MaxCallEvent)
	}
	var got CallEvent
	if err := got.Decode(encoded); err != nil || len(got.To) != MaxCallText || len(got.SDP) != MaxCallSDP {
		t.Errorf("Decode = %v, To of %d, SDP of %d; want nil, %d, %d", err, len(got.To), len(got.SDP), MaxCallText, MaxCallSDP)
	}
	bare := CallEvent{Kind: CallEnded, Time: time.Unix(1, 0)}
	if got := len(bare.AppendTo(nil)); got != MaxBareCallEvent {
		t.Errorf("len(AppendTo) without texts = %d; want MaxBareCallEvent %d", got, MaxBareCallEvent)
	}
	event.Offer = nil
	if got := len(event.AppendTo(nil)); got != MaxOneSDPCallEvent {
		t.Errorf("len(AppendTo) without Offer = %d; want MaxOneSDPCallEvent %d", got, MaxOneSDPCallEvent)
	}
	event.SDP = nil
	if got := len(event.AppendTo(nil)); got != MaxPlainCallEvent {
		t.Errorf("len(AppendTo) without SDP = %d; want MaxPlainCallEvent %d", got, MaxPlainCallEvent)
	}
}

func TestCallEventFlags(t *testing.T) {
	for _, event := range []CallEvent{
		{Billing: CallBilling{Filtered: true}},
		{Billing: CallBilling{Filtered: true, XML: true}},
		{Billing: CallBilling{Filtered: true, PacketCable: true}},
		{CalleeOffered: true},
	} {
		event.Kind, event.Time = CallRouted, time.Unix(1, 0).UTC()
		var got CallEvent
		if err := got.Decode(event.AppendTo(nil)); err != nil || !cmp.Equal(got, event) {
			t.Errorf("Decode(AppendTo(%+v)) = %v, %+v", event, err, got)
		}
	}
}

func TestCallEventDecodeDamaged(t *testing.T) {
	event := offered()
	whole := event.AppendTo(nil)
	ends := map[int]bool{callEventHeader: true} // a cut between two texts leaves a valid, shorter event
	at := callEventHeader
	for tag := 1; tag <= callTexts; tag++ {
		if text := *event.text(tag); len(text) > 0 {
			at += 2 + len(text)
			ends[at] = true
		}
	}
	for cut := range whole {
		var got CallEvent
		if err := got.Decode(whole[:cut]); (err == nil) != ends[cut] {
			t.Errorf("Decode(first %d octets) = %v; want error %v", cut, err, !ends[cut])
		}
	}
	var got CallEvent
	if err := got.Decode(append([]byte{9}, whole[1:]...)); err == nil {
		t.Error("Decode(version 9) = nil; want an error")
	}
	unknown := append(append([]byte(nil), whole...), 200, 3, 'a', 'b', 'c')
	if err := got.Decode(unknown); err != nil || !cmp.Equal(got, event) {
		t.Errorf("Decode(with an unknown text) = %v, %+v; want nil and the same event", err, got)
	}
}

func TestCallEventAllocates(t *testing.T) {
	event, buf := offered(), make([]byte, 0, MaxCallEvent)
	var got CallEvent
	if n := testing.AllocsPerRun(100, func() {
		buf = event.AppendTo(buf[:0])
		if got.Decode(buf) != nil {
			t.Fatal("Decode failed")
		}
	}); n != 0 {
		t.Errorf("AppendTo and Decode allocate %v times; want 0", n)
	}
}

func TestCallKey(t *testing.T) {
	key := offered().Key
	if want := "32w353ybaibqibiga4ea"; key.String() != want || len(want) != CallKeyText {
		t.Errorf("String() = %q; want %q of %d characters", key, want, CallKeyText)
	}
	got, err := ParseCallKey(key.String())
	if err != nil || got != key {
		t.Errorf("ParseCallKey(%q) = %v, %v; want the key back", key, got, err)
	}
	for _, text := range []string{
		"", key.String()[1:], key.String() + "a", strings.ToUpper(key.String()),
		key.String()[:19] + "1", key.String()[:19] + "b", key.String()[:19] + "\n",
	} {
		if _, err := ParseCallKey(text); err == nil {
			t.Errorf("ParseCallKey(%q) = nil error; want one", text)
		}
	}
}

func TestCallEventNames(t *testing.T) {
	for kind := CallOffered; kind <= CallEnded; kind++ {
		if name := kind.String(); name == "" || strings.HasPrefix(name, "kind-") {
			t.Errorf("CallEventKind(%d).String() = %q; want a name", kind, name)
		}
	}
	for cause := EndUnknown; cause <= EndStale; cause++ {
		if name := cause.String(); name == "" || strings.HasPrefix(name, "cause-") {
			t.Errorf("EndCause(%d).String() = %q; want a name", cause, name)
		}
	}
	if got := CallEventKind(0).String() + " " + CallEventKind(99).String() + " " + EndCause(99).String(); got != "kind-0 kind-99 cause-99" {
		t.Errorf("names of unknown values = %q", got)
	}
}

func FuzzCallEventDecode(f *testing.F) {
	event := offered()
	f.Add(event.AppendTo(nil))
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{1}, callEventHeader+3))
	f.Add(append(bytes.Repeat([]byte{1}, callEventHeader+1), 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		var event, again CallEvent
		if event.Decode(b) != nil {
			return
		}
		encoded := event.AppendTo(nil)
		if len(encoded) > MaxCallEvent {
			t.Fatalf("AppendTo gives %d octets; want at most %d", len(encoded), MaxCallEvent)
		}
		if err := again.Decode(encoded); err != nil {
			t.Fatalf("Decode(AppendTo(Decode(%x))) = %v", b, err)
		}
		if !bytes.Equal(again.AppendTo(nil), encoded) {
			t.Fatalf("%x is not stable", b)
		}
	})
}

func FuzzParseCallKey(f *testing.F) {
	f.Add(CallKey{1}.String())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := ParseCallKey(text); err == nil && key.String() != text {
			t.Fatalf("ParseCallKey(%q).String() = %q", text, key)
		}
	})
}

func BenchmarkCallEventAppend(b *testing.B) {
	event, buf := offered(), make([]byte, 0, MaxCallEvent)
	b.ReportAllocs()
	for b.Loop() {
		buf = event.AppendTo(buf[:0])
	}
}
