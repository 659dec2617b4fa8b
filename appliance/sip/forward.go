package sip

import (
	"cmp"
	"encoding/hex"
	"hash/maphash"
	"net/netip"
	"strconv"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// forward makes the server transaction of the request in hand and sends it to
// the first of its targets (§16.6).
func (w *worker) forward(s *shard, key uint64, targets []attempt, call *call) {
	server := s.newServer(key, w.msg.Method == message.Invite, w.back())
	server.from, server.call, server.inDialog, server.refresh = w.from, call, w.in.MidDialog, w.refreshing
	server.loop, server.further = w.loop, len(targets)-1
	s.targets += server.further
	server.targets = append(server.targets[:0], targets...)
	s.buffers.hold(&server.request, message.Splice(s.buffers.get(len(w.msg.Raw)+preparedOctets), w.msg.Raw, w.prepared))
	if server.invite {
		w.reply(s, server, 100, "", nil)
	} else {
		s.wheel.arm(&server.timer, w.now+server.timers().provisional)
	}
	if w.plan().Rewrites(model.TriggerPostNormalization) {
		w.revive(server)
	}
	if !w.tryNext(s, server) {
		w.settle(s, server)
	}
}

// leaves gives the listen point that a target's requests leave from, or nil.
func (w *worker) leaves(a *attempt) *listenPoint {
	if a.listen != nil {
		return a.listen
	}
	if n := w.config.networks[a.Network]; n != nil {
		return n.reaches(a.Transport, a.Address.Addr())
	}
	return nil
}

// start sends the request in hand to a target, in a branch of its own (§16.6).
// It says false when that cannot be; the reason is noted.
func (w *worker) start(s *shard, server *serverTransaction, a *attempt) bool {
	l := w.leaves(a)
	if l == nil {
		server.make(500, hop.Refusal{Status: 500, Reason: "No Listen Point Reaches The Next Hop"})
		return false
	}
	if refusal := w.forbidden(hop.Place{Transport: a.Transport, Address: a.Address}); refusal.Status != 0 {
		server.make(refusal.Status, refusal)
		return false
	}
	var seat hop.Seat
	if server.call != nil && !server.inDialog {
		a.Adjacency = cmp.Or(a.Adjacency, w.plan().Adjacency(l.network.name, l.Transport, a.Address.Addr()))
		to := &s.callsOf(a.Adjacency).Out
		to.Offered++
		var refusal hop.Refusal
		if seat, refusal = w.p.options.Admission.Place(&w.in, &a.Target); refusal.Status != 0 {
			s.counted[countNoRoom]++
			server.make(refusal.Status, refusal)
			return false
		}
		to.Admitted++
	}
	if l.network.hide && len(w.prepared) > 0 { // what is hidden must be whole
		w.revive(server)
	}
	c := s.newClient(server, flow{listen: l, to: a.Address})
	c.element, c.failover, c.rest, c.seat, c.nonce = a.Element, a.Failover, a.rest, seat, w.nonce()
	c.waited, c.adjacency = true, a.Adjacency
	if seat != nil {
		c.billing = seat.Billing()
	}
	server.pending++
	id := s.id(c)
	s.buffers.hold(&c.request, w.rewrite(s.buffers.get(len(w.msg.Raw)+addedOctets), server, a, l, branchOfTransaction, id))
	if l.Transport == model.UDP && len(c.request) > l.network.congestion && !a.udpOnly {
		if tcp := l.network.reaches(model.TCP, a.Address.Addr()); tcp != nil {
			c.rest = a.retreat()
			c.to.listen = tcp
			s.buffers.hold(&c.request, w.rewrite(c.request[:0], server, a, tcp, branchOfTransaction, id))
		}
	}
	if c.to.reliable() {
		c.to.conn = w.connect(c.to, a.Host)
	}
	if server.call != nil && !server.inDialog {
		w.routed(s, server.call, a, c)
	}
	c.send(w, s)
	s.counted[countForwarded]++
	return true
}

// retreat keeps UDP in reserve for a request that goes over TCP for its length
// alone (§18.1.1): it gives the places to try after this one.
func (a *attempt) retreat() []attempt {
	again := *a
	again.udpOnly = true
	return append([]attempt{again}, a.rest...)
}

// preparedOctets is about what a request gains as it comes in: received and
// rport. addedOctets is what forwarding adds beside: Via, two Record-Routes.
const preparedOctets, addedOctets = 64, 320

// addedFields is how many header fields that are at most, and maxPayload the
// most that UDP takes.
const (
	addedFields = 4
	maxPayload  = 65507
)

// rewrite appends the request in hand as it goes out at l: our Via and
// Record-Routes on top, Max-Forwards one less, all else as it was prepared.
func (w *worker) rewrite(b []byte, server *serverTransaction, a *attempt, l *listenPoint, kind byte, branch uint64) []byte {
	m, uri := &w.msg, w.newURI(a)
	if w.plan().Rewrites(model.TriggerPostNormalization) { // then nothing is left to prepare
		m, uri = w.normaliseFor(a, uri)
	}
	edits := append(w.edits[:0], w.prepared...)
	if uri != nil {
		edits = append(edits, message.Edit{At: m.URI, With: uri})
	}
	text := w.scratch
	mark := len(text)
	if m.MaxForwards >= 0 {
		text = strconv.AppendInt(text, int64(m.MaxForwards-1), 10)
		edits = append(edits, message.Edit{At: m.MaxForwardsValue, With: text[mark:]})
		mark = len(text)
	}
	text = appendBranch(append(text, l.via...), kind, branch, w.loop)
	text = append(text, "\r\n"...)
	if server != nil && recordRouted(m.Method, w.in.MidDialog) {
		text = w.appendRecordRoute(text, server, l, a.Address)
	}
	if m.MaxForwards < 0 {
		text = append(text, w.config.maxForwards...)
	}
	if server != nil && server.breadth > 0 {
		if field, found := m.Lookup("Max-Breadth"); found {
			edits = append(edits, message.Edit{At: field.Line})
		}
		text = append(strconv.AppendInt(append(text, "Max-Breadth: "...), int64(server.breadth), 10), "\r\n"...)
	}
	w.scratch = text
	edits = append(edits, message.Edit{At: message.Span{Start: m.FirstHeader, End: m.FirstHeader}, With: text[mark:]})
	if l.network.hide {
		edits = hideVias(edits, m, server)
	}
	sortEdits(edits)
	w.edits = edits
	return message.Splice(b, m.Raw, edits)
}

// normaliseFor gives the request in hand as the policies want it for a target,
// and the Request-URI that it still needs, or nil.
func (w *worker) normaliseFor(a *attempt, uri []byte) (m *message.Message, left []byte) {
	in := w.in
	if uri != nil { // they see it, and may change it again
		w.retargeted = message.Splice(w.retargeted[:0], w.msg.Raw, []message.Edit{{At: w.msg.URI, With: uri}})
		if w.kept.Parse(w.retargeted) != nil {
			return &w.msg, uri // impossible: routing has read the URI
		}
		in.Message = &w.kept
		in.URI, _ = message.ParseURI(w.kept.Raw, w.kept.URI)
	}
	changed := w.plan().Rewrite(w.changed[:0], model.TriggerPostNormalization, &in, &a.Target)
	if changed == nil {
		return &w.msg, uri
	}
	w.changed = changed
	if w.kept.Parse(changed) != nil {
		return &w.msg, uri // impossible: normalisation has read it
	}
	return &w.kept, nil
}

// recordRouted says whether a request begins a dialog that we stay in. NOTIFY
// does, whatever its tags say: the subscriber's route set is that of the first
// one (RFC 6665 §4.3).
func recordRouted(method message.Method, midDialog bool) bool {
	switch method {
	case message.Invite, message.Subscribe, message.Refer:
		return !midDialog
	}
	return method == message.Notify
}

// hideVias takes the Via lines of m away; the answers get them back. An ACK
// has no server transaction, and no answer.
func hideVias(edits []message.Edit, m *message.Message, server *serverTransaction) []message.Edit {
	if server != nil {
		server.vias = server.vias[:0]
	}
	for _, field := range m.Fields {
		if field.ID != message.HeaderVia {
			continue
		}
		if server != nil {
			server.vias = append(server.vias, m.Get(field.Line)...)
		}
		edits = append(edits, message.Edit{At: field.Line})
	}
	return edits
}

// newURI is the Request-URI that a target wants, or nil for the old one. One
// that names us becomes the next hop's (§16.5: the target set of an address
// we are responsible for).
func (w *worker) newURI(a *attempt) []byte {
	if a.URI != nil || w.in.MidDialog {
		return a.URI
	}
	m, uri := &w.msg, &w.in.URI
	if !w.meansUs(m.Raw, uri) {
		return nil
	}
	start := len(w.scratch)
	b := append(w.scratch, m.Raw[m.URI.Start:uri.Host.Start]...)
	if domainOf(a.Host) != "" {
		b = append(b, a.Host...)
		if a.Port != 0 {
			b = strconv.AppendUint(append(b, ':'), uint64(a.Port), 10)
		}
	} else {
		b = a.Address.AppendTo(b)
	}
	rest := uri.HostPort.End
	if named, _ := transportOf(m.Raw, uri); named != a.Transport {
		for p := range uri.Parameters(m.Raw) { // what was said of our address is not true of that one
			if !p.Value.Empty() && equalFold(m.Get(p.Name), "transport") {
				b = append(append(b, m.Raw[rest:p.Value.Start]...), a.Transport.String()...)
				rest = p.Value.End
			}
		}
	}
	w.scratch = append(b, m.Raw[rest:m.URI.End]...)
	return w.scratch[start:]
}

// loopHash is the part of a branch by which we know a request that comes the
// same way again (RFC 5393 §4.2.2): over all that its further way depends on.
// Another neighbour's may go elsewhere, and so is a loop a turn later.
func (w *worker) loopHash() uint32 {
	m, seed, from := &w.msg, w.p.seed, w.from.Addr().As16()
	h := maphash.Bytes(seed, m.Get(m.URI)) + 3*maphash.Bytes(seed, m.Get(m.CallID)) + 5*maphash.Bytes(seed, m.Get(m.FromTag))
	h += 7*maphash.Bytes(seed, m.Get(m.ToTag)) + uint64(m.CSeq)<<8 + uint64(m.CSeqMethod)
	h += 13*maphash.Bytes(seed, from[:]) + 17*maphash.String(seed, w.at.network.name)
	if route, found := m.First(message.HeaderRoute); found {
		h += 11 * maphash.Bytes(seed, m.Get(route.Value))
	}
	return uint32(h ^ h>>32)
}

// looped says whether the request in hand was here before and comes back
// unchanged (§16.3 step 4, RFC 5393 §4.2.2).
func (w *worker) looped() bool {
	m := &w.msg
	if _, found := m.SecondVia(); !found {
		return false
	}
	var text [8]byte
	raw := [4]byte{byte(w.loop >> 24), byte(w.loop >> 16), byte(w.loop >> 8), byte(w.loop)}
	hex.Encode(text[:], raw[:])
	for _, field := range m.Fields {
		if field.ID != message.HeaderVia {
			continue
		}
		for rest := field.Value; ; {
			via, err := message.ParseVia(m.Raw, rest)
			if err != nil {
				break
			}
			branch := m.Get(via.Branch)
			if len(branch) == branchLength && string(branch[branchLoopHash:]) == string(text[:]) && w.ownVia(&via) {
				return true
			}
			if !via.More {
				break
			}
			rest.Start = via.Cut.End
		}
	}
	return false
}

// ownVia says whether we wrote a Via.
func (w *worker) ownVia(via *message.Via) bool {
	address, ok := via.Addr(w.msg.Raw)
	if !ok {
		return false
	}
	at := netip.AddrPortFrom(address, via.Port)
	for _, t := range model.Transports {
		if w.config.at(hop.Place{Transport: t, Address: at}) != nil {
			return true
		}
	}
	return false
}
