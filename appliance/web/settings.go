package web

import (
	"context"
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
	refusal

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
	offered := f.v.offered(f.config)
	for _, one := range f.Settings {
		one.shown(offered)
	}
	return view{template: "settings", data: f}
}

// wanted is a line that a form brings in, and where it comes from.
type wanted struct {
	from *setting
	of   *variant
}

// take brings in what somebody has changed: not what another one has since the form
// was made.
func (s settings) take(ctx context.Context, v *visit) (answer, error) {
	f, err := s.form(ctx, v)
	if err != nil {
		return answer{}, err
	}
	var lines, said []string
	var want []wanted // of each line
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
		change, of, ok := one.change(v.Grammar, v.at())
		wrong = wrong || !ok
		for _, text := range change {
			lines, said, want = append(lines, text), append(said, one.said(text)), append(want, wanted{one, of})
		}
	}
	switch {
	case wrong:
		return answer{instead: f.view()}, nil
	case len(lines) == 0:
		return answer{notice: "Nothing was changed."}, nil
	}
	refused, ok := v.bring(ctx, lines, func(i int, fault *config.Error) { want[i].from.blame(want[i].of, fault) })
	if !ok {
		f.refusal = refused
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
