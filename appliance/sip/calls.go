package sip

import (
	"bytes"
	"context"
	"net/netip"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/message"
)

// call is what is known of a call while it lasts: very little, since dialogs
// need no memory here. It holds the room reserved for its events.
type call struct {
	key       model.CallKey
	reserved  int64 // octets of the ledger that are ours and not used yet
	provided  uint8 // provisional responses recorded
	answered  bool
	cancelled bool // the caller sent CANCEL
	cause     model.EndCause
}

// provisionalEvents is how many provisional responses of a call are recorded;
// a phone may ring on for minutes.
const provisionalEvents = 2

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

// offer asks for a call to be set up by the INVITE in hand and records the
// answer. A nil call means the named rule refuses it.
func (w *worker) offer(s *shard, nextHop netip.AddrPort) (c *call, rule string) {
	ledger := w.p.options.Ledger
	c = &call{}
	w.randomBytes(c.key[:])
	rule = w.p.options.Admission.Admit()
	if ledger != nil && rule == "" {
		c.reserved = w.p.setupRoom + w.p.endRoom
		if !ledger.Reserve(c.reserved) {
			c.reserved, rule = 0, model.RuleCredits
		}
	}
	if rule != "" {
		w.refused(s, c, rule)
		return nil, rule
	}
	s.counted[countCalls]++
	s.calls[c.key] = c
	if ledger == nil {
		return c, ""
	}
	event := w.callerSide(model.CallOffered)
	event.SDP = w.sdp()
	w.record(s, c, event)
	w.record(s, c, &model.CallEvent{Kind: model.CallRouted, RequestURI: event.RequestURI,
		Network: w.text(w.at.network.out.name), Peer: w.address(nextHop)})
	return c, ""
}

// callerSide is an event with all that is known of the caller's side.
func (w *worker) callerSide(kind model.CallEventKind) *model.CallEvent {
	m := &w.msg
	return &model.CallEvent{Kind: kind, CallID: m.Get(m.CallID), From: m.Get(m.From), To: m.Get(m.To),
		RequestURI: m.Get(m.URI), Network: w.text(w.at.network.name), Peer: w.address(w.from)}
}

// refused records that a rule refuses the INVITE in hand, if there is room.
func (w *worker) refused(s *shard, c *call, rule string) {
	s.counted[refusals[rule].count]++
	event := w.callerSide(model.CallRefused)
	event.Status, event.Cause, event.Rule = 503, model.EndRule, w.text(rule)
	w.record(s, c, event)
	w.release(c)
}

// release gives back the room that a call which is over did not use.
func (w *worker) release(c *call) {
	if ledger := w.p.options.Ledger; ledger != nil && c.reserved > 0 {
		ledger.Release(c.reserved)
	}
	c.reserved = 0
}

// rang records a provisional response.
func (w *worker) rang(s *shard, c *call) {
	if c.provided == provisionalEvents {
		return
	}
	c.provided++
	w.record(s, c, &model.CallEvent{Kind: model.CallProvisional, Status: uint16(w.msg.Status), SDP: w.sdp()})
}

// answered records the first 2xx and gives back the room that the set-up did
// not use.
func (w *worker) answered(s *shard, c *call) {
	c.answered = true
	w.record(s, c, &model.CallEvent{Kind: model.CallAnswered, Status: uint16(w.msg.Status), Peer: w.address(w.from), SDP: w.sdp()})
	if ledger := w.p.options.Ledger; ledger != nil {
		if spare := c.reserved - w.p.endRoom; spare > 0 {
			ledger.Release(spare)
			c.reserved -= spare
		}
	}
}

// failed records that the call in set-up ended with the response in hand.
func (w *worker) failed(s *shard, c *call) {
	c.cause = model.EndFailed
	if c.cancelled {
		c.cause = model.EndCancelled
	}
	w.ended(s, c, w.msg.Status)
}

// hungUp notes a BYE, if it belongs to a call that is still open.
func (w *worker) hungUp(s *shard, key model.CallKey, byCaller bool) *call {
	c := s.calls[key]
	if c == nil {
		if c = w.p.takeRestored(key); c == nil {
			return nil // over already, or its beginning was never recorded
		}
		s.calls[key] = c
	}
	if !c.answered {
		c.cancelled = c.cancelled || byCaller
		return nil // one early dialog ends (§15); the INVITE's final response tells of the call
	}
	if c.cause != model.EndUnknown {
		return c // the first BYE was challenged or crossed this one: it is recorded
	}
	c.cause = model.EndCalleeHungUp
	if byCaller {
		c.cause = model.EndCallerHungUp
	}
	w.record(s, c, &model.CallEvent{Kind: model.CallDisconnect, Cause: c.cause})
	return c
}

// ended records the end of a call and forgets it. status is that of the final
// response, 0 if none came.
func (w *worker) ended(s *shard, c *call, status int) {
	if s.calls[c.key] != c {
		return // two BYEs crossed: the other was first
	}
	w.record(s, c, &model.CallEvent{Kind: model.CallEnded, Cause: c.cause, Status: uint16(status)})
	delete(s.calls, c.key)
	w.release(c)
}

// finished is told when the request that carries c's fate has its final
// response in hand: the INVITE that sets it up or the BYE that ends it.
func (w *worker) finished(s *shard, c *call) {
	switch status := w.msg.Status; {
	case !c.answered:
		w.failed(s, c)
	case status != 401 && status != 407: // a BYE that is challenged comes again
		w.ended(s, c, status)
	}
}

// record puts an event on its way to the journal.
func (w *worker) record(s *shard, c *call, e *model.CallEvent) {
	ledger := w.p.options.Ledger
	if ledger == nil {
		return
	}
	if c.reserved < ledger.Most(e.Kind) { // what no call is made of: a refusal
		if !ledger.Reserve(ledger.Most(e.Kind)) {
			s.counted[countUnrecorded]++
			return
		}
		c.reserved += ledger.Most(e.Kind)
	}
	e.Key, e.Time = c.key, time.Now()
	c.reserved -= s.events.Append(e)
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

// Restore tells the proxy of calls that an earlier life of the process left
// open. Room for their ends is taken from the ledger, which is overdrawn where
// it must be. Call it before Run.
func (p *Proxy) Restore(open []model.CallKey) {
	p.restoredMu.Lock()
	defer p.restoredMu.Unlock()
	p.restored = make(map[model.CallKey]struct{}, len(open))
	for _, key := range open {
		p.restored[key] = struct{}{}
	}
	if p.options.Ledger != nil {
		p.options.Ledger.Overdraw(int64(len(open)) * p.endRoom)
	}
}

func (p *Proxy) takeRestored(key model.CallKey) *call {
	p.restoredMu.Lock()
	defer p.restoredMu.Unlock()
	if _, found := p.restored[key]; !found {
		return nil
	}
	delete(p.restored, key)
	return &call{key: key, answered: true, reserved: p.endRoom}
}

// sdp is the session description of the message in hand, or nil.
func (w *worker) sdp() []byte {
	m := &w.msg
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
