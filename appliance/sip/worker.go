package sip

import (
	"crypto/rand"
	"errors"
	"net/netip"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
	"causeway/appliance/sip/stream"
)

// worker is one thread at work, a reader or the timer loop, with the memory it
// uses again for each message. It handles one message at a time.
type worker struct {
	p      *Proxy
	reader int // which of a listen point's sockets it sends from
	out    *outbox
	signer *signer
	now    time.Duration
	config *snapshot // in force when the message in hand came

	msg        message.Message // what came in
	kept       message.Message // another one: a request we sent, or the one in hand as a policy changes it
	in         hop.Incoming    // where msg came in
	at         *listenPoint
	from       netip.AddrPort
	conn       *stream.Conn   // it came in on
	replyTo    netip.AddrPort // where its answers go
	prepared   []message.Edit // what a request needs wherever it goes: received and rport in its Via, our Route elements gone
	loop       uint32         // its loopHash
	refreshing refresh
	decision   hop.Decision
	targets    []attempt
	places     []hop.Place
	trying     attempt         // the target that a request is being sent to
	event      model.CallEvent // on its way to the ledger

	touched    []*stream.Conn // with messages that the next flush sends
	edits      []message.Edit
	scratch    []byte     // texts made for this message
	original   []byte     // the message in hand as a policy changed it
	changed    []byte     // and as it goes to one target
	retargeted []byte     // the request in hand with the Request-URI of a target
	leaving    hop.Target // by which network a response leaves
	random     [256]byte
	traffic    traffic       // since the last flush
	unused     int           // octets of random not handed out yet
	queued     bool          // the socket had datagrams waiting when it was last looked at
	behind     time.Duration // w.now of the first of the full batches that came in a row; 0: the last one was not full
	attends    bool          // to the lobby
	turn       int           // new INVITEs from there
}

func (p *Proxy) newWorker(reader int) *worker {
	return &worker{p: p, reader: reader, out: newOutbox(), signer: newSigner(p.options.Key), config: p.config.Load()}
}

// borrow gives a worker to a goroutine that is no reader; giveBack takes it.
func (p *Proxy) borrow() *worker {
	w := p.workers.Get().(*worker)
	w.now, w.config = p.now(), p.config.Load()
	return w
}

func (p *Proxy) giveBack(w *worker) {
	w.flush()
	p.workers.Put(w)
}

// plan is the routing in force.
func (w *worker) plan() Plan { return w.config.plan }

// back is the way that answers to the request in hand take.
func (w *worker) back() flow { return flow{w.at, w.replyTo, w.conn} }

// flush sends what is queued, and counts that and what could not be sent.
func (w *worker) flush() {
	w.out.flush()
	for _, conn := range w.touched { // no shard waits for these system calls
		conn.Flush()
	}
	clear(w.touched)
	w.touched = w.touched[:0]
	w.p.traffic.take(&w.traffic)
	if w.out.failed == 0 {
		return
	}
	w.p.unsendable.Add(w.out.failed)
	w.out.failed = 0
	unsent := w.out.unsent
	w.out.unsent = nil
	for _, payload := range unsent {
		w.p.undelivered(payload)
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

// nonce makes the part of a branch that nobody can guess.
func (w *worker) nonce() uint32 {
	var raw [4]byte
	w.randomBytes(raw[:])
	return uint32(raw[0])<<24 | uint32(raw[1])<<16 | uint32(raw[2])<<8 | uint32(raw[3])
}

// receive handles one message that came in at a listen point; payload is the
// caller's again afterwards.
func (w *worker) receive(at *listenPoint, from netip.AddrPort, conn *stream.Conn, payload []byte) {
	w.at, w.from, w.conn = at, from, conn
	w.in.Message = nil // what it describes is over
	if w.p.options.Admission.Denied(from.Addr()) {
		w.p.denied.Add(1)
		return
	}
	if tracer := w.p.options.Tracer; tracer != nil && tracer.On() {
		tracer.Trace(false, at.Transport, at.Address, from, payload)
	}
	if err := w.msg.Parse(payload); err != nil {
		if errors.Is(err, message.ErrKeepAlive) {
			w.p.keepAlives.Add(1)
		} else {
			w.p.garbage.Add(1)
		}
		return
	}
	w.traffic.received[at.Transport]++
	s := w.p.shardOf(w.msg.Get(w.msg.CallID))
	s.mu.Lock()
	defer s.unlock(w.p)
	w.scratch, w.prepared, w.refreshing = w.scratch[:0], w.prepared[:0], refresh{}
	if w.msg.IsResponse {
		w.response(s)
	} else {
		w.request(s)
	}
}

// arrived puts down where the message in hand came in.
func (w *worker) arrived(back flow, from netip.AddrPort) {
	w.at, w.from, w.conn, w.replyTo = back.listen, from, back.conn, back.to
	w.describe()
}

// describe fills in what routing and admission see of the message in hand.
func (w *worker) describe() {
	in := &w.in
	*in = hop.Incoming{Message: &w.msg, Network: w.at.network.name, Transport: w.at.Transport, Local: w.at.Address, Remote: w.from}
	in.MidDialog = !w.msg.ToTag.Empty()
	if w.msg.IsResponse {
		return
	}
	in.URI, _ = message.ParseURI(w.msg.Raw, w.msg.URI) // Validate has looked
	if !in.MidDialog {
		in.Adjacency = w.plan().Adjacency(in.Network, in.Transport, w.from.Addr())
	}
	w.loop = w.loopHash()
}

// settleEdits makes what was prepared part of the request in hand, for whoever
// is to see it as it leaves.
func (w *worker) settleEdits() {
	text := message.Splice(w.changed[:0], w.msg.Raw, w.prepared)
	w.changed, w.original = w.original, text
	if w.msg.Parse(text) != nil {
		return // impossible: what is prepared leaves a message
	}
	w.prepared = w.prepared[:0]
	w.describe()
}

// normalise changes the message in hand as the policies of a stage want it,
// and says whether they did. out is nil before routing.
func (w *worker) normalise(stage model.TriggerKind, out *hop.Target) (changed bool) {
	plan := w.plan()
	if !plan.Rewrites(stage) {
		return false
	}
	text := plan.Rewrite(w.changed[:0], stage, &w.in, out)
	if text == nil {
		return false
	}
	w.changed, w.original = w.original, text // the one in hand must not be written to
	if w.msg.Parse(w.original) == nil && !w.msg.IsResponse {
		w.in.URI, _ = message.ParseURI(w.msg.Raw, w.msg.URI)
	}
	return true
}
