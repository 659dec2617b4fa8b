package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"causeway/appliance/model"
)

// Render prints c as the canonical text: the commands in the order of their
// declaration, each mode indented by one blank and closed by exit, and a line
// with ! between what belongs to different commands.
func (g *Grammar) Render(c *model.Config) string {
	return g.render(c, func(l printed) string { return l.text })
}

// render is Render with another text of each line.
func (g *Grammar) render(c *model.Config, line func(printed) string) string {
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
		text.WriteString(line(l))
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

// walk visits the lines that c has in the given place and below it, in rendering
// order.
func (g *Grammar) walk(c *model.Config, at place, depth int, visit func(printed)) {
	g.walkPlace(c, at, depth, func(l printed) {
		visit(l)
		if l.command.Opens != "" {
			inner := at.inside(l.command, l.args, l.text)
			g.walk(c, inner, depth+1, visit)
			visit(printed{text: "exit", at: inner, depth: depth + 1})
		}
	})
}

// walkPlace visits the lines of one place only.
func (g *Grammar) walkPlace(c *model.Config, at place, depth int, emit func(printed)) {
	var ranked []printed // lines of the ranked commands that were passed last
	flush := func() {
		slices.SortStableFunc(ranked, func(a, b printed) int { return a.rank() - b.rank() })
		for _, l := range ranked {
			emit(l)
		}
		ranked = nil
	}
	for _, meaning := range g.modes[at.mode].meanings {
		if meaning.command == nil || meaning.negated {
			continue
		}
		if meaning.command.Rank == "" {
			flush()
		}
		g.visit(c, at, meaning.command, func(args Args, line string) {
			l := printed{meaning.command, args, line, at, depth}
			if meaning.command.Rank != "" {
				ranked = append(ranked, l)
			} else {
				emit(l)
			}
		})
	}
	flush()
}

// rank is where the line stands among those of ranked commands.
func (l printed) rank() int { return l.args.Int(l.command.Rank) }

// visit visits the lines of one command that c has in the given place.
func (g *Grammar) visit(c *model.Config, at place, command *Command, visit func(args Args, line string)) {
	if command.Render == nil {
		return
	}
	for _, values := range command.Render(c, at.args) {
		args := at.with(command.defaults())
		maps.Copy(args, values)
		visit(args, command.form.line(args))
	}
}

// copy is a configuration with the same lines that shares no memory with c.
func (g *Grammar) copy(c *model.Config) (*model.Config, error) {
	lines, _ := g.split(c, nil, nil)
	e := g.editor(&model.Config{})
	if faults, _ := e.read(lines, true); len(faults) > 0 {
		return nil, fmt.Errorf("copy the configuration: %w", faults)
	}
	return e.config, nil
}

// defaults are the values of a line in which no optional part was typed.
func (command *Command) defaults() Args {
	args := make(Args, len(command.Args))
	for _, arg := range command.Args {
		args[arg.Name] = arg.Default
	}
	return args
}
