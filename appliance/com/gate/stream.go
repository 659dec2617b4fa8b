package gate

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// members are those of a wire.Header, which "crit" may name.
var members = []string{"svc", "v", "id", "params", "grant", "crit"}

// Stream is a stream that COM has opened with a header. It is answered, served
// and closed when Stream returns.
func (g *Gate) Stream(ctx context.Context, s Session, h wire.Header, rw io.ReadWriteCloser) {
	defer rw.Close()
	var meta wire.Meta
	if h.Meta != nil {
		meta = *h.Meta
	}
	line := "stream " + h.Service
	a, stream, err := g.admitStream(s, h, meta)
	if err == nil {
		line = "stream " + what(stream, a.params)
		err = g.serve(ctx, a, stream, rw)
	}
	g.count(a.service, err != nil, g.options.Now())
	if err != nil {
		g.refuse(by(meta.Actor, a.operator), line, err)
		// Whoever has gone need not know.
		_ = mux.WriteAnswer(rw, wire.Answer{Error: refusalOf(err)})
	}
}

// what names a stream.
func what(s Stream, params json.RawMessage) string {
	if s.What == nil {
		return s.Service
	}
	return s.What(params)
}

// refusalOf is what an answer says of an error.
func refusalOf(err error) *wire.StreamRefusal {
	var refusal *Error
	if !errors.As(err, &refusal) {
		refusal = &Error{}
	}
	return &wire.StreamRefusal{Code: refusal.Code, Message: plain(err.Error())}
}

// admitStream checks all that comes before the rights of COMAdmin.
func (g *Gate) admitStream(s Session, h wire.Header, meta wire.Meta) (admitted, Stream, error) {
	stream, known := g.streams[h.Service]
	if !known || h.Version != 1 {
		return admitted{}, stream, Refuse(wire.CodeUnsupported, "the box knows no stream %s of version %d", plain(h.Service), h.Version)
	}
	for _, name := range h.Critical {
		if !slices.Contains(members, name) {
			return admitted{}, stream, Refuse(wire.CodeUnsupported, "the box does not know %s of a header", plain(name))
		}
	}
	params, err := canonical(h.Params)
	if err != nil {
		return admitted{}, stream, Refuse(wire.CodeParams, "the parameters of %s: %v", h.Service, err)
	}
	service, err := stream.Switch(params)
	if err != nil {
		return admitted{}, stream, err
	}
	a, err := g.admit(request{
		session: s, name: "stream." + h.Service, service: service, signed: stream.Signed, may: stream.May, meta: meta, params: params,
	})
	return a, stream, err
}

// serve serves a stream that was admitted. Its error is a refusal that is not
// sent yet; what goes wrong later is logged.
func (g *Gate) serve(ctx context.Context, a admitted, s Stream, rw io.ReadWriteCloser) error {
	call := callOf(&a)
	if s.Signed {
		if _, found, err := g.calls.lookup(a.meta.Idem, call); err != nil || found {
			return replayed(err)
		}
	}
	if err := permitted(a.request, g.options.Door.COMRights()); err != nil {
		return err
	}
	named := what(s, a.params)
	g.mu.Lock()
	v, err := g.enter(a, named, true)
	g.mu.Unlock()
	if err != nil {
		return err
	}
	defer v.cancel()
	stop := context.AfterFunc(ctx, func() { g.leave(v, whyLinkDown) })
	defer stop()
	if s.Signed {
		if err := g.calls.begin(a.meta.Idem, begun{Call: call, Time: g.options.Now(), Expires: a.meta.Expires}); err != nil {
			g.leave(v, "refused")
			return replayed(err)
		}
	}
	answered, run, err := s.Open(v.ctx, v.caller(), a.params)
	if s.Signed { // there is nothing to be had by asking again
		if fault := g.calls.done(a.meta.Idem, outcome{Long: true}); fault != nil {
			err = errors.Join(err, fault)
		}
	}
	if err != nil {
		g.leave(v, "refused")
		return err
	}
	g.options.Door.Audit(model.Audit{Operator: v.login.Operator, Line: plain("stream " + v.what)})
	counting := counted{rw, v}
	defer context.AfterFunc(v.ctx, func() { counting.Close() })()
	if err = mux.WriteAnswer(rw, answered); err == nil {
		err = run(v.ctx, counting)
	}
	if err != nil && v.ctx.Err() == nil {
		g.options.Log.Warn("a stream of COM broke off", "what", v.what, "error", err)
	}
	why := "closed"
	switch {
	case ctx.Err() != nil:
		why = whyLinkDown
	case g.ctx.Err() != nil:
		why = whyOver
	}
	g.leave(v, why)
	return nil
}

// replayed is what a stream is refused with that was opened before: unlike a call
// it has no result that could be given again.
func replayed(err error) error {
	if err != nil {
		return err
	}
	return Refuse(wire.CodeReplay, "this stream was opened before")
}
