package grammar_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"causeway/appliance/config"
	"causeway/appliance/grammar"
	"causeway/appliance/model"
)

// TestFields is the property that the forms of the pages stand on: each line that
// a configuration has, put into the fields of its command and composed again, is
// the same line; undone, it is gone; and a command that a place has one line of
// never has two.
func TestFields(t *testing.T) {
	g := grammar.All()
	refused := make(map[*config.Command]int) // how often a rule was against it; once it was not, less than none
	rapid.Check(t, func(t *rapid.T) {
		c := configs.Draw(t, "config")
		for _, at := range places(t, g, c) {
			path, lines := at.path, at.lines
			count := make(map[*config.Command]int)
			for _, l := range lines {
				count[l.Command]++
				if count[l.Command] > 1 && g.Single(l.Command) {
					t.Fatalf("at %q there are two lines of %q, which is said to be single", path, l.Command.Syntax)
				}
				filled := l.Command.Blank().Fill(l.Args)
				if again, wrong := l.Command.Blank().Compose(filled); wrong != nil || again != l.Text {
					t.Fatalf("at %q, %q is %q in the fields, and that is %q, %q; want the same line", path, l.Text, filled, again, wrong)
				}
			}
			if len(lines) == 0 {
				continue
			}
			l := rapid.SampledFrom(lines).Draw(t, "undone")
			undo, ok := g.Undo(path, l)
			if !ok {
				t.Fatalf("Undo(%q, %q): there is none", path, l.Text)
			}
			if m, fault := g.MeaningOf(path, undo); fault != nil || m.Syntax == "" {
				t.Fatalf("at %q, %q undoes %q: %v", path, undo, l.Text, fault)
			}
			after := &model.Config{}
			if faults := g.Merge(after, g.Render(c)+opened(path)); len(faults) > 0 || g.Render(after) != g.Render(c) {
				t.Fatalf("going to %q again makes\n%s(%v) of\n%s", path, g.Render(after), faults, g.Render(c))
			}
			faults := g.Merge(after, opened(path)+undo+"\n")
			if len(faults) > 0 { // there are rules about what may be removed
				refused[l.Command]++
				continue
			}
			refused[l.Command] = math.MinInt
			left, _ := g.LinesAt(after, path)
			if slices.ContainsFunc(left, func(have config.PrintedLine) bool { return have.Text == l.Text }) {
				t.Fatalf("at %q, %q leaves %q", path, undo, l.Text)
			}
		}
	})
	for command, times := range refused {
		if times > 20 && !others[command.Syntax] {
			t.Errorf("none of %d lines of %q could be undone", times, command.Syntax)
		}
	}
}

// others are commands whose lines cannot be undone before others are.
var others = map[string]bool{"billing": true, "method packetcable-em": true, "method xml": true}

// opened are the lines that lead to a place.
func opened(path []string) (text string) {
	for _, line := range path {
		text += line + "\n"
	}
	return text
}

// aPlace is a place of a configuration with its lines.
type aPlace struct {
	path  []string
	lines []config.PrintedLine
}

// places are all places of c.
func places(t *rapid.T, g *config.Grammar, c *model.Config) (all []aPlace) {
	paths := [][]string{nil}
	for len(paths) > 0 {
		path := paths[0]
		lines, ok := g.LinesAt(c, path)
		if !ok {
			t.Fatalf("LinesAt(%q): there is no such place", path)
		}
		all = append(all, aPlace{path, lines})
		paths = paths[1:]
		for _, l := range lines {
			if l.Command.Opens != "" {
				paths = append(paths, append(slices.Clone(path), l.Text))
			}
		}
	}
	return all
}
