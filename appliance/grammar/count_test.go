package grammar_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"causeway/appliance/grammar"
)

// TestCount: every line of the text is counted once, under a syntax of the
// grammar, and nothing that is not of the grammar is told.
func TestCount(t *testing.T) {
	g := grammar.All()
	known := map[string]bool{}
	for _, syntax := range g.Syntaxes() {
		if known[syntax] {
			t.Errorf("two commands are %q", syntax)
		}
		known[syntax] = true
	}
	rapid.Check(t, func(t *rapid.T) {
		c := configs.Draw(t, "config")
		text := g.Render(c)
		want := 0
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "!" && line != "exit" {
				want++
			}
		}
		got := 0
		for _, tally := range g.Count(c) {
			if !known[tally.Syntax] || tally.Lines < 1 {
				t.Fatalf("Count of\n%s = %+v", text, tally)
			}
			got += tally.Lines
		}
		if got != want {
			t.Fatalf("Count of\n%s adds up to %d; want %d", text, got, want)
		}
	})
}
