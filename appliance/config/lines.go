package config

import (
	"slices"
	"strings"

	"causeway/appliance/model"
)

// PrintedLine is a line that a configuration has.
type PrintedLine struct {
	Command *Command
	Args    Args   // with those of the lines that opened the modes around it
	Text    string // canonical
}

// Command finds the declaration of a command; nil where there is none.
func (g *Grammar) Command(mode Mode, syntax string) *Command {
	for i := range g.commands {
		if c := &g.commands[i]; c.Mode == mode && c.Syntax == syntax {
			return c
		}
	}
	return nil
}

// LinesAt gives the lines that c has at the place that path names, as Edit has
// it, in rendering order and without those in modes below. ok says that c has the
// place.
func (g *Grammar) LinesAt(c *model.Config, path []string) (lines []PrintedLine, ok bool) {
	e, fault := g.editorAt(c, path)
	if fault != nil {
		return nil, false
	}
	for i, inner := range e.places[1:] {
		if inner.opener.Render != nil && !g.has(c, e.places[i], inner) {
			return nil, false
		}
	}
	g.walkPlace(c, e.innermost(), 0, func(l printed) { lines = append(lines, PrintedLine{l.command, l.args, l.text}) })
	return lines, true
}

// Lines gives all lines that c has, in rendering order.
func (g *Grammar) Lines(c *model.Config) (lines []PrintedLine) {
	for _, l := range g.lines(c) {
		lines = append(lines, PrintedLine{l.command, l.args, l.text})
	}
	return lines
}

// Single reports whether a place has one line of the command at the most.
func (g *Grammar) Single(command *Command) bool {
	negative := g.negative(command)
	return !command.Many && (negative == nil || !slices.ContainsFunc(negative.needed(), func(it item) bool { return it.arg != nil }))
}

// Undo gives the line that takes l away, at the place that path names. ok is
// false where there is none.
func (g *Grammar) Undo(path []string, l PrintedLine) (line string, ok bool) {
	if positive, is := strings.CutPrefix(l.Text, "no "); is {
		return positive, true
	}
	negative := g.negative(l.Command)
	switch {
	case negative == nil:
		return g.byDefault(path, l)
	case l.Command.No == "" || g.Single(l.Command): // what may be left out says nothing, or nothing of this line
		shortest := &form{items: negative.needed()}
		return shortest.line(l.Args), true
	}
	return negative.line(l.Args), true
}

// negative is the form that undoes lines of the command: its own, or one that
// begins as the line does and is declared with another command; nil if there is
// none.
func (g *Grammar) negative(command *Command) (shared *form) {
	mode := g.modes[command.Mode]
	for i, m := range mode.meanings {
		if !m.negated {
			continue
		}
		f := mode.vocabulary.forms[i]
		if m.command == command {
			return f
		}
		if command.form.beginsWith(f.needed()[1:]) && (shared == nil || len(f.needed()) > len(shared.needed())) {
			shared = f
		}
	}
	return shared
}

// needed are the items of the form that cannot be left out.
func (f *form) needed() []item {
	return slices.DeleteFunc(slices.Clone(f.items), func(it item) bool { return it.optional })
}

// beginsWith reports whether the form begins with these keywords and arguments.
func (f *form) beginsWith(items []item) bool {
	return len(items) <= len(f.items) && slices.EqualFunc(items, f.items[:len(items)], func(a, b item) bool { return a.String() == b.String() })
}

// byDefault gives the line with the value that needs no line: of a switch that
// has no negative form.
func (g *Grammar) byDefault(path []string, l PrintedLine) (line string, ok bool) {
	for _, arg := range l.Command.Args {
		for _, value := range arg.known() {
			other, wrong := l.Command.Blank().Compose(map[string]string{arg.Name: value})
			c := &model.Config{}
			if _, fault := g.Edit(c, path, other); wrong != nil || fault != nil {
				continue
			}
			lines, _ := g.LinesAt(c, path)
			if !slices.ContainsFunc(lines, func(have PrintedLine) bool { return have.Command == l.Command }) {
				return other, true
			}
		}
	}
	return "", false
}
