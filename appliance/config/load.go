package config

import (
	"slices"
	"strings"

	"causeway/appliance/model"
)

// roundsMax is how often Load drops lines that break rules. Halving takes 14
// rounds for 10,000 lines; a hundred are used up only by a line that comes back
// by itself. Nothing is loaded then: a box that asks what to do is better than
// one that hangs at boot.
const roundsMax = 100

// Load reads a revision that another version of the firmware may have written,
// as far as it can. Lines that do not parse here or break a rule are set
// aside, each with the lines below it; faults, in the order of the text, say
// why. What remains is valid. aside are those lines and the ones that the text
// kept aside before and that still do not fit, with their opening lines and
// indentation, as Print takes them.
func (g *Grammar) Load(text string) (c *model.Config, aside []string, faults Errors) {
	e := g.editor(&model.Config{})
	_, out := e.read(scan(text), true)
	for round := 1; ; round++ {
		wrong := g.check(e.config, e.typed)
		if len(wrong) == 0 {
			break
		}
		if round == roundsMax {
			all := outlineOf(scan(text)).with(nil, outlineOf(scanAside(text)))
			return &model.Config{}, all.lines(0), Errors{wrong[0].fault}
		}
		// Of two lines that exclude each other the first shall stay, so the
		// later half goes and the rest is looked at again.
		without := make(map[string]*Error)
		for _, w := range wrong[len(wrong)/2:] {
			without[w.key()] = w.fault
		}
		kept, dropped := g.split(e.config, e.typed, without)
		e = g.editor(&model.Config{})
		_, refused := e.read(kept, true)
		out = out.with(nil, dropped).with(nil, refused)
	}
	c, out = g.tryAside(e.config, out.with(nil, outlineOf(scanAside(text))))
	faults = out.faults()
	slices.SortStableFunc(faults, func(a, b *Error) int { return a.Line - b.Line })
	return c, out.lines(0), faults
}

// Print is Render with the lines that are kept aside at the end, as comments.
func (g *Grammar) Print(c *model.Config, aside []string) string {
	return withAside(g.Render(c), aside)
}

func withAside(rendered string, aside []string) string {
	var text strings.Builder
	text.WriteString(rendered)
	for i, line := range aside {
		if i == 0 {
			text.WriteString("!\n")
		}
		text.WriteString(asideMark + line + "\n")
	}
	return text.String()
}

// split takes c apart into its lines: those that are kept, and those that are
// not, with what is below them. The numbers are those of typed.
func (g *Grammar) split(c *model.Config, typed map[string]source, without map[string]*Error) (kept []typedLine, dropped outline) {
	gone := "\n" // the path of the place inside the line that was dropped last; at first that of none
	g.walk(c, place{mode: Global}, 0, func(l printed) {
		fault := without[l.key()]
		inside := strings.HasPrefix(l.at.path, gone)
		if !inside && fault != nil {
			gone = l.key() + "\n"
		}
		switch {
		case !inside && fault == nil:
			kept = append(kept, typedLine{typed[l.key()].number, l.depth, l.text})
		case l.command != nil: // no exit
			dropped = dropped.with(l.at.openingLines(), outline{{text: l.text, fault: fault}})
		}
	})
	return kept, dropped
}

// tryAside brings lines that were kept aside into a copy of base: all those
// that parse and break no rule, neither themselves nor in the lines of base.
// It gives the others back. Tried again, they do not fit either.
func (g *Grammar) tryAside(base *model.Config, tree outline) (*model.Config, outline) {
	for len(tree) > 0 {
		c := g.tryOnce(base, tree)
		if c == nil {
			break
		}
		base, tree = c, tree.refused()
	}
	return base, tree
}

// tryOnce is base with the entries of the tree that fit together; those that
// do not are marked as refused. It is nil when none fits.
func (g *Grammar) tryOnce(base *model.Config, tree outline) *model.Config {
	before := len(g.check(base, nil))
	tree.forgive()
	for slices.ContainsFunc(tree, (*entry).untried) {
		copied, err := g.copy(base)
		if err != nil {
			return nil
		}
		e := g.editor(copied)
		tried, fit := e.try(tree, nil)
		if !fit {
			continue
		}
		wrong := g.check(e.config, e.typed)
		for _, w := range wrong {
			if w.fault.Line > 0 { // it is one of the tree's
				tried[w.fault.Line-1].refused = true
				fit = false
			}
		}
		switch {
		case fit && len(wrong) > before: // they make lines of base break a rule
			return nil
		case fit:
			return e.config
		}
	}
	return nil
}

// try brings in the lines of a tree that were not refused yet, and marks those
// that do not fit. An opening line is brought in only for one below it. tried
// are the entries that were brought in; their lines are numbered so, from 1.
func (e *editor) try(tree outline, tried []*entry) (all []*entry, fit bool) {
	fit, depth := true, len(e.places)
	for _, t := range tree {
		if !t.untried() {
			continue
		}
		tried = append(tried, t)
		fault := e.line(typedLine{number: len(tried), text: t.text}, depth-1)
		switch opened := len(e.places) > depth; {
		case fault != nil, len(t.below) > 0 && !opened:
			t.refused, fit = true, false
		case len(t.below) > 0:
			var below bool
			tried, below = e.try(t.below, tried)
			fit = fit && below
		}
		e.places = e.places[:depth]
	}
	return tried, fit
}
