package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// The commands of the console that these parts are, for the rights to them.
const (
	configureCommand     = "configure [terminal [take]]"
	commitCommand        = "commit [confirmed MINUTES] [comment LINE]"
	rollbackCommand      = "rollback REVISION"
	showDiffCommand      = "show configuration diff"
	showCandidateCommand = "show configuration candidate"
)

// candidatePath is where Candidate Preview is.
const candidatePath = "/administration/candidate"

// commitTime is how long control may take for a commit: proxy and billing prepare
// a configuration and switch to it.
const commitTime = time.Minute

// texts are what is in force and what the candidate has.
type texts struct {
	inForce   change.RevisionText
	candidate change.Candidate
}

func (v *visit) texts(ctx context.Context) (t texts, err error) {
	if err := v.Call(ctx, "control", "control.revision", change.RevisionRequest{}, &t.inForce); err != nil {
		return t, err
	}
	t.candidate, err = ask[change.Candidate](ctx, v, "control", "control.candidate")
	return t, err
}

// changed reports whether the candidate differs from what is in force.
func (t texts) changed() bool { return t.candidate.Text != t.inForce.Text }

// standing says how things stand with them.
func (v *visit) standing(ctx context.Context) (change.Standing, error) {
	return ask[change.Standing](ctx, v, "control", "control.standing")
}

// mine reports whether who looks holds the candidate.
func (v *visit) mine(h *change.Holder) bool { return h != nil && h.Operator == v.operator() }

// holdCandidate gives the candidate to who looks. Unless it is to be taken over, somebody
// else who has it keeps it, and that is a *heldError.
func (v *visit) holdCandidate(ctx context.Context, take bool) error {
	if err := config.PermitsCommand(v.login.Rights, configureCommand); err != nil {
		return err
	}
	var answer change.Configured
	if err := v.Call(ctx, "control", "control.configure", change.ConfigureRequest{Operator: v.operator(), Take: take}, &answer); err != nil {
		return err
	}
	if h := answer.Holder; h != nil {
		return &heldError{*h, v.clock(h.Since)}
	}
	return nil
}

// releaseTime is how long it may take to give the candidate back.
const releaseTime = 5 * time.Second

// release gives the candidate back, with its changes, where an operator has it.
func (s *Server) release(who model.Operator) {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTime)
	defer cancel()
	if err := s.Call(ctx, "control", "control.release", change.Who{Operator: who}, nil); err != nil {
		s.Log.Error("the candidate may still be held", "operator", who, "error", err)
	}
}

// note writes down what somebody is about to do, in the words of the console.
func (v *visit) note(ctx context.Context, line string) {
	if err := v.Call(ctx, "control", "control.access.audit", model.Audit{Operator: v.operator(), Line: line}, nil); err != nil {
		v.Log.Error("the access log lacks a line", "operator", v.operator(), "line", line, "error", err)
	}
}

// candidateChanges is what a commit of the candidate would change, and the commit.
type candidateChanges struct{}

func (candidateChanges) name() string { return "changes" }
func (candidateChanges) permits(rights model.Rights) error {
	return config.PermitsCommand(rights, showDiffCommand)
}

// changesShown is what its template is filled with.
type changesShown struct {
	Form      form
	Revision  int // in force; 0: built-in
	Pending   int // a revision that waits for its confirmation; 0: none
	Changed   bool
	Step      step
	Faults    []string // what a commit would be refused for
	Holder    *change.Holder
	Mine      bool
	MayCommit bool
	MayDrop   bool
	Comment   string
	Stays     stays
	History   string // where earlier revisions are
}

// stays is for how long a commit stays: for good, or until it is confirmed.
type stays struct {
	ID      string // of its fields
	Careful bool   // until it is confirmed
	Minutes string
}

// defaultMinutes is how long a commit waits for its confirmation if nobody says so.
const defaultMinutes = 5

func (p candidateChanges) show(ctx context.Context, v *visit) (view, error) {
	now, err := v.texts(ctx)
	if err != nil {
		return view{}, err
	}
	rights := v.login.Rights
	s := changesShown{
		Form: v.form(p), Revision: now.inForce.Number, Changed: now.changed(),
		Holder: now.candidate.Holder, Mine: v.mine(now.candidate.Holder),
		MayDrop:   config.PermitsCommand(rights, configureCommand) == nil,
		MayCommit: config.PermitsCommand(rights, configureCommand) == nil && config.PermitsCommand(rights, commitCommand) == nil,
		Comment:   v.request.PostForm.Get("comment"),
		History:   historyPath,
	}
	if !s.Changed {
		return view{template: "candidate", data: s}, nil
	}
	s.Step = v.stepTo(now.inForce.Text, now.candidate.Text)
	s.Stays = staysOf("commit", s.Step.Careful, v.request.PostForm)
	var against change.Validated
	if err := v.Call(ctx, "control", "control.validate", nil, &against); err != nil {
		return view{}, err
	}
	s.Faults = sentences(against.Faults)
	standing, err := v.standing(ctx)
	if err != nil {
		return view{}, err
	}
	if p := standing.Pending; p != nil {
		s.Pending = p.Revision
	}
	return view{template: "candidate", data: s}, nil
}

func sentences(faults config.Errors) (list []string) {
	for _, f := range faults {
		list = append(list, f.Error())
	}
	return list
}

// take does what one of the buttons says. What is refused stands above what the
// candidate changes by then.
func (p candidateChanges) take(ctx context.Context, v *visit) (answer, error) {
	ctx, cancel := unhurried(ctx)
	defer cancel()
	switch do := v.request.PostForm.Get("do"); do {
	case "commit":
		return p.commit(ctx, v)
	case "drop":
		return p.drop(ctx, v)
	case "take":
		if err := v.holdCandidate(ctx, true); err != nil {
			return answer{}, err
		}
		v.note(ctx, "configure terminal take")
		return answer{notice: "You hold the candidate."}, nil
	case "release":
		v.release(v.operator())
		return answer{notice: "The candidate is given back, with its changes."}, nil
	default:
		return answer{}, fmt.Errorf("%q is nothing to do with the candidate", do)
	}
}

// unhurried is for what control takes its time for. A browser that goes away, perhaps
// cut off by this very commit, does not leave it half done.
func unhurried(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), commitTime)
}

// commit puts the candidate in force as it was shown.
func (p candidateChanges) commit(ctx context.Context, v *visit) (answer, error) {
	posted := v.request.PostForm
	request := change.CommitRequest{Operator: v.operator(), Comment: strings.TrimSpace(posted.Get("comment")), Seen: posted.Get("seen")}
	if request.Seen == "" {
		return answer{}, errors.New("the form does not say what it commits")
	}
	if err := config.PermitsCommand(v.login.Rights, commitCommand); err != nil {
		return answer{}, err
	}
	line := "commit"
	var err error
	if request.ConfirmMinutes, err = minutesOf(posted); err != nil {
		return answer{}, err
	}
	if request.ConfirmMinutes > 0 {
		line += fmt.Sprintf(" confirmed %d", request.ConfirmMinutes)
	}
	if request.Comment != "" {
		if strings.ContainsFunc(request.Comment, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return answer{}, errors.New("the comment has a character that cannot be printed")
		}
		line += " comment " + request.Comment
	}
	now, err := v.texts(ctx)
	if err != nil {
		return answer{}, err
	}
	step := v.stepTo(now.inForce.Text, now.candidate.Text)
	if err := v.holdCandidate(ctx, false); err != nil {
		return answer{}, err
	}
	v.note(ctx, line)
	var done change.Committed
	if err := v.Call(ctx, "control", "control.commit", request, &done); err != nil {
		return answer{}, err
	}
	if len(done.Faults) > 0 {
		return answer{}, fmt.Errorf("nothing is committed: %s", strings.Join(sentences(done.Faults), "; "))
	}
	v.release(v.operator())
	return v.committed(done, request.ConfirmMinutes, step), nil
}

// committed says what a commit or a rollback did. Where the pages are elsewhere from
// now on, it is said at once: nothing more may be had from here.
func (v *visit) committed(done change.Committed, minutes int, step step) answer {
	var said []string
	switch {
	case done.Revision > 0 && minutes > 0:
		said = append(said, fmt.Sprintf("Revision %d is in force. Confirm it within %s, or it is undone.", done.Revision, duration(minutes)))
	case done.Revision > 0:
		said = append(said, fmt.Sprintf("Revision %d is in force and saved.", done.Revision))
	}
	if done.Confirmed > 0 {
		said = append(said, fmt.Sprintf("Revision %d is confirmed.", done.Confirmed))
	}
	for _, note := range done.Notes {
		said = append(said, sentence(errors.New(note)))
	}
	notice := strings.Join(said, " ")
	if done.Revision > 0 && step.Away {
		return answer{done: true, instead: view{template: "moved", data: struct {
			Done    string
			At      []place
			Path    string
			Minutes int
		}{notice, step.Then, candidatePath, minutes}}}
	}
	return answer{to: candidatePath, notice: notice}
}

func duration(minutes int) string {
	if minutes == 1 {
		return "a minute"
	}
	return fmt.Sprintf("%d minutes", minutes)
}

// drop drops the changes as they were shown.
func (candidateChanges) drop(ctx context.Context, v *visit) (answer, error) {
	posted := v.request.PostForm
	request := change.AbortRequest{Operator: v.operator(), Seen: posted.Get("seen")}
	switch {
	case request.Seen == "":
		return answer{}, errors.New("the form does not say what it drops")
	case posted.Get("sure") == "":
		return answer{}, errors.New("say that you are sure: the changes cannot be had back")
	}
	if err := v.holdCandidate(ctx, false); err != nil {
		return answer{}, err
	}
	v.note(ctx, "abort")
	if err := v.Call(ctx, "control", "control.abort", request, nil); err != nil {
		return answer{}, err
	}
	return answer{notice: "The changes are dropped."}, nil
}

// staysOf is what a form offers, or what somebody has filled in before.
func staysOf(id string, careful bool, posted url.Values) stays {
	if was := posted.Get("stays"); was != "" {
		careful = was == "confirmed"
	}
	return stays{id, careful, cmp.Or(posted.Get("minutes"), fmt.Sprint(defaultMinutes))}
}

// minutesOf is how long a commit waits for its confirmation, as a form says; 0: it
// stays for good.
func minutesOf(posted url.Values) (int, error) {
	if posted.Get("stays") != "confirmed" {
		return 0, nil
	}
	minutes, err := config.Integer{Min: 1, Max: 24 * 60}.Parse(strings.TrimSpace(posted.Get("minutes")))
	if err != nil {
		return 0, fmt.Errorf("minutes to confirm it in: %w", err)
	}
	return minutes.(int), nil
}

// candidateLines is all of the candidate, for who asks for it: "?lines=all".
type candidateLines struct{}

func (candidateLines) name() string { return "lines" }
func (candidateLines) permits(rights model.Rights) error {
	return config.PermitsCommand(rights, showCandidateCommand)
}

func (candidateLines) show(ctx context.Context, v *visit) (view, error) {
	if v.request.Form.Get("lines") == "" {
		return view{}, nil
	}
	candidate, err := ask[change.Candidate](ctx, v, "control", "control.candidate")
	return view{template: "text", data: struct{ Title, Text string }{"The whole candidate", candidate.Text}}, err
}

// download implements downloader.
func (candidateLines) download(ctx context.Context, v *visit) (download, error) {
	candidate, err := ask[change.Candidate](ctx, v, "control", "control.candidate")
	return v.textFile("candidate.conf", candidate.Text), err
}
