package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
	"causeway/appliance/web/shown"
)

// bringing is a form that brings certificates in PEM (CH-7, CH-8), as a file or
// pasted, to a command that has them pasted. What the command asks about them stands
// on the page with what it prints of them, before anything is done.
type bringing struct {
	anchor, title, text string
	syntax              string // of the command: "crypto pki authenticate PURPOSE [PATH]"
	line                string // before the purpose: "crypto pki authenticate"
	after               string // behind it
	done                string // a sentence: that it is
}

// pemMost is the longest text, in octets: as much as control takes of it.
const pemMost = 256 << 10

func (b bringing) name() string { return b.anchor }

func (bringing) most() int64 { return pemMost }

func (b bringing) permits(rights model.Rights) error { return config.PermitsCommand(rights, b.syntax) }

// bringingView is what pem.html is filled with.
type bringingView struct {
	Form        form
	Title, Text string
	Purposes    []string
	Purpose     string
	Fault       string
	PEM         string        // that is asked about
	Question    string        // empty: nothing is asked
	Blocks      []shown.Block // what the command prints of it
}

func (b bringing) show(_ context.Context, v *visit) (view, error) {
	data, err := b.view(v)
	return view{template: "pem", data: data}, err
}

func (b bringing) view(v *visit) (bringingView, error) {
	data := bringingView{Form: v.form(b), Title: b.title, Text: b.text, Purpose: cmp.Or(v.request.Form.Get("purpose"), string(model.ForCallHome))}
	table, err := v.table()
	if err != nil {
		return data, err
	}
	command := table.Of(b.syntax)
	if command == nil {
		return data, fmt.Errorf("there is no command %s", b.syntax)
	}
	i := slices.IndexFunc(command.Args, func(a config.Argument) bool { return a.Name == "PURPOSE" })
	data.Purposes, _ = command.Args[i].Type.(config.Choice)
	if !slices.Contains(data.Purposes, data.Purpose) { // it stands in a line: no word more
		return data, fmt.Errorf("%q is no purpose of certificates", data.Purpose)
	}
	return data, nil
}

func (b bringing) take(ctx context.Context, v *visit) (answer, error) {
	data, err := b.view(v)
	if err != nil {
		return answer{}, err
	}
	text, err := v.textSent("pem", pemMost)
	if err != nil {
		return answer{}, err
	}
	line := strings.TrimSpace(b.line + " " + data.Purpose + " " + b.after)
	printed, err := v.answered(ctx, line, func(q question) (string, error) {
		switch q.Kind {
		case pasting, pastingKey:
			return text, nil
		case confirming:
			data.Question = q.Text
			if v.request.PostForm.Get("sure") != "" {
				return agreed, nil
			}
			return "", nil
		}
		return "", errNobody
	})
	switch {
	case errors.Is(err, exec.ErrDeclined):
		data.PEM, data.Blocks = text, shown.Parse(printed)
		return answer{instead: view{template: "pem", data: data}}, nil
	case err != nil:
		return answer{}, err
	}
	return answer{notice: b.done}, nil
}
