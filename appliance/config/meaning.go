package config

import (
	"slices"
	"strings"

	"causeway/appliance/model"
)

// Meaning is which command a line is, whatever abbreviations it was typed with.
type Meaning struct {
	// Syntax is that of the commands that open its modes, outermost first, and
	// then its own, without "no", with blanks between. It is empty for a line
	// that only goes from one place to another: exit, end, "configure terminal".
	Syntax  string
	Opens   bool // the command opens a mode
	Negated bool // the line undoes the command
}

// MeaningOf says what Edit would take a line for at the place that path names.
func (g *Grammar) MeaningOf(path []string, line string) (Meaning, *Error) {
	e, fault := g.editorAt(&model.Config{}, path)
	if fault != nil {
		return Meaning{}, fault
	}
	typed := typedLine{text: strings.TrimSpace(CutPrompt(line))}
	if typed.text == "" || isComment(typed.text) || isConfigure(typed.text) {
		return Meaning{}, nil
	}
	mode, match, fault := e.match(typed, 0)
	if fault != nil {
		return Meaning{}, fault
	}
	meaning := mode.meanings[match.Form]
	if meaning.command == nil {
		return Meaning{}, nil
	}
	syntax := meaning.command.Syntax
	for _, p := range slices.Backward(e.places[1:]) {
		syntax = p.opener.Syntax + " " + syntax
	}
	return Meaning{syntax, meaning.command.Opens != "", meaning.negated}, nil
}

// Syntaxes are the ones that Meaning may have.
func (g *Grammar) Syntaxes() []string { return g.syntaxesIn(Global, "") }

// syntaxesIn are those of the lines of a mode, and of the modes that they open.
func (g *Grammar) syntaxesIn(mode Mode, opened string) (all []string) {
	for _, c := range g.commands {
		if c.Mode != mode {
			continue
		}
		all = append(all, opened+c.Syntax)
		if c.Opens != "" {
			all = append(all, g.syntaxesIn(c.Opens, opened+c.Syntax+" ")...)
		}
	}
	return all
}
