package sip

import (
	"bytes"

	"causeway/appliance/sip/message"
)

// response handles a response, in the order of RFC 3261 §16.7. The shard is
// locked. A response that belongs to no transaction is dropped, as RFC 6026
// §7.3 demands.
func (w *worker) response(s *shard) {
	s.counted[countResponses]++
	m := &w.msg
	t := s.client(m.Get(m.Via.Branch))
	if t == nil {
		s.counted[countStray]++
		return
	}
	if m.CSeqMethod == message.Cancel {
		t.cancelResponded(s, m.Status)
		return
	}
	if t.invite != (m.CSeqMethod == message.Invite) {
		s.counted[countStray]++
		return
	}
	if _, found := m.SecondVia(); !found {
		s.counted[countStray]++ // it names no further hop: somebody made it up
		return
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
	t.state = clientProceeding
	if t.invite {
		if t.cancel == cancelNone || t.cancel == cancelWanted {
			t.resendAt = 0
			t.ends = w.now + w.p.timers.C
		}
		if t.cancel == cancelWanted {
			t.startCancel(w, s)
		}
		t.arm(s)
	}
	if w.msg.Status == 100 || !t.invite || t.server == nil { // RFC 4320 §4.1
		return
	}
	if t.server.call != nil {
		w.rang(s, t.server.call)
	}
	w.upstream(s, t.server)
}

// success handles 2xx to INVITE: every one goes upstream at once, also the
// second of a fork further down (§16.7 step 5, RFC 6026 §7.2).
func (t *clientTransaction) success(w *worker, s *shard) {
	server := t.server
	if t.state == clientCompleted || server == nil {
		s.counted[countStray]++
		return
	}
	if t.state != clientAccepted {
		s.buffers.put(&t.request)
		t.complete(w, s, clientAccepted, w.p.timers.timeout())
	}
	if server.call != nil {
		w.answered(s, server.call)
		server.call = nil
	}
	w.upstream(s, server)
}

// final handles 3xx–6xx to INVITE and every final response to other requests.
// There is one branch, so it is the best response (§16.7 step 6).
func (t *clientTransaction) final(w *worker, s *shard) {
	server := t.server
	stay := w.p.timers.T4 // timer K
	if t.invite {
		stay = w.p.timers.timeout() // timer D
		t.acknowledge(w)
	} else {
		s.buffers.put(&t.request)
	}
	t.complete(w, s, clientCompleted, stay)
	if server == nil {
		return
	}
	if server.call != nil {
		w.finished(s, server.call)
		server.call = nil
	}
	if !t.invite && w.msg.Status == 408 {
		s.dropServer(server) // RFC 4320 §4.2
		return
	}
	w.upstream(s, server)
}

// upstream sends the response in hand on, less our Via (§16.7 steps 3 and 9).
// A 503 from there means nothing about us, so it becomes 500 (step 6).
func (w *worker) upstream(s *shard, server *serverTransaction) {
	m := &w.msg
	status := m.Status
	edits := w.edits[:0]
	if status == 503 {
		status = 500
		edits = append(edits, message.Edit{At: statusSpan(m), With: serverError})
	}
	edits = append(edits, message.Edit{At: m.Via.Cut})
	w.edits = edits
	payload := message.Splice(w.out.buffer(), m.Raw, edits)
	server.responded(w, s, status, payload)
	w.out.put(w.socket(server.listen), server.replyTo, payload)
	s.counted[countForwarded]++
}

var serverError = []byte("500 Server Internal Error")

// statusSpan is the status code and reason in the status line.
func statusSpan(m *message.Message) message.Span {
	start := m.Version.End + 1
	end := m.FirstHeader
	line := bytes.TrimRight(m.Raw[start:end], "\r\n")
	return message.Span{Start: start, End: start + uint16(len(line))}
}
