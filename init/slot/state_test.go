package slot

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"causeway/appliance/model"
)

// full is a state that has everything.
func full() *state {
	operator := model.Operator{User: "anna", Origin: "ssh 192.0.2.7"}
	return &state{
		Blessed: "A", Floor: "v0.9.0", Returned: true,
		Images: map[string]image{"A": {"v1.0.0", sumOf("a"), true, false}, "B": {"v1.1.0", sumOf("b"), false, true}},
		Trial:  &trial{"B", "v1.1.0", operator, true, 10 * time.Minute, true, "no listener"},
		Last:   &model.TrialEnd{Slot: "B", Version: "v1.0.1", Operator: operator, Reason: "a hang", Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)},
	}
}

// TestStateCut: a state that was cut off or has a bit turned is none, is set
// aside, and is never taken for another.
func TestStateCut(t *testing.T) {
	content, err := full().encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decode(content); err != nil || !reflect.DeepEqual(got, full()) {
		t.Fatalf("decode = %+v, %v; want what was encoded", got, err)
	}
	for n := range content {
		if got, err := decode(content[:n]); !errors.Is(err, errDamaged) {
			t.Fatalf("decode of %d octets = %+v, %v; want that it is damaged", n, got, err)
		}
		for bit := range 8 {
			content[n] ^= 1 << bit
			if got, err := decode(content); !errors.Is(err, errDamaged) {
				t.Fatalf("decode with bit %d of octet %d turned = %+v, %v; want that it is damaged", bit, n, got, err)
			}
			content[n] ^= 1 << bit
		}
	}
	file := filepath.Join(memory(t), "slots")
	if got, err := readState(file); got != nil || err != nil {
		t.Errorf("readState of no file = %+v, %v; want none", got, err)
	}
	if err := os.WriteFile(file, content[:20], 0o640); err != nil {
		t.Fatal(err)
	}
	if got, err := readState(file); got != nil || !errors.Is(err, errDamaged) {
		t.Errorf("readState = %+v, %v; want that it is damaged", got, err)
	}
	if kept, err := os.ReadFile(file + ".bad"); err != nil || string(kept) != string(content[:20]) {
		t.Errorf("set aside is %q, %v; want what was there", kept, err)
	}
}

// TestStateCheck: a whole state is not taken either if it says what none may.
func TestStateCheck(t *testing.T) {
	for name, spoil := range map[string]func(*state){
		"no slot is blessed":   func(s *state) { s.Blessed = "" },
		"slot C is blessed":    func(s *state) { s.Blessed = "C" },
		"the floor is none":    func(s *state) { s.Floor = "1.0" },
		"slot C has an image":  func(s *state) { s.Images["C"] = image{} },
		"slot AB is on trial":  func(s *state) { s.Trial.Slot = "AB" },
		"the kernel on trial":  func(s *state) { s.Trial.Slot = Kernel },
		"the trial has no end": func(s *state) { s.Trial.Limit = 0 },
	} {
		s := full()
		spoil(s)
		content, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(content); !errors.Is(err, errDamaged) {
			t.Errorf("%s: decode = %v; want that it is damaged", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	content, err := full().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte("null\n00000000\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		s, err := decode(content)
		if err != nil {
			return
		}
		if _, err := s.encode(); err != nil || !isSlot(s.Blessed) {
			t.Errorf("decode(%q) = %+v, %v", content, s, err)
		}
	})
}
