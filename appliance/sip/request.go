package sip

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"net/netip"
	"strconv"

	"causeway/appliance/sip/message"
)

// request handles a request, in the order of RFC 3261 §16.3 to §16.6. The
// shard is locked.
func (w *worker) request(s *shard) {
	s.counted[countRequests]++
	m := &w.msg
	w.examineVia()
	key := w.serverKey(m.Method)
	switch m.Method {
	case message.Ack:
		w.ack(s, s.servers[key])
		return
	case message.Cancel:
		w.cancel(s, s.servers[key])
		return
	}
	if known := s.servers[key]; known != nil {
		w.absorb(s, known)
		return
	}
	if len(s.servers) >= transactionsMost && m.ToTag.Empty() {
		w.answerStateless(s, 503, "Too Many Transactions", nil)
		return
	}
	to := w.check()
	if to.status == 0 {
		to = w.target(s)
	}
	if to.status != 0 {
		w.refuse(s, key, to.status, to.reason, to.headers)
	} else {
		w.forward(s, key, to)
	}
}

// check gives the answer that a faulty request deserves (§16.3), or nothing.
func (w *worker) check() target {
	m := &w.msg
	fault := m.Validate()
	switch {
	case fault != nil:
		return answer(fault.Status, fault.Reason)
	case len(m.Fields) > message.MaxFields-addedFields || len(m.Raw) > maxPayload-addedOctets:
		return answer(513, "") // no room for what we add
	case m.MaxForwards == 0:
		return answer(483, "")
	}
	if unsupported := w.proxyRequired(); unsupported != nil {
		return target{status: 420, headers: unsupported}
	}
	return target{}
}

// proxyRequired gives the Unsupported lines for what the sender requires of
// proxies (§16.3 step 5): all of it.
func (w *worker) proxyRequired() (lines []byte) {
	m := &w.msg
	if _, found := m.First(message.HeaderProxyRequire); !found {
		return nil
	}
	for _, field := range m.Fields {
		if field.ID == message.HeaderProxyRequire {
			lines = append(append(append(lines, "Unsupported: "...), m.Get(field.Value)...), "\r\n"...)
		}
	}
	return lines
}

// absorb handles a retransmission: the last response is repeated, if there
// was one (§17.2.1, §17.2.2).
func (w *worker) absorb(s *shard, t *serverTransaction) {
	s.counted[countAbsorbed]++
	if len(t.response) > 0 {
		w.out.send(w.socket(t.listen), t.replyTo, t.response)
	}
}

// examineVia works out where answers go and what the topmost Via must say
// about it (RFC 3261 §18.2.1, RFC 3581 §4).
func (w *worker) examineVia() {
	m := &w.msg
	via := &m.Via
	w.viaEdits = w.viaEdits[:0]
	w.scratch = w.scratch[:0]
	port := via.Port
	if port == 0 {
		port = 5060
	}
	if via.HasRPort {
		port = w.from.Port()
	}
	w.replyTo = netip.AddrPortFrom(w.from.Addr(), port)
	if !via.HasRPort && sameHost(m.Get(via.Host), w.from.Addr()) {
		return
	}
	b := w.scratch
	if via.HasRPort {
		if via.RPort.Empty() {
			b = append(b, '=')
		}
		b = strconv.AppendUint(b, uint64(w.from.Port()), 10)
		w.viaEdits = append(w.viaEdits, message.Edit{At: via.RPort, With: b})
	}
	// What the sender wrote as received is not to be believed.
	mark := len(b)
	if at := via.Received; !at.Empty() {
		b = w.from.Addr().AppendTo(b)
		w.viaEdits = append(w.viaEdits, message.Edit{At: at, With: b[mark:]})
	} else {
		b = w.from.Addr().AppendTo(append(b, ";received="...))
		end := message.Span{Start: via.Value.End, End: via.Value.End}
		w.viaEdits = append(w.viaEdits, message.Edit{At: end, With: b[mark:]})
	}
	w.scratch = b
	sortEdits(w.viaEdits)
}

// sameHost says whether a sent-by host is the address as we would write it.
func sameHost(host []byte, address netip.Addr) bool {
	var text [64]byte
	return bytes.Equal(bytes.Trim(host, "[]"), address.AppendTo(text[:0]))
}

// sortEdits puts a few edits in ascending order.
func sortEdits(edits []message.Edit) {
	for i := 1; i < len(edits); i++ {
		for j := i; j > 0 && edits[j].At.Start < edits[j-1].At.Start; j-- {
			edits[j], edits[j-1] = edits[j-1], edits[j]
		}
	}
}

// serverKey is the identity of the server transaction a request belongs to
// (§17.2.3): branch, sent-by and method, an ACK or CANCEL having that of its
// INVITE. It is a hash under a secret seed, so nobody can aim at another's.
func (w *worker) serverKey(method message.Method) uint64 {
	m, seed := &w.msg, w.p.seed
	if method == message.Ack || method == message.Cancel {
		method = message.Invite
	}
	branch := m.Get(m.Via.Branch)
	key := maphash.Bytes(seed, branch) ^ bits.RotateLeft64(maphash.Bytes(seed, m.Get(m.Via.Host)), 17)
	key += uint64(m.Via.Port)<<8 | uint64(method)
	if method == message.MethodOther {
		key ^= bits.RotateLeft64(maphash.Bytes(seed, m.Get(m.MethodName)), 41)
	}
	if len(branch) <= len(branchCookie) || !bytes.HasPrefix(branch, []byte(branchCookie)) { // RFC 2543: the branch alone tells nothing
		key ^= maphash.Bytes(seed, m.Get(m.CallID)) ^ bits.RotateLeft64(maphash.Bytes(seed, m.Get(m.FromTag)), 29)
		key += uint64(m.CSeq) << 16
	}
	return key
}

// target is where a request goes, or the answer it gets instead.
type target struct {
	to     netip.AddrPort
	out    *listenPoint
	routes int    // how many Route elements of ours to remove
	uri    []byte // the new Request-URI; nil leaves it
	last   bool   // it was the last Route element, which is to be removed too
	record bool   // stay in the path of the dialog
	call   *call  // of an initial INVITE

	status  int // not 0: answer this
	reason  string
	headers []byte
}

func answer(status int, reason string) target { return target{status: status, reason: reason} }

// target decides where the request goes (§16.4, §16.5).
func (w *worker) target(s *shard) target {
	m := &w.msg
	path, fault := w.ownRoutes()
	if fault != nil {
		return answer(fault.Status, fault.Reason)
	}
	if !m.ToTag.Empty() {
		return w.inDialogTarget(s, path)
	}
	uri, err := message.ParseURI(m.Raw, m.URI)
	if err != nil {
		return answer(400, "Bad Request-URI")
	}
	forUs := w.ownAddress(&uri) != nil
	if forUs && uri.User.Empty() && m.Method == message.Options {
		return w.optionsAnswer()
	}
	return w.initialTarget(s, path, &uri, forUs)
}

// optionsAnswer is what the box says about itself (§11.2).
func (w *worker) optionsAnswer() target {
	if !w.p.options.Admission.Ready() {
		return answer(503, "Calls Are Not Allowed")
	}
	return target{status: 200, headers: []byte("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE, PUBLISH\r\nAccept: application/sdp\r\nAccept-Encoding: identity\r\nAccept-Language: en\r\n")}
}

// initialTarget sends a request outside a dialog to the next hop of the
// network it came in on, if it may go.
func (w *worker) initialTarget(s *shard, path ownPath, uri *message.URI, forUs bool) target {
	m, from := &w.msg, w.at.network
	if w.p.config.Load().own[w.at.address] == nil {
		return answer(503, "Listen Point Is Leaving")
	}
	if uri.Secure {
		return answer(416, "") // no TLS yet, and sips may not go on without (§26.2.2)
	}
	if from.out == nil {
		return answer(404, "No Route")
	}
	to := target{to: from.nextHop, out: from.out.listenFor(from.nextHop), routes: path.count, uri: path.realURI(m), last: path.last}
	if to.out == nil {
		return answer(500, "No Listen Point Reaches The Next Hop")
	}
	if forUs && to.uri == nil {
		to.uri = w.retarget(uri, from.nextHop)
	}
	switch m.Method {
	case message.Invite:
		var rule string
		if to.call, rule = w.offer(s, to.to); to.call == nil {
			return answer(503, refusals[rule].phrase)
		}
		to.record = true
	case message.Subscribe, message.Refer:
		to.record = true
	}
	return to
}

// retarget replaces the host and port of a Request-URI that names us by the
// next hop's (§16.5: the target set of an address we are responsible for).
func (w *worker) retarget(uri *message.URI, nextHop netip.AddrPort) []byte {
	m := &w.msg
	rest := m.URI.End
	if !uri.Params.Empty() {
		rest = uri.Params.Start - 1
	} else if !uri.Headers.Empty() {
		rest = uri.Headers.Start - 1
	}
	start := len(w.scratch)
	b := append(w.scratch, m.Raw[m.URI.Start:uri.Host.Start]...)
	b = nextHop.AppendTo(b)
	w.scratch = append(b, m.Raw[rest:m.URI.End]...)
	return w.scratch[start:]
}

// forward makes the two transactions and sends the request on (§16.6).
func (w *worker) forward(s *shard, key uint64, to target) {
	m := &w.msg
	invite := m.Method == message.Invite
	server := &serverTransaction{key: key, invite: invite, listen: w.at, replyTo: w.replyTo, call: to.call}
	server.owner = server
	client := &clientTransaction{invite: invite, listen: to.out, to: to.to, server: server}
	client.owner = client
	server.client = client
	s.servers[key] = server
	s.addClient(client)
	client.nonce = w.nonce()
	if invite {
		w.reply(s, server, 100, "", nil)
	}
	client.request = w.rewrite(s.buffers.get(len(m.Raw)+addedOctets), to, branchOfTransaction, uint64(client.slot)<<32|uint64(client.nonce))
	client.send(w, s)
	s.counted[countForwarded]++
}

// addedOctets is about what forwarding adds to a request: Via, two
// Record-Routes.
const addedOctets = 320

// addedFields is how many header fields that are at most, and maxPayload the
// most that UDP takes.
const (
	addedFields = 4
	maxPayload  = 65507
)

// rewrite appends the request as it goes out: our Via and Record-Routes on
// top, Max-Forwards one less, our Route elements gone, all else as it came.
func (w *worker) rewrite(b []byte, to target, kind byte, branch uint64) []byte {
	m := &w.msg
	edits := append(w.edits[:0], w.viaEdits...)
	if to.uri != nil {
		edits = append(edits, message.Edit{At: m.URI, With: to.uri})
	}
	text := w.scratch
	mark := len(text)
	if m.MaxForwards >= 0 {
		text = strconv.AppendInt(text, int64(m.MaxForwards-1), 10)
		edits = append(edits, message.Edit{At: m.MaxForwardsValue, With: text[mark:]})
		mark = len(text)
	}
	text = append(appendBranchID(append(text, to.out.via...), kind, branch), "\r\n"...)
	if to.record {
		text = w.appendRecordRoute(text, to)
	}
	if m.MaxForwards < 0 {
		text = append(text, "Max-Forwards: 70\r\n"...)
	}
	w.scratch = text
	edits = append(edits, message.Edit{At: message.Span{Start: m.FirstHeader, End: m.FirstHeader}, With: text[mark:]})
	edits = w.cutRoutes(edits, to)
	sortEdits(edits)
	w.edits = edits
	return message.Splice(b, m.Raw, edits)
}

// nonce makes the part of a branch that nobody can guess.
func (w *worker) nonce() uint32 {
	var raw [4]byte
	w.randomBytes(raw[:])
	return uint32(raw[0])<<24 | uint32(raw[1])<<16 | uint32(raw[2])<<8 | uint32(raw[3])
}
