package sip

import (
	"hash/maphash"
	"strconv"

	"causeway/appliance/sip/message"
)

// reasons are the phrases of RFC 3261 §21 for what this proxy says itself.
var reasons = map[int]string{
	100: "Trying",
	200: "OK",
	400: "Bad Request",
	403: "Forbidden",
	404: "Not Found",
	408: "Request Timeout",
	416: "Unsupported URI Scheme",
	420: "Bad Extension",
	481: "Call/Transaction Does Not Exist",
	482: "Loop Detected",
	483: "Too Many Hops",
	487: "Request Terminated",
	500: "Server Internal Error",
	501: "Not Implemented",
	503: "Service Unavailable",
	505: "Version Not Supported",
	513: "Message Too Large",
}

// appendReply appends a response to the request m (§8.2.6). All Via header
// fields from the skip-th on are copied, viaEdits applied to them; headers are
// whole lines to add. Responses but 100 get a tag in To where it has none.
func (w *worker) appendReply(b []byte, m *message.Message, skip int, viaEdits []message.Edit, status int, reason string, headers []byte) []byte {
	if reason == "" {
		reason = reasons[status]
	}
	b = append(b, "SIP/2.0 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(append(append(b, ' '), reason...), "\r\n"...)
	for _, field := range m.Fields {
		switch field.ID {
		case message.HeaderVia:
			if skip > 0 {
				skip--
				continue
			}
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
	payload := w.appendReply(w.out.buffer(), &w.msg, 0, w.viaEdits, status, reason, headers)
	t.responded(w, s, status, payload)
	w.out.put(w.socket(t.listen), t.replyTo, payload)
	s.counted[countReplied]++
}

// refuse gives the request in hand its final response: an INVITE through a
// server transaction, which absorbs the ACK; others statelessly (§8.2.7).
func (w *worker) refuse(s *shard, key uint64, status int, reason string, headers []byte) {
	if w.msg.Method != message.Invite || len(s.servers) >= transactionsMost {
		w.answerStateless(s, status, reason, headers)
		return
	}
	t := &serverTransaction{key: key, invite: true, listen: w.at, replyTo: w.replyTo}
	t.owner = t
	s.servers[key] = t
	w.reply(s, t, status, reason, headers)
	s.counted[countRefused]++
}

// answerStateless answers the request in hand and forgets it.
func (w *worker) answerStateless(s *shard, status int, reason string, headers []byte) {
	payload := w.appendReply(w.out.buffer(), &w.msg, 0, w.viaEdits, status, reason, headers)
	w.out.put(w.socket(w.at), w.replyTo, payload)
	s.counted[countReplied]++
}

// replyFrom answers the request that was sent on as request long ago: below
// our own Via it still has everything that a response copies.
func (t *serverTransaction) replyFrom(w *worker, s *shard, request []byte, status int) {
	if err := w.kept.Parse(request); err != nil {
		s.dropServer(t) // impossible: we parsed and sent it
		return
	}
	payload := w.appendReply(w.out.buffer(), &w.kept, 1, nil, status, "", nil)
	t.responded(w, s, status, payload)
	w.out.put(w.socket(t.listen), t.replyTo, payload)
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
