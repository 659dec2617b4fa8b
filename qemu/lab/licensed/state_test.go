package licensed

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestRestart ends the server and takes it up from its file: the box notices
// nothing.
func TestRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	w := newWorld(t, Options{File: file})
	if err := w.SetQuantity(FirstAccount, "CUSP-5", 2); err != nil {
		t.Fatal(err)
	}
	if err := w.AdvanceClock(100 * day); err != nil {
		t.Fatal(err)
	}
	b := newBox(w, "FHK1234ABcd")
	b.register()
	if got := b.authorize(2); got != "IC" {
		t.Fatalf("compliance = %s; want IC", got)
	}
	before, seq := w.Instances(), b.seq

	b.world = newWorld(t, Options{File: file})
	if !bytes.Equal(b.Root(), w.Root()) {
		t.Error("the root is another one")
	}
	after := b.Instances()
	if len(after) != 1 || after[0].ID != before[0].ID || after[0].Seq != seq || after[0].Licenses["CUSP-5"] != 2 {
		t.Errorf("instances = %+v; want %+v", after, before)
	}
	if ahead := time.Until(b.Now()); ahead < 99*day {
		t.Errorf("the clock is %v ahead; want 100 days", ahead)
	}
	if got := b.authorize(3); got != "OOC" {
		t.Errorf("compliance = %s; want OOC", got)
	}
}

// TestDamagedState refuses to start anew over a file that it cannot read.
func TestDamagedState(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	for _, text := range []string{"", "{", "{}", `{"authority":{"root":{"key":"","certificate":""},"signing":[]}}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{File: file}); err == nil {
			t.Errorf("New with the state %q = nil; want an error", text)
		}
	}
}
