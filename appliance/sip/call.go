package sip

import (
	"bytes"
	"hash/maphash"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// call is what is known of a call while it lasts. Dialogs need no memory here;
// this is for its record, for those who count calls, and for who looks.
type call struct {
	key       model.CallKey
	recorded  bool  // its events go to the journal
	reserved  int64 // octets of the ledger that are ours and not used yet
	provided  uint8 // provisional responses recorded
	answered  bool
	cancelled bool // the caller sent CANCEL
	cause     model.EndCause
	seat      hop.Seat // its room in call admission control; nil: none
	session   *session // nil: it lasts until somebody hangs up

	began, answer    time.Time
	callID, from, to string
	in               side
	out              branch // the last one, and in the end that of the final response
	// contacts are hashes of where caller and callee want their requests: a
	// BYE that goes elsewhere ends no call. 0: not known.
	contacts [2]uint64
}

// side is one side of a call.
type side struct {
	flow
	adjacency *model.Adjacency
}

// branch is a way that a call went.
type branch struct {
	side
	id      uint64 // of its client transaction (shard.id)
	element hop.Element
	billing model.CallBilling
	uri     []byte // Request-URI, where it is needed again
}

func (s *shard) branchOf(t *clientTransaction) branch {
	return branch{side: side{t.to, t.adjacency}, id: s.id(t), element: t.element, billing: t.billing}
}

// The index of a side in call.contacts.
const (
	callerSide = 0
	calleeSide = 1
)

// provisionalEvents is how many provisional responses of a call are recorded;
// a phone may ring on for minutes.
const provisionalEvents = 2

// offer takes the INVITE in hand for a call, if there is room for its record.
func (w *worker) offer(s *shard) (*call, hop.Refusal) {
	m := &w.msg
	c := &call{began: time.Now(), in: side{w.back(), w.in.Adjacency}}
	w.randomBytes(c.key[:])
	if ledger := w.p.options.Ledger; ledger != nil && w.config.bills {
		c.recorded, c.reserved = true, w.p.setupRoom+w.p.endRoom
		if !ledger.Reserve(c.reserved) {
			return nil, hop.Refusal{Status: 503, Reason: "Billing Journal Full", Rule: model.RuleCredits}
		}
	}
	c.describe(m)
	c.contacts[callerSide] = w.contactHash()
	s.counted[countCalls]++
	s.callsOf(c.in.adjacency).In.Admitted++
	s.calls[c.key] = c
	if c.recorded {
		w.record(s, c, w.callerSide())
	}
	return c, hop.Refusal{}
}

// describe notes the names of a call: one allocation.
func (c *call) describe(m *message.Message) {
	callID, from, to := short(m.Get(m.CallID)), short(partyURI(m, m.From)), short(partyURI(m, m.To))
	text := make([]byte, 0, len(callID)+len(from)+len(to))
	all := string(append(append(append(text, callID...), from...), to...))
	c.callID, c.from, c.to = all[:len(callID)], all[len(callID):len(callID)+len(from)], all[len(callID)+len(from):]
}

// short is as much of a text as operators want to see: a stranger's may be long.
func short(text []byte) []byte { return text[:min(len(text), 255)] }

// partyURI is the URI of From or To.
func partyURI(m *message.Message, value message.Span) []byte {
	address, err := message.ParseNameAddr(m.Raw, value)
	if err != nil {
		return nil
	}
	return m.Get(address.URI)
}

// contactHash names where the sender of the message in hand wants its
// requests: user, host and port of its Contact. 0 if it does not say.
func (w *worker) contactHash() uint64 {
	m := &w.msg
	for _, contact := range m.Contacts() {
		uri, err := message.ParseURI(m.Raw, contact.URI)
		if err != nil {
			return 0
		}
		return w.uriHash(&uri)
	}
	return 0
}

func (w *worker) uriHash(uri *message.URI) uint64 {
	raw, seed := w.msg.Raw, w.p.seed
	return maphash.Bytes(seed, uri.User.In(raw)) + 3*maphash.Bytes(seed, uri.Host.In(raw)) + uint64(uri.Port) | 1
}

// routed notes the target that a call goes to, in branch t.
func (w *worker) routed(s *shard, c *call, a *attempt, t *clientTransaction) {
	c.out = s.branchOf(t)
	uri := a.URI
	if uri == nil {
		uri = w.msg.Get(w.msg.URI)
	}
	w.recordBranch(s, c, uri)
}

// recordBranch records where the call goes now.
func (w *worker) recordBranch(s *shard, c *call, uri []byte) {
	if !c.recorded {
		return
	}
	mark := len(w.scratch)
	event := w.calleeSide(model.CallRouted, &c.out)
	event.RequestURI, event.Peer = uri, w.address(c.out.to)
	w.record(s, c, event)
	w.scratch = w.scratch[:mark]
}

// chose notes that the best response to the request of server came in branch t.
// Where that is the call's last branch and nothing else is tried, nobody asks.
func (w *worker) chose(s *shard, server *serverTransaction, t *clientTransaction) {
	server.chosen = nil
	c := server.call
	if c == nil || server.inDialog || server.pending == 0 && len(server.targets) == 0 && c.out.id == s.id(t) {
		return
	}
	if w.kept.Parse(t.request) != nil {
		return // impossible: we made it
	}
	b := s.branchOf(t)
	b.uri = bytes.Clone(short(w.kept.Get(w.kept.URI)))
	server.chosen = &b
}

// rang records a provisional response.
func (w *worker) rang(s *shard, c *call) {
	if c.provided == provisionalEvents {
		return
	}
	c.provided++
	w.record(s, c, model.CallEvent{Kind: model.CallProvisional, Status: uint16(w.msg.Status), SDP: w.sdp()})
}

// answered records the first 2xx, which came in branch t; nil: an earlier life
// of the process had that.
func (w *worker) answered(s *shard, c *call, t *clientTransaction) {
	c.answered, c.answer = true, time.Now()
	c.contacts[calleeSide] = w.contactHash()
	w.renewSession(s, c)
	event := model.CallEvent{Kind: model.CallAnswered}
	if t != nil {
		c.seat, t.seat = t.seat, nil
		c.out = s.branchOf(t)
		event = w.calleeSide(model.CallAnswered, &c.out)
	}
	s.callsOf(c.in.adjacency).In.Answered++
	to := s.callsOf(c.out.adjacency)
	to.Out.Answered, to.LastAnswer = to.Out.Answered+1, c.answer
	event.Status, event.Peer, event.SDP = uint16(w.msg.Status), w.address(w.from), w.sdp()
	w.record(s, c, event)
}

// answeredLate records that a call which an earlier life of the process set up
// is answered.
func (w *worker) answeredLate(s *shard, key model.CallKey) {
	if c := w.known(s, key, true, true); c != nil && !c.answered {
		w.answered(s, c, nil)
	}
}

// known gives the open call of the message in hand. One that an earlier life of
// the process left open is ours from now on, while it is being set up only if
// that is at its end (answers). ofCaller says that the caller is in From: in a
// request of the callee it is the other way round (RFC 3261 §12.2.1.1). nil: it
// is over, or its beginning was never recorded.
func (w *worker) known(s *shard, key model.CallKey, ofCaller, answers bool) *call {
	c := s.calls[key]
	if c == nil {
		if c = w.p.takeRestored(key, answers); c != nil {
			c.describe(&w.msg)
			if !ofCaller {
				c.from, c.to = c.to, c.from
			}
			s.calls[key] = c
		}
	}
	return c
}

// touch notes the Contact of a request within a call (RFC 3261 §12.2.2: the
// remote target may change), whose answer will bring the other side's.
func (w *worker) touch(s *shard, key model.CallKey, fromCaller bool) {
	c := w.known(s, key, fromCaller, false)
	if c == nil {
		return
	}
	from := calleeSide
	if fromCaller {
		from = callerSide
	}
	switch w.msg.Method {
	case message.Invite, message.Update:
		w.refreshing = refresh{c, 1 - from}
		if hash := w.contactHash(); hash != 0 {
			c.contacts[from] = hash
		}
	case message.Ack: // of a 2xx that made the offer (RFC 3261 §13.2.1)
		w.mediaChanged(s, c, nil, fromCaller)
	}
}

// refresh is a request that may change where a side of a call wants its
// requests: the one that answers it.
type refresh struct {
	call *call // nil: it is none
	side int
}

// refreshed notes what the 2xx in hand has changed: the Contact of who
// answered, how long the session lasts from now on, the media.
func (w *worker) refreshed(s *shard, server *serverTransaction) {
	c := server.refresh.call
	if c == nil || s.calls[c.key] != c {
		return
	}
	if hash := w.contactHash(); hash != 0 {
		c.contacts[server.refresh.side] = hash
	}
	w.renewSession(s, c)
	if w.config.billsMedia && c.recorded && w.kept.Parse(server.request) == nil {
		w.mediaChanged(s, c, sdpOf(&w.kept), server.refresh.side == callerSide)
	}
}

// mediaChanged records that the session description in hand, if there is one,
// is in force, as the answer to offer.
func (w *worker) mediaChanged(s *shard, c *call, offer []byte, calleeOffered bool) {
	if answer := w.sdp(); answer != nil && w.config.billsMedia && c.recorded {
		w.record(s, c, model.CallEvent{Kind: model.CallMediaChanged, Offer: offer, SDP: answer, CalleeOffered: calleeOffered})
	}
}

// hungUp notes a BYE, if it ends a call that is still open. strict says that a
// strict router has moved the Request-URI.
func (w *worker) hungUp(s *shard, key model.CallKey, byCaller, strict bool) *call {
	c := w.known(s, key, byCaller, false)
	if c == nil {
		return nil
	}
	if !c.answered {
		c.cancelled = c.cancelled || byCaller
		return nil // one early dialog ends (§15); the INVITE's final response tells of the call
	}
	if c.cause != model.EndUnknown {
		return c // the first BYE was challenged or crossed this one: it is recorded
	}
	cause, target := model.EndCallerHungUp, calleeSide
	if !byCaller {
		cause, target = model.EndCalleeHungUp, callerSide
	}
	if known := c.contacts[target]; known != 0 && known != w.uriHash(&w.in.URI) && !strict {
		s.counted[countMisdirected]++
		return nil // the other side will not see it
	}
	c.cause = cause
	w.record(s, c, model.CallEvent{Kind: model.CallDisconnect, Cause: c.cause})
	return c
}

// concluded is told of the final response to the request of server, before it
// goes upstream: what becomes of the call whose fate the request carries. made
// says that the response is ours.
func (w *worker) concluded(s *shard, server *serverTransaction, status int, made bool) {
	c := server.call
	if c == nil {
		return
	}
	server.call = nil
	if server.inDialog { // a BYE; one that is challenged comes again
		if status != 401 && status != 407 {
			w.ended(s, c, status, "")
		}
		return
	}
	rule := ""
	switch {
	case c.cancelled:
		s.counted[countCancelled]++
		c.cause = model.EndCancelled
	case made && status == 408:
		c.cause = model.EndTimer
	case made && server.refusal.Rule != "":
		c.cause, rule = model.EndRule, server.refusal.Rule
	default:
		c.cause = model.EndFailed
	}
	if chosen := server.chosen; !made && chosen != nil && chosen.id != c.out.id {
		c.out = *chosen
		w.recordBranch(s, c, chosen.uri)
	}
	s.counted[countFailed]++
	if !c.cancelled && w.p.options.Admission.LogsFailures() {
		w.logFailure(server, c, status)
	}
	w.ended(s, c, status, rule)
}

// logFailure tells the failed-calls log of a call that was set up in vain.
func (w *worker) logFailure(server *serverTransaction, c *call, status int) {
	if w.kept.Parse(server.request) != nil {
		return // impossible: we parsed and kept it
	}
	at := c.in.listen
	in := hop.Incoming{Message: &w.kept, Network: at.network.name, Adjacency: c.in.adjacency, Transport: at.Transport, Local: at.Address, Remote: server.from}
	in.URI, _ = message.ParseURI(w.kept.Raw, w.kept.URI)
	failure := hop.Failure{In: &in, Refusal: server.refusal, Began: c.began}
	failure.Status = status
	if c.out.listen != nil {
		failure.Out = &hop.Target{Network: c.out.listen.network.name, Adjacency: c.out.adjacency, Address: c.out.to}
		failure.Out.Transport = c.out.listen.Transport
	}
	w.p.options.Admission.Failed(&failure)
}

// ended records the end of a call and forgets it. status is that of the final
// response, 0 if none came; rule is what refused the call, if one of ours did.
func (w *worker) ended(s *shard, c *call, status int, rule string) {
	if s.calls[c.key] != c {
		return // two BYEs crossed: the other was first
	}
	w.record(s, c, model.CallEvent{Kind: model.CallEnded, Cause: c.cause, Status: uint16(status)})
	delete(s.calls, c.key)
	if c.callID != "" { // else nobody has heard of it since the proxy restarted
		s.history.note(c, status, rule)
	}
	w.endSession(s, c)
	if c.seat != nil {
		c.seat.Leave()
		c.seat = nil
	}
	w.release(c, 0)
}
