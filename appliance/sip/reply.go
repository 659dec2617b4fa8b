package sip

import (
	"hash/maphash"
	"strconv"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// reasons are the phrases of RFC 3261 §21 for what this proxy says itself.
var reasons = map[int]string{
	100: "Trying",
	200: "OK",
	300: "Multiple Choices",
	302: "Moved Temporarily",
	400: "Bad Request",
	403: "Forbidden",
	404: "Not Found",
	408: "Request Timeout",
	416: "Unsupported URI Scheme",
	420: "Bad Extension",
	440: "Max-Breadth Exceeded",
	480: "Temporarily Unavailable",
	481: "Call/Transaction Does Not Exist",
	482: "Loop Detected",
	483: "Too Many Hops",
	486: "Busy Here",
	487: "Request Terminated",
	500: "Server Internal Error",
	501: "Not Implemented",
	503: "Service Unavailable",
	505: "Version Not Supported",
	513: "Message Too Large",
	603: "Decline",
}

// phrase is the reason phrase of a status.
func phrase(status int) string {
	if reason := reasons[status]; reason != "" {
		return reason
	}
	return "Refused"
}

// appendReply appends a response to the request m (§8.2.6). All Via header
// fields are copied, viaEdits applied to them; headers are whole lines to add. Responses but 100 get a tag in To where it has none.
func (w *worker) appendReply(b []byte, m *message.Message, viaEdits []message.Edit, status int, reason string, headers []byte) []byte {
	if reason == "" {
		reason = phrase(status)
	}
	b = append(b, "SIP/2.0 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(append(append(b, ' '), reason...), "\r\n"...)
	for _, field := range m.Fields {
		if first, _ := m.First(field.ID); field.ID != message.HeaderVia && first.Line != field.Line {
			continue // one of a faulty request that has two
		}
		switch field.ID {
		case message.HeaderVia:
			b = appendLine(b, m, field.Line, viaEdits)
		case message.HeaderFrom, message.HeaderCallID, message.HeaderCSeq:
			b = append(b, m.Get(field.Line)...)
		case message.HeaderTo:
			b = w.appendTo(b, m, field, status)
		case message.HeaderTimestamp:
			if status == 100 { // §8.2.6.1
				b = append(b, m.Get(field.Line)...)
			}
		}
	}
	b = append(b, headers...)
	return append(b, "Content-Length: 0\r\n\r\n"...)
}

// appendTo appends the To line, with a tag of ours where the rule wants one.
// The tag depends on the request alone, so that every repetition has the same
// (§8.2.7).
func (w *worker) appendTo(b []byte, m *message.Message, to message.Field, status int) []byte {
	if status == 100 || !m.ToTag.Empty() {
		return append(b, m.Get(to.Line)...)
	}
	b = append(b, m.Raw[to.Line.Start:to.Value.End]...)
	b = append(b, ";tag=cw"...)
	b = strconv.AppendUint(b, maphash.Bytes(w.p.seed, m.Get(m.CallID))^maphash.Bytes(w.p.seed, m.Get(m.FromTag)), 36)
	return append(b, "\r\n"...)
}

// reply answers the request in hand in its server transaction.
func (w *worker) reply(s *shard, t *serverTransaction, status int, reason string, headers []byte) {
	payload := w.appendReply(w.out.buffer(), &w.msg, w.prepared, status, reason, headers)
	back := t.back
	t.responded(w, s, status, payload)
	w.put(back, payload)
	s.counted[countReplied]++
}

// refuse gives the request in hand its final response, without a transaction
// (§8.2.7): whoever sends requests in another's name must not have us repeat
// answers to that one. A repetition of an INVITE gets the same answer again.
func (w *worker) refuse(s *shard, key uint64, to target) {
	if w.msg.Method == message.Invite {
		s.refused.note(key, w.now+w.at.network.timers.server, to.Refusal)
		if w.msg.ToTag.Empty() {
			w.refused(s, &to.Refusal)
		}
	}
	w.answer(s, &to.Refusal, to.headers)
}

// refused counts a call that is refused.
func (w *worker) refused(s *shard, refusal *hop.Refusal) {
	s.counted[countRefused]++
	if by, found := refusalCounters[refusal.Rule]; found {
		s.counted[by]++
	}
	w.logRefusal(refusal)
}

// refusalCounters count what our rules refuse.
var refusalCounters = map[string]counter{
	model.RuleLicence:      countNoLicence,
	model.RuleCPS:          countOverCPS,
	model.RuleCredits:      countNoCredits,
	model.RuleOverload:     countShed,
	model.RuleTransactions: countNoMemory,
}

// logRefusal tells the failed-calls log of an INVITE that a rule of ours
// refuses.
func (w *worker) logRefusal(refusal *hop.Refusal) {
	admission := w.p.options.Admission
	if refusal.Status < 300 || !admission.LogsFailures() {
		return
	}
	if w.in.Message == nil {
		w.describe()
	}
	admission.Failed(&hop.Failure{In: &w.in, Refusal: *refusal, Began: w.p.start.Add(w.now)})
}

// answer sends what a refusal says, without a transaction.
func (w *worker) answer(s *shard, r *hop.Refusal, headers []byte) {
	w.answerStateless(s, r.Status, r.Reason, appendHeaders(headers, r))
}

// appendHeaders appends the header lines that a refusal wants.
func appendHeaders(b []byte, r *hop.Refusal) []byte {
	if r.RetryAfter > 0 {
		b = append(strconv.AppendInt(append(b, "Retry-After: "...), int64(r.RetryAfter), 10), "\r\n"...)
	}
	if r.Contact != "" {
		b = append(append(append(b, "Contact: <"...), r.Contact...), ">\r\n"...)
	}
	return b
}

// answerStateless answers the request in hand and forgets it.
func (w *worker) answerStateless(s *shard, status int, reason string, headers []byte) {
	w.put(w.back(), w.appendReply(w.out.buffer(), &w.msg, w.prepared, status, reason, headers))
	s.counted[countReplied]++
}

// answerFrom answers the request of a server transaction, which came long ago.
func (w *worker) answerFrom(s *shard, t *serverTransaction, status int) {
	if w.kept.Parse(t.request) != nil {
		s.dropServer(t) // impossible: we parsed and kept it
		return
	}
	var headers []byte
	reason := ""
	if t.refusal.Status == status {
		reason, headers = t.refusal.Reason, appendHeaders(nil, &t.refusal)
	}
	payload := w.appendReply(w.out.buffer(), &w.kept, nil, status, reason, headers)
	back := t.back
	t.responded(w, s, status, payload)
	w.put(back, payload)
	s.counted[countReplied]++
}

// appendLine appends one line of m with those of the edits that lie in it.
func appendLine(b []byte, m *message.Message, line message.Span, edits []message.Edit) []byte {
	at := line.Start
	for _, edit := range edits {
		if edit.At.Start >= at && edit.At.End <= line.End {
			b = append(append(b, m.Raw[at:edit.At.Start]...), edit.With...)
			at = edit.At.End
		}
	}
	return append(b, m.Raw[at:line.End]...)
}
