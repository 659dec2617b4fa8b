package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"

	"causeway/appliance/exec"
	"causeway/appliance/model"
	"causeway/appliance/storage/files"
)

// typed is the operator's end of a command of EXEC that a page runs.
type typed struct {
	*Server
	operator model.Operator
	out      io.Writer
	ask      func(context.Context, question) (string, error) // nil: there is nobody to ask
	ctx      context.Context                                 // of the command
}

var _ exec.Session = (*typed)(nil)

// question is what a command asks while it runs.
type question struct {
	Text string
	Kind asking
}

// asking is how a question is answered.
type asking string

// The kinds of questions.
const (
	confirming asking = "confirm" // by agreed, or anything else
	secretLine asking = "secret"  // by a line that nobody sees
	pasting    asking = "paste"   // by a text
	pastingKey asking = "key"     // by a text that nobody is to see again
)

// agreed is the answer to a question that is agreed to.
const agreed = "yes"

var errNobody = errors.New("there is nobody to ask on a page that only shows")

// Write implements exec.Session.
func (t *typed) Write(text []byte) (int, error) { return t.out.Write(text) }

// Call implements exec.Session.
func (t *typed) Call(ctx context.Context, process, method string, params, result any) error {
	return t.Options.Call(ctx, process, method, params, result)
}

func (t *typed) answer(text string, kind asking) (string, error) {
	if t.ask == nil {
		return "", errNobody
	}
	return t.ask(t.ctx, question{strings.ReplaceAll(clean(text), "\n", " "), kind})
}

// Confirm implements exec.Session.
func (t *typed) Confirm(text string) error {
	answer, err := t.answer(text, confirming)
	if err == nil && answer != agreed {
		err = exec.ErrDeclined
	}
	return err
}

// Paste implements exec.Session.
func (t *typed) Paste(what string, hidden bool) (string, error) {
	kind := pasting
	if hidden {
		kind = pastingKey
	}
	text, err := t.answer("Paste "+what, kind)
	return strings.ReplaceAll(text, "\r\n", "\n"), err // as forms have lines (HTML §4.10.22.6)
}

// Secret implements exec.Session.
func (t *typed) Secret(text string) (string, error) { return t.answer(text, secretLine) }

// Operator implements exec.Session.
func (t *typed) Operator() model.Operator { return t.operator }

// Zone implements exec.Session.
func (t *typed) Zone() *time.Location { return t.Options.Zone() }

// auditTime is how long control may take to note what is done.
const auditTime = time.Second

// runner gives what does a line of EXEC, if the groups of who looks permit it. As on
// the console, what does more than show is written down when it is run, and so is
// all that comes over COM, but for what a page fetches again by itself.
func (v *visit) runner(line string) (run func(context.Context, *typed) error, err error) {
	table, err := v.table()
	if err != nil {
		return nil, err
	}
	c, args, err := table.Match(line)
	if err != nil {
		return nil, err
	}
	if err := files.Permits(v.login.Rights, c, args); err != nil {
		return nil, err
	}
	noted := c.Level == exec.Privileged && !c.Shows()
	if v.operator().User == model.COMAdmin {
		again := v.session.knows(line) && v.request.Header.Get(liveHeader) != ""
		noted = noted || !again
	}
	return func(ctx context.Context, t *typed) error {
		if noted {
			limited, cancel := context.WithTimeout(ctx, auditTime)
			defer cancel()
			if err := t.Call(limited, "control", "control.access.audit", model.Audit{Operator: t.operator, Line: table.Blot(line)}, nil); err != nil {
				t.Log.Warn("a command is not written down", "error", err)
			}
		}
		t.ctx = ctx
		return c.Run(ctx, t, args)
	}, nil
}

// typed begins an operator's end.
func (v *visit) typed(out io.Writer) *typed {
	return &typed{Server: v.Server, operator: v.operator(), out: out}
}

// answerTo runs a line that shows something. What was printed before an error is
// given as well.
func (v *visit) answerTo(ctx context.Context, line string) (string, error) {
	return v.answered(ctx, line, nil)
}

// answered runs a line at once, with ask answering what it asks. What was printed
// before an error is given as well.
func (v *visit) answered(ctx context.Context, line string, ask func(question) (string, error)) (string, error) {
	run, err := v.runner(line)
	if err != nil {
		return "", err
	}
	out := printed{most: printedMost}
	t := v.typed(&out)
	if ask != nil {
		t.ask = func(_ context.Context, q question) (string, error) { return ask(q) }
	}
	err = run(ctx, t)
	return out.String(), err
}

// printedMost bounds what a command prints that only shows, in octets.
const printedMost = 1 << 20

// printed is what a command has printed so far.
type printed struct {
	most int // octets

	mu   sync.Mutex
	text bytes.Buffer
}

// Write keeps the text. Its error ends a command that prints too much.
func (p *printed) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.text.Len()+len(text) > p.most {
		return 0, fmt.Errorf("that is more than %d octets: use the console", p.most)
	}
	return p.text.Write(text)
}

// String is the text as a page may hold it.
func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return clean(p.text.String())
}

// clean is a text with "?" for what is no character or cannot be printed.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return -1
		case r != '\n' && r != '\t' && !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}
