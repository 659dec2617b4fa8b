// Package console is the operator's session on the serial port: a prompt, a
// line, its answer. It knows nothing itself; what it shows it asks of init,
// proxy, billing and control over link, each query with a time limit, so one
// that hangs or is down costs its own answers only.
//
// This is the first floor: user EXEC commands, declared in one table
// (commands.go) in the syntax of package config. Configuration modes, help at
// each position and paging grow from the same table.
package console

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Options say where the session finds its surroundings. The zero value is the
// serial port of the appliance: the standard files of the process.
type Options struct {
	In        io.Reader // os.Stdin if nil; a terminal is put in raw mode while Run runs
	Out       io.Writer // os.Stdout if nil
	RunDir    string    // where the link sockets are; link.RunDir if empty
	BuildFile string    // the image's build.json; /etc/causeway/build.json if empty
	// ControlWait is how long the first prompt waits for control to come up
	// at boot; 5 s if zero.
	ControlWait time.Duration
}

// Flags declares the options on a flag set, with the box's own values as
// defaults.
func (o *Options) Flags(set *flag.FlagSet) {
	set.StringVar(&o.RunDir, "run", link.RunDir, "`directory` of the sockets")
}

// Run holds one session until its input ends, which is no error, or ctx does.
// When ctx ends while a line is being read, the reader is left behind: Run is
// the last thing its process does.
func Run(ctx context.Context, o Options) error {
	if o.In == nil {
		o.In = os.Stdin
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.RunDir == "" {
		o.RunDir = link.RunDir
	}
	if o.BuildFile == "" {
		o.BuildFile = "/etc/causeway/build.json"
	}
	if o.ControlWait == 0 {
		o.ControlWait = 5 * time.Second
	}
	s, err := newSession(o)
	if err != nil {
		return err
	}
	line, restore, err := openTerminal(o.In, o.Out)
	if err != nil {
		return err
	}
	defer restore()
	s.terminal = plainText{line}
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}

// session is one operator at one terminal.
type session struct {
	terminal   terminal
	commands   []command
	vocabulary *config.Vocabulary
	runDir     string
	build      model.BuildInfo
	buildErr   error

	controlWait time.Duration
	hostName    string // as control last told it
	control     controlState
}

// controlState is what the operator has been told about control.
type controlState struct {
	told    bool
	up      bool
	problem string // the configuration's
}

func newSession(o Options) (*session, error) {
	s := &session{
		commands:    execCommands(),
		runDir:      o.RunDir,
		controlWait: o.ControlWait,
		hostName:    "causeway",
	}
	var forms []config.Form
	for _, c := range s.commands {
		forms = append(forms, config.Form{Syntax: c.syntax, Args: c.args})
	}
	var err error
	if s.vocabulary, err = config.NewVocabulary(forms); err != nil {
		return nil, fmt.Errorf("declare the console's commands: %w", err)
	}
	s.build, s.buildErr = readBuild(o.BuildFile)
	return s, nil
}

func readBuild(path string) (model.BuildInfo, error) {
	build := model.BuildInfo{Version: "(unknown version)", Board: "an unknown board"}
	text, err := os.ReadFile(path)
	if err != nil {
		return build, fmt.Errorf("read what image this is: %w", err)
	}
	if err := json.Unmarshal(text, &build); err != nil {
		return build, fmt.Errorf("read what image this is in %s: %w", path, err)
	}
	return build, nil
}

// run greets and answers lines until the input ends.
func (s *session) run(ctx context.Context) error {
	fmt.Fprintf(s.terminal, "\nCauseway %s on %s\n", s.build.Version, s.build.Board)
	s.awaitControl(ctx)
	for ctx.Err() == nil {
		s.askControl(ctx)
		prompt := s.hostName + ">"
		line, err := s.ask(prompt)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, errAbandoned) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the console: %w", err)
		}
		s.answer(ctx, prompt, line)
	}
	return nil
}

// errAbandoned means that the operator typed Ctrl-C instead of a line. It is no
// empty line: that would be a yes to a question.
var errAbandoned = errors.New("abandoned")

// ask prints the prompt and reads a line.
func (s *session) ask(prompt string) (string, error) {
	s.terminal.SetPrompt(prompt)
	line, err := s.terminal.ReadLine()
	if err == nil && line == abandoned {
		return "", errAbandoned
	}
	return line, err
}

// answer does what one line says. The prompt is what stands before it on the
// screen.
func (s *session) answer(ctx context.Context, prompt, line string) {
	text := strings.TrimLeft(line, " \t")
	if strings.TrimSpace(text) == "" || text[0] == '!' {
		return
	}
	match, err := s.vocabulary.Match(line)
	var fault *config.Error
	if errors.As(err, &fault) {
		before := len(prompt) + len(line) - len(text)
		fmt.Fprintf(s.terminal, "%*s%s\n%% %s\n", before, "", fault.Caret(), fault.Rule)
		return
	}
	if err == nil {
		err = s.commands[match.Form].run(ctx, s, match.Args)
	}
	if err != nil {
		fmt.Fprintf(s.terminal, "%% %v\n", err)
	}
}

// call asks a process of the box. Its error tells one that refused from one
// that is down.
func (s *session) call(ctx context.Context, process, method string, params, result any) error {
	err := link.Call(ctx, link.Socket(s.runDir, process), method, params, result)
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

// promptPatience is how long a prompt waits for control to give the host name.
const promptPatience = time.Second

// awaitControl gives control time to come up, as it does at boot.
func (s *session) awaitControl(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.controlWait)
	defer cancel()
	for s.call(ctx, "control", "control.status", nil, nil) != nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// askControl learns the host name, and tells the operator when control went
// down or came up, or when the configuration has a new problem.
func (s *session) askControl(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, promptPatience)
	defer cancel()
	var status model.ControlStatus
	err := s.call(ctx, "control", "control.status", nil, &status)
	now := controlState{told: true, up: err == nil, problem: status.ConfigProblem}
	if err == nil && status.HostName != "" {
		s.hostName = status.HostName
	}
	before := s.control
	s.control = now
	switch {
	case now == before:
	case !now.up:
		fmt.Fprintf(s.terminal, "%% %v\n%% Without control: calls go on; show system, show sip status, service restart and reload work\n", err)
	default:
		if before.told && !before.up {
			fmt.Fprintln(s.terminal, "% control is up")
		}
		if now.problem != "" {
			fmt.Fprintf(s.terminal, "%% The saved configuration was refused: %s\n%% Running the %s configuration\n", now.problem, status.ConfigSource)
		}
	}
}
