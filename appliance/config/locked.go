package config

import (
	"strings"

	"causeway/appliance/model"
)

// Locked gives the lines in which after may not differ from before, by the
// rules of Command.Locked. Of an opening line that differs what is below it is
// part; a value that is another one is told by its new line.
func (g *Grammar) Locked(before, after *model.Config) (faults Errors) {
	type kind struct {
		place   string
		command *Command
	}
	told := make(map[kind]bool)
	tell := func(l printed, sign string) {
		if l.command.Locked == nil || sign != "" && told[kind{l.at.path, l.command}] {
			return
		}
		told[kind{l.at.path, l.command}] = true
		if err := l.command.Locked(before, after, l.args); err != nil {
			faults = append(faults, &Error{Column: 1, Text: sign + l.text, Rule: err.Error()})
		}
	}
	had, has := g.lines(before), g.lines(after)
	eachNew(has, had, func(l printed) { tell(l, "") })
	eachNew(had, has, func(l printed) { tell(l, "no ") })
	return faults
}

// lines are those that c has, in rendering order.
func (g *Grammar) lines(c *model.Config) (all []printed) {
	g.walk(c, place{mode: Global}, 0, func(l printed) {
		if l.command != nil { // no exit
			all = append(all, l)
		}
	})
	return all
}

// eachNew visits the lines of a that b does not have, without those below them.
func eachNew(a, b []printed, visit func(printed)) {
	known := make(map[string]bool, len(b))
	for _, l := range b {
		known[l.key()] = true
	}
	below := "\n" // the path of the place inside the line that was visited last; at first that of none
	for _, l := range a {
		if !known[l.key()] && !strings.HasPrefix(l.at.path, below) {
			visit(l)
			below = l.key() + "\n"
		}
	}
}
