package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/appliance/com/wire"
	"causeway/appliance/storage/database"
)

func newTestStore(t *testing.T) *callStore {
	s := newCallStore(filepath.Join(t.TempDir(), "com", "idem.db"), slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Errorf("close = %v; want nil", err)
		}
	})
	return s
}

var at = time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)

func call(n int, time time.Time) (string, begun) {
	return fmt.Sprintf("%036d", n), begun{Call: fmt.Sprint("anna change ", n), Time: time, Expires: time.Add(wire.LongestLife)}
}

// TestCut: of a call that had begun when the box lost power nobody knows what
// came of it, and it is not done again.
func TestCut(t *testing.T) {
	s := newTestStore(t)
	idem, b := call(1, at)
	if err := s.begin(idem, b); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.lookup(idem, b.Call); code(err) != wire.CodeBusy {
		t.Errorf("lookup while it runs = %v; want code %d", err, wire.CodeBusy)
	}
	if err := s.begin(idem, b); code(err) != wire.CodeBusy {
		t.Errorf("begin again = %v; want code %d", err, wire.CodeBusy)
	}
	later := newTestStore(t)
	content, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(later.path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(later.path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, again := range []func() error{
		func() error { _, _, err := later.lookup(idem, b.Call); return err },
		func() error { return later.begin(idem, b) },
	} {
		if err := again(); code(err) != wire.CodeReplay || !strings.Contains(err.Error(), "has begun at 2026-11-23T02:00:00Z") {
			t.Errorf("after a cut: %v; want code %d", err, wire.CodeReplay)
		}
	}
}

// TestCutFile: a file that was cut anywhere does not keep new calls from being
// noted.
func TestCutFile(t *testing.T) {
	s := newTestStore(t)
	idem, b := call(1, at)
	if err := s.begin(idem, b); err != nil {
		t.Fatal(err)
	}
	if err := s.done(idem, outcome{Result: json.RawMessage(`"x"`)}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	cut := newTestStore(t)
	if err := os.MkdirAll(filepath.Dir(cut.path), 0o750); err != nil {
		t.Fatal(err)
	}
	for length := 0; length < len(content); length += 509 {
		if err := os.WriteFile(cut.path, content[:length], 0o600); err != nil {
			t.Fatal(err)
		}
		cut.running = map[string]bool{}
		new, b := call(2, at)
		for range 3 { // what is damaged is set aside
			if _, _, err = cut.lookup(new, b.Call); err == nil {
				if err = cut.begin(new, b); err == nil {
					break
				}
			}
		}
		if err != nil {
			t.Errorf("cut at %d octets: begin = %v; want nil", length, err)
		}
		cut.mu.Lock()
		if err := cut.closed(); err != nil {
			t.Errorf("cut at %d octets: close = %v; want nil", length, err)
		}
		cut.mu.Unlock()
	}
}

// TestMostKept: the store is bounded, and gives up nothing that could be played
// again.
func TestMostKept(t *testing.T) {
	s := newTestStore(t)
	add := func(n int, at time.Time) error {
		idem, b := call(n, at)
		if err := s.begin(idem, b); err != nil {
			return err
		}
		s.db.NoSync = true // the test does not cut power
		return s.done(idem, outcome{Result: json.RawMessage(`"x"`)})
	}
	for n := range mostKept {
		if err := add(n, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := add(mostKept, at.Add(wire.LongestLife)); code(err) != wire.CodeBusy {
		t.Errorf("one more, while all could be played again = %v; want code %d", err, wire.CodeBusy)
	}
	if err := add(mostKept, at.Add(wire.LongestLife+1)); err != nil {
		t.Errorf("one more = %v; want nil", err)
	}
	found := func() (count int) {
		for n := range mostKept + 10 {
			idem, b := call(n, at)
			o, found, err := s.lookup(idem, b.Call)
			if err != nil {
				t.Fatal(err)
			}
			if found && string(o.Result) == `"x"` {
				count++
			}
		}
		return count
	}
	if n := found(); n != mostKept {
		t.Errorf("%d calls are kept; want %d", n, mostKept)
	}
	if err := add(mostKept+1, at.Add(longestKept+wire.LongestLife)); err != nil {
		t.Errorf("one more, a day later = %v; want nil", err)
	}
	if n := found(); n != 2 {
		t.Errorf("%d calls are kept after a day; want 2", n)
	}
}

func FuzzStored(f *testing.F) {
	for _, seed := range []any{
		begun{Call: "anna change 00", Time: at, Expires: at}, outcome{Result: json.RawMessage(`{"a":1}`)}, outcome{Long: true},
		outcome{Code: wire.CodeConflict, Message: "x"}, supportState{Until: time.Hour}, supportState{Until: -1},
	} {
		text, err := json.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(text[:len(text)/2])
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if b, err := parseBegun(text); err == nil && (b.Call == "" || b.Time.IsZero() || b.Expires.IsZero()) {
			t.Errorf("parseBegun(%s) = %+v; want all of it", text, b)
		}
		if o, err := parseOutcome(text); err == nil {
			if result, err := o.answer(); err == nil && !json.Valid(result) {
				t.Errorf("the answer of %s = %s; want JSON", text, result)
			}
		}
		if s, err := parseSupport(text); err == nil && s.Until < 0 {
			t.Errorf("parseSupport(%s) = %+v; want a time", text, s)
		}
	})
}

// TestDoneElsewhere: the file in which a call had begun was set aside meanwhile. What
// came of it is not written into the next one, which is not taken for damaged.
func TestDoneElsewhere(t *testing.T) {
	s := newTestStore(t)
	idem, b := call(1, at)
	if err := s.begin(idem, b); err != nil {
		t.Fatal(err)
	}
	if err := s.closed(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.path, s.path+".bad"); err != nil {
		t.Fatal(err)
	}
	if err := s.done(idem, outcome{}); err == nil || errors.Is(err, database.ErrDamaged) {
		t.Errorf("done = %v; want an error that is not %v", err, database.ErrDamaged)
	}
	idem, b = call(2, at)
	if err := s.begin(idem, b); err != nil {
		t.Errorf("begin = %v; want nil", err)
	}
	if err := s.done(idem, outcome{}); err != nil {
		t.Errorf("done = %v; want nil", err)
	}
}
