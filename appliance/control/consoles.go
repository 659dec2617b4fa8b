package control

import (
	"context"
	"sync"

	"causeway/appliance/console"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// consoles makes the sessions of operators who come through a door of control:
// SSH and COM.
type consoles struct {
	options      Options
	build        model.BuildInfo
	vocabularies func() (*console.Vocabularies, error) // that all share
}

func newConsoles(o Options, build model.BuildInfo) *consoles {
	return &consoles{o, build, sync.OnceValues(func() (*console.Vocabularies, error) {
		return console.NewVocabularies(o.Grammar, o.Words, o.Commands)
	})}
}

// hold holds a session, as the serial port has it. It asks control over its
// socket, too, so that one set of rules says which methods operators may call.
func (c *consoles) hold(ctx context.Context, s console.Settings) error {
	shared, err := c.vocabularies()
	if err != nil {
		return err
	}
	s.Vocabularies, s.Build = shared, c.build
	s.Grammar, s.Words, s.Commands = c.options.Grammar, c.options.Words, c.options.Commands
	s.Call = c.call
	session, err := console.New(s)
	if err != nil {
		return err
	}
	return session.Run(ctx)
}

// call asks a process for an operator.
func (c *consoles) call(ctx context.Context, process, method string, params, result any) error {
	return link.Call(ctx, link.Socket(c.options.Run, process), method, params, result)
}
