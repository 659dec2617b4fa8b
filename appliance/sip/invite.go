package sip

import (
	"bytes"
	"hash/maphash"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// ack handles an ACK: for one of our final responses it ends here (§17.2.1);
// for a 2xx it is a request of its own, sent on without a transaction
// (§16.6, §16.11).
func (w *worker) ack(s *shard, t *serverTransaction, key uint64) {
	if t != nil && t.state != serverAccepted {
		t.confirm(w, s)
		return
	}
	if s.refused.recall(key, w.now) != nil {
		s.counted[countAbsorbed]++
		return
	}
	m := &w.msg
	if m.Validate() != nil || m.MaxForwards == 0 || m.ToTag.Empty() { // an ACK is never answered
		s.counted[countStray]++
		return
	}
	to := w.target(s)
	if to.Status != 0 {
		s.counted[countStray]++
		return
	}
	one := &w.targets[0]
	if !one.Address.IsValid() && !w.locateAck(one) {
		return
	}
	l := w.leaves(one)
	if l == nil || w.forbidden(hop.Place{Transport: one.Transport, Address: one.Address}).Status != 0 {
		s.counted[countStray]++
		return
	}
	// The branch is the same for a repeated ACK (§16.11).
	branch := maphash.Bytes(w.p.seed, m.Get(m.Via.Branch)) ^ maphash.Bytes(w.p.seed, m.Get(m.ToTag))
	if l.network.hide || w.plan().Rewrites(model.TriggerPostNormalization) {
		w.settleEdits()
	}
	out := flow{listen: l, to: one.Address}
	if out.reliable() {
		out.conn = w.connect(out, one.Host)
	}
	w.put(out, w.rewrite(w.out.buffer(), nil, one, l, branchStateless, branch))
	s.counted[countForwarded]++
}

// locateAck finds the place of an ACK's next hop. Where DNS must be asked, the
// ACK comes again when that has answered: it has no transaction to wait in.
func (w *worker) locateAck(one *attempt) bool {
	locator := w.p.options.Locator
	if locator == nil {
		return false
	}
	places, known := locator.Locate(one.Query, w.places[:0])
	w.places = places
	if !known {
		if w.p.parked.Add(1) > parkedMost {
			w.p.parked.Add(-1)
			return false
		}
		p, at, from, conn, payload := w.p, w.at, w.from, w.conn, bytes.Clone(w.msg.Raw)
		locator.Await(one.Query, func() {
			w := p.borrow()
			defer p.giveBack(w)
			p.parked.Add(-1)
			w.receive(at, from, conn, payload)
		})
		return false
	}
	for _, place := range places {
		one.Transport, one.Address = place.Transport, place.Address
		if w.leaves(one) != nil && w.forbidden(place).Status == 0 {
			return true
		}
	}
	return false
}

// parkedMost bounds the ACKs that wait for DNS: each may have 64 KB.
const parkedMost = 256

// cancel handles a CANCEL (§9.2, §16.10): it is answered here, and every
// branch of the INVITE it names is cancelled. What the callee finally says
// goes upstream as it comes: a 200 that crosses the CANCEL on the wire is a
// call.
func (w *worker) cancel(s *shard, t *serverTransaction) {
	if fault := w.msg.Validate(); fault != nil {
		w.answerStateless(s, fault.Status, fault.Reason, nil)
		return
	}
	if t == nil { // it would reach the next hop under a branch that means nothing there
		w.answerStateless(s, 481, "", nil)
		return
	}
	w.answerStateless(s, 200, "", nil)
	if t.cancelled || t.state != serverProceeding || !t.invite {
		return
	}
	t.cancelled = true
	if t.call != nil && !t.inDialog {
		t.call.cancelled = true
	}
	w.cancelBranches(s, t)
	w.settle(s, t)
}

// startCancel sends a CANCEL for the INVITE. It is repeated until answered;
// 64·T1 later the INVITE counts as over whatever happens (§9.1).
func (t *clientTransaction) startCancel(w *worker, s *shard) {
	timers := t.timers()
	t.cancel = cancelSent
	t.sendCancel(w)
	t.repeats, t.interval, t.resendAt = 0, timers.t1, 0
	if !t.to.reliable() {
		t.resendAt = w.now + t.interval
	}
	t.ends = w.now + timers.client
	t.arm(s)
}

func (t *clientTransaction) sendCancel(w *worker) {
	if w.kept.Parse(t.request) != nil {
		return // impossible: we made it
	}
	w.put(t.to, appendHop(w.out.buffer(), &w.kept, "CANCEL", w.kept.Get(w.kept.To)))
}

// cancelResponded ends the repetitions of CANCEL.
func (t *clientTransaction) cancelResponded(s *shard, status int) {
	if t.cancel != cancelSent || status < 200 {
		return
	}
	t.cancel = cancelAnswered
	if t.state <= clientProceeding {
		t.resendAt = 0
		t.arm(s)
	}
}

// acknowledge sends the ACK for the final response in hand, which is not a
// 2xx (§17.1.1.3).
func (t *clientTransaction) acknowledge(w *worker) {
	if w.kept.Parse(t.request) != nil {
		return // impossible: we made it
	}
	w.put(t.to, appendHop(w.out.buffer(), &w.kept, "ACK", w.msg.Get(w.msg.To)))
}

// unreachable is told that a request did not get there: an ICMP error, or no
// connection (§18.4).
func (t *clientTransaction) unreachable(w *worker, s *shard) {
	if t.state != clientCalling {
		return
	}
	s.counted[countUnreachable]++
	t.over(w, s, hop.Unreachable, 503)
}

// appendHop appends the request that goes with an INVITE we sent, to the next
// hop only: the same Request-URI, topmost Via, From, Call-ID, CSeq number and
// Route (§9.1, §17.1.1.3).
func appendHop(b []byte, invite *message.Message, method string, to []byte) []byte {
	b = append(append(append(b, method...), ' '), invite.Get(invite.URI)...)
	b = append(b, " SIP/2.0\r\n"...)
	vias := 0
	for _, field := range invite.Fields {
		switch field.ID {
		case message.HeaderVia:
			if vias++; vias == 1 {
				b = append(b, invite.Get(field.Line)...)
			}
		case message.HeaderFrom, message.HeaderCallID, message.HeaderRoute:
			b = append(b, invite.Get(field.Line)...)
		case message.HeaderTo:
			b = append(append(append(b, "To: "...), to...), "\r\n"...)
		case message.HeaderCSeq:
			number := field.Value
			number.End = invite.CSeqMethodName.Start
			b = append(append(append(b, "CSeq: "...), invite.Get(number)...), method...)
			b = append(b, "\r\n"...)
		}
	}
	return append(b, "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"...)
}
