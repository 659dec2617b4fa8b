package web

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// line is a command on a page: what its field is called, and the syntax of its
// declaration. Commands that replace each other stand together, with " | " between.
type line struct{ label, syntax string }

// setting is a line of a form: what stands in its fields, and how it is shown.
type setting struct {
	ID       string
	Label    string
	Was      string // the mark of the line that the candidate had as the form was made; empty: none
	Variants []*variant
	Row      bool // of a table: the line is wanted whatever stands in the fields
	Fault    string

	have *config.PrintedLine // nil: there is none
}

// variant is one of the commands of a setting.
type variant struct {
	ID        string
	CLI, Help string
	On        bool // the line is wanted
	Bare      bool // it can stand with all fields empty, so that a box says whether it is wanted
	Inputs    []argument

	command *config.Command
	blank   *config.Blank
	filled  map[string]string
	wrong   map[string]string
}

// mark tells a line from others without saying what it is.
func mark(l *config.PrintedLine) string {
	if l == nil {
		return ""
	}
	return model.RevisionID(l.Text)
}

// newSetting makes a line of a form with what the candidate has of it, the first of
// the lines. It is an error in the table of the pages that a command is not there.
func newSetting(g *config.Grammar, id string, mode config.Mode, of line, lines []config.PrintedLine) (*setting, error) {
	s := &setting{ID: id, Label: of.label}
	for syntax := range strings.SplitSeq(of.syntax, " | ") {
		command := g.Command(mode, syntax)
		if command == nil {
			return nil, fmt.Errorf("mode %s has no command %q", mode, syntax)
		}
		words, _, _ := strings.Cut(syntax, " [")
		one := &variant{ID: fmt.Sprintf("%s.%d", id, len(s.Variants)), CLI: words, Help: command.Help, command: command, blank: command.Blank()}
		one.Bare = one.blank.Bare()
		if i := slices.IndexFunc(lines, func(l config.PrintedLine) bool { return l.Command == command }); i >= 0 && s.have == nil {
			s.have, one.On, one.filled = &lines[i], true, one.blank.Fill(lines[i].Args)
		}
		s.Variants = append(s.Variants, one)
	}
	s.Was = mark(s.have)
	return s, nil
}

// stands reports whether the variant is the one that the candidate has.
func (s *setting) stands(one *variant) bool { return s.have != nil && s.have.Command == one.command }

// read takes what somebody has filled in.
func (s *setting) read(posted url.Values) {
	for _, one := range s.Variants {
		stored := one.filled
		one.filled = make(map[string]string)
		one.On = s.Row
		for _, f := range one.blank.Fields {
			name := one.ID + "." + f.Name
			text := strings.TrimSpace(posted.Get(name))
			if text == "" && isSecret(f) && posted.Get(name+".clear") == "" {
				text = stored[f.Name]
			}
			one.filled[f.Name] = text
			one.On = one.On || text != "" && (f.Needed || !isSecret(f))
		}
		if !s.Row && (one.Bare || len(s.Variants) > 1) {
			chosen := posted.Get(s.ID) // who fills fields in means them, even if the box before them is left out
			one.On = chosen == one.ID || one.On && chosen == "" && s.have == nil
		}
	}
}

// compose writes the line that is wanted; nothing where none is. ok is false where
// something is wrong, which is kept with the fields.
func (s *setting) compose() (of *variant, text string, ok bool) {
	for _, one := range s.Variants {
		if one.On {
			text, one.wrong = one.blank.Compose(one.filled)
			return one, text, one.wrong == nil
		}
	}
	return nil, "", true
}

// change gives the lines that lead from what the candidate has to what is wanted.
func (s *setting) change(g *config.Grammar, at []string) (lines []string, of *variant, ok bool) {
	of, text, ok := s.compose()
	switch {
	case !ok:
		return nil, of, false
	case s.have != nil && text == s.have.Text, s.have == nil && text == "":
		return nil, of, true
	}
	if s.have != nil && (of == nil || !s.stands(of)) {
		undo, can := g.Undo(at, *s.have)
		if !can {
			s.Fault = "it cannot be left out"
			return nil, of, false
		}
		lines = append(lines, undo)
	}
	if text != "" {
		lines = append(lines, text)
	}
	return lines, of, true
}

// blame brings what control has against a line to the field at fault.
func (s *setting) blame(of *variant, fault *config.Error) {
	field := ""
	if of != nil {
		field = of.blank.FieldAt(fault.Text, fault.Column)
	}
	if field == "" {
		s.Fault = fault.Rule
		return
	}
	of.wrong = map[string]string{field: fault.Rule}
}

// shown makes the fields as they stand, with what they are offered.
func (s *setting) shown(offered offer) {
	for _, one := range s.Variants {
		one.Inputs = arguments(one.blank, one.ID, one.filled, one.wrong)
		alone := !one.Bare && len(one.Inputs) == 1 && len(s.Variants) == 1
		for i, f := range one.blank.Fields {
			in := configured(one.Inputs[i], f)
			if alone {
				in.Label, in.Hint = s.Label, explained(one.Help, f.Arg.Help)
			}
			if in.Fault != "" {
				in.Fault = sentence(errors.New(in.Fault))
			}
			if list := offered.suggested(one.command, f.Name); len(list) > 0 {
				in.Known = list
			}
			in.Stored = isSecret(f) && s.stands(one) && one.blank.Fill(s.have.Args)[f.Name] != ""
			in.Clears = in.Stored && (!f.Needed || alone && !s.Row)
			if in.Required = s.Row && f.Needed && !in.Stored; in.Required && in.Type == "select" {
				in.None = "choose"
			}
			in.Needed = in.Needed || !s.Row // nothing of a setting has to be there
			one.Inputs[i] = in
		}
	}
	if s.Fault != "" {
		s.Fault = sentence(errors.New(s.Fault))
	}
}

// explained is what a command and its only argument say of themselves.
func explained(command, argument string) string {
	if command == argument {
		return command + "."
	}
	return command + ". " + argument + "."
}

// said is the line for people: without what was typed of secrets.
func (s *setting) said(text string) string {
	for _, one := range s.Variants {
		for _, f := range one.blank.Fields {
			if secret := one.filled[f.Name]; isSecret(f) && secret != "" {
				text = strings.ReplaceAll(text, secret, "********")
			}
		}
	}
	return config.Redact(text)
}

// empty reports whether nothing is filled in where something could be.
func (s *setting) empty() bool {
	for _, one := range s.Variants {
		if one.Bare || slices.ContainsFunc(one.blank.Fields, func(f config.Field) bool { return one.filled[f.Name] != "" }) {
			return false
		}
	}
	return true
}

// Chosen reports whether one of the variants is wanted.
func (s *setting) Chosen() bool {
	return slices.ContainsFunc(s.Variants, func(one *variant) bool { return one.On })
}
