package load

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"causeway/appliance/sip/message"
)

func TestForged(t *testing.T) {
	got := forged(netip.MustParseAddrPort("198.18.0.1:5060"), netip.MustParseAddrPort("127.0.0.1:5060"), "hi")
	const want = "4500001e00000000" + "40110000" + "c6120001" + "7f000001" + "13c413c4000a0000" + "6869"
	if hex.EncodeToString(got) != want {
		t.Errorf("forged = %x; want %s", got, want)
	}
}

// TestFloodMessages: all but the last get past a proxy's first look.
func TestFloodMessages(t *testing.T) {
	for i, format := range floodMessages {
		var m message.Message
		text := fmt.Sprintf(format, netip.MustParseAddr("198.18.0.1"), i, Number(1))
		if err := m.Parse([]byte(text)); (err == nil) != (i < len(floodMessages)-1) {
			t.Errorf("Parse(%q) = %v", text, err)
		}
	}
}

func TestMixed(t *testing.T) {
	calls, rate := 0, 0
	for _, f := range mixed(200000, 500, time.Second) {
		calls, rate = calls+f.Calls, rate+f.Rate
	}
	if calls != 200000 || rate != 500 {
		t.Errorf("mixed(200000, 500) has %d calls at %d a second", calls, rate)
	}
}

func TestOverloadedCheck(t *testing.T) {
	good := Overloaded{Offered: 1000, Admitted: 100, Completed: 99, Refused: 800, MemoryKB: 20000, WorstKB: 30000, Recovery: time.Second}
	if err := good.Check(99); err != nil {
		t.Errorf("Check(%+v) = %v", good, err)
	}
	for name, spoil := range map[string]func(*Overloaded){
		"nothing refused": func(o *Overloaded) { o.Refused = 0 },
		"calls lost":      func(o *Overloaded) { o.Completed = 98 },
		"memory":          func(o *Overloaded) { o.WorstKB = 80000 },
		"recovery":        func(o *Overloaded) { o.Recovery = time.Minute },
	} {
		bad := good
		spoil(&bad)
		if err := bad.Check(99); err == nil {
			t.Errorf("%s: Check(%+v) = nil; want an error", name, bad)
		}
	}
}

func TestFloodedCheck(t *testing.T) {
	good := Flooded{Calls: 1000, Admitted: 900, Completed: 891, MemoryKB: 20000, WorstKB: 120000}
	if err := good.Check(50, 99); err != nil {
		t.Errorf("Check(%+v) = %v", good, err)
	}
	for name, spoil := range map[string]func(*Flooded){
		"memory":        func(f *Flooded) { f.WorstKB = 160000 },
		"calls lost":    func(f *Flooded) { f.Completed = 890 },
		"calls refused": func(f *Flooded) { f.Admitted, f.Completed = 499, 499 },
	} {
		bad := good
		spoil(&bad)
		if err := bad.Check(50, 99); err == nil {
			t.Errorf("%s: Check(%+v) = nil; want an error", name, bad)
		}
	}
}

func TestTolerate(t *testing.T) {
	wrong := errors.New("no such program")
	for _, test := range []struct {
		failed    int
		err, want error
	}{
		{0, nil, nil},
		{1, ErrCallsFailed, nil},
		{2, ErrCallsFailed, ErrCallsFailed},
		{0, wrong, wrong},
	} {
		if got := (placed{failed: test.failed}).tolerate(100, test.err); got != test.want {
			t.Errorf("tolerate(100, %v) with %d failed = %v; want %v", test.err, test.failed, got, test.want)
		}
	}
}
