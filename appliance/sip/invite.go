package sip

import (
	"hash/maphash"

	"causeway/appliance/sip/message"
)

// ack handles an ACK: for one of our final responses it ends here (§17.2.1);
// for a 2xx it is a request of its own, sent on without a transaction
// (§16.6, §16.11).
func (w *worker) ack(s *shard, t *serverTransaction) {
	if t != nil && t.state != serverAccepted {
		t.confirm(w, s)
		return
	}
	m := &w.msg
	if m.Validate() != nil || m.MaxForwards == 0 {
		s.counted[countStray]++ // an ACK is never answered
		return
	}
	path, fault := w.ownRoutes()
	if fault != nil || m.ToTag.Empty() {
		s.counted[countStray]++
		return
	}
	to := w.inDialogTarget(s, path)
	if to.status != 0 {
		s.counted[countStray]++
		return
	}
	// The branch is the same for a repeated ACK (§16.11).
	branch := maphash.Bytes(w.p.seed, m.Get(m.Via.Branch)) ^ maphash.Bytes(w.p.seed, m.Get(m.ToTag))
	w.out.put(w.socket(to.out), to.to, w.rewrite(w.out.buffer(), to, branchStateless, branch))
	s.counted[countForwarded]++
}

// cancel handles a CANCEL (§9.2, §16.10): it is answered here, and the INVITE
// it names is cancelled downstream. What the callee finally says goes upstream
// as it comes: a 200 that crosses the CANCEL on the wire is a call.
func (w *worker) cancel(s *shard, t *serverTransaction) {
	if fault := w.msg.Validate(); fault != nil {
		w.answerStateless(s, fault.Status, fault.Reason, nil)
		return
	}
	if t == nil {
		w.answerStateless(s, 481, "", nil)
		return
	}
	w.answerStateless(s, 200, "", nil)
	client := t.client
	if client == nil || client.state > clientProceeding || client.cancel != cancelNone {
		return
	}
	s.counted[countCancelled]++
	client.cancelled = true
	if t.call != nil {
		t.call.cancelled = true
	}
	if client.state == clientCalling {
		client.cancel = cancelWanted // sent with the first provisional response
		return
	}
	client.startCancel(w, s)
	client.arm(s)
}

// startCancel sends a CANCEL for the INVITE. It is repeated until answered;
// 64·T1 later the INVITE counts as over whatever happens (§9.1).
func (t *clientTransaction) startCancel(w *worker, s *shard) {
	t.cancel = cancelSent
	t.sendCancel(w)
	t.interval = w.p.timers.T1
	t.resendAt = w.now + t.interval
	t.ends = w.now + w.p.timers.timeout()
	t.arm(s)
}

func (t *clientTransaction) sendCancel(w *worker) {
	if w.kept.Parse(t.request) != nil {
		return // impossible: we made it
	}
	payload := appendHop(w.out.buffer(), &w.kept, "CANCEL", w.kept.Get(w.kept.To))
	w.out.put(w.socket(t.listen), t.to, payload)
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
	payload := appendHop(w.out.buffer(), &w.kept, "ACK", w.msg.Get(w.msg.To))
	w.out.put(w.socket(t.listen), t.to, payload)
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
