package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// The dialogue of the first boot: questions whose answers become lines of the
// configuration, which control is told like those that a person types. Until
// they are committed together the box is as it was.

// dialogue is the questions and what was answered.
type dialogue struct {
	*Session
	newBox  bool // there is no user yet: one is asked for
	answers answers
}

// answers are what was typed, by the names of the questions. When they are
// asked again they are proposed.
type answers map[string]string

const welcome = `
This box is new: nobody can log in yet. A few questions set it up; commands, or
"setup", change all of it later. Enter keeps what stands in brackets, ? explains,
Ctrl-C starts over.

`

// firstBoot asks for what a new box needs, until that is in force. Then there is
// a user, and errAgain has him log in.
func (s *Session) firstBoot(ctx context.Context) error {
	s.login.Operator.User = "setup"
	s.printf(welcome)
	s.look(ctx) // what is wrong with a configuration that the machine handed in
	d := &dialogue{Session: s, newBox: true, answers: make(answers)}
	for {
		err := d.run(ctx)
		s.drop(ctx)
		switch {
		case err == nil:
			s.printf("\nLog in as %s.\n\n", d.answers[administrator])
			return errAgain
		case !errors.Is(err, errAgain) && !errors.Is(err, errAbandoned):
			return err
		}
		if _, err := s.accessState(ctx, patience); err != nil {
			return errAgain // without control the rescue menu helps
		}
		s.printf("\nOnce more, from the beginning:\n\n")
	}
}

// setup is the dialogue as a command. Ctrl-C leaves it.
func (s *Session) setup(ctx context.Context, out exec.Session, _ config.Args) error {
	var now change.Configured
	if err := s.hold(ctx, out, false); err != nil || !s.holds {
		return err
	}
	err := s.change(ctx, "control.configure", change.ConfigureRequest{Operator: s.Operator()}, &now)
	if err == nil && now.Changed {
		err = errors.New("commit or abort these changes first")
	}
	if err != nil {
		s.release(ctx)
		return err
	}
	d := &dialogue{Session: s, answers: make(answers)}
	for err = errAgain; errors.Is(err, errAgain); {
		err = d.run(ctx)
		s.drop(ctx)
	}
	if errors.Is(err, errAbandoned) {
		return errors.New("nothing is changed")
	}
	return err
}

// drop gives the candidate back without what was not committed.
func (s *Session) drop(ctx context.Context) {
	if s.holds {
		s.holds = false
		// Without an answer the next one who configures is told of the changes.
		s.change(ctx, "control.abort", change.AbortRequest{Operator: s.Operator()}, nil)
	}
}

// run asks the questions and commits. After errAgain the questions are to be
// asked again, with what was answered; errAbandoned is Ctrl-C. Other errors are
// those of the terminal.
func (d *dialogue) run(ctx context.Context) error {
	var held change.Configured
	request := change.ConfigureRequest{Operator: d.Operator(), Take: d.newBox}
	if err := d.change(ctx, "control.configure", request, &held); err != nil {
		return d.tell(err)
	}
	d.holds = true
	var summary strings.Builder
	for _, q := range questions {
		if q.forNewBox && !d.newBox {
			continue
		}
		if err := d.settle(ctx, q); err != nil {
			return err
		}
		if answer, asked := d.answers[q.name]; asked {
			fmt.Fprintf(&summary, "  %-16s %s\n", q.name, answer)
		}
	}
	d.printf("\n%s\n", &summary)
	for {
		reply, err := d.question("Put this in force (yes/no)? [yes]: ", "no asks again, with these answers in brackets.\n")
		if err != nil {
			return err
		}
		switch strings.ToLower(reply) {
		case "", "yes", "y":
			return d.tell(d.commit(ctx, d.onScreen(), nil))
		case "no", "n":
			return errAgain
		}
		d.printf("%% Type yes or no\n")
	}
}

// tell says what control has against going on, and waits until it is read.
func (d *dialogue) tell(err error) error {
	if err == nil {
		return nil
	}
	d.printf("%% %v\n", err)
	_, err = d.question("Enter asks again: ", "")
	return cmp.Or(err, errAgain)
}

// settle asks one question until its answer is in the candidate. One that the
// answers before leave no need for has none.
func (d *dialogue) settle(ctx context.Context, q question) error {
	for first := true; ; first = false {
		var candidate change.Candidate
		if err := d.change(ctx, "control.candidate", nil, &candidate); err != nil {
			return d.tell(err)
		}
		var c model.Config
		d.Grammar.Merge(&c, candidate.Text) // lines that contradict each other are told at the end
		if q.needed != nil && !q.needed(&c) {
			delete(d.answers, q.name)
			return nil
		}
		if first && q.shows != "" {
			if err := d.showBefore(ctx, q.shows); err != nil {
				return err
			}
		}
		now := q.now(&c)
		answer, err := d.read(q, cmp.Or(d.answers[q.name], now, q.proposal))
		if err != nil {
			return err
		}
		if answer == now {
			d.answers[q.name] = answer
			return nil
		}
		lines, err := q.lines(&c, d.answers, answer)
		if err == nil {
			err = d.bring(ctx, lines)
		}
		var fault *config.Error
		switch {
		case err == nil && q.secret:
			d.answers[q.name] = "(not shown)"
			return nil
		case err == nil:
			d.answers[q.name] = answer
			return nil
		case errors.As(err, &fault):
			d.printf("%% %s\n", fault.Rule)
		default:
			return d.tell(err)
		}
	}
}

// showBefore runs the command whose output a question is about.
func (d *dialogue) showBefore(ctx context.Context, command string) error {
	line, err := d.other(command)
	if err != nil {
		return d.tell(err)
	}
	d.printf("\n")
	return d.Session.run(ctx, line)
}

// bring brings lines into the candidate, as if they were typed one after the
// other. The error is a *config.Error if it is a fault of a line.
func (d *dialogue) bring(ctx context.Context, lines []string) error {
	var path []string
	for _, line := range lines {
		var edited change.Edited
		request := change.EditRequest{Operator: d.Operator(), Path: path, Line: line}
		if err := d.change(ctx, "control.edit", request, &edited); err != nil {
			return err
		}
		if edited.Fault != nil {
			return edited.Fault
		}
		path = edited.Path
	}
	return nil
}

// read reads an answer; what is proposed is that of Enter.
func (d *dialogue) read(q question, proposed string) (answer string, err error) {
	if q.secret {
		return d.readTwice(q)
	}
	prompt := q.prompt + ": "
	if proposed != "" {
		prompt = q.prompt + " [" + proposed + "]: "
	}
	for {
		answer, err = d.question(prompt, q.help)
		if answer = cmp.Or(answer, proposed); answer != "" || err != nil {
			return answer, err
		}
	}
}

// readTwice reads a password until it was typed the same way twice.
func (d *dialogue) readTwice(q question) (string, error) {
	for {
		first, err := d.Secret(q.prompt + ": ")
		if err != nil {
			return "", err
		}
		again, err := d.Secret("Again: ")
		switch {
		case err != nil:
			return "", err
		case first == again && first != "":
			return first, nil
		case first == again:
			d.printf("%% There must be one\n")
		default:
			d.printf("%% They differ\n")
		}
	}
}

// question reads a line, without the blanks around it. ? explains what is asked.
func (s *Session) question(prompt, help string) (string, error) {
	s.screen.endLine()
	s.screen.onKey = func(before string, key rune) bool {
		asks := string(key) == keyHelp && strings.TrimSpace(before) == ""
		if asks {
			s.screen.reply("?", help)
		}
		return asks || string(key) == keyComplete
	}
	defer func() { s.screen.onKey = nil }()
	for {
		line, _, err := s.screen.readLine(prompt)
		line = strings.TrimSpace(line)
		switch {
		case errors.Is(err, errTooLong):
			s.printf("%% %v\n", err)
		case err != nil || line != "?":
			return line, err
		default:
			s.printf("%s", help)
		}
	}
}
