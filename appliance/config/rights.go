package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"causeway/appliance/model"
)

// Permits says what rights have against a line of the configuration that is
// typed in the modes that path opened; a line that is no command is an *Error. A
// line that opens a mode is permitted for the sake of what may be done in there,
// and undoing one takes the right to all of it.
func (g *Grammar) Permits(rights model.Rights, path []string, line string) error {
	if PermitsAll(rights) == nil {
		return nil
	}
	m, fault := g.MeaningOf(path, line)
	switch {
	case fault != nil: // control would refuse it as well
		return fault
	case m.Syntax == "":
		return nil
	case m.Opens && m.Negated && rights.Within(model.RuleConfigure, m.Syntax, false):
		return denied("no " + m.Syntax)
	case rights.May(model.RuleConfigure, m.Syntax),
		m.Opens && !m.Negated && rights.Within(model.RuleConfigure, m.Syntax, true):
		return nil
	}
	return denied(m.Syntax)
}

// PermitsAll says what rights have against dealing with the whole configuration
// at once, as load, rollback, setup, copy and backup do.
func PermitsAll(rights model.Rights) error {
	if rights.May(model.RuleConfigure, "") && !rights.Within(model.RuleConfigure, "", false) {
		return nil
	}
	return errors.New("your groups do not permit all of the configuration, which this is about")
}

// PermitsCommand says what rights have against a command of EXEC by its syntax.
func PermitsCommand(rights model.Rights, syntax string) error {
	if rights.May(model.RuleExec, syntax) {
		return nil
	}
	return denied(syntax)
}

// denied names the command by its words up to the first that may be left out.
func denied(syntax string) error {
	syntax, _, _ = strings.Cut(syntax, " [")
	words := slices.DeleteFunc(strings.Fields(syntax), func(word string) bool { return word != strings.ToLower(word) })
	return fmt.Errorf("your groups do not permit %q", strings.Join(words, " "))
}
