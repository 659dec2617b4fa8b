package config

import (
	"strings"

	"causeway/appliance/model"
)

// Render prints c as the canonical text: the commands in the order of their
// declaration, each mode indented by one blank and closed by exit, and a line
// with ! between what belongs to different commands.
func (g *Grammar) Render(c *model.Config) string {
	var text strings.Builder
	var last *Command
	g.walk(c, place{mode: Global}, 0, func(l printed) {
		if l.depth == 0 && last != nil && (l.command != last || last.Opens != "") {
			text.WriteString("!\n")
		}
		if l.depth == 0 {
			last = l.command
		}
		text.WriteString(strings.Repeat(" ", l.depth))
		text.WriteString(l.text)
		text.WriteByte('\n')
	})
	return text.String()
}

// printed is one line of the canonical text.
type printed struct {
	command *Command // nil for the exit that closes a mode
	args    Args
	text    string
	at      place
	depth   int // how many modes are open around it
}

// key tells the line apart from all others of the configuration.
func (l printed) key() string { return l.at.path + l.text }

// walk visits the lines that c has in the given place, in rendering order.
func (g *Grammar) walk(c *model.Config, at place, depth int, visit func(printed)) {
	mode := g.modes[at.mode]
	for i, meaning := range mode.meanings {
		if meaning.command == nil || meaning.negated {
			continue
		}
		for _, values := range meaning.command.Render(c, at.args) {
			args := at.with(meaning.command.defaults())
			for name, value := range values {
				args[name] = value
			}
			line := mode.vocabulary.forms[i].line(args)
			visit(printed{meaning.command, args, line, at, depth})
			if opens := meaning.command.Opens; opens != "" {
				inner := at.inside(opens, args, line)
				g.walk(c, inner, depth+1, visit)
				visit(printed{text: "exit", at: inner, depth: depth + 1})
			}
		}
	}
}

// defaults are the values of a line in which no optional part was typed.
func (command *Command) defaults() Args {
	args := make(Args, len(command.Args))
	for _, arg := range command.Args {
		args[arg.Name] = arg.Default
	}
	return args
}
