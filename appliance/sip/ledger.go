package sip

import (
	"bytes"
	"context"
	"net/netip"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/message"
)

// setupEvents and endEvents are the events of a call until it is answered and
// after: what room is reserved for.
var (
	setupEvents = []model.CallEventKind{model.CallOffered, model.CallRouted, model.CallProvisional, model.CallProvisional, model.CallAnswered}
	endEvents   = []model.CallEventKind{model.CallDisconnect, model.CallEnded}
)

// room is the most that events of these kinds take.
func room(ledger Ledger, kinds []model.CallEventKind) (octets int64) {
	for _, kind := range kinds {
		octets += ledger.Most(kind)
	}
	return octets
}

// callerSide is the event of a call that is offered, with all that is known of
// the caller's side.
func (w *worker) callerSide() model.CallEvent {
	m := &w.msg
	event := model.CallEvent{Kind: model.CallOffered, CallID: m.Get(m.CallID), From: m.Get(m.From), To: m.Get(m.To),
		RequestURI: m.Get(m.URI), Network: w.text(w.at.network.name), Transport: w.text(w.at.Transport.Via()), Peer: w.address(w.from), SDP: w.sdp()}
	if neighbour := w.in.Adjacency; neighbour != nil {
		event.Adjacency, event.Account = w.text(neighbour.Name), w.text(neighbour.Account)
	}
	return event
}

// calleeSide is an event of a call with all that is known of the callee's side
// by its branch.
func (w *worker) calleeSide(kind model.CallEventKind, t *clientTransaction) model.CallEvent {
	l := t.to.listen
	event := model.CallEvent{Kind: kind, Network: w.text(l.network.name), Transport: w.text(l.Transport.Via())}
	if t.adjacency != nil {
		event.Adjacency, event.Account = w.text(t.adjacency.Name), w.text(t.adjacency.Account)
	}
	if t.seat != nil {
		event.Billing = t.seat.Billing()
	}
	return event
}

// release gives back the room that a call which is over did not use.
func (w *worker) release(c *call) {
	if ledger := w.p.options.Ledger; ledger != nil && c.reserved > 0 {
		ledger.Release(c.reserved)
	}
	c.reserved = 0
}

// record puts an event on its way to the journal.
func (w *worker) record(s *shard, c *call, e model.CallEvent) {
	if !c.recorded {
		return
	}
	ledger := w.p.options.Ledger
	if most := ledger.Most(e.Kind); c.reserved < most { // what few calls are made of: a second target
		if !ledger.Reserve(most) {
			s.counted[countUnrecorded]++
			return
		}
		c.reserved += most
	}
	e.Key, e.Time = c.key, time.Now()
	w.event = e // where it needs no memory of its own
	c.reserved -= s.events.Append(&w.event)
	if !w.p.events.Load() {
		w.p.events.Store(true)
		w.p.eventsCame.ring()
	}
}

// HasEvents says whether CollectEvents has something to give.
func (p *Proxy) HasEvents() bool { return p.events.Load() }

// WaitEvents returns when HasEvents says yes or ctx ends.
func (p *Proxy) WaitEvents(ctx context.Context) {
	p.eventsCame.wait(ctx, p.HasEvents)
}

// CollectEvents appends the batches of events that came since the last time,
// in order for each call. They must be empty again before the next time.
func (p *Proxy) CollectEvents(batches []EventBatch) []EventBatch {
	p.events.Store(false)
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		if !s.events.Empty() {
			batches = append(batches, s.events)
			s.events, s.spare = s.spare, s.events
		}
		s.mu.Unlock()
	}
	return batches
}

// RestoredCall is a call that an earlier life of the process left open.
type RestoredCall struct {
	Key      model.CallKey
	Answered bool
}

// Restore tells the proxy of calls that an earlier life of the process left
// open. Room for what may still happen to them is taken from the ledger, which
// is overdrawn where it must be. Call it before Run.
func (p *Proxy) Restore(open []RestoredCall) {
	p.restoredMu.Lock()
	defer p.restoredMu.Unlock()
	p.restored = make(map[model.CallKey]*call, len(open))
	for _, one := range open {
		c := &call{key: one.Key, answered: one.Answered, recorded: p.options.Ledger != nil}
		if c.recorded {
			c.reserved = p.endRoom
			if !one.Answered {
				c.reserved += p.options.Ledger.Most(model.CallAnswered)
			}
			p.options.Ledger.Overdraw(c.reserved)
		}
		p.restored[one.Key] = c
	}
}

// lateAnswers is how long after the start somebody may still answer an INVITE
// that an earlier life of the process has sent: timer C.
const lateAnswers = 181 * time.Second

// abandon ends the restored calls that nobody has answered by then.
func (p *Proxy) abandon(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(lateAnswers):
	}
	p.restoredMu.Lock()
	var given []*call
	for key, c := range p.restored {
		if !c.answered {
			given = append(given, c)
			delete(p.restored, key)
		}
	}
	p.restoredMu.Unlock()
	w := p.borrow()
	defer p.giveBack(w)
	s := &p.shards[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range given {
		c.cause = model.EndStale
		s.calls[c.key] = c
		w.ended(s, c, 0)
	}
}

func (p *Proxy) takeRestored(key model.CallKey) *call {
	p.restoredMu.Lock()
	defer p.restoredMu.Unlock()
	c := p.restored[key]
	delete(p.restored, key)
	return c
}

// sdp is the session description of the message in hand, or nil.
func (w *worker) sdp() []byte { return sdpOf(&w.msg) }

func sdpOf(m *message.Message) []byte {
	if m.Body.Empty() {
		return nil
	}
	field, found := m.First(message.HeaderContentType)
	if !found || !hasPrefixFold(m.Get(field.Value), "application/sdp") {
		return nil
	}
	return m.Get(m.Body)
}

// text copies a string to where events may point.
func (w *worker) text(s string) []byte {
	start := len(w.scratch)
	w.scratch = append(w.scratch, s...)
	return w.scratch[start:]
}

func (w *worker) address(a netip.AddrPort) []byte {
	start := len(w.scratch)
	w.scratch = a.AppendTo(w.scratch)
	return w.scratch[start:]
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && equalFold(b[:len(prefix)], prefix)
}

func equalFold(b []byte, s string) bool { return bytes.EqualFold(b, []byte(s)) }
