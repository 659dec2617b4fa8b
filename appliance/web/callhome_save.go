package web

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

func (c callHome) take(ctx context.Context, v *visit) (answer, error) {
	candidate, err := v.candidate(ctx)
	if err != nil {
		return answer{}, err
	}
	before := callHomeValues(v.Grammar, candidate)
	values, faults := readCallHome(before, v.request.PostForm)
	var held *heldError
	again := func() (a answer, err error) {
		a.instead, err = c.filled(ctx, v, candidate, values, faults, held)
		return a, err
	}
	if len(faults) > 0 {
		return again()
	}
	lines, fields, faults := composeCallHome(v.Grammar, candidate, values)
	if len(faults) > 0 {
		return again()
	}
	saved, wrong, err := v.saveCallHome(ctx, lines)
	switch {
	case errors.As(err, &held):
		return again()
	case err != nil:
		return answer{}, err
	}
	if len(wrong) > 0 {
		faults = map[string]string{}
		for _, fault := range wrong {
			i := slices.Index(lines, fault.Text)
			if i < 0 { // of another line, which does not go with these
				faults[""] = sentence(fault)
				continue
			}
			faults[fields[i]] = fault.Rule
		}
		return again()
	}
	if v.request.PostForm.Get("do") == "send" && saved.committed {
		return sendAll.back(v), sendAll.start(ctx, v, sendAll.command)
	}
	return answer{notice: saved.notice}, nil
}

// savedCallHome is what became of lines.
type savedCallHome struct {
	committed bool
	notice    string
}

// saveCallHome brings lines of Call Home into the candidate and commits that, unless
// it has changes of something else, or a commit waits for its confirmation. With
// faults nothing has changed.
func (v *visit) saveCallHome(ctx context.Context, lines []string) (saved savedCallHome, faults config.Errors, err error) {
	ctx, cancel := unhurried(ctx)
	defer cancel()
	first, err := v.standing(ctx)
	if err != nil {
		return saved, nil, err
	}
	if err := v.holdCandidate(ctx, v.request.PostForm.Get("take") != ""); err != nil {
		return saved, nil, err
	}
	defer func() {
		if first.Holder == nil || saved.committed { // else he goes on with what he has begun
			v.release(v.operator())
		}
	}()
	before, err := v.texts(ctx) // to come back to: nobody else changes it now
	if err != nil {
		return saved, nil, err
	}
	if faults, err = v.load(ctx, lines); err != nil {
		return saved, nil, err
	}
	if len(faults) > 0 {
		return saved, faults, nil
	}
	now, err := v.texts(ctx) // what is in force may be another one, or wait for its confirmation
	if err != nil {
		return saved, nil, err
	}
	standing, err := v.standing(ctx)
	if err != nil {
		return saved, nil, err
	}
	switch mayCommit := config.PermitsCommand(v.login.Rights, commitCommand); {
	case mayCommit != nil:
		saved.notice = fmt.Sprintf("Saved in the candidate: %v.", mayCommit)
		return saved, nil, nil
	case standing.Pending != nil: // which the commit would confirm
		saved.notice = fmt.Sprintf("Saved in the candidate: revision %d is to be confirmed or undone first.", standing.Pending.Revision)
		return saved, nil, nil
	case !v.onlyCallHome(now):
		saved.notice = "Saved in the candidate, which has other changes, too: commit it in Candidate Preview."
		return saved, nil, nil
	}
	request := change.CommitRequest{Operator: v.operator(), Comment: "Call Home configuration", Seen: change.Step(now.inForce.Text, now.candidate.Text)}
	v.note(ctx, "commit comment "+request.Comment)
	var done change.Committed
	if err := v.Call(ctx, "control", "control.commit", request, &done); err != nil {
		return saved, nil, err
	}
	if len(done.Faults) > 0 {
		back := change.LoadRequest{Operator: v.operator(), Text: before.candidate.Text, Replace: true}
		return saved, done.Faults, v.Call(ctx, "control", "control.load", back, nil)
	}
	saved.committed, saved.notice = true, "Call Home configuration saved."
	if len(done.Notes) > 0 {
		saved.notice += " " + sentence(errors.New(strings.Join(done.Notes, "; ")))
	}
	return saved, nil, nil
}

// onlyCallHome says whether a candidate differs from what is in force in nothing but
// Call Home.
func (v *visit) onlyCallHome(now texts) bool {
	without := func(text string) string {
		c := &model.Config{}
		if faults := v.Grammar.Merge(c, text); len(faults) > 0 {
			return text
		}
		c.CallHome = model.CallHome{}
		return v.Grammar.Render(c)
	}
	return !now.changed() || without(now.candidate.Text) == without(now.inForce.Text)
}

// What has to be accepted before the first message, and the line that accepts it.
const (
	showAgreement = "show call-home eula"
	acceptLine    = "eula accept"
)

// agreement stands above the form until somebody has accepted it (CH-34).
type agreement struct{}

func (agreement) name() string { return "agreement" }

func (agreement) permits(rights model.Rights) error {
	return config.PermitsCommand(rights, showAgreement)
}

func (agreement) commands() (config.Mode, []line) {
	return inCallHome, []line{{"Agreement", acceptLine}}
}

func (a agreement) show(ctx context.Context, v *visit) (view, error) {
	status, err := v.callHome(ctx)
	if err != nil {
		return view{}, err
	}
	if !status.Settings.Enabled() {
		return view{}, nil
	}
	text, err := v.answerTo(ctx, showAgreement)
	return view{template: "agreement", data: struct {
		Form     form
		Accepted bool
		Text     string
	}{inCallHomeForm(v, a), status.Settings.Accepted, text}}, err
}

func (agreement) take(ctx context.Context, v *visit) (answer, error) {
	if v.request.PostForm.Get("sure") == "" {
		return answer{}, errors.New("say that you accept the agreement")
	}
	saved, faults, err := v.saveCallHome(ctx, []string{acceptLine})
	if err == nil && len(faults) > 0 {
		err = faults
	}
	return answer{notice: saved.notice}, err
}

// reminder stands on all pages until somebody has decided what Call Home is to do
// (CH-33, CH-34).
type reminder struct{}

func (reminder) name() string               { return "reminder" }
func (reminder) permits(model.Rights) error { return nil }

func (reminder) show(ctx context.Context, v *visit) (view, error) {
	if config.PermitsCommand(v.login.Rights, "show call-home") != nil {
		return view{}, nil
	}
	if status, err := v.callHome(ctx); err != nil || status.Mode != model.CallHomeNone {
		return view{}, nil
	}
	return view{template: "reminder", data: callHomePath}, nil
}
