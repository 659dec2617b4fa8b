package web

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// The commands that these parts are, for the rights to them.
const (
	loadMergeCommand   = "load merge terminal"
	loadReplaceCommand = "load replace terminal"
	eraseCommand       = "write erase [keys] [licences] [billing] [logs]"
)

// permitsLoad says what rights have against bringing a text into the candidate.
func permitsLoad(rights model.Rights, command string) error {
	for _, one := range []string{configureCommand, command} {
		if err := config.PermitsCommand(rights, one); err != nil {
			return err
		}
	}
	return config.PermitsAll(rights)
}

// loading brings lines that somebody pastes, or those of a file, into the candidate.
type loading struct{}

func (loading) name() string { return "load" }
func (loading) permits(rights model.Rights) error {
	return permitsLoad(rights, loadMergeCommand)
}

func (p loading) show(_ context.Context, v *visit) (view, error) {
	posted := v.request.PostForm
	return view{template: "load", data: struct {
		Form    form
		Text    string
		Replace bool
	}{v.form(p), posted.Get("text"), posted.Get("how") == "replace"}}, nil
}

func (loading) take(ctx context.Context, v *visit) (answer, error) {
	ctx, cancel := unhurried(ctx)
	defer cancel()
	posted := v.request.PostForm
	text, err := v.textSent("text", change.MaxText)
	if err != nil {
		return answer{}, err
	}
	request := change.LoadRequest{Operator: v.operator(), Text: text, Replace: posted.Get("how") == "replace"}
	command := loadMergeCommand
	if request.Replace {
		command = loadReplaceCommand
	}
	if err := v.holdFor(ctx, command); err != nil {
		return answer{}, err
	}
	var loaded change.Loaded
	if err := v.Call(ctx, "control", "control.load", request, &loaded); err != nil {
		return answer{}, err
	}
	if len(loaded.Faults) > 0 {
		return answer{}, fmt.Errorf("nothing is loaded: %s", strings.Join(sentences(loaded.Faults), "; "))
	}
	return answer{to: candidatePath, notice: fmt.Sprintf("Lines that were loaded: %d. See what a commit changes.", loaded.Lines)}, nil
}

// most implements receiver.
func (loading) most() int64 { return change.MaxText }

// holdFor gives the candidate to who is about to bring a text into it. If that takes
// its place, there must be nobody's work in it.
func (v *visit) holdFor(ctx context.Context, command string) error {
	if err := permitsLoad(v.login.Rights, command); err != nil {
		return err
	}
	if err := v.holdCandidate(ctx, false); err != nil {
		return err
	}
	if command == loadReplaceCommand {
		now, err := v.standing(ctx)
		if err != nil {
			return err
		}
		if now.Changed {
			return errors.New("the candidate has changes, which would be lost: commit or drop them first")
		}
	}
	v.note(ctx, command)
	return nil
}

// defaults are the configuration of a new box.
type defaults struct{}

func (defaults) name() string { return "defaults" }
func (defaults) permits(rights model.Rights) error {
	return permitsLoad(rights, loadReplaceCommand)
}

func (p defaults) show(_ context.Context, v *visit) (view, error) {
	return view{template: "defaults", data: struct{ Form form }{v.form(p)}}, nil
}

func (defaults) take(ctx context.Context, v *visit) (answer, error) {
	if err := v.holdFor(ctx, loadReplaceCommand); err != nil {
		return answer{}, err
	}
	err := v.Call(ctx, "control", "control.defaults", change.Who{Operator: v.operator()}, nil)
	return answer{to: candidatePath, notice: "The defaults are in the candidate. See what a commit changes."}, err
}

// erasing wipes the configuration, and what is named besides, at the next reload.
type erasing struct{}

// erased is what may be wiped besides the configuration, as init knows it.
var erased = []struct{ Name, What string }{
	{"keys", "Keys and certificates"},
	{"licences", "The licence"},
	{"billing", "Billing records that were not delivered"},
	{"logs", "Logs and crash files"},
}

func (erasing) name() string { return "erase" }
func (erasing) permits(rights model.Rights) error {
	return config.PermitsCommand(rights, eraseCommand)
}

func (p erasing) show(_ context.Context, v *visit) (view, error) {
	return view{template: "erase", data: struct {
		Form  form
		Parts any
		Panel string
	}{v.form(p), erased, panelPath}}, nil
}

func (erasing) take(ctx context.Context, v *visit) (answer, error) {
	posted := v.request.PostForm
	if posted.Get("sure") == "" {
		return answer{}, errors.New("say that you are sure: what is wiped cannot be had back")
	}
	line, parts := "write erase", []string{"configuration"}
	for _, part := range erased {
		if posted.Get(part.Name) != "" {
			line, parts = line+" "+part.Name, append(parts, part.Name)
		}
	}
	v.note(ctx, line)
	err := v.Call(ctx, "init", "init.erase", map[string][]string{"parts": parts}, nil)
	return answer{notice: "It is wiped at the next reload."}, err
}
