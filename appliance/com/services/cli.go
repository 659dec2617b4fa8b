package services

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// Terminal is where a console is held over COM.
type Terminal struct {
	In  io.Reader
	Out io.Writer
	// Keys says that each key comes as it is typed; otherwise lines come. Silent
	// says that nobody follows what is printed: there are no prompts.
	Keys, Silent bool
	Size         exec.Size
}

// Shell holds a console with the rights of a login, until it is left, In ends or
// ctx does. What it reads it may read until the next octet even then.
type Shell func(ctx context.Context, t Terminal, login model.Login) error

// What a call of cli.exec may take.
const (
	execTime   = time.Minute
	execOctets = longestText // that are printed
)

// errEnough ends a session whose answer is as long as it may be.
var errEnough = errors.New("the answer is too long")

// CLI is the service of commands: lines whose answers come together, and
// consoles that people sit at.
type CLI struct{ Shell Shell }

// Methods are what COM may call.
func (c CLI) Methods() []gate.Method {
	return []gate.Method{{
		Name: wire.MethodCLIExec, Service: model.COMCLI, Signed: true, Handle: taking(c.execute),
		Told: told(func(r wire.CLIExec) string { return fmt.Sprintf("%d lines", len(r.Lines)) }),
	}}
}

// Streams are what COM may open.
func (c CLI) Streams() []gate.Stream {
	return []gate.Stream{{
		Service: wire.StreamCLI, Signed: true, Open: c.open,
		Switch: func(json.RawMessage) (string, error) { return model.COMCLI, nil },
	}}
}

// open opens a console.
func (c CLI) open(_ context.Context, caller gate.Caller, raw json.RawMessage) (wire.Answer, func(context.Context, io.ReadWriteCloser) error, error) {
	var p wire.CLI
	if err := parse(raw, &p); err != nil {
		return wire.Answer{}, nil, err
	}
	return wire.Answer{OK: true}, func(ctx context.Context, stream io.ReadWriteCloser) error {
		defer stream.Close()
		return c.Shell(ctx, Terminal{In: stream, Out: stream, Keys: p.Raw, Size: sizeOf(p)}, caller.Login)
	}, nil
}

// sizeOf is that of a terminal, within reason.
func sizeOf(p wire.CLI) exec.Size {
	const most = 1000
	return exec.Size{Width: min(max(p.Width, 0), most), Height: min(max(p.Height, 0), most)}
}

// execute types lines into a console that nobody follows.
func (c CLI) execute(ctx context.Context, caller gate.Caller, r wire.CLIExec) (wire.Text, error) {
	ctx, cancel := context.WithTimeout(ctx, execTime)
	defer cancel()
	ctx, enough := context.WithCancelCause(ctx)
	defer enough(nil)
	answer := &answer{enough: func() { enough(errEnough) }}
	err := c.Shell(ctx, Terminal{In: strings.NewReader(strings.Join(r.Lines, "\n")), Out: answer, Silent: true}, caller.Login)
	text, whole := cut(answer.text.String())
	switch cause := context.Cause(ctx); {
	case err != nil:
		return wire.Text{}, err
	case !whole || errors.Is(cause, errEnough):
		text += "\n% The answer goes on; it was ended here\n"
	case errors.Is(cause, context.DeadlineExceeded):
		text += "\n% It was ended after " + execTime.String() + "\n"
	case cause != nil:
		return wire.Text{}, cause
	}
	return wire.Text{Text: text}, nil
}

// answer takes what a console prints, as much as it may.
type answer struct {
	enough func()
	text   bytes.Buffer
}

// Write implements io.Writer. The session ends when there is no more room.
func (a *answer) Write(p []byte) (int, error) {
	n := min(len(p), execOctets-a.text.Len())
	a.text.Write(p[:n])
	if n < len(p) {
		a.enough()
		return n, errEnough
	}
	return n, nil
}
