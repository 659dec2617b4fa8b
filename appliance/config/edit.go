package config

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"causeway/appliance/model"
)

// Edit brings one typed line into c at the place that path names: the lines
// that opened the modes around it, outermost first. It gives the place after
// the line, whose opening lines are in canonical form. A blank line or a
// comment stays where it is; exit in global mode and end lead to an empty path.
// With an Error (its Line is 0) c and the place are as they were. A place that
// is gone from c since is made again by a line that is typed in it. c must not
// share memory with a configuration that was handed out.
func (g *Grammar) Edit(c *model.Config, path []string, line string) ([]string, *Error) {
	e, fault := g.editorAt(c, path)
	if fault != nil {
		return path, fault
	}
	typed := typedLine{text: strings.TrimSpace(CutPrompt(line))}
	if typed.text == "" || isComment(typed.text) {
		return path, nil
	}
	if fault := e.line(typed, 0); fault != nil {
		return path, fault
	}
	*c = *e.config
	return e.innermost().openingLines(), nil
}

// ModeOf gives the mode of the place that path names, as Edit takes it.
func (g *Grammar) ModeOf(path []string) (Mode, error) {
	e, fault := g.editorAt(&model.Config{}, path)
	if fault != nil {
		return "", fault
	}
	return e.innermost().mode, nil
}

// Forms is what may be typed in a mode: its commands, their negative forms,
// exit and end. They are not to be changed.
func (g *Grammar) Forms(mode Mode) []Form {
	if m := g.modes[mode]; m != nil {
		return m.forms
	}
	return nil
}

// editor brings lines into a configuration, one after the other.
type editor struct {
	grammar *Grammar
	config  *model.Config
	places  []place           // the modes that are open, the innermost last
	typed   map[string]source // where each line was typed, by place and canonical text
	// returning says that the places were opened some time ago, and may be
	// gone from config.
	returning bool
}

// place is an open mode and the values of the lines that opened it.
type place struct {
	mode   Mode
	args   Args
	path   string   // the canonical lines that opened it, each with a line feed
	indent int      // of the line that opened it; -1 in global mode
	opener *Command // nil in global mode
}

// source is a line as it was typed.
type source struct {
	typedLine
	columns map[string]int // of each argument
}

func (g *Grammar) editor(c *model.Config) *editor {
	return &editor{
		grammar: g, config: c, places: []place{{mode: Global, indent: -1}}, typed: make(map[string]source),
	}
}

// editorAt is an editor in the place that path names. The opening lines are
// only followed, not applied: what they define is in c or was removed since.
func (g *Grammar) editorAt(c *model.Config, path []string) (*editor, *Error) {
	e := g.editor(c)
	e.returning = true
	for _, text := range path {
		here := e.innermost()
		mode := g.modes[here.mode]
		match, wrong := mode.vocabulary.match(text)
		if wrong != nil {
			return nil, &Error{Column: wrong.column, Text: text, Rule: wrong.rule}
		}
		command := mode.meanings[match.Form].command
		if command == nil || command.Opens == "" || mode.meanings[match.Form].negated {
			return nil, &Error{Column: 1, Text: text, Rule: "this line opens no mode"}
		}
		args := here.with(match.Args)
		e.places = append(e.places, here.inside(command, args, command.form.line(args)))
	}
	return e, nil
}

// innermost is the place where the next line is typed.
func (e *editor) innermost() place { return e.places[len(e.places)-1] }

// line brings in one line.
func (e *editor) line(typed typedLine, outermost int) *Error {
	if isConfigure(typed.text) {
		e.places = e.places[:1]
		return nil
	}
	mode, match, fault := e.match(typed, outermost)
	if fault != nil {
		return fault
	}
	return e.apply(mode, match, source{typed, match.columns})
}

// match goes to the place where a line is understood. Where no command of the
// innermost place fits, it is tried in the places around it, as IOS does, as far
// as the given depth; but not when its words fit and a value is wrong, which would
// mean something else there.
func (e *editor) match(typed typedLine, outermost int) (*modeGrammar, Match, *Error) {
	var furthest *mismatch
	shown := typed.text // by an error: without what is a secret in any of the modes
	for depth := len(e.places) - 1; depth >= outermost; depth-- {
		mode := e.grammar.modes[e.places[depth].mode]
		match, wrong := mode.vocabulary.match(typed.text)
		if wrong == nil || wrong.known {
			e.places = e.places[:depth+1]
		}
		if wrong == nil {
			return mode, match, nil
		}
		shown = mode.vocabulary.Blot(shown)
		if furthest == nil || wrong.column > furthest.column {
			furthest = wrong
		}
		if wrong.known {
			break
		}
	}
	return nil, Match{}, &Error{Line: typed.number, Column: furthest.column, Text: shown, Rule: furthest.rule}
}

// apply does what the matched line means in the innermost place.
func (e *editor) apply(mode *modeGrammar, match Match, src source) *Error {
	here := e.innermost()
	meaning := mode.meanings[match.Form]
	switch meaning.leave {
	case leaveMode:
		e.places = e.places[:max(1, len(e.places)-1)]
		return nil
	case leaveAll:
		e.places = e.places[:1]
		return nil
	}
	if e.returning {
		if err := e.reopen(); err != nil {
			return src.fault(err)
		}
	}
	var err error
	if src.text, err = e.grammar.seal(mode, match, src.text); err != nil {
		return src.fault(err)
	}
	args := here.with(match.Args)
	apply := meaning.command.Apply
	if meaning.negated {
		apply = meaning.command.Negate
	}
	if err = apply(e.config, args); err != nil {
		return src.fault(err)
	}
	if meaning.negated {
		return nil
	}
	line := meaning.command.form.line(args)
	e.typed[here.path+line] = src
	if meaning.command.Opens != "" {
		inner := here.inside(meaning.command, args, line)
		inner.indent = src.indent
		e.places = append(e.places, inner)
	}
	return nil
}

// reopen makes the places again that config does not have, in a copy of it.
func (e *editor) reopen() error {
	e.returning = false
	for i, inner := range e.places[1:] {
		if inner.opener.Render == nil || e.grammar.has(e.config, e.places[i], inner) {
			continue
		}
		var err error
		if e.config, err = e.grammar.copy(e.config); err != nil {
			return err
		}
		for _, p := range e.places[1:] {
			if err := p.opener.Apply(e.config, p.args); err != nil {
				return fmt.Errorf("this place is gone: %w", err)
			}
		}
		return nil
	}
	return nil
}

// has reports whether c prints the line in outer that opens inner.
func (g *Grammar) has(c *model.Config, outer, inner place) bool {
	found := false
	g.visit(c, outer, inner.opener, func(_ Args, line string) {
		found = found || outer.path+line+"\n" == inner.path
	})
	return found
}

// with adds the values of a line to those of the place it stands in.
func (p place) with(args Args) Args {
	all := make(Args, len(p.args)+len(args))
	maps.Copy(all, p.args)
	maps.Copy(all, args)
	return all
}

// inside is the place that a line of the command with these arguments opens here.
func (p place) inside(command *Command, args Args, line string) place {
	return place{mode: command.Opens, args: args, path: p.path + line + "\n", opener: command}
}

// openingLines are the lines that opened the place, outermost first.
func (p place) openingLines() []string {
	if p.path == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(p.path, "\n"), "\n")
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
