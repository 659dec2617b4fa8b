package storage

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// sheet is a value that is kept.
type sheet struct {
	Number uint64
	Text   string
}

func newPair(dir string) *Pair[sheet] {
	return &Pair[sheet]{
		Name: "the sheet", Files: [2]string{filepath.Join(dir, "a", "sheet"), filepath.Join(dir, "b", "sheet")}, Key: []byte("key"),
		Number: func(s sheet) uint64 { return s.Number },
		Check: func(s sheet) error {
			if s.Text == "" {
				return errors.New("no text")
			}
			return nil
		},
	}
}

// TestPair: the later of two whole files counts, whichever it is.
func TestPair(t *testing.T) {
	p := newPair(t.TempDir())
	if _, found, err := p.Load(); found || err != nil {
		t.Fatalf("Load() of nothing = %t, %v; want nothing, and nothing wrong with it", found, err)
	}
	var texts [3][]byte // with number 1 and 2, and one that Check refuses
	for i, s := range []sheet{{1, "old"}, {2, "new"}, {3, ""}} {
		if err := p.Save(s); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(p.Files[0])
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = text
	}
	for _, test := range []struct {
		name    string
		a, b    []byte
		want    string // empty: nothing
		problem error
	}{
		{"both", texts[1], texts[1], "new", nil},
		{"the first is later", texts[1], texts[0], "new", nil},
		{"the second is later", texts[0], texts[1], "new", nil},
		{"the later is cut", texts[0], texts[1][:20], "old", ErrForged},
		{"the later is what no value may be", texts[2], texts[0], "old", ErrForged},
		{"both are cut", nil, texts[1][:20], "", ErrForged},
	} {
		for i, text := range [][]byte{test.a, test.b} {
			if err := os.WriteFile(p.Files[i], text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, found, err := p.Load()
		if got.Text != test.want || found != (test.want != "") || !errors.Is(err, test.problem) {
			t.Errorf("%s: Load() = %+v, %t, %v; want %q, %v", test.name, got, found, err, test.want, test.problem)
		}
	}
	p.Key = nil
	if _, found, err := p.Load(); found || !errors.Is(err, ErrUnread) {
		t.Errorf("Load() without a key = %t, %v; want %v", found, err, ErrUnread)
	}
}
