// Package exec is how a subject declares its EXEC commands: those that show
// something or do something at once, and leave the configuration alone. The
// console runs them wherever a session is (serial port, SSH, COM); what they
// need to know they ask of the processes of the box.
//
// A subject declares its table in show.go (or beside what a command does) and
// package grammar puts the tables together.
package exec

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// Level says who may type a command.
type Level uint8

// The levels, as IOS has them.
const (
	User       Level = iota // at the prompts > and #
	Privileged              // at the prompt # only
)

// Command declares one EXEC command once: parsing, help, completion and the
// command reference come from it.
type Command struct {
	// Syntax is the line as config.Command has it: "show interfaces [LAN]".
	Syntax string
	Args   []config.Argument
	// Help says in a few words what the command shows or does.
	Help  string
	Level Level
	// Configuring commands may be typed in configuration modes without "do".
	// Those that begin with "show" may be so anyway.
	Configuring bool
	// Reconfigures says that it may change all of the configuration at once, or
	// give away its secrets: who types it needs the right to all of it, too.
	Reconfigures bool
	// Run does it. An error is printed after "% "; nothing else need be.
	Run func(ctx context.Context, s Session, a config.Args) error
}

// Shows reports whether the command does nothing but show something, which may be
// long.
func (c *Command) Shows() bool {
	word, _, _ := strings.Cut(c.Syntax, " ")
	switch word {
	case "show", "more", "dir", "help", "rescue":
		return true
	}
	return false
}

// ErrDeclined is a no to what Confirm asks.
var ErrDeclined = errors.New("not confirmed")

// Session is the operator's end of a command. What is written to it is shown
// through the pipe and the pager that the operator asked for; characters that
// a terminal would obey are shown as "?".
type Session interface {
	io.Writer
	// Call asks a process of the box over link: Call(ctx, "init",
	// "init.health", nil, &health). Without a deadline in ctx it takes 10 s
	// at the most. ctx ends when the operator types Ctrl-C.
	Call(ctx context.Context, process, method string, params, result any) error
	// Confirm asks a question that Enter, y or yes agrees to; the error is
	// ErrDeclined if the operator does not, another without an answer.
	Confirm(question string) error
	// Paste has the operator type or paste a text of several lines, of which
	// what says what they are: "the certificate". Hidden ones are not echoed.
	Paste(what string, hidden bool) (string, error)
	// Secret asks for a line that is not echoed.
	Secret(question string) (string, error)
	// Operator says who types.
	Operator() model.Operator
	// Zone is the time zone that the operator reads times in: that of the
	// box (NET-10), UTC before control has said which. See Time.
	Zone() *time.Location
}

// Size is that of a terminal, in characters and rows; 0: unknown.
type Size struct{ Width, Height int }
