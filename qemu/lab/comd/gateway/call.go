package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/creachadair/jrpc2"

	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd/bus"
	"causeway/qemu/lab/comd/store"
)

// call has a box do something, and gives what it answers.
func (g *Gateway) call(ctx context.Context, call bus.Call) (json.RawMessage, error) {
	calls := g.strikeCall(call)
	var answer json.RawMessage
	for _, c := range calls {
		l, err := g.link(c.Serial)
		if err != nil {
			return nil, err
		}
		response, err := l.server.Callback(ctx, c.Method, c.Params)
		if err != nil {
			return nil, fromBox(err)
		}
		if err := response.UnmarshalResult(&answer); err != nil {
			return nil, fmt.Errorf("answer of %s to %s: %w", c.Serial, c.Method, err)
		}
	}
	return answer, nil
}

// fromBox makes a refusal of JSON-RPC one of the bus.
func fromBox(err error) error {
	var refusal *jrpc2.Error
	if errors.As(err, &refusal) {
		return &bus.Error{Code: int(refusal.Code), Message: refusal.Message}
	}
	return err
}

// tell tells a box something.
func (g *Gateway) tell(ctx context.Context, call bus.Call) (any, error) {
	l, err := g.link(call.Serial)
	if err != nil {
		return nil, err
	}
	return nil, l.server.Notify(ctx, call.Method, call.Params)
}

// state says how a box is at this moment.
func (g *Gateway) state(_ context.Context, serial string) (store.State, error) {
	l, err := g.link(serial)
	if err != nil {
		return store.State{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return *l.state(true), nil
}

// drop sends a box away. One that goes by itself just then need not be told.
func (g *Gateway) drop(ctx context.Context, drop bus.Drop) (any, error) {
	if l, err := g.link(drop.Serial); err == nil {
		if err := l.goAway(ctx, drop.GoAway); err != nil {
			l.cut()
		}
	}
	return nil, nil
}

// stream opens a stream to a box. What comes first is the box's answer.
func (g *Gateway) stream(_ context.Context, question json.RawMessage) (io.ReadWriteCloser, error) {
	var open bus.Stream
	if err := json.Unmarshal(question, &open); err != nil {
		return nil, fmt.Errorf("read the question: %w", err)
	}
	l, err := g.link(open.Serial)
	switch {
	case err != nil:
		return nil, err
	case l.session == nil:
		return nil, &bus.Error{Code: wire.CodeUnsupported, Message: "the box has no streams"}
	case l.session.Streams() > wire.MostStreams:
		return nil, &bus.Error{Code: wire.CodeBusy, Message: "the box has too many streams"}
	}
	stream, err := l.session.Open()
	if err != nil {
		return nil, err
	}
	if err := mux.WriteHeader(stream, open.Header); err != nil {
		return nil, errors.Join(err, stream.Close())
	}
	return stream, nil
}
