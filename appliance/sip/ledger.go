package sip

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
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
func (w *worker) calleeSide(kind model.CallEventKind, b *branch) model.CallEvent {
	event := model.CallEvent{Kind: kind, Network: w.text(b.listen.network.name), Transport: w.text(b.listen.Transport.Via()), Billing: b.billing}
	if b.adjacency != nil {
		event.Adjacency, event.Account = w.text(b.adjacency.Name), w.text(b.adjacency.Account)
	}
	return event
}

// release gives back the room of a call but for so many octets.
func (w *worker) release(c *call, but int64) {
	if spare := c.reserved - but; spare > 0 {
		w.p.options.Ledger.Release(spare)
		c.reserved -= spare
	}
}

// keptRoom is what an event must leave of the room of its call: that of its end
// and, while it may still come, of its answer.
func (p *Proxy) keptRoom(c *call, kind model.CallEventKind) int64 {
	switch {
	case slices.Contains(endEvents, kind):
		return 0
	case c.answered, c.cause != model.EndUnknown:
		return p.endRoom
	}
	return p.endRoom + p.answerRoom
}

// record puts an event on its way to the journal.
func (w *worker) record(s *shard, c *call, e model.CallEvent) {
	if !c.recorded {
		return
	}
	ledger := w.p.options.Ledger
	// What few calls are made of, as a further target, takes more room than was reserved.
	if short := ledger.Most(e.Kind) + w.p.keptRoom(c, e.Kind) - c.reserved; short > 0 {
		if !ledger.Reserve(short) {
			s.counted[countUnrecorded]++
			return
		}
		c.reserved += short
	}
	e.Key, e.Time = c.key, time.Now()
	w.event = e // where it needs no memory of its own
	c.reserved -= s.events.Append(&w.event)
	if c.answered {
		w.release(c, w.p.endRoom)
	}
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
// is overdrawn where it must be. Call it once, before Run or when it is known.
func (p *Proxy) Restore(open []RestoredCall) {
	p.restoredMu.Lock()
	defer p.restoredMu.Unlock()
	p.restored, p.restoredAt = make(map[model.CallKey]*call, len(open)), time.Now()
	for _, one := range open {
		c := &call{key: one.Key, answered: one.Answered, recorded: p.options.Ledger != nil}
		if c.recorded {
			c.reserved = p.endRoom
			if !one.Answered {
				c.reserved += p.answerRoom
			}
			p.options.Ledger.Overdraw(c.reserved)
		}
		p.restored[one.Key] = c
	}
}

// lateAnswers is how long after the start somebody may still answer an INVITE
// that an earlier life of the process has sent: timer C.
const lateAnswers = 181 * time.Second

// longestSilence is how long an answered call that was restored may go on without
// a request. Else its BYE came while nobody was there, and it would never be billed.
const longestSilence = 24 * time.Hour

// runAbandon ends the restored calls that nobody has answered in time, and those
// that are silent for too long.
func (p *Proxy) runAbandon(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lateAnswers):
		}
		p.abandon()
	}
}

func (p *Proxy) abandon() {
	p.restoredMu.Lock()
	var given []*call
	silent := time.Since(p.restoredAt) >= longestSilence
	for key, c := range p.restored {
		if !c.answered || silent {
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
		w.ended(s, c, 0, "")
	}
}

// takeRestored gives a call that an earlier life of the process left open, to
// whoever holds the lock of its shard; unanswered ones only if those are wanted.
func (p *Proxy) takeRestored(key model.CallKey, unanswered bool) *call {
	p.restoredMu.Lock()
	defer p.restoredMu.Unlock()
	c := p.restored[key]
	if c == nil || !c.answered && !unanswered {
		return nil
	}
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
