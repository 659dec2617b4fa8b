package web

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// show says on top of every page what must not be forgotten: a commit that waits for
// its confirmation, and changes that are not committed.
func (bar) show(ctx context.Context, v *visit) (view, error) {
	if v.page.path == candidatePath || config.PermitsCommand(v.login.Rights, showDiffCommand) != nil {
		return view{}, nil // it is said there, or is not his to know
	}
	now, err := v.standing(ctx)
	switch {
	case err != nil:
		return view{}, nil // the page has more to say about that
	case now.Pending == nil && !now.Changed:
		return view{}, nil
	}
	return view{template: "bar", data: struct {
		Path    string
		Changed bool
		Holder  *change.Holder
		Mine    bool
		Pending *change.Pending
		Back    string
	}{
		candidatePath, now.Changed, now.Holder, v.mine(now.Holder), now.Pending, backOf(now.Pending),
	}}, nil
}

// backOf names what comes back when a commit is not confirmed.
func backOf(p *change.Pending) string {
	if p == nil || p.Back == 0 {
		return "the built-in configuration"
	}
	return fmt.Sprintf("revision %d", p.Back)
}

// pendingCommit is the commit that waits for its confirmation.
type pendingCommit struct{}

func (pendingCommit) name() string { return "pending" }
func (pendingCommit) permits(rights model.Rights) error {
	return config.PermitsCommand(rights, showDiffCommand)
}

func (p pendingCommit) show(ctx context.Context, v *visit) (view, error) {
	now, err := v.standing(ctx)
	if err != nil || now.Pending == nil {
		return view{}, err
	}
	var one change.RevisionText
	if err := v.Call(ctx, "control", "control.revision", change.RevisionRequest{Revision: now.Pending.Revision}, &one); err != nil {
		return view{}, err
	}
	return view{template: "pending", data: struct {
		Form               form
		Pending            *change.Pending
		Left               time.Duration
		Back               string
		Comment            string
		By                 model.Operator
		MayCommit, MayUndo bool
	}{
		v.form(p), now.Pending, time.Until(now.Pending.Until).Round(time.Second), backOf(now.Pending), one.Comment, one.Operator,
		config.PermitsCommand(v.login.Rights, commitCommand) == nil,
		now.Pending.Back > 0 && permitsRollback(v.login.Rights) == nil,
	}}, nil
}

// take confirms the commit, or undoes it at once.
func (p pendingCommit) take(ctx context.Context, v *visit) (answer, error) {
	ctx, cancel := unhurried(ctx)
	defer cancel()
	posted := v.request.PostForm
	revision, err := strconv.Atoi(posted.Get("revision"))
	if err != nil {
		return answer{}, errors.New("the form does not say which revision it is about")
	}
	switch do := posted.Get("do"); do {
	case "confirm":
		if err := config.PermitsCommand(v.login.Rights, commitCommand); err != nil {
			return answer{}, err
		}
		v.note(ctx, "commit")
		request := change.ConfirmRequest{Operator: v.operator(), Revision: revision}
		if err := v.Call(ctx, "control", "control.confirm", request, nil); err != nil {
			return answer{}, err
		}
		return answer{notice: fmt.Sprintf("Revision %d is confirmed.", revision)}, nil
	case "undo":
		now, err := v.standing(ctx)
		switch {
		case err != nil:
			return answer{}, err
		case now.Pending == nil || now.Pending.Revision != revision:
			return answer{}, fmt.Errorf("revision %d does not wait for a confirmation", revision)
		}
		return v.rollBack(ctx, change.RollbackRequest{Revision: now.Pending.Back})
	default:
		return answer{}, fmt.Errorf("%q is nothing to do with a commit", do)
	}
}
