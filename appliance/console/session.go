// Package console is an operator's session: a prompt, a line, its answer, on
// the serial port, over SSH or over COM alike. It knows no subject: what may be
// typed comes from the grammar of the configuration and from the subjects' EXEC
// commands, and what is shown is asked of the processes of the box over link,
// each question with a time limit. So one that hangs or is down costs its own
// answers only, and a rescue menu is left when control is.
//
// In: key strokes. Out: what stands on the screen, and the calls to init and
// control that the operator's commands make.
package console

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Settings are what a session is made of.
type Settings struct {
	In  io.Reader
	Out io.Writer
	// Editing says that a person types in and reads out on a terminal that
	// gives each key as it is typed (raw mode). Without it lines are read as
	// they come, and nothing is paged.
	Editing       bool
	Width, Length int // of the terminal in characters and rows; 0: 80 and 24
	// Port says that the terminal is never closed and has no login: exit
	// starts over, and the alarms of the box are shown.
	Port     bool
	Operator model.Operator
	Grammar  *config.Grammar // of the configuration; nil: an empty one
	Words    config.Words    // help of the keywords that EXEC commands share
	Commands []exec.Command  // of the subjects
	// Call asks a process of the box, as exec.Session has it.
	Call  func(ctx context.Context, process, method string, params, result any) error
	Build model.BuildInfo
	// ControlWait is how long the first prompt waits for control, as it comes
	// up at boot; 5 s if zero.
	ControlWait time.Duration
}

// Session is one operator at one terminal.
type Session struct {
	Settings
	in     *input
	screen *screen
	places map[place]*words
	pipes  *config.Vocabulary

	at     place
	path   []string // of the configuration: the lines that opened the modes, outermost first
	length int      // of a screen in rows; 0: never stop

	looking    sync.Mutex // held by look: one at a time
	mu         sync.Mutex // guards what follows, which watch shares
	control    controlState
	monitoring bool
}

// New makes a session. Its error means that two commands can be the same line.
func New(settings Settings) (*Session, error) {
	if settings.Grammar == nil {
		empty, err := config.New()
		if err != nil {
			return nil, err
		}
		settings.Grammar = empty
	}
	if settings.ControlWait == 0 {
		settings.ControlWait = 5 * time.Second
	}
	s := &Session{Settings: settings, in: newInput()}
	s.screen = newScreen(s.in, settings.Out, settings.Editing)
	var err error
	if s.pipes, err = pipeVocabulary(); err != nil {
		return nil, err
	}
	if s.places, err = s.declare(); err != nil {
		return nil, err
	}
	return s, nil
}

// errLogout is what exit in EXEC returns.
var errLogout = errors.New("logged out")

// Run is the session until the operator leaves it, its input ends or ctx does;
// none of these is an error. Settings.In may be read from until its next octet
// even then.
func (s *Session) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	go s.in.fill(s.In)
	defer context.AfterFunc(ctx, func() { s.in.end(io.EOF) })()

	s.begin()
	s.greet()
	s.awaitControl(ctx)
	watching.Go(func() { s.watch(ctx) })
	defer s.release(ctx)
	for {
		err := s.next(ctx)
		switch {
		case errors.Is(err, errLogout) && s.Port:
			s.begin()
			s.greet()
		case errors.Is(err, errLogout), errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the terminal: %w", err)
		}
	}
}

func (s *Session) greet() { s.printf("\nCauseway %s on %s\n", s.Build.Version, s.Build.Board) }

// begin is how a session starts: at the prompt >, with nothing set.
func (s *Session) begin() {
	s.at, s.path = userExec, nil
	s.screen.history = history{}
	s.length = cmp.Or(s.Length, defaultLength)
	s.screen.setWidth(cmp.Or(s.Width, defaultWidth))
	s.setMonitoring(false)
}

// next reads a line and does what it says.
func (s *Session) next(ctx context.Context) error {
	prompt := s.prompt()
	s.screen.onKey = s.key
	line, left, err := s.screen.readLine(prompt)
	s.screen.onKey = nil
	switch {
	case errors.Is(err, errAbandoned):
		return nil
	case errors.Is(err, errTooLong):
		s.printf("%% %v\n", err)
		return nil
	case err != nil:
		return err
	}
	text := strings.TrimLeft(config.CutPrompt(line), " \t")
	column := runes(prompt) + runes(line) - runes(text)
	if text = strings.TrimRight(text, " \t"); text != "" && text[0] != '!' {
		if !s.tellsSecret(text) {
			s.screen.history.remember(text)
		}
		err = s.answer(ctx, s.at, column, text)
	}
	if left && err == nil && s.at.configuring() {
		err = s.show(s.end(ctx, s.onScreen(), nil))
	}
	return err
}

// answer does what one line says that may be typed at a place. It begins in
// the given column of the screen. Only errLogout and an end of the input are
// returned; what else went wrong is shown.
func (s *Session) answer(ctx context.Context, at place, column int, text string) error {
	if asked, ok := strings.CutSuffix(text, "?"); ok && !s.Editing {
		s.printf("%s", s.help(at, column, asked))
		return nil
	}
	line, fault := s.understand(s.places[at], text)
	switch {
	case fault == nil && line.command == nil,
		fault != nil && at.configuring() && !s.places[at].ambiguous(text): // it may fit a mode around this one
		return s.show(s.edit(ctx, column, text, fault))
	case fault != nil:
		fault.Rule += s.elsewhere(at, text)
		s.showFault(column, fault)
		return nil
	case line.command.isShort(text):
		s.showFault(column, &config.Error{Column: 1, Rule: firstWord(line.command.Syntax) + " is to be typed in full"})
		return nil
	case line.command.does:
		rest := line.args.Text(doLine)
		return s.answer(ctx, afterDo, column+runes(text)-runes(rest), rest)
	}
	return s.run(ctx, line)
}

// run runs a command, with what it prints going through its pipe and the pager.
// Ctrl-C ends its context.
func (s *Session) run(ctx context.Context, line typed) error {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	if s.Editing {
		defer s.in.onInterrupt(cancel)()
	}
	out := s.onScreen()
	out.enough = cancel
	if line.command.shows() {
		out.ended = running.Err
	}
	if line.command.shows() && s.Editing && s.length > 0 && !line.pipe.noMore {
		out.to = &pager{screen: s.screen, length: s.length, width: s.screen.width}
	}
	var filtered *piped
	if line.pipe.filter != nil {
		filtered = &piped{filter: *line.pipe.filter, to: out.to}
		out.to = filtered
	}
	err := line.command.Run(running, out, line.args)
	if filtered != nil && err == nil {
		err = filtered.finish()
	}
	s.screen.endLine()
	notWanted := errors.Is(err, context.Canceled) || errors.Is(err, errEnough)
	if notWanted && ctx.Err() == nil {
		return nil
	}
	return s.show(err)
}

// show prints an error, and gives it back when it ends the session.
func (s *Session) show(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errLogout), errors.Is(err, io.EOF):
		return err
	}
	s.screen.endLine()
	s.printf("%% %v\n", err)
	return nil
}

// output is what a command prints to: exec.Session.
type output struct {
	*Session
	to     io.Writer
	enough func()       // ends the command
	ended  func() error // why nothing more is to be printed; nil: go on
}

func (s *Session) onScreen() *output {
	return &output{Session: s, to: s.screen, enough: func() {}, ended: func() error { return nil }}
}

// Write prints through the pipe and the pager, a line at a time: Ctrl-C is to
// end a long text on a slow line, too.
func (o *output) Write(text []byte) (int, error) {
	written := 0
	for part := range bytes.Lines(text) {
		if err := o.ended(); err != nil {
			return written, err
		}
		n, err := o.to.Write(part)
		written += n
		if err != nil {
			o.enough()
			return written, err
		}
	}
	return written, nil
}

// Call asks a process of the box. Its error tells one that refused from one
// that is down.
func (s *Session) Call(ctx context.Context, process, method string, params, result any) error {
	err := s.Settings.Call(ctx, process, method, params, result)
	var refused *link.RemoteError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return fmt.Errorf("%s refused: %w", process, err)
	default:
		return fmt.Errorf("%s does not answer: %w", process, err)
	}
}

// Confirm asks a question that Enter, y or yes agrees to, as IOS does.
func (s *Session) Confirm(question string) error {
	reply, err := s.ask(question + " [confirm]")
	if err != nil {
		return fmt.Errorf("not confirmed: %w", err)
	}
	if reply != "" && reply != "y" && reply != "yes" {
		return errors.New("not confirmed")
	}
	return nil
}

// Operator says who types.
func (s *Session) Operator() model.Operator { return s.Settings.Operator }

// ask reads the answer to a question, in lower case and without blanks around.
func (s *Session) ask(question string) (string, error) {
	s.screen.endLine()
	reply, _, err := s.screen.readLine(question)
	return strings.ToLower(strings.TrimSpace(reply)), err
}

func (s *Session) printf(format string, args ...any) { fmt.Fprintf(s.screen, format, args...) }

// showFault points at the word at fault of a text that begins in the given
// column of the screen, where it is still on the same row.
func (s *Session) showFault(column int, fault *config.Error) {
	if column += fault.Column - 1; !s.Editing || column < s.screen.width {
		s.printf("%*s^\n", column, "")
	}
	s.printf("%% %s\n", fault.Rule)
}

func runes(s string) int { return utf8.RuneCountInString(s) }
