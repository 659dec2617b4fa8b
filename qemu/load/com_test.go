package load

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestTakeBeats(t *testing.T) {
	var f comFleet
	if count, p99 := f.takeBeats(); count != 0 || p99 != 0 {
		t.Errorf("takeBeats() of none = %d, %v", count, p99)
	}
	for i := range 200 {
		f.beaten(time.Duration((i*37)%200+1) * time.Millisecond) // 1 to 200 ms, mixed
	}
	if count, p99 := f.takeBeats(); count != 200 || p99 != 198*time.Millisecond {
		t.Errorf("takeBeats() = %d, %v; want 200, 198ms", count, p99)
	}
	if count, _ := f.takeBeats(); count != 0 {
		t.Errorf("takeBeats() again = %d; want none", count)
	}
}

// TestFleetEach: what goes wrong with one box ends it, and is told.
func TestFleetEach(t *testing.T) {
	f := &comFleet{boxes: make([]*comBox, 1000)}
	var done = make([]bool, len(f.boxes))
	if err := f.each(t.Context(), func(i int) error { done[i] = true; return nil }); err != nil {
		t.Error(err)
	}
	for i, d := range done {
		if !d {
			t.Errorf("box %d was left out", i)
		}
	}
	wrong := errors.New("wrong")
	err := f.each(t.Context(), func(i int) error {
		if i == 10 {
			return wrong
		}
		return nil
	})
	if !errors.Is(err, wrong) {
		t.Errorf("each = %v; want %v", err, wrong)
	}
}

func TestCOMCost(t *testing.T) {
	text := fmt.Sprint(COMCost{Links: 100, EmptyKB: 20000, FullKB: 27300, Handshakes: 431.6, BeatP99: 12345 * time.Microsecond, Recovery: 7500 * time.Millisecond})
	for _, want := range []string{"links=100\n", "mem_per_link_kb=73.0\n", "handshakes_per_s=432\n", "heartbeat_p99_ms=12.3\n", "recovery_s=7.5\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("String() = %q; want %q in it", text, want)
		}
	}
}

func TestCOMLinedCheck(t *testing.T) {
	good := COMLined{Links: 1, Beats: 60, Beat: 10 * time.Second, Gap: 21 * time.Second, Fetched: 4 << 20, Took: 10 * time.Minute}
	if err := good.Check(); err != nil {
		t.Errorf("Check(%+v) = %v", good, err)
	}
	for name, spoil := range map[string]func(*COMLined){
		"another link":    func(c *COMLined) { c.Links = 2 },
		"three late":      func(c *COMLined) { c.Gap = 31 * time.Second },
		"heartbeats lost": func(c *COMLined) { c.Beats = 50 },
		"nothing came":    func(c *COMLined) { c.Fetched = 0 },
	} {
		bad := good
		spoil(&bad)
		if err := bad.Check(); err == nil {
			t.Errorf("%s: Check(%+v) = nil; want an error", name, bad)
		}
	}
}
