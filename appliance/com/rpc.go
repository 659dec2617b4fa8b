package com

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/channel"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
)

const (
	// callLimit is how long COM may take to answer, where the caller says nothing.
	callLimit = time.Minute
	// mostCalls of COM are answered at the same time.
	mostCalls = 16
	// resultRoom is what surrounds a result in a message, in octets.
	resultRoom = 1 << 10
)

// guarded is the channel of the box. COM may say what it likes as fast as it
// likes: nothing is received while something waits to be sent, so what piles up
// here is bounded by the windows of the line.
type guarded struct {
	channel.Channel
	end     context.CancelCauseFunc // of the session, when the channel fails
	sending sync.Mutex
}

// Send implements channel.Channel.
func (g *guarded) Send(message []byte) error {
	g.sending.Lock()
	defer g.sending.Unlock()
	err := g.Channel.Send(message)
	if err != nil && !errors.Is(err, mux.ErrTooLong) {
		g.end(fmt.Errorf("send to COM: %w", err))
	}
	return err
}

// Recv implements channel.Channel.
func (g *guarded) Recv() ([]byte, error) {
	message, err := g.Channel.Recv()
	g.sending.Lock()
	defer g.sending.Unlock()
	if err == nil && (!json.Valid(message) || !bytes.HasPrefix(bytes.TrimSpace(message), []byte("{"))) { // batches are none of ours
		err = mux.ErrUndecodable
	}
	if err != nil {
		g.end(fmt.Errorf("receive from COM: %w", err))
	}
	return message, err
}

// Close implements channel.Channel. The session closes its connection, with a code
// that says why.
func (g *guarded) Close() error { return nil }

// talk begins JSON-RPC over a channel.
func (s *session) talk(over channel.Channel) {
	slots := make(chan struct{}, mostCalls)
	s.client = jrpc2.NewClient(&guarded{Channel: over, end: s.end}, &jrpc2.ClientOptions{
		OnNotify: s.told,
		OnCallback: func(ctx context.Context, r *jrpc2.Request) (any, error) {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			default:
				return nil, jrpc2.Errorf(wire.CodeBusy, "%d calls are being answered", mostCalls)
			}
			return s.asked(ctx, r)
		},
	})
}

// asked answers a call of COM. One that overtakes the welcome waits for it.
func (s *session) asked(ctx context.Context, r *jrpc2.Request) (any, error) {
	select {
	case <-s.welcomed:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.link.tally("calls")
	var params json.RawMessage
	if r.HasParams() {
		if err := r.UnmarshalParams(&params); err != nil {
			return nil, jrpc2.Errorf(jrpc2.InvalidParams, "%v", err)
		}
	}
	result, err := s.link.options.Gate.Call(ctx, s.is, r.Method(), params)
	var refused *gate.Error
	switch {
	case errors.As(err, &refused):
		return nil, jrpc2.Errorf(jrpc2.Code(refused.Code), "%s", refused.Message)
	case err != nil:
		return nil, err
	}
	text, err := json.Marshal(result)
	if err == nil && len(text) > wire.LongestMessage-resultRoom {
		err = fmt.Errorf("the result of %s is longer than %d octets", r.Method(), wire.LongestMessage-resultRoom)
	}
	return json.RawMessage(text), err
}

// told heeds a notification of COM. It must not block.
func (s *session) told(r *jrpc2.Request) {
	switch r.Method() {
	case wire.MethodLicenseChanged:
		s.link.options.LicenseChanged()
	case wire.MethodGoAway:
		var away wire.GoAway
		if err := r.UnmarshalParams(&away); err != nil {
			s.end(fmt.Errorf("%w: goaway: %w", mux.ErrUndecodable, err))
			return
		}
		s.end(sentAway{time.Duration(max(away.ReconnectAfter, 0)) * time.Second, away.Reason})
	}
}

// sentAway is that COM wants the box to come back later.
type sentAway struct {
	wait   time.Duration
	reason string
}

func (e sentAway) Error() string {
	return fmt.Sprintf("COM asks the box to come back in %v (%s)", e.wait, e.reason)
}

// Call implements Peer.
func (s *session) Call(ctx context.Context, method string, params, result any) error {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callLimit)
		defer cancel()
	}
	response, err := s.client.Call(ctx, method, params)
	var refused *jrpc2.Error
	switch {
	case errors.As(err, &refused):
		return fmt.Errorf("call %s of COM: %w", method, &gate.Error{Code: int(refused.Code), Message: printable(refused.Message)})
	case err != nil:
		return fmt.Errorf("call %s of COM: %w", method, err)
	case result == nil:
		return nil
	}
	if err := response.UnmarshalResult(result); err != nil {
		return fmt.Errorf("call %s of COM: %w: %w", method, mux.ErrUndecodable, err)
	}
	return nil
}

// Notify implements Peer.
func (s *session) Notify(ctx context.Context, method string, params any) error {
	if err := s.client.Notify(ctx, method, params); err != nil {
		return fmt.Errorf("tell COM %s: %w", method, err)
	}
	return nil
}
