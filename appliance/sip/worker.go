package sip

import (
	"crypto/rand"
	"errors"
	"net/netip"
	"time"

	"causeway/appliance/sip/message"
)

// worker is one thread at work, a reader or the timer loop, with the memory it
// uses again for each message. It handles one message at a time.
type worker struct {
	p      *Proxy
	reader int // which of a listen point's sockets it sends from
	out    *outbox
	signer *signer
	now    time.Duration

	msg      message.Message // what came in
	kept     message.Message // a request we sent, read again
	at       *listenPoint    // where the message came in
	from     netip.AddrPort
	replyTo  netip.AddrPort // where its answers go
	viaEdits []message.Edit // what its topmost Via lacks: received and rport
	edits    []message.Edit
	scratch  []byte // texts made for this message
	random   [256]byte
	unused   int // octets of random not handed out yet
}

func (p *Proxy) newWorker(reader int) *worker {
	return &worker{p: p, reader: reader, out: newOutbox(), signer: newSigner(p.options.Key)}
}

// socket is the socket this worker sends from at a listen point.
func (w *worker) socket(l *listenPoint) *socket { return l.sockets[w.reader%len(l.sockets)] }

// flush sends what is queued and counts what could not be sent.
func (w *worker) flush() {
	w.out.flush()
	if w.out.failed > 0 {
		w.p.unsendable.Add(w.out.failed)
		w.out.failed = 0
	}
}

// randomBytes fills b with cryptographically random octets.
func (w *worker) randomBytes(b []byte) {
	if w.unused < len(b) {
		rand.Read(w.random[:]) // never fails (crypto/rand)
		w.unused = len(w.random)
	}
	copy(b, w.random[len(w.random)-w.unused:])
	w.unused -= len(b)
}

// receive handles one datagram.
func (w *worker) receive(at *listenPoint, from netip.AddrPort, datagram []byte) {
	w.at, w.from = at, from
	if err := w.msg.Parse(datagram); err != nil {
		if errors.Is(err, message.ErrKeepAlive) {
			w.p.keepAlives.Add(1)
		} else {
			w.p.garbage.Add(1)
		}
		return
	}
	s := w.p.shardOf(w.msg.Get(w.msg.CallID))
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.msg.IsResponse {
		w.response(s)
	} else {
		w.request(s)
	}
	if s.wheel.armed > 0 {
		w.p.timersArmed.ring()
	}
}
