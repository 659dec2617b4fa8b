package exec

import (
	"context"
	"fmt"

	"causeway/appliance/config"
)

// Table is commands that lines are typed for where there is no console.
type Table struct {
	commands   []Command
	vocabulary *config.Vocabulary
}

// NewTable puts commands together; an error is in their declarations.
func NewTable(commands []Command) (*Table, error) {
	forms := make([]config.Form, len(commands))
	for i, c := range commands {
		forms[i] = config.Form{Syntax: c.Syntax, Args: c.Args}
	}
	vocabulary, err := config.NewVocabulary(forms)
	if err != nil {
		return nil, fmt.Errorf("put the commands together: %w", err)
	}
	return &Table{commands, vocabulary}, nil
}

// Match finds the command that a line is, and its values; the error says that it
// is none of them.
func (t *Table) Match(line string) (*Command, config.Args, error) {
	match, err := t.vocabulary.Match(line)
	if err != nil {
		return nil, nil, err
	}
	return &t.commands[match.Form], match.Args, nil
}

// Find gives what does a line; the error says that it is none of the commands.
func (t *Table) Find(line string) (run func(context.Context, Session) error, err error) {
	c, args, err := t.Match(line)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, s Session) error { return c.Run(ctx, s, args) }, nil
}

// Of gives the command that is declared with a syntax; nil: there is none.
func (t *Table) Of(syntax string) *Command {
	for i := range t.commands {
		if t.commands[i].Syntax == syntax {
			return &t.commands[i]
		}
	}
	return nil
}

// Blot gives a line without its secrets.
func (t *Table) Blot(line string) string { return t.vocabulary.Blot(line) }
