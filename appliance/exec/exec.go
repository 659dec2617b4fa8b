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
	"io"
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
	// Run does it. An error is printed after "% "; nothing else need be.
	Run func(ctx context.Context, s Session, a config.Args) error
}

// Session is the operator's end of a command. What is written to it is shown
// through the pipe and the pager that the operator asked for; characters that
// a terminal would obey are shown as "?".
type Session interface {
	io.Writer
	// Call asks a process of the box over link: Call(ctx, "init",
	// "init.health", nil, &health). Without a deadline in ctx it takes 10 s
	// at the most. ctx ends when the operator types Ctrl-C.
	Call(ctx context.Context, process, method string, params, result any) error
	// Confirm asks a question that Enter, y or yes agrees to; the error says
	// that the operator did not.
	Confirm(question string) error
	// Operator says who types.
	Operator() model.Operator
	// Zone is the time zone that the operator reads times in: that of the
	// box (NET-10), UTC before control has said which. See Time.
	Zone() *time.Location
}
