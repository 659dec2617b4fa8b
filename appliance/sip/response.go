package sip

import (
	"bytes"
	"net/netip"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// response handles a response, in the order of RFC 3261 §16.7. The shard is
// locked.
func (w *worker) response(s *shard) {
	s.counted[countResponses]++
	m := &w.msg
	t := s.client(m.Get(m.Via.Branch))
	if t == nil {
		w.stray(s)
		return
	}
	if m.CSeqMethod == message.Cancel {
		t.cancelResponded(s, m.Status)
		return
	}
	if m.Via.HasOC {
		t.heed(&m.Via, m)
	}
	_, further := m.SecondVia()
	if t.invite != (m.CSeqMethod == message.Invite) || further == t.to.listen.network.hide { // somebody made it up
		s.counted[countStray]++
		return
	}
	if plan := w.plan(); t.server != nil && (plan.Rewrites(model.TriggerPreNormalization) || plan.Rewrites(model.TriggerPostNormalization)) {
		w.describe()
		w.in.MidDialog = t.server.inDialog
		w.leaving = hop.Target{Network: t.server.back.listen.network.name, Address: t.server.back.to}
		w.normalise(model.TriggerPreNormalization, nil)
		w.normalise(model.TriggerPostNormalization, &w.leaving)
	}
	switch {
	case m.Status < 200:
		t.provisional(w, s)
	case t.invite && m.Status < 300:
		t.success(w, s)
	case t.state == clientAccepted:
		s.counted[countStray]++ // RFC 6026 §8.4: after a 2xx there is no other final response
	case t.state == clientCompleted:
		s.counted[countAbsorbed]++
		if t.invite {
			t.acknowledge(w)
		}
	default:
		t.final(w, s)
	}
}

// provisional handles 1xx. 100 goes no further than here (§16.7 step 5).
func (t *clientTransaction) provisional(w *worker, s *shard) {
	if t.state > clientProceeding {
		return
	}
	timers, first := t.timers(), t.state == clientCalling
	if first {
		t.report(hop.Answered, 0)
	}
	t.state = clientProceeding
	if t.invite {
		if t.cancel == cancelNone && (first || w.msg.Status > 100) || t.cancel == cancelWanted {
			t.resendAt = 0
			t.ends = w.now + timers.c
		}
		if t.cancel == cancelWanted {
			t.startCancel(w, s)
		}
		t.arm(s)
	}
	server := t.server
	if w.msg.Status == 100 || !t.invite || server == nil || !t.waited || server.state != serverProceeding { // RFC 4320 §4.1
		return
	}
	if server.call != nil && !server.inDialog {
		w.rang(s, server.call)
	}
	w.deliver(s, server, w.msg.Status, message.Splice(w.out.buffer(), w.msg.Raw, w.upstreamEdits(server, t)))
}

// success handles 2xx to INVITE: every one goes upstream at once, also that
// of a second branch or of a fork further down (§16.7 step 5, RFC 6026 §7.2).
func (t *clientTransaction) success(w *worker, s *shard) {
	server := t.server
	if t.state == clientCompleted {
		s.counted[countStray]++
		return
	}
	if t.state != clientAccepted {
		t.report(hop.Answered, 0)
		s.buffers.put(&t.request)
		t.complete(w, s, clientAccepted, t.timers().client)
		if t.waited && server != nil {
			server.pending--
		}
		t.waited = false
	}
	if server == nil { // upstream nobody would take it any more (RFC 6026 §7.2, timer M)
		s.counted[countStray]++
		return
	}
	if server.state == serverProceeding {
		if server.call != nil && !server.inDialog {
			w.answered(s, server.call, t)
			server.call = nil
		}
		w.refreshed(s, server)
		w.cancelBranches(s, server)
	}
	t.leave() // if the call is another branch's
	payload := message.Splice(w.out.buffer(), w.msg.Raw, w.upstreamEdits(server, t))
	if server.state == serverProceeding || server.state == serverAccepted {
		w.deliver(s, server, w.msg.Status, payload)
		return
	}
	w.put(server.back, payload) // another branch was refused upstream already
	s.counted[countForwarded]++
}

// final handles 3xx–6xx to INVITE and every final response to other requests
// (§16.7 steps 4 to 7).
func (t *clientTransaction) final(w *worker, s *shard) {
	server, waited, status := t.server, t.waited, w.msg.Status
	t.waited = false
	t.conclude(w, s)
	if server == nil || !waited {
		return
	}
	server.pending--
	failsOver := t.failsOver(status)
	if failsOver {
		seconds, _ := w.msg.RetryAfter()
		t.report(hop.Failed, time.Duration(seconds)*time.Second)
	} else {
		t.report(hop.Answered, 0)
	}
	followed := false
	switch {
	case server.state != serverProceeding:
		return
	case status >= 600: // nobody else is to be asked (§16.7 step 5)
		w.cancelBranches(s, server)
	case server.cancelled:
	case status >= 300 && status < 400 && w.config.recursion && t.invite && w.recurse(server, t):
		followed = true
	case failsOver:
		server.instead(t.others())
	default: // what is tried at the same time goes on
		server.endSearch()
	}
	if status < 300 && !t.invite {
		w.refreshed(s, server)
	}
	more := len(server.targets) > 0
	if !more && server.pending == 0 && (server.status == 0 || rank(status) <= rank(server.status)) && len(server.challenges) == 0 {
		w.chose(s, server, t)
		w.concluded(s, server, w.answerStatus(), false)
		w.deliverFinal(s, server, t)
		return
	}
	if !followed {
		w.keep(s, server, t)
	}
	w.next(s, server)
}

// others are the places of its target that are worth trying after a response:
// not the same one over UDP, since TCP has reached it.
func (t *clientTransaction) others() []attempt {
	if len(t.rest) > 0 && t.rest[0].udpOnly {
		return t.rest[1:]
	}
	return t.rest
}

// conclude ends the client transaction with the final response in hand.
func (t *clientTransaction) conclude(w *worker, s *shard) {
	timers := t.timers()
	t.leave()
	if !t.invite {
		s.buffers.put(&t.request)
		t.complete(w, s, clientCompleted, t.lingers(timers.t4)) // timer K
		return
	}
	t.acknowledge(w)
	t.complete(w, s, clientCompleted, t.lingers(timers.client)) // timer D
}

// lingers is how long repetitions of a response may come.
func (t *clientTransaction) lingers(over time.Duration) time.Duration {
	if t.to.reliable() {
		return 0
	}
	return over
}

// deliverFinal sends the response in hand upstream as the answer.
func (w *worker) deliverFinal(s *shard, server *serverTransaction, t *clientTransaction) {
	if !server.invite && w.msg.Status == 408 {
		server.lapse(w, s)
		return
	}
	payload := message.Splice(w.out.buffer(), w.msg.Raw, w.upstreamEdits(server, t))
	w.deliver(s, server, w.answerStatus(), payload)
}

// answerStatus is the status of the response in hand as it goes upstream.
func (w *worker) answerStatus() int {
	if w.msg.Status == 503 {
		return 500
	}
	return w.msg.Status
}

var serverError = []byte("500 Server Internal Error")

// upstreamEdits are what the response in hand needs to go upstream: less our
// Via (§16.7 steps 3 and 9). A 503 from there means nothing about us, so it
// becomes 500 (step 6).
func (w *worker) upstreamEdits(server *serverTransaction, t *clientTransaction) []message.Edit {
	m := &w.msg
	edits := w.edits[:0]
	if m.Status == 503 {
		edits = append(edits, message.Edit{At: statusSpan(m), With: serverError})
	}
	edit := message.Edit{At: m.Via.Cut}
	if t.to.listen.network.hide && server.vias != nil {
		edit.With = server.vias
	}
	w.edits = append(edits, edit)
	return w.edits
}

// statusSpan is the status code and reason in the status line.
func statusSpan(m *message.Message) message.Span {
	start := m.Version.End + 1
	end := m.FirstHeader
	line := bytes.TrimRight(m.Raw[start:end], "\r\n")
	return message.Span{Start: start, End: start + uint16(len(line))}
}

// stray handles a response that belongs to no transaction. RFC 6026 §7.3 has
// it dropped, since anybody could send one. An answer to an INVITE that shows
// our signature, soon after the start, was asked for by an earlier life of this
// process: it is sent on, so that the call comes about.
func (w *worker) stray(s *shard) {
	m := &w.msg
	via, further := m.SecondVia()
	if !further || w.now > lateAnswers || m.CSeqMethod != message.Invite || m.Status <= 100 || m.Status >= 300 || !w.ownVia(&m.Via) {
		s.counted[countStray]++
		return
	}
	key, signed := w.signedResponse()
	back, ok := w.responsePath(&via)
	if !signed || !ok {
		s.counted[countStray]++
		return
	}
	if m.Status >= 200 {
		w.answeredLate(s, key)
	}
	w.edits = append(w.edits[:0], message.Edit{At: m.Via.Cut})
	w.put(back, message.Splice(w.out.buffer(), m.Raw, w.edits))
	s.counted[countForwarded]++
}

// signedResponse finds our Record-Route in the response in hand.
func (w *worker) signedResponse() (key model.CallKey, ok bool) {
	m := &w.msg
	for _, field := range m.Fields {
		if field.ID != message.HeaderRecordRoute {
			continue
		}
		for rest := field.Value; ; {
			element, err := message.ParseNameAddr(m.Raw, rest)
			if err != nil {
				break
			}
			if uri, err := message.ParseURI(m.Raw, element.URI); err == nil && w.config.ownURI(m.Raw, &uri) != nil {
				token, _ := uri.Param(m.Raw, "cw")
				peer, _ := uri.Param(m.Raw, "at")
				if key, ok = w.signer.verify(token, m.Get(m.CallID), m.Get(m.FromTag), peer); ok {
					return key, true
				}
			}
			if element.Next == 0 {
				break
			}
			rest.Start = element.Next
		}
	}
	return key, false
}

// responsePath is where a response goes whose next Via is via (§18.2.2), out
// of any listen point that reaches it.
func (w *worker) responsePath(via *message.Via) (flow, bool) {
	raw := w.msg.Raw
	ip, ok := via.Addr(raw)
	if received := via.Received.In(raw); len(received) > 0 {
		parsed, err := netip.ParseAddr(string(received))
		ip, ok = parsed, err == nil
	}
	if !ok {
		return flow{}, false
	}
	for place, l := range w.config.own {
		if place.Address.Addr().Is4() != ip.Is4() || !equalFold(via.Transport.In(raw), place.Transport.Via()) {
			continue
		}
		port := via.Port
		if port == 0 {
			port = place.Transport.DefaultPort()
		}
		if n, ok := number(via.RPort.In(raw)); ok {
			port = n
		}
		return flow{listen: l, to: netip.AddrPortFrom(ip, port)}, true
	}
	return flow{}, false
}

// number reads a port.
func number(text []byte) (port uint16, ok bool) {
	n := 0
	for _, digit := range text {
		if n = 10*n + int(digit-'0'); digit < '0' || digit > '9' || n > 65535 {
			return 0, false
		}
	}
	return uint16(n), n > 0
}
