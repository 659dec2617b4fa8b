package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// Call is a call of a method by COM. An Error is a refusal; any other is that of
// the method.
func (g *Gate) Call(ctx context.Context, s Session, name string, params json.RawMessage) (any, error) {
	method, known := g.methods[name]
	if !known {
		err := Refuse(wire.CodeMethod, "the box knows no method %s", plain(name))
		g.refuse(by("", ""), name, err)
		return nil, err
	}
	meta, rest, err := wire.Split(params)
	if err == nil {
		rest, err = canonical(rest)
	}
	if err != nil {
		err = Refuse(wire.CodeParams, "the parameters of %s: %v", name, err)
		g.refuse(by("", ""), name, err)
		return nil, err
	}
	line := name
	if method.Told != nil {
		line += " " + method.Told(rest)
	}
	a, err := g.admit(request{
		session: s, name: name, service: method.Service, signed: method.Signed, may: method.May, meta: meta, params: rest,
	})
	var result json.RawMessage
	switch {
	case err != nil:
	case method.Signed:
		result, err = g.callSigned(ctx, method, a, line)
	default:
		result, err = g.callOnce(ctx, method, a, line)
	}
	var refusal *Error
	refused := errors.As(err, &refusal)
	g.count(method.Service, refused, g.options.Now())
	if refused {
		g.refuse(by(meta.Actor, a.operator), line, err)
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

// callOnce calls what only reads. It is written down, but not again and again:
// COM may ask for the same all day.
func (g *Gate) callOnce(ctx context.Context, m Method, a admitted, line string) (json.RawMessage, error) {
	rights := g.options.Door.COMRights()
	if err := permitted(a.request, rights); err != nil {
		return nil, err
	}
	free, err := g.place()
	if err != nil {
		return nil, err
	}
	defer free()
	who, line := by(a.meta.Actor, a.operator), plain(line)
	caller := Caller{Session: a.session, Operator: who, Login: model.Login{Operator: who, Rights: rights}}
	if a.operator != "" { // somebody is in
		v, err := g.beginCall(a)
		if err != nil {
			return nil, err
		}
		defer g.endCall(v)
		caller = v.caller()
	}
	first, err := g.paced(a.session.Number, who.Origin+" "+line)
	if err != nil {
		return nil, err
	}
	if first {
		g.options.Door.Audit(model.Audit{Operator: who, Line: line})
	}
	return handle(ctx, m, caller, a.params)
}

// paced counts a call that need not be signed, and says whether it is to be
// written down. One that is too many is refused.
func (g *Gate) paced(session uint64, line string) (first bool, err error) {
	now := g.options.Uptime()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.reads.take(now, readEvery, readBurst) {
		return false, Refuse(wire.CodeBusy, "more than a call in %v", readEvery)
	}
	return g.told.first(session, line, now)
}

// callSigned calls what changes something, once. What has begun goes on when the
// link is lost: the answer is kept for who asks again.
func (g *Gate) callSigned(ctx context.Context, m Method, a admitted, line string) (json.RawMessage, error) {
	ended := make(chan outcome, 1)
	g.mu.Lock()
	over := g.ctx.Err() != nil
	if !over {
		g.running.Go(func() { ended <- outcomeOf(g.callNoted(m, a, line)) })
	}
	g.mu.Unlock()
	if over {
		return nil, errOver
	}
	select {
	case o := <-ended:
		return o.answer()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// callNoted calls what was not called yet, and gives what came of it.
func (g *Gate) callNoted(m Method, a admitted, line string) (json.RawMessage, error) {
	idem, call := a.meta.Idem, callOf(&a)
	o, found, err := g.calls.lookup(idem, call)
	switch {
	case err != nil:
		return nil, err
	case found:
		return o.answer()
	}
	if err := permitted(a.request, g.options.Door.COMRights()); err != nil {
		return nil, err
	}
	free, err := g.place()
	if err != nil {
		return nil, err
	}
	defer free()
	v, err := g.beginCall(a)
	if err != nil {
		return nil, err
	}
	defer g.endCall(v)
	if err = g.calls.begin(idem, begun{Call: call, Time: g.options.Now(), Expires: a.meta.Expires}); err != nil {
		return nil, err
	}
	g.options.Door.Audit(model.Audit{Operator: v.login.Operator, Line: plain(line)})
	v.in.Add(int64(len(a.params)))
	result, err := handle(v.ctx, m, v.caller(), a.params)
	v.out.Add(int64(len(result)))
	if fault := g.calls.done(idem, outcomeOf(result, err)); fault != nil {
		g.options.Log.Error("what came of a call of COM is not kept", "method", m.Name, "error", fault)
	}
	return result, err
}

// place takes one of the places for calls that run, or says that there is none.
func (g *Gate) place() (free func(), err error) {
	select {
	case g.places <- struct{}{}:
		return func() { <-g.places }, nil
	default:
		return nil, Refuse(wire.CodeBusy, "%d calls run already", cap(g.places))
	}
}

// longestAnswer is a result that fits a message, in octets.
const longestAnswer = wire.LongestMessage - 1<<10

// handle has a method handle a call, and gives the result as it is sent.
func handle(ctx context.Context, m Method, caller Caller, params json.RawMessage) (json.RawMessage, error) {
	result, err := m.Handle(ctx, caller, slices.Clone(params))
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(result)
	if err != nil {
		return nil, fmt.Errorf("the result of %s: %w", m.Name, err)
	}
	if len(text) > longestAnswer {
		return nil, fmt.Errorf("the result of %s has %d octets, and no more than %d may be sent", m.Name, len(text), longestAnswer)
	}
	return text, nil
}
