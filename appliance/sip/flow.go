package sip

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/stream"
)

// flow is the way a message takes: out of a listen point to an address, on a
// stream in a connection.
type flow struct {
	listen *listenPoint
	to     netip.AddrPort
	conn   *stream.Conn // nil over UDP
}

// reliable says whether what is sent arrives or fails: nothing is repeated.
func (f flow) reliable() bool { return f.listen.Transport.Stream() }

// connect gives the connection of a flow over a stream. host is whom the
// peer must be by its certificate.
func (w *worker) connect(f flow, host string) *stream.Conn {
	return w.p.streams.Conn(f.listen.listener, f.to, domainOf(host))
}

// domainOf is host in lower case if it is a name, or empty.
func domainOf(host string) string {
	if host == "" {
		return ""
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ""
	}
	return strings.ToLower(host)
}

// put sends payload, which w.out.buffer gave, with the next flush. It never
// blocks.
func (w *worker) put(f flow, payload []byte) {
	if tracer := w.p.options.Tracer; tracer != nil && tracer.On() {
		tracer.Trace(true, f.listen.Transport, f.listen.Address, f.to, payload)
	}
	w.traffic.sent[f.listen.Transport]++
	if !f.reliable() {
		w.out.put(f.listen.sockets[w.reader%len(f.listen.sockets)], f.to, payload)
		return
	}
	conn := f.conn
	if conn == nil || conn.Ended() { // an answer goes to the port that the Via names then (RFC 3261 §18.2.2)
		conn = w.connect(f, "")
	}
	conn.Queue(payload)
	if !slices.Contains(w.touched, conn) {
		w.touched = append(w.touched, conn)
	}
}

// send sends a copy of payload, which a transaction keeps.
func (w *worker) send(f flow, payload []byte) { w.put(f, append(w.out.buffer(), payload...)) }

// received handles a message of a connection, on the goroutine that read it.
func (p *Proxy) received(c *stream.Conn, payload []byte, _ bool) {
	at := p.config.Load().at(hop.Place{Transport: c.Transport(), Address: c.Listener().Address()})
	if at == nil {
		return
	}
	w := p.borrow()
	defer p.giveBack(w)
	w.receive(at, c.Remote(), c, payload)
}

// undelivered is told of a message, or the begin of one, that did not get to
// its next hop. If it is a request of ours its transaction ends (§18.4).
func (p *Proxy) undelivered(payload []byte) {
	_, rest, found := bytes.Cut(payload, []byte(";branch=")) // our Via is on top
	if !found {
		return
	}
	id, ok := branchID(rest)
	if !ok || bytes.HasPrefix(payload, []byte("SIP/2.0 ")) {
		return
	}
	w := p.borrow()
	defer p.giveBack(w)
	s := &p.shards[id>>(slotBits+32)%uint64(len(p.shards))]
	s.mu.Lock()
	defer s.unlock(p)
	if t := s.clientOf(id); t != nil {
		t.unreachable(w, s)
	}
}
