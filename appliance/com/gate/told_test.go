package gate

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// TestToldIsBounded: what COM calls things by is not kept at any length, nor for
// ever.
func TestToldIsBounded(t *testing.T) {
	b := newBox(t)
	b.methods["look"] = Method{
		Name: "look", Service: model.COMConfig, Handle: b.methods["look"].Handle,
		Told: func(params json.RawMessage) string { return string(params) },
	}
	for i := range 2 * mostTold {
		params := fmt.Sprintf(`{"a":"%d%s"}`, i, strings.Repeat("x", wire.LongestMessage/4))
		if _, err := b.Call(t.Context(), link1, "look", json.RawMessage(params)); err != nil {
			t.Fatal(err)
		}
		b.pass(toldEvery)
	}
	octets := 0
	for line := range b.told.lines {
		octets += len(line)
	}
	if octets > mostTold*1<<10 {
		t.Errorf("%d octets are remembered of calls; want %d at most", octets, mostTold*1<<10)
	}
}

// TestSignedStreamAgain: a signature that need not be there is no way around what
// bounds the log.
func TestSignedStreamAgain(t *testing.T) {
	b := newStreams(t)
	header := b.header(wire.StreamFile, `{}`)
	for i := range toldBurst + 1 {
		s := b.stream(t.Context(), header)
		s.Close()
		<-s.over
		if ok := i < toldBurst; s.answer.OK != ok {
			t.Fatalf("file %d by the same signature = %+v; want OK: %t", i+1, s.answer, ok)
		}
	}
}

// TestMostReads: COM cannot keep the box busy with what needs no signature.
func TestMostReads(t *testing.T) {
	b := newBox(t)
	look := func(want int) {
		t.Helper()
		if _, err := b.Call(t.Context(), link1, "look", nil); code(err) != want {
			t.Errorf("look = %v; want code %d", err, want)
		}
	}
	for range readBurst {
		look(0)
	}
	look(wire.CodeBusy)
	if got := text(b.change("{}", idem1)); got != `{"text":"done 1"}` {
		t.Errorf("change = %s; want it done", got)
	}
	b.pass(readEvery)
	look(0)
	look(wire.CodeBusy)
}

// TestMostRefusals: what is refused to COM leaves the access log room for what is
// refused elsewhere, and all of it is counted.
func TestMostRefusals(t *testing.T) {
	b := newBox(t)
	for range 3 * refusedBurst {
		b.Call(t.Context(), link1, "files", nil)
	}
	if n := strings.Count(b.door.said(), "refused com: files"); n != refusedBurst {
		t.Errorf("%d of %d refusals are written down; want %d", n, 3*refusedBurst, refusedBurst)
	}
	b.pass(refusedEvery)
	b.Call(t.Context(), link1, "files", nil)
	want := fmt.Sprintf("refused com: files: files is switched off on this box, and %d refusals before it", 2*refusedBurst)
	if got := b.door.said(); got != want {
		t.Errorf("the log has %q then; want %q", got, want)
	}
}
