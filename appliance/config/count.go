package config

import "causeway/appliance/model"

// Tally is how many lines of a command a configuration has.
type Tally struct {
	Syntax string // as Meaning has it: keywords and names of arguments, never a value
	Lines  int
}

// Count counts the lines of c by their commands, in the order of the grammar.
// Commands that c has no line of are left out.
func (g *Grammar) Count(c *model.Config) (all []Tally) {
	lines := make(map[string]int)
	opened := []string{""} // the syntaxes of the modes that are open, by depth
	g.walk(c, place{mode: Global}, 0, func(l printed) {
		if l.command == nil {
			return
		}
		syntax := opened[l.depth] + l.command.Syntax
		opened = append(opened[:l.depth+1], syntax+" ")
		lines[syntax]++
	})
	for _, syntax := range g.Syntaxes() {
		if n := lines[syntax]; n > 0 {
			all = append(all, Tally{syntax, n})
		}
	}
	return all
}
