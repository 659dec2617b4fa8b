package web

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
	"causeway/appliance/web/shown"
)

// doing is a part that runs a command of EXEC, with a form for what may stand in
// its line. It runs as a job: what it prints stands on the page, what it asks is
// asked there.
type doing struct {
	command string // its syntax: "license smart renew WHAT"
	// others are other ways to say the line, one of which is chosen: "reload at TIME
	// [reason REASON]".
	others []string
	title  string
	intro  string // a sentence or two under the title; may be empty
	button string
	as     string // its name; empty: made of the words of the command
	danger bool   // what it does is not undone by a click: it is asked once more
	plain  bool   // what it prints is a text, and stands there as it is
	preset preset
}

func (p doing) name() string {
	if p.as != "" {
		return p.as
	}
	return nameOf(p.command)
}

// permits leaves the part out if none of its lines is permitted.
func (p doing) permits(rights model.Rights) error {
	err := config.PermitsCommand(rights, p.command)
	for _, syntax := range p.others {
		if err != nil {
			err = config.PermitsCommand(rights, syntax)
		}
	}
	return err
}

// doingView is what doing.html is filled with.
type doingView struct {
	Title, Intro, Name string
	Form               form
	Ways               []way
	Button             string
	Danger             bool
	Fault              string // of the form
	Job                *jobView
}

// way is one of the lines that a form can make.
type way struct {
	Value  string // in the form
	Line   string // how it is written
	Title  string
	Chosen bool
	Fields []argument
}

// jobView is a job as the page shows it.
type jobView struct {
	Line     string
	Running  string // for how long: "12 s"; empty: it has ended
	Question *question
	Blocks   []shown.Block
	Fault    string
	Ended    string
}

// liveTime is how often a job is looked at that runs.
const liveTime = 2 * time.Second

func (p doing) show(ctx context.Context, v *visit) (view, error) {
	filled, err := presetBy(ctx, v, p.preset)
	if err != nil {
		return view{}, err
	}
	for name, values := range v.request.URL.Query() { // a link may fill them in
		filled[name] = values[0]
	}
	return p.view(v, filled, nil, "")
}

// view is the form, with what is in it unless it was sent, and what is wrong with
// that.
func (p doing) view(v *visit, filled, wrong map[string]string, fault string) (view, error) {
	data := doingView{Title: p.title, Intro: p.intro, Name: p.name(), Form: v.form(p), Button: p.button, Danger: p.danger, Fault: fault}
	var err error
	if data.Ways, err = p.ways(v, filled, wrong); err != nil {
		return view{}, err
	}
	every := time.Duration(0)
	if j := v.session.jobs.of(p.key(v)); j != nil {
		data.Job = v.jobView(j.state(), p.plain)
		if data.Job.Running != "" {
			every = liveTime
		}
	}
	return view{template: "doing", data: data, every: every}, nil
}

// ways are the lines that the form can make for who looks, with what is in their
// fields.
func (p doing) ways(v *visit, filled, wrong map[string]string) (list []way, err error) {
	chosen, mine := "", v.request.PostForm.Get("part") == p.name()
	if mine {
		chosen = v.request.PostForm.Get("way")
	}
	table, err := v.table()
	if err != nil {
		return nil, err
	}
	for i, syntax := range p.syntaxes() {
		c := table.Of(syntax)
		if c == nil {
			return nil, fmt.Errorf("there is no command %s", syntax)
		}
		if config.PermitsCommand(v.login.Rights, syntax) != nil {
			continue
		}
		blank, err := blankOf(c)
		if err != nil {
			return nil, err
		}
		w := way{Value: strconv.Itoa(i), Line: syntax, Title: c.Help}
		w.Chosen = w.Value == chosen || chosen == "" && len(list) == 0
		if mine {
			filled = p.sent(v, i, blank)
		}
		if w.Chosen {
			w.Fields = arguments(blank, p.prefix(i), filled, wrong)
		} else {
			w.Fields = arguments(blank, p.prefix(i), filled, nil)
		}
		if p.danger { // "now" asks nothing: the box of the form says so
			w.Title, _, _ = strings.Cut(w.Title, "; now ")
			w.Fields = slices.DeleteFunc(w.Fields, func(a argument) bool { return a.Name == p.prefix(i)+".now" })
		}
		list = append(list, w)
	}
	if len(list) > 1 { // the fields of the others are empty
		for _, w := range list {
			for i := range w.Fields {
				w.Fields[i].Required = false
			}
		}
	}
	return list, nil
}

func (v *visit) jobView(s state, plain bool) *jobView {
	j := &jobView{Line: s.line, Question: s.question}
	if s.ended.IsZero() {
		j.Running = fmt.Sprintf("%d s", int(time.Since(s.begun).Seconds()))
		j.Blocks = blocks(s.printed, true)
		return j
	}
	j.Blocks, j.Ended = blocks(s.printed, plain), v.clock(s.ended)
	switch {
	case errors.Is(s.err, exec.ErrDeclined):
		j.Fault = "Not confirmed."
	case errors.Is(s.err, context.Canceled):
		j.Fault = "Cancelled."
	case s.err != nil:
		j.Fault = clean(sentence(s.err))
	}
	return j
}

func (p doing) syntaxes() []string { return append([]string{p.command}, p.others...) }

func (p doing) prefix(way int) string { return fmt.Sprintf("%s.%d", p.name(), way) }
func (p doing) key(v *visit) string   { return v.page.path + "#" + p.name() }
func blankOf(c *exec.Command) (*config.Blank, error) {
	return config.NewBlank(config.Form{Syntax: c.Syntax, Args: c.Args})
}

// soon is how long an answer waits for a job to end.
const soon = 2 * time.Second

// take starts a job, answers what one asks, or ends one.
func (p doing) take(ctx context.Context, v *visit) (answer, error) {
	sent, key := v.request.PostForm, p.key(v)
	switch sent.Get("do") {
	case "forget":
		v.session.jobs.forget(key)
		return p.back(v), nil
	case "answer", "decline":
		if j := v.session.jobs.of(key); j != nil {
			text := sent.Get("answer")
			if sent.Get("do") == "decline" {
				text = "no"
			}
			j.answer(sent.Get("question"), text)
			j.settle(ctx, soon)
		}
		return p.back(v), nil
	}
	line, wrong, err := p.line(v)
	fault := ""
	switch {
	case err != nil:
		fault = sentence(err)
	case wrong[""] != "":
		fault = wrong[""]
	case len(wrong) == 0 && p.danger && sent.Get("sure") == "":
		fault = "Tick “I am sure” if you are."
	}
	if fault == "" && len(wrong) == 0 {
		if err = p.start(ctx, v, line); err == nil {
			return p.back(v), nil
		}
		fault = sentence(err)
	}
	again, err := p.view(v, nil, wrong, fault)
	return answer{instead: again}, err
}

// back leads to the part, on its page.
func (p doing) back(v *visit) answer {
	return answer{to: address(v.page.path, v.at()) + "#part-" + p.name()}
}

// sent is what the form has in the fields of a way.
func (p doing) sent(v *visit, way int, blank *config.Blank) map[string]string {
	filled := map[string]string{}
	for _, f := range blank.Fields {
		if text := v.request.PostForm.Get(p.prefix(way) + "." + f.Name); text != "" {
			filled[f.Name] = text
		}
	}
	return filled
}

// line makes the line that the form says.
func (p doing) line(v *visit) (line string, wrong map[string]string, err error) {
	table, err := v.table()
	if err != nil {
		return "", nil, err
	}
	chosen, elsewhere := false, false
	for i, syntax := range p.syntaxes() {
		blank, err := blankOf(table.Of(syntax))
		if err != nil {
			return "", nil, err
		}
		sent := p.sent(v, i, blank)
		if v.request.PostForm.Get("way") == strconv.Itoa(i) {
			chosen = true
			line, wrong = blank.Compose(sent)
		} else if len(sent) > 0 {
			elsewhere = true
		}
	}
	switch {
	case !chosen:
		err = errors.New("say which of them")
	case elsewhere:
		err = errors.New("a field of another choice is filled in: empty it, or choose that")
	}
	return line, wrong, err
}

// start runs a line as the job of the part, and waits a little for its end. Another
// part of the page may start it, too.
func (p doing) start(ctx context.Context, v *visit, line string) error {
	run, err := v.runner(line)
	if err != nil {
		return err
	}
	table, err := v.table()
	if err != nil {
		return err
	}
	sure := p.danger && v.request.PostForm.Get("sure") != ""
	t := v.typed(nil)
	j, err := v.session.jobs.begin(v.session.ctx, p.key(v), table.Blot(line), func(ctx context.Context, j *job) (err error) {
		defer t.survive(&err, "the command", "command", p.command)
		t.out = &j.out
		t.ask = func(ctx context.Context, q question) (string, error) {
			if q.Kind == confirming && sure {
				return agreed, nil
			}
			return j.ask(ctx, q)
		}
		return run(ctx, t)
	})
	if err != nil {
		return err
	}
	j.settle(ctx, soon)
	return nil
}
