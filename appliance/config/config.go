// Package config is the engine of the command line: it knows how commands are
// declared, parsed, checked and printed, and knows none of them.
//
// A subject (network, routing, …) declares its commands as values. From that
// single declaration come the parser, the range errors, the canonical text of
// a configuration, ? and Tab, and the command reference. A configuration is the
// CLI text itself: Parse makes a *model.Config of it and Render prints one, so
// that Parse(Render(c)) equals c for every valid c. A text that another version
// of the firmware wrote is read with Load, which keeps aside what it does not
// know; a session brings its lines in one by one with Edit.
package config

import (
	"fmt"
	"slices"

	"causeway/appliance/model"
)

// Mode is a place where commands are typed, named as its prompt shows it:
// "config-lan" is the mode of the prompt "(config-lan)#".
type Mode string

// Global is the mode a configuration begins in.
const Global Mode = "config"

// Command declares one command once: how it is written, what it does to the
// model, and how the model is written back as lines of it.
type Command struct {
	// Mode is where the command is typed.
	Mode Mode
	// Syntax is the line: keywords in lower case, arguments in capitals,
	// optional parts in brackets that may be nested, "ARGUMENT..." for one
	// or more. Optional parts in a row that begin with keywords may be typed
	// in any order.
	// Example: "ip route NETWORK MASK GATEWAY LAN [METRIC]".
	Syntax string
	// No is the syntax of the negative form without the word "no"; empty when
	// there is none.
	No string
	// Args declares every argument named in Syntax and No.
	Args []Argument
	// Help says in a few words what the command does.
	Help string
	// Many says that a place may have several lines of it, though No can be typed
	// without saying which: it undoes all of them.
	Many bool
	// Opens is the mode that the line opens; empty for most. The commands
	// typed there see the arguments of this line in their Args.
	Opens Mode
	// Ends is another line than exit that leaves the mode which Opens names:
	// "end network". Empty for most.
	Ends string
	// Rank names the int, among the arguments that Render gives, by which this
	// command's lines are printed among those of the ranked commands beside it;
	// empty: they stand together.
	Rank string
	// Apply brings one line into the model. Its error is the rule the line
	// broke; BadArgument points at the word at fault.
	Apply func(c *model.Config, a Args) error
	// Negate brings the negative form into the model.
	Negate func(c *model.Config, a Args) error
	// Check holds one line of a whole configuration against the rest of it.
	// It runs after all lines are applied, so their order does not matter.
	Check func(c *model.Config, a Args) error
	// Locked says why the line may not be added, changed or removed by a commit
	// that puts after in the place of before. It does not hold a rollback or the
	// start of the box up. It is nil where all may be changed at any time.
	Locked func(before, after *model.Config, a Args) error
	// Render gives the arguments of each line of this command that c needs,
	// in order. In a mode that a line opened, in holds that line's arguments.
	// It is nil where a line is understood but never printed: another command
	// prints what it does, or it does nothing.
	Render func(c *model.Config, in Args) []Args

	form *form // of Syntax, once New has seen it
}

// Grammar is all commands of the appliance. It is safe for concurrent use.
type Grammar struct {
	commands []Command
	modes    map[Mode]*modeGrammar
	key      *BoxKey // nil: secrets are taken in their stored form only
	hasher   *Hasher // nil: so are passwords
}

// modeGrammar is what may be typed in one mode.
type modeGrammar struct {
	forms      []Form
	vocabulary *Vocabulary
	meanings   []meaning // of each form of the vocabulary
}

// meaning is what a form does: a command, its negative, or leaving the mode.
type meaning struct {
	command *Command
	negated bool
	leave   leaving
}

type leaving uint8

const (
	stay leaving = iota
	leaveMode
	leaveAll
)

// New puts the subjects' commands together, in the order in which they are
// rendered, and checks the declarations: every syntax is well formed, every
// mode can be reached, and no line can mean two things.
func New(subjects ...[]Command) (*Grammar, error) {
	g := &Grammar{modes: make(map[Mode]*modeGrammar)}
	for _, commands := range subjects {
		g.commands = append(g.commands, commands...)
	}
	opened := map[Mode]bool{Global: true}
	for i := range g.commands {
		command := &g.commands[i]
		if err := command.complete(); err != nil {
			return nil, fmt.Errorf("declare command %q in mode %s: %w", command.Syntax, command.Mode, err)
		}
		if command.Opens != "" {
			opened[command.Opens] = true
		}
	}
	forms := make(map[Mode][]Form)
	meanings := make(map[Mode][]meaning)
	for mode := range opened {
		forms[mode] = []Form{{Syntax: "exit", Help: "Leave this mode"}, {Syntax: "end", Help: "Leave the configuration modes"}}
		meanings[mode] = []meaning{{leave: leaveMode}, {leave: leaveAll}}
	}
	for i := range g.commands {
		command := &g.commands[i]
		if end := (Form{Syntax: command.Ends, Help: "Leave this mode"}); end.Syntax != "" &&
			!slices.ContainsFunc(forms[command.Opens], func(f Form) bool { return f.Syntax == end.Syntax }) {
			forms[command.Opens] = append(forms[command.Opens], end)
			meanings[command.Opens] = append(meanings[command.Opens], meaning{leave: leaveMode})
		}
		mode := command.Mode
		if !opened[mode] {
			return nil, fmt.Errorf("declare command %q: no command opens its mode %s", command.Syntax, mode)
		}
		forms[mode] = append(forms[mode], Form{command.Syntax, command.Args, command.Help})
		meanings[mode] = append(meanings[mode], meaning{command: command})
		if command.No != "" {
			forms[mode] = append(forms[mode], Form{"no " + command.No, command.Args, command.Help})
			meanings[mode] = append(meanings[mode], meaning{command: command, negated: true})
		}
	}
	for mode := range opened {
		vocabulary, err := NewVocabulary(forms[mode])
		if err != nil {
			return nil, fmt.Errorf("commands of mode %s: %w", mode, err)
		}
		for i, meaning := range meanings[mode] {
			if meaning.command != nil && !meaning.negated {
				meaning.command.form = vocabulary.forms[i]
			}
		}
		g.modes[mode] = &modeGrammar{forms[mode], vocabulary, meanings[mode]}
	}
	if err := g.checkNesting(Global, nil, nil); err != nil {
		return nil, err
	}
	return g, nil
}

// checkNesting reports a mode that can be opened inside itself, and an
// argument that hides one of the same name from a line that opened a mode.
func (g *Grammar) checkNesting(mode Mode, open []Mode, outer []Argument) error {
	if slices.Contains(open, mode) {
		return fmt.Errorf("mode %s can be opened inside itself", mode)
	}
	for i := range g.commands {
		command := &g.commands[i]
		if command.Mode != mode {
			continue
		}
		for _, arg := range command.Args {
			hides := func(a Argument) bool { return a.Name == arg.Name }
			if slices.ContainsFunc(outer, hides) {
				return fmt.Errorf("argument %s of %q in mode %s hides the one of an enclosing mode", arg.Name, command.Syntax, mode)
			}
		}
		if command.Opens == "" {
			continue
		}
		if err := g.checkNesting(command.Opens, append(open, mode), append(outer, command.Args...)); err != nil {
			return err
		}
	}
	return nil
}

// complete reports what is missing in a declaration.
func (command *Command) complete() error {
	switch {
	case command.Help == "":
		return fmt.Errorf("it has no help")
	case command.Apply == nil:
		return fmt.Errorf("it needs Apply")
	case command.Ends != "" && command.Opens == "":
		return fmt.Errorf("it ends a mode that it does not open")
	case (command.No == "") != (command.Negate == nil):
		return fmt.Errorf("it needs both No and Negate or neither")
	}
	return nil
}

// Commands gives all declarations in rendering order. They are not to be changed.
func (g *Grammar) Commands() []Command { return g.commands }
