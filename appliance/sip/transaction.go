package sip

import (
	"net/netip"
	"time"

	"causeway/appliance/model"
)

// serverState is where a server transaction is: RFC 3261 figures 7 and 8 with
// RFC 6026's Accepted. Trying and Proceeding are one: the difference is
// whether there is a response to repeat.
type serverState uint8

const (
	serverProceeding serverState = iota
	serverAccepted               // INVITE, 2xx sent: retransmissions are absorbed (timer L)
	serverCompleted              // final response sent; repeated on request, for INVITE by timer G too
	serverConfirmed              // INVITE, ACK received (timer I)
)

// serverTransaction is a request we answer for: where it came from and what
// was last said to it (RFC 3261 §17.2).
type serverTransaction struct {
	timer
	key      uint64
	invite   bool
	state    serverState
	listen   *listenPoint // where it came in; its answers leave from there
	replyTo  netip.AddrPort
	response []byte // last response sent, while it may be asked for again
	client   *clientTransaction
	call     *call // whose fate the request carries: its INVITE's or its BYE's

	interval time.Duration // timer G
	ends     time.Duration // timers H, I, J, L
}

// clientState is where a client transaction is: RFC 3261 figures 5 and 6 with
// RFC 6026's Accepted.
type clientState uint8

const (
	clientCalling    clientState = iota // Calling, Trying: nothing came back
	clientProceeding                    // a provisional response came
	clientAccepted                      // INVITE, 2xx came: more of them may (timer M)
	clientCompleted                     // final response came: its retransmissions are absorbed
)

// cancelState says how far the CANCEL of an INVITE is (§9.1: it may not be
// sent before a provisional response came).
type cancelState uint8

const (
	cancelNone cancelState = iota
	cancelWanted
	cancelSent
	cancelAnswered
)

// clientTransaction is a request we sent on (RFC 3261 §17.1).
type clientTransaction struct {
	timer
	slot, nonce uint32 // they stand in the branch
	invite      bool
	state       clientState
	cancel      cancelState
	cancelled   bool // by the caller, not by timer C
	listen      *listenPoint
	to          netip.AddrPort
	request     []byte // as sent, until the final response
	server      *serverTransaction

	interval time.Duration // of timers A and E, later of CANCEL's E
	resendAt time.Duration // 0: nothing is to be sent again
	ends     time.Duration // timers B, C, D, F, K, M
}

// arm sets the timer to the nearer of the two deadlines.
func (t *clientTransaction) arm(s *shard) {
	at := t.ends
	if t.resendAt != 0 {
		at = min(at, t.resendAt)
	}
	s.wheel.arm(&t.timer, at)
}

// send sends the request for the first time and starts timers A or E, B or F.
func (t *clientTransaction) send(w *worker, s *shard) {
	w.out.send(w.socket(t.listen), t.to, t.request)
	t.interval = w.p.timers.T1
	t.resendAt = w.now + t.interval
	t.ends = w.now + w.p.timers.timeout()
	t.arm(s)
}

// expire implements expirer.
func (t *clientTransaction) expire(w *worker, s *shard, now time.Duration) {
	if now >= t.ends {
		t.timeOut(w, s)
		return
	}
	if t.resendAt != 0 && now >= t.resendAt {
		t.resend(w, s)
	}
	t.arm(s)
}

// resend repeats the request, or the CANCEL once that is out, and sets the
// next time: doubling, up to T2 for all but INVITE itself (§17.1.1.2, §17.1.2.2).
func (t *clientTransaction) resend(w *worker, s *shard) {
	if t.cancel == cancelSent {
		t.sendCancel(w)
	} else {
		w.out.send(w.socket(t.listen), t.to, t.request)
	}
	s.counted[countRetransmitted]++
	t.interval *= 2
	if !t.invite || t.cancel == cancelSent {
		t.interval = min(t.interval, w.p.timers.T2)
	}
	if server := t.server; !t.invite && t.interval == w.p.timers.T2 && server != nil && len(server.response) == 0 {
		server.replyFrom(w, s, t.request, 100) // RFC 4320 §4.1
	}
	if !t.invite && t.state == clientProceeding {
		t.interval = w.p.timers.T2
	}
	t.resendAt = w.now + t.interval
}

// timeOut is what the last timer of a state means.
func (t *clientTransaction) timeOut(w *worker, s *shard) {
	switch {
	case t.state == clientAccepted || t.state == clientCompleted: // timers D, K, M
		s.dropClient(t)
	case !t.invite:
		// Timer F. No 408 goes upstream: the caller's own timer runs out at
		// the same time, and a late 408 does harm (RFC 4320 §4.2).
		if server := t.server; server != nil {
			if server.call != nil {
				w.ended(s, server.call, 0)
			}
			s.dropServer(server)
		}
		s.counted[countTimedOut]++
		s.dropClient(t)
	case t.state == clientProceeding && t.cancel == cancelNone: // timer C (§16.8)
		t.startCancel(w, s)
	default: // timer B, or no answer to CANCEL
		t.giveUp(w, s)
	}
}

// giveUp ends an INVITE that will get no final response from the other side.
func (t *clientTransaction) giveUp(w *worker, s *shard) {
	s.counted[countTimedOut]++
	if server := t.server; server != nil {
		status, cause := 408, model.EndTimer
		if t.cancelled { // 64·T1 after its CANCEL it counts as over (RFC 3261 §9.1)
			status, cause = 487, model.EndCancelled
		}
		if c := server.call; c != nil {
			c.cause = cause
			w.ended(s, c, status)
			server.call = nil
		}
		server.replyFrom(w, s, t.request, status)
	}
	s.dropClient(t)
}

// complete ends the wait for a final response. The transaction stays for as
// long as retransmissions of that response may come.
func (t *clientTransaction) complete(w *worker, s *shard, state clientState, stay time.Duration) {
	t.state = state
	t.resendAt = 0
	t.ends = w.now + stay
	t.arm(s)
}

// expire implements expirer.
func (t *serverTransaction) expire(w *worker, s *shard, now time.Duration) {
	if now >= t.ends || t.state != serverCompleted {
		s.dropServer(t)
		return
	}
	w.out.send(w.socket(t.listen), t.replyTo, t.response) // timer G
	s.counted[countRetransmitted]++
	t.interval = min(2*t.interval, w.p.timers.T2)
	s.wheel.arm(&t.timer, min(now+t.interval, t.ends))
}

// responded moves the transaction on after payload, a response with that
// status, was sent to it.
func (t *serverTransaction) responded(w *worker, s *shard, status int, payload []byte) {
	timers := &w.p.timers
	switch {
	case t.state == serverAccepted: // a further 2xx
	case status < 200:
		s.buffers.keep(&t.response, payload)
	case t.invite && status < 300:
		t.state = serverAccepted
		s.buffers.put(&t.response)
		t.ends = w.now + timers.timeout() // timer L
		s.wheel.arm(&t.timer, t.ends)
	case t.invite:
		t.state = serverCompleted
		s.buffers.keep(&t.response, payload)
		t.interval = timers.T1
		t.ends = w.now + timers.timeout() // timer H
		s.wheel.arm(&t.timer, w.now+t.interval)
	default:
		t.state = serverCompleted
		s.buffers.keep(&t.response, payload)
		t.ends = w.now + timers.timeout() // timer J
		s.wheel.arm(&t.timer, t.ends)
	}
}

// confirm is an ACK for a final response other than 2xx (timer I).
func (t *serverTransaction) confirm(w *worker, s *shard) {
	if t.state != serverCompleted {
		return
	}
	t.state = serverConfirmed
	s.buffers.put(&t.response)
	t.ends = w.now + w.p.timers.T4
	s.wheel.arm(&t.timer, t.ends)
}
