package config

import (
	"errors"
	"maps"
	"strings"

	"causeway/appliance/model"
)

// Parse makes the model of a whole configuration text, or says which lines
// broke which rules: the error is then of type Errors. A line that no command
// of its mode fits is tried in the modes around it, as IOS does; but not one
// whose words fit and whose value is wrong, which would mean something else there.
func (g *Grammar) Parse(text string) (*model.Config, error) {
	e := editor{grammar: g, config: &model.Config{}, places: []place{{mode: Global}}, typed: make(map[string]source)}
	var faults Errors
	number := 0
	for line := range strings.Lines(text) {
		number++
		if fault := e.line(number, strings.TrimSpace(line)); fault != nil {
			faults = append(faults, fault)
		}
	}
	if len(faults) == 0 {
		faults = g.check(e.config, e.typed)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return e.config, nil
}

// Validate holds every line of c against the rest of it. The error is of type
// Errors, whose lines have no number.
func (g *Grammar) Validate(c *model.Config) error {
	if faults := g.check(c, nil); len(faults) > 0 {
		return faults
	}
	return nil
}

// editor brings lines into a configuration, one after the other.
type editor struct {
	grammar *Grammar
	config  *model.Config
	places  []place           // the modes that are open, the innermost last
	typed   map[string]source // where each line was typed, by place and canonical text
}

// place is an open mode and the values of the lines that opened it.
type place struct {
	mode Mode
	args Args
	path string // the canonical lines that opened it, each with a line feed
}

// source is a line as it was typed.
type source struct {
	number  int
	text    string
	columns map[string]int // of each argument
}

// line brings in one line that has no blanks around it.
func (e *editor) line(number int, text string) *Error {
	if text == "" || text[0] == '!' {
		return nil
	}
	var furthest *mismatch
	for depth := len(e.places) - 1; depth >= 0; depth-- {
		mode := e.grammar.modes[e.places[depth].mode]
		match, wrong := mode.vocabulary.match(text)
		if wrong == nil {
			e.places = e.places[:depth+1]
			return e.apply(mode, match, source{number, text, match.columns})
		}
		if furthest == nil || wrong.column > furthest.column {
			furthest = wrong
		}
		if wrong.known {
			break
		}
	}
	return &Error{Line: number, Column: furthest.column, Text: text, Rule: furthest.rule}
}

// apply does what the matched line means in the innermost place.
func (e *editor) apply(mode *modeGrammar, match Match, src source) *Error {
	here := e.places[len(e.places)-1]
	meaning := mode.meanings[match.Form]
	switch meaning.leave {
	case leaveMode:
		e.places = e.places[:max(1, len(e.places)-1)]
		return nil
	case leaveAll:
		e.places = e.places[:1]
		return nil
	}
	args := here.with(match.Args)
	apply := meaning.command.Apply
	if meaning.negated {
		apply = meaning.command.Negate
	}
	if err := apply(e.config, args); err != nil {
		return src.fault(err)
	}
	if meaning.negated {
		return nil
	}
	line := mode.vocabulary.forms[match.Form].line(args)
	e.typed[here.path+line] = src
	if opens := meaning.command.Opens; opens != "" {
		e.places = append(e.places, here.inside(opens, args, line))
	}
	return nil
}

// with adds the values of a line to those of the place it stands in.
func (p place) with(args Args) Args {
	all := make(Args, len(p.args)+len(args))
	maps.Copy(all, p.args)
	maps.Copy(all, args)
	return all
}

// inside is the place that a line with these arguments opens here.
func (p place) inside(mode Mode, args Args, line string) place {
	return place{mode, args, p.path + line + "\n"}
}

// fault makes an Error of a rule that the line broke.
func (src source) fault(err error) *Error {
	column := 1
	var argument *argumentError
	if errors.As(err, &argument) && src.columns[argument.argument] > 0 {
		column = src.columns[argument.argument]
	}
	return &Error{Line: src.number, Column: column, Text: src.text, Rule: err.Error()}
}

// check holds each line of c against the rest; typed tells where they came from.
func (g *Grammar) check(c *model.Config, typed map[string]source) Errors {
	var faults Errors
	g.walk(c, place{mode: Global}, 0, func(l printed) {
		if l.command == nil || l.command.Check == nil {
			return
		}
		if err := l.command.Check(c, l.args); err != nil {
			src, known := typed[l.at.path+l.text]
			if !known {
				src.text = l.text
			}
			faults = append(faults, src.fault(err))
		}
	})
	return faults
}
