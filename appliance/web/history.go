package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// The commands that these parts are, for the rights to them.
const (
	showHistoryCommand  = "show configuration history"
	showRevisionCommand = "show configuration revision REVISION"
)

// permitsRollback says what rights have against a rollback: it changes all of the
// configuration at once.
func permitsRollback(rights model.Rights) error {
	if err := config.PermitsCommand(rights, rollbackCommand); err != nil {
		return err
	}
	return config.PermitsAll(rights)
}

// history lists the revisions that are kept.
type history struct{}

func (history) name() string { return "history" }
func (history) permits(rights model.Rights) error {
	return config.PermitsCommand(rights, showHistoryCommand)
}

func (history) show(ctx context.Context, v *visit) (view, error) {
	kept, err := ask[change.History](ctx, v, "control", "control.history")
	if err != nil {
		return view{}, err
	}
	return view{template: "history", data: struct {
		change.History
		Look bool
	}{kept, config.PermitsCommand(v.login.Rights, showRevisionCommand) == nil}}, nil
}

func (history) list(ctx context.Context, v *visit) (heading []string, rows [][]string, err error) {
	kept, err := ask[change.History](ctx, v, "control", "control.history")
	if err != nil {
		return nil, nil, err
	}
	for _, r := range kept.Revisions {
		inForce := ""
		if r.Number == kept.InForce {
			inForce = "yes"
		}
		rows = append(rows, []string{
			strconv.Itoa(r.Number), inForce, v.clock(r.Time), string(r.State), r.Operator.User, r.Operator.Origin, r.Version, r.Comment, r.Reason,
		})
	}
	return []string{"Revision", "In force", "Time", "State", "User", "From", "Firmware", "Comment", "Reason"}, rows, nil
}

// revision is one of the history, and how it is put in force again. Which one the
// address of the page says: "?revision=7".
type revision struct{}

func (revision) name() string { return "revision" }
func (revision) permits(rights model.Rights) error {
	return config.PermitsCommand(rights, showRevisionCommand)
}

func (p revision) show(ctx context.Context, v *visit) (view, error) {
	number, err := numberOf(v)
	if number == 0 || err != nil {
		return view{}, err
	}
	var one change.RevisionText
	if err := v.Call(ctx, "control", "control.revision", change.RevisionRequest{Revision: number}, &one); err != nil {
		return view{}, err
	}
	var inForce change.RevisionText
	if err := v.Call(ctx, "control", "control.revision", change.RevisionRequest{}, &inForce); err != nil {
		return view{}, err
	}
	standing, err := v.standing(ctx)
	if err != nil {
		return view{}, err
	}
	way := v.stepTo(inForce.Text, one.Text)
	return view{template: "revision", data: struct {
		Form    form
		One     change.RevisionText
		InForce int
		Same    bool
		Step    step
		May     bool
		Changes bool
		Pending *change.Pending
		Stays   stays

		Candidate string
		All       bool // lines of it are asked for
	}{
		v.form(p), one, inForce.Number, one.Text == inForce.Text, way, permitsRollback(v.login.Rights) == nil,
		standing.Changed, standing.Pending, staysOf("rollback", way.Careful && standing.Pending == nil, v.request.PostForm), candidatePath, v.request.Form.Get("lines") != "",
	}}, nil
}

// download implements downloader: a revision as a text, as "load replace" takes it.
func (revision) download(ctx context.Context, v *visit) (download, error) {
	number, err := numberOf(v)
	if err == nil && number == 0 {
		err = errors.New("the address does not say which revision")
	}
	var one change.RevisionText
	if err == nil {
		err = v.Call(ctx, "control", "control.revision", change.RevisionRequest{Revision: number}, &one)
	}
	if err != nil {
		return download{}, notHad{err}
	}
	return v.textFile(fmt.Sprintf("revision-%d.conf", number), one.Text), nil
}

// textFile is a text as a file, named after the box.
func (v *visit) textFile(name, text string) download {
	return download{cmp.Or(v.HostName(), "box") + "-" + name, int64(len(text)), func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}}
}

// numberOf is the revision that somebody asks for; 0: none.
func numberOf(v *visit) (int, error) {
	text := v.request.Form.Get("revision")
	if text == "" {
		return 0, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		return 0, fmt.Errorf("%q is no number of a revision", text)
	}
	return number, nil
}

// take puts the revision in force, as it was shown.
func (revision) take(ctx context.Context, v *visit) (answer, error) {
	ctx, cancel := unhurried(ctx)
	defer cancel()
	posted := v.request.PostForm
	request := change.RollbackRequest{Seen: posted.Get("seen")}
	var err error
	if request.Revision, err = numberOf(v); err == nil && (request.Revision == 0 || request.Seen == "") {
		err = errors.New("the form does not say what it puts in force")
	}
	if err == nil {
		request.ConfirmMinutes, err = minutesOf(posted)
	}
	if err != nil {
		return answer{}, err
	}
	return v.rollBack(ctx, request)
}

// rollBack puts an earlier revision in force.
func (v *visit) rollBack(ctx context.Context, request change.RollbackRequest) (answer, error) {
	if err := permitsRollback(v.login.Rights); err != nil {
		return answer{}, err
	}
	var before, back change.RevisionText
	if err := v.Call(ctx, "control", "control.revision", change.RevisionRequest{}, &before); err != nil {
		return answer{}, err
	}
	if err := v.Call(ctx, "control", "control.revision", change.RevisionRequest{Revision: request.Revision}, &back); err != nil {
		return answer{}, err
	}
	request.Operator = v.operator()
	v.note(ctx, fmt.Sprintf("rollback %d", request.Revision))
	var done change.Committed
	if err := v.Call(ctx, "control", "control.rollback", request, &done); err != nil {
		return answer{}, err
	}
	if len(done.Faults) > 0 {
		return answer{}, fmt.Errorf("nothing is changed: %s", strings.Join(sentences(done.Faults), "; "))
	}
	return v.committed(done, request.ConfirmMinutes, v.stepTo(before.Text, back.Text)), nil
}
