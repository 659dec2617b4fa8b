package sip

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"net/netip"
	"strconv"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// request handles a request, in the order of RFC 3261 §16.3 to §16.6. The
// shard is locked.
func (w *worker) request(s *shard) {
	s.counted[countRequests]++
	w.examineVia()
	key := w.serverKey(w.msg.Method)
	known := s.servers[key]
	switch w.msg.Method {
	case message.Ack:
		w.ack(s, known, key)
		return
	case message.Cancel:
		w.cancel(s, known)
		return
	}
	if known != nil {
		w.absorb(s, known)
		return
	}
	if refusal := s.refused.recall(key, w.now); refusal != nil {
		s.counted[countAbsorbed]++
		w.answer(s, refusal, nil)
		return
	}
	if !w.mayEnter(s, key) {
		return
	}
	to := w.check()
	if to.Status == 0 {
		to = w.target(s)
	}
	switch {
	case to.Status != 0:
		w.refuse(s, key, to)
	default:
		w.forward(s, key, w.targets, to.call)
	}
}

// target is what is decided about a request: it goes to w.targets, or it is
// answered.
type target struct {
	hop.Refusal
	headers []byte // whole lines for the answer
	call    *call  // whose fate the request carries
}

func answer(status int, reason string) target {
	return target{Refusal: hop.Refusal{Status: status, Reason: reason}}
}

// mayEnter is the guard before new requests: it costs little and leaves nothing
// behind. Those in dialogs pass as long as there is room.
func (w *worker) mayEnter(s *shard, key uint64) bool {
	switch admission := w.p.options.Admission; {
	case !w.msg.ToTag.Empty() && !s.is(brimful):
		return true
	case w.msg.ToTag.Empty() && admission.Flooding(w.from.Addr()):
		s.counted[countFlood]++
	case s.is(full):
		w.refuse(s, key, target{Refusal: hop.Refusal{Status: 503, Reason: "Too Many Transactions", Rule: model.RuleTransactions}})
	case w.msg.Method == message.Invite && !w.itsTurn():
		refusal, shed := admission.Shed()
		if !shed || w.emergency() {
			return true
		}
		w.refuse(s, key, target{Refusal: refusal})
	default:
		return true
	}
	return false
}

// emergency says whether the INVITE in hand is let through an overload.
func (w *worker) emergency() bool {
	if w.msg.Validate() != nil {
		return false
	}
	w.describe()
	return w.p.options.Admission.Emergency(&w.in)
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
		return target{Refusal: hop.Refusal{Status: 420}, headers: unsupported}
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
		w.send(t.back, t.response)
	}
}

// examineVia works out where answers go and what the topmost Via must say
// about it (RFC 3261 §18.2.1, RFC 3581 §4, RFC 7339 §5.2).
func (w *worker) examineVia() {
	m := &w.msg
	via := &m.Via
	w.prepared = w.prepared[:0]
	port := via.Port
	if port == 0 {
		port = w.at.Transport.DefaultPort()
	}
	if via.HasRPort && !w.at.Transport.Stream() { // a connection that is gone is opened again to where its owner listens
		port = w.from.Port()
	}
	w.replyTo = netip.AddrPortFrom(w.from.Addr(), port)
	if via.Alias && w.conn != nil {
		w.conn.Alias(port)
	}
	if via.HasOC {
		w.feedBack(via)
	}
	if !via.HasRPort && sameHost(m.Get(via.Host), w.from.Addr()) {
		return
	}
	b := w.scratch
	mark := len(b)
	if via.HasRPort {
		if via.RPort.Empty() {
			b = append(b, '=')
		}
		b = strconv.AppendUint(b, uint64(w.from.Port()), 10)
		w.prepared = append(w.prepared, message.Edit{At: via.RPort, With: b[mark:]})
	}
	// What the sender wrote as received is not to be believed.
	mark = len(b)
	if at := via.Received; !at.Empty() {
		b = w.from.Addr().AppendTo(b)
		w.prepared = append(w.prepared, message.Edit{At: at, With: b[mark:]})
	} else {
		b = w.from.Addr().AppendTo(append(b, ";received="...))
		end := message.Span{Start: via.Value.End, End: via.Value.End}
		w.prepared = append(w.prepared, message.Edit{At: end, With: b[mark:]})
	}
	w.scratch = b
	sortEdits(w.prepared)
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
// INVITE; and the Call-ID, since that picks the shard: without it, whether two
// calls with one branch (RFC 4475 has such) are two would be left to chance. It
// is a hash under a secret seed, so nobody can aim at another's.
func (w *worker) serverKey(method message.Method) uint64 {
	m, seed := &w.msg, w.p.seed
	if method == message.Ack || method == message.Cancel {
		method = message.Invite
	}
	branch := m.Get(m.Via.Branch)
	key := maphash.Bytes(seed, branch) ^ bits.RotateLeft64(maphash.Bytes(seed, m.Get(m.Via.Host)), 17)
	key ^= bits.RotateLeft64(maphash.Bytes(seed, m.Get(m.CallID)), 7)
	key += uint64(m.Via.Port)<<8 | uint64(method)
	if method == message.MethodOther {
		key ^= bits.RotateLeft64(maphash.Bytes(seed, m.Get(m.MethodName)), 41)
	}
	if len(branch) <= len(branchCookie) || !bytes.HasPrefix(branch, []byte(branchCookie)) { // RFC 2543: the branch alone tells nothing
		key ^= bits.RotateLeft64(maphash.Bytes(seed, m.Get(m.FromTag)), 29)
		key += uint64(m.CSeq) << 16
	}
	return key
}

// target decides where the request goes (§16.4, §16.5).
func (w *worker) target(s *shard) target {
	w.describe()
	if w.normalise(model.TriggerPreNormalization, nil) {
		w.examineVia() // the spans have moved
	}
	path, fault := w.ownRoutes()
	switch {
	case fault != nil:
		return answer(fault.Status, fault.Reason)
	case w.looped():
		return answer(482, "")
	case w.in.MidDialog:
		return w.inDialogTarget(s, path)
	case w.msg.Method == message.Options && w.in.URI.User.Empty() && w.meansUs(w.msg.Raw, &w.in.URI):
		return w.optionsAnswer()
	}
	return w.initialTarget(s, path)
}

// optionsAnswer is what the box says about itself (§11.2).
func (w *worker) optionsAnswer() target {
	if !w.p.options.Admission.Ready() {
		return answer(503, "Calls Are Not Allowed")
	}
	return target{
		Refusal: hop.Refusal{Status: 200},
		headers: []byte("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE, PUBLISH\r\n" +
			"Accept: application/sdp\r\nAccept-Encoding: identity\r\nAccept-Language: en\r\n"),
	}
}

// initialTarget asks routing where a request outside a dialog goes, and
// whether it may.
func (w *worker) initialTarget(s *shard, path ownPath) target {
	invite := w.msg.Method == message.Invite
	if w.config.own[w.at.Place] == nil {
		return answer(503, "Listen Point Is Leaving")
	}
	if invite {
		s.counted[countOffered]++
		s.callsOf(w.in.Adjacency).In.Offered++
		if refusal := w.p.options.Admission.Offer(&w.in); refusal.Status != 0 {
			return target{Refusal: refusal}
		}
	}
	w.cutRoutes(&path)
	d := &w.decision
	clear(d.Targets)
	d.Targets, d.Refusal = d.Targets[:0], hop.Refusal{}
	w.targets = w.targets[:0]
	w.plan().Route(&w.in, d)
	if d.Refusal.Status != 0 {
		return target{Refusal: d.Refusal}
	}
	for i := range d.Targets {
		if d.Targets[i].Secure || !w.in.URI.Secure || d.Targets[i].Transport.Secure() { // sips may not go on without TLS (§26.2.2)
			w.targets = append(w.targets, attempt{Target: d.Targets[i]})
		}
	}
	switch {
	case len(w.targets) == 0 && len(d.Targets) > 0:
		return answer(416, "No Secure Next Hop")
	case len(w.targets) == 0:
		return answer(404, "No Route")
	case !invite:
		return target{}
	}
	call, refusal := w.offer(s)
	return target{Refusal: refusal, call: call}
}
