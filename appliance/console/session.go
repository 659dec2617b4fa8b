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
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// Settings are what a session is made of.
type Settings struct {
	In  io.Reader // at its end the session ends, once what was typed is done
	Out io.Writer
	// Editing says that a person types in and reads out on a terminal that
	// gives each key as it is typed (raw mode). Without it lines are read as
	// they come, and nothing is paged.
	Editing bool
	// Silent says that nobody follows it: there are no greeting and no prompts,
	// only answers.
	Silent bool
	Size   exec.Size        // 0: 80 and 24
	Resize <-chan exec.Size // what the terminal becomes; nil: it stays
	// Login is who has logged in at the door that the session came through.
	// nil: it is at the serial port, where it asks for a login, and where one
	// ends the next begins.
	Login    *model.Login
	Origin   string          // of who logs in here, without Login: "ttyS0"
	Grammar  *config.Grammar // of the configuration; nil: an empty one
	Words    config.Words    // help of the keywords that EXEC commands share
	Commands []exec.Command  // of the subjects
	// Vocabularies are made of these three; nil: New makes them.
	Vocabularies *Vocabularies
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

	hasUser bool        // the box, as control said; see open
	login   model.Login // who types
	at      place
	path    []string          // of the configuration: the lines that opened the modes, outermost first
	holds   bool              // the candidate
	offered map[string]*words // what the groups of who types permit, by place

	looking    sync.Mutex // held by look: one at a time
	mu         sync.Mutex // guards what follows, which others than the session's goroutine use
	control    controlState
	monitoring bool
	length     int    // of a screen in rows; 0: never stop
	over       string // why the session is to end; empty: it goes on
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
	s.resize(settings.Size)
	var err error
	if s.pipes, err = pipeVocabulary(); err != nil {
		return nil, err
	}
	if settings.Vocabularies == nil {
		if settings.Vocabularies, err = NewVocabularies(settings.Grammar, settings.Words, settings.Commands); err != nil {
			return nil, err
		}
	}
	s.bind(settings.Vocabularies)
	return s, nil
}

// errLogout is what exit in EXEC returns.
var errLogout = errors.New("logged out")

// Run is the session until the operator leaves it, its input ends or ctx does;
// none of these is an error. Without Settings.Login only the latter two end it.
// Settings.In may be read from until its next octet even then.
func (s *Session) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var following sync.WaitGroup
	defer following.Wait()
	defer cancel()
	go s.in.fill(s.In)
	defer context.AfterFunc(ctx, func() { s.in.end(io.EOF) })()
	following.Go(func() { s.followSize(ctx) })
	for {
		s.greet()
		err := s.logIn(ctx)
		if err == nil {
			err = s.serve(ctx)
		}
		switch {
		case errors.Is(err, errLogout) && s.Settings.Login == nil:
		case errors.Is(err, errLogout), errors.Is(err, io.EOF):
			return nil
		default:
			return fmt.Errorf("read the terminal: %w", err)
		}
	}
}

func (s *Session) greet() {
	if !s.Silent {
		s.printf("\nCauseway %s on %s\n", s.Build.Version, s.Build.Board)
	}
}

// serve is the session of the one who has logged in, until he leaves, is made
// to, or the terminal ends. It is never nil.
func (s *Session) serve(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	s.begin()
	s.awaitControl(ctx)
	watching.Go(func() { s.watch(ctx) })
	if s.Settings.Login == nil {
		watching.Go(func() { s.awaitEnd(ctx) })
	}
	if idle := s.login.IdleMinutes; idle > 0 {
		defer s.in.onSilence(time.Duration(idle)*time.Minute, func() {
			s.endSession(fmt.Sprintf("logged out: %s without a key", count(idle, "minute")))
		})()
	}
	defer func() { s.leave(ctx, err) }()
	for {
		if over := s.isOver(); over != "" {
			s.screen.endLine()
			s.printf("%% %s\n", over)
			return errLogout
		}
		if err := s.next(ctx); err != nil {
			return err
		}
	}
}

// begin is how a session starts: at the prompt >, with nothing set.
func (s *Session) begin() {
	s.at, s.path, s.holds, s.offered = userExec, nil, false, make(map[string]*words)
	s.resize(s.Size)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.monitoring, s.over = false, ""
	s.control.told = false
	status := &s.control.status
	status.Problems, status.Pending, status.Reminders, status.COM = nil, nil, nil, nil // they are news to who has just come
}

// endSession has the session end at its next prompt, and what it does now at
// once. Any goroutine may call it.
func (s *Session) endSession(why string) {
	s.mu.Lock()
	s.over = why
	s.mu.Unlock()
	s.in.cancel()
}

// isOver says why the session is to end; empty: it goes on.
func (s *Session) isOver() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// followSize goes by the size of the terminal, until ctx ends.
func (s *Session) followSize(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case size, more := <-s.Resize:
			if !more {
				return
			}
			s.resize(size)
		}
	}
}

func (s *Session) resize(size exec.Size) {
	s.screen.setWidth(cmp.Or(size.Width, defaultWidth))
	s.setRows(cmp.Or(size.Height, defaultHeight))
}

func (s *Session) setRows(rows int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.length = rows
}

// rows is where a screen is full; 0: never.
func (s *Session) rows() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.length
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
		if s.blotted(s.at, text) == text {
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
	if err := s.permits(line.command, line.args); err != nil {
		return s.show(err)
	}
	if s.audits(line.command) {
		s.audit(ctx, s.blotted(at, text))
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
	if line.command.Shows() {
		out.ended = running.Err
	}
	if rows := s.rows(); line.command.Shows() && s.Editing && rows > 0 && !line.pipe.noMore {
		out.to = &pager{screen: s.screen, length: rows, width: s.screen.width()}
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
