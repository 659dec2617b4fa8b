package sip

import (
	"cmp"
	"time"

	"causeway/appliance/model"
)

// timers are the intervals of a network (RFC 3261 §17 and table 4) and how
// often its transactions repeat a message.
type timers struct {
	t1, t2, t4  time.Duration
	noAnswer    time.Duration // TU1: the next target is tried, if there is one
	nonInvite   time.Duration // timer F, and J: TU2
	client      time.Duration // timers B, M and D, and how long a CANCEL may take
	server      time.Duration // timers H and L
	c           time.Duration // timer C (§16.6 step 11)
	provisional time.Duration // until a request other than INVITE gets a 100 (RFC 4320 §4.1)

	inviteRepeats, nonInviteRepeats, responseRepeats int
}

// unbounded is the number of repetitions where only time bounds them.
const unbounded = 1 << 30

// newTimers gives the timers of a network, with the defaults of RFC 3261 and CUSP.
func newTimers(m *model.SIPTimers) timers {
	ms := func(value int, or time.Duration) time.Duration {
		return cmp.Or(time.Duration(value)*time.Millisecond, or)
	}
	t := timers{
		t1: ms(m.T1, 500*time.Millisecond), t2: ms(m.T2, 4*time.Second), t4: ms(m.T4, 5*time.Second),
		noAnswer:         ms(m.TU1, 5*time.Second),
		c:                ms(m.C, 181*time.Second),
		inviteRepeats:    cmp.Or(m.InviteClientCount, unbounded),
		nonInviteRepeats: cmp.Or(m.NonInviteClientCount, unbounded),
		responseRepeats:  cmp.Or(m.InviteServerCount, unbounded),
	}
	t.nonInvite = ms(m.TU2, 64*t.t1)
	t.client = ms(m.ClientTn, 64*t.t1)
	t.server = ms(m.ServerTn, 64*t.t1)
	t.provisional = ms(m.NonInviteProvisional, t.t2)
	return t
}

// longest is how long a transaction may last at the most, but for an INVITE
// whose callee keeps sending provisional responses.
func (t *timers) longest() time.Duration { return t.c + 2*max(t.client, t.server) }

// tick is how late a timer may fire. Retransmissions, the only ones that
// anybody could notice, start at 500 ms.
const (
	tick       = 25 * time.Millisecond
	wheelSlots = 1024 // 26 s a turn
)

// expirer is what a timer belongs to. expire runs under the shard's lock when
// the timer is due.
type expirer interface {
	expire(w *worker, s *shard, now time.Duration)
}

// timer is one deadline, linked into a wheel while it is armed.
type timer struct {
	next, prev *timer
	at         time.Duration
	owner      expirer
}

// wheel is a shard's timers: a ring of lists, one for each tick. A deadline
// further off than one turn stays in its list until its turn comes.
type wheel struct {
	slots [wheelSlots]timer // list heads
	due   timer             // head of the list being run
	done  int64             // the last tick that was run
	armed int
}

func (h *wheel) init() {
	for i := range h.slots {
		head := &h.slots[i]
		head.next, head.prev = head, head
	}
	h.due.next, h.due.prev = &h.due, &h.due
}

// arm sets t to fire at the given time, at the next tick if that has passed.
func (h *wheel) arm(t *timer, at time.Duration) {
	h.disarm(t)
	t.at = at
	h.link(t)
	h.armed++
}

func (h *wheel) link(t *timer) {
	turn := max(int64((t.at+tick-1)/tick), h.done+1)
	head := &h.slots[turn%wheelSlots]
	t.next, t.prev = head, head.prev
	head.prev.next = t
	head.prev = t
}

func (h *wheel) disarm(t *timer) {
	if t.next == nil {
		return
	}
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev = nil, nil
	h.armed--
}

// run fires every timer that is due at now.
func (h *wheel) run(w *worker, s *shard, now time.Duration) {
	last := int64(now / tick)
	if last-h.done > wheelSlots {
		h.done = last - wheelSlots // every list is visited once: that is all of them
	}
	for h.done < last {
		h.done++
		h.runSlot(&h.slots[h.done%wheelSlots], w, s, now)
	}
}

// runSlot moves the list aside and then takes timer after timer off its front:
// what expires may arm or disarm any other.
func (h *wheel) runSlot(head *timer, w *worker, s *shard, now time.Duration) {
	if head.next == head {
		return
	}
	due := &h.due
	due.next, due.prev = head.next, head.prev
	due.next.prev, due.prev.next = due, due
	head.next, head.prev = head, head
	for t := due.next; t != due; t = due.next {
		due.next, t.next.prev = t.next, due
		t.next, t.prev = nil, nil
		if t.at > now {
			h.link(t)
			continue
		}
		h.armed--
		t.owner.expire(w, s, now)
	}
}
