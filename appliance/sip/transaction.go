package sip

import (
	"net/netip"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
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

// serverTransaction is a request we answer for, with its response context
// (RFC 3261 §16, §17.2): where it came from, what was last said to it, its
// branches and where else it may go.
type serverTransaction struct {
	timer
	key      uint64
	life     uint32 // counts the uses of this memory: a late answer of DNS is for one of them
	invite   bool
	state    serverState
	back     flow           // the way its answers take
	from     netip.AddrPort // who sent it
	response []byte         // last response sent, while it may be asked for again
	call     *call          // whose fate the request carries: its INVITE's or its BYE's

	branches *clientTransaction // linked by sibling
	pending  int                // branches without a final response, and 1 for locating
	breadth  int                // Max-Breadth of each of them; 0: they need not share it
	targets  []attempt          // not tried yet
	request  []byte             // as it came in, for further targets
	best     []byte             // best final response so far (§16.7 step 6), as it would go upstream
	chosen   *branch            // that best came in, if it may be another than the call's last
	status   int                // of it, or of the one we would make up; 0: none yet
	refusal  hop.Refusal        // which rule made it, if one of ours did

	further int      // targets beside the first, as it came in
	tried   []string // contacts of redirections
	loop    uint32   // loopHash of the request as it came in
	vias    []byte   // the Via lines that header hiding took away

	challenges []byte // WWW-Authenticate and Proxy-Authenticate lines of responses that were not chosen (§16.7 step 7)

	refresh   refresh
	locating  bool // DNS is asked for the next target
	cancelled bool // by its sender
	inDialog  bool

	repeats  int           // of the final response
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

// clientTransaction is a request we sent on (RFC 3261 §17.1): one branch of
// its server transaction.
type clientTransaction struct {
	timer
	slot, nonce uint32 // they stand in the branch
	invite      bool
	state       clientState
	cancel      cancelState
	waited      bool // its final response is waited for
	hurried     bool // ends is TU1, for the sake of another target
	to          flow
	rest        []attempt // other places of its target
	request     []byte    // as sent, until the final response
	server      *serverTransaction
	sibling     *clientTransaction // another branch of server
	element     hop.Element        // who wants to know how it went
	failover    []model.CodeRange
	seat        hop.Seat // the call's room, until it is answered; nil: none
	billing     model.CallBilling
	adjacency   *model.Adjacency

	repeats  int
	interval time.Duration // of timers A and E, later of CANCEL's E
	resendAt time.Duration // 0: nothing is to be sent again
	ends     time.Duration // timers B, C, D, F, K, M
}

func (t *clientTransaction) timers() *timers { return &t.to.listen.network.timers }

func (t *serverTransaction) timers() *timers { return &t.back.listen.network.timers }

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
	timers := t.timers()
	w.send(t.to, t.request)
	t.interval = timers.t1
	if !t.to.reliable() {
		t.resendAt = w.now + t.interval
	}
	switch {
	case !t.invite:
		t.ends = w.now + timers.nonInvite
	case t.dispensable() && timers.noAnswer < timers.client:
		t.ends, t.hurried = w.now+timers.noAnswer, true
	default:
		t.ends = w.now + timers.client
	}
	t.arm(s)
}

// dispensable says whether something else can be tried for the branch.
func (t *clientTransaction) dispensable() bool {
	return t.waited && t.server != nil && (len(t.rest) > 0 || len(t.server.targets) > 0)
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
	timers := t.timers()
	most := timers.nonInviteRepeats
	if t.invite && t.cancel != cancelSent {
		most = timers.inviteRepeats
	}
	if t.state == clientCalling {
		most = min(most, s.patience(t.server != nil && t.server.inDialog))
	}
	if t.repeats >= most { // that was the wait after the last one
		t.resendAt, t.ends, t.hurried = 0, w.now, false
		return
	}
	t.repeats++
	if t.cancel == cancelSent {
		t.sendCancel(w)
	} else {
		w.send(t.to, t.request)
	}
	s.counted[countRetransmitted]++
	t.interval *= 2
	if !t.invite || t.cancel == cancelSent {
		t.interval = min(t.interval, timers.t2)
		if t.state == clientProceeding && !t.invite {
			t.interval = timers.t2
		}
	}
	t.resendAt = w.now + t.interval
}

// timeOut is what the last timer of a state means.
func (t *clientTransaction) timeOut(w *worker, s *shard) {
	switch {
	case t.state == clientAccepted || t.state == clientCompleted: // timers D, K, M
		s.dropClient(t)
	case t.invite && t.state == clientProceeding && t.cancel == cancelNone: // timer C (§16.8)
		t.startCancel(w, s)
	case t.invite && t.state == clientCalling && t.dispensable():
		t.abandon(w, s)
	case t.hurried && t.state == clientCalling: // nothing is left to hurry for
		timers := t.timers()
		t.hurried = false
		t.ends += timers.client - timers.noAnswer
		t.arm(s)
	default: // timer B or F, or no answer to CANCEL
		s.counted[countTimedOut]++
		t.over(w, s, hop.TimedOut, 408)
	}
}

// abandon gives up waiting for an element that said nothing, for the sake of
// the next one. Should it say something yet, it gets a CANCEL.
func (t *clientTransaction) abandon(w *worker, s *shard) {
	t.resendAt = 0
	t.cancel = cancelWanted
	t.ends = w.now + t.timers().client
	t.arm(s)
	s.counted[countTimedOut]++
	t.report(hop.TimedOut, 0)
	t.waited = false
	w.branchEnded(s, t.server, t.rest, 408)
}

// over ends a branch that will get no final response from the other side.
func (t *clientTransaction) over(w *worker, s *shard, outcome hop.Outcome, status int) {
	server, waited, rest := t.server, t.waited, t.rest
	if waited {
		t.report(outcome, 0)
	}
	t.waited = false
	s.dropClient(t)
	if server != nil && waited {
		w.branchEnded(s, server, rest, status)
	}
}

// report tells the element how the request went.
func (t *clientTransaction) report(o hop.Outcome, retryAfter time.Duration) {
	if t.element != nil {
		t.element.Report(o, retryAfter)
	}
}

// leave gives back the branch's room in call admission control, if it has any.
func (t *clientTransaction) leave() {
	if t.seat != nil {
		t.seat.Leave()
		t.seat = nil
	}
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
	switch timers := t.timers(); {
	case t.state == serverProceeding: // it is no INVITE
		if len(t.response) == 0 {
			w.answerFrom(s, t, 100) // RFC 4320 §4.1
		}
	case now >= t.ends || t.state != serverCompleted || t.repeats >= min(timers.responseRepeats, s.patience(t.inDialog)):
		s.dropServer(t)
	default:
		w.send(t.back, t.response) // timer G
		s.counted[countRetransmitted]++
		t.repeats++
		t.interval = min(2*t.interval, timers.t2)
		s.wheel.arm(&t.timer, min(now+t.interval, t.ends))
	}
}

// responded moves the transaction on after payload, a response with that
// status, was sent to it.
func (t *serverTransaction) responded(w *worker, s *shard, status int, payload []byte) {
	timers := t.timers()
	if status >= 200 && t.state == serverProceeding {
		s.release(t)
	}
	switch {
	case t.state == serverAccepted: // a further 2xx
	case status < 200:
		s.buffers.keep(&t.response, payload)
	case t.invite && status < 300:
		t.state = serverAccepted
		s.buffers.put(&t.response)
		t.ends = w.now + timers.server // timer L
		s.wheel.arm(&t.timer, t.ends)
	case t.invite:
		t.state = serverCompleted
		s.buffers.keep(&t.response, payload)
		t.interval = timers.t1
		t.ends = w.now + timers.server // timer H
		at := t.ends
		if !t.back.reliable() {
			at = w.now + t.interval
		}
		s.wheel.arm(&t.timer, at)
	case t.back.reliable(): // timer J is zero
		t.state = serverCompleted
		s.dropServer(t)
	default:
		t.state = serverCompleted
		s.buffers.keep(&t.response, payload)
		t.ends = w.now + timers.nonInvite // timer J
		s.wheel.arm(&t.timer, t.ends)
	}
}

// lapse ends a request other than INVITE without a response, since a late 408
// does harm (RFC 4320 §4.2). Its repetitions are still absorbed.
func (t *serverTransaction) lapse(w *worker, s *shard) {
	s.release(t)
	s.buffers.put(&t.response)
	t.state = serverCompleted
	t.ends = w.now + t.timers().nonInvite
	s.wheel.arm(&t.timer, t.ends)
}

// confirm is an ACK for a final response other than 2xx (timer I).
func (t *serverTransaction) confirm(w *worker, s *shard) {
	if t.state != serverCompleted {
		return
	}
	if t.back.reliable() {
		s.dropServer(t)
		return
	}
	t.state = serverConfirmed
	s.buffers.put(&t.response)
	t.ends = w.now + t.timers().t4
	s.wheel.arm(&t.timer, t.ends)
}
