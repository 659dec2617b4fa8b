package web

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// settings is one form of commands of which a place has one line at the most. It
// brings in what somebody has changed of them, all of it or nothing.
type settings struct {
	id, title string
	mode      config.Mode
	lines     []line
}

func (s settings) name() string                      { return s.id }
func (s settings) permits(rights model.Rights) error { return permitsConfigure(rights) }
func (s settings) commands() (config.Mode, []line)   { return s.mode, s.lines }
func (s settings) show(ctx context.Context, v *visit) (view, error) {
	f, err := s.form(ctx, v)
	if err != nil {
		return view{}, err
	}
	return f.view(), nil
}

// settingsForm is the form with what stands in it.
type settingsForm struct {
	Form     form
	Title    string
	Settings []*setting
	Lines    []string // that the candidate has
	Held     *heldError
	Fault    string

	v      *visit
	config *model.Config
}

// form is that of what the candidate has.
func (s settings) form(ctx context.Context, v *visit) (*settingsForm, error) {
	c, lines, err := v.linesAt(ctx, s.mode)
	if err != nil {
		return nil, err
	}
	f := &settingsForm{Form: v.form(s), Title: s.title, v: v, config: c}
	for i, of := range s.lines {
		one, err := newSetting(v.Grammar, fmt.Sprintf("%s.%d", s.id, i), s.mode, of, lines)
		if err != nil {
			return nil, err
		}
		f.Settings = append(f.Settings, one)
		if one.have != nil {
			f.Lines = append(f.Lines, config.Redact(one.have.Text))
		}
	}
	return f, nil
}

// view is the form as it stands.
func (f *settingsForm) view() view {
	for _, one := range f.Settings {
		one.shown(f.v.Grammar, f.config)
	}
	return view{template: "settings", data: f}
}

// wanted are the lines that a form brings in, each with where it comes from.
type wanted struct {
	lines []string
	from  []*setting
	of    []*variant
}

// take brings in what somebody has changed: not what another one has since the form
// was made.
func (s settings) take(ctx context.Context, v *visit) (answer, error) {
	f, err := s.form(ctx, v)
	if err != nil {
		return answer{}, err
	}
	var want wanted
	var said []string
	wrong := false
	for _, one := range f.Settings {
		one.read(v.request.PostForm)
		_, text, ok := one.compose()
		was := v.request.PostForm.Get(one.ID + ".was")
		if ok && was == model.RevisionID(text) {
			continue // it was not touched
		}
		if ok && was != one.Was {
			one.Fault = "somebody has changed this meanwhile: save once more if it is still meant"
			wrong = true
			continue
		}
		lines, of, ok := one.change(v.Grammar, v.at())
		wrong = wrong || !ok
		for _, text := range lines {
			want.lines, want.from, want.of = append(want.lines, text), append(want.from, one), append(want.of, of)
			said = append(said, one.said(text))
		}
	}
	switch {
	case wrong:
		return answer{instead: f.view()}, nil
	case len(want.lines) == 0:
		return answer{notice: "Nothing was changed."}, nil
	}
	faults, err := v.load(ctx, want.lines)
	if held := (*heldError)(nil); errors.As(err, &held) {
		f.Held = held
		return answer{instead: f.view()}, nil
	}
	if err != nil {
		f.Fault = sentence(err)
		return answer{instead: f.view()}, nil
	}
	for _, fault := range faults {
		want.from[fault.Line-1].blame(want.of[fault.Line-1], fault)
	}
	if len(faults) > 0 {
		return answer{instead: f.view()}, nil
	}
	return answer{notice: inCandidate(said)}, nil
}

// saidMost is how many lines a notice names.
const saidMost = 6

// inCandidate says what has come of a form.
func inCandidate(lines []string) string {
	text := strings.Join(lines, "; ")
	if len(lines) > saidMost {
		text = fmt.Sprintf("%s; and %d more", strings.Join(lines[:saidMost], "; "), len(lines)-saidMost)
	}
	return "Brought into the candidate: " + text
}
