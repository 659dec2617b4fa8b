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
	next, prev *timer // in the list of its slot
	at         time.Duration
	visit      int64 // the tick whose slot it is in; 0: it is not armed
	owner      expirer
}

// wheel is a shard's timers: a ring of slots, one for each tick, and in each a
// list of timers. A deadline further off than one turn stays in its slot until
// its turn comes. One that is put off stays where it is until its slot is run:
// what the neighbours in a list take to reach is most of what a timer costs.
type wheel struct {
	slots [wheelSlots]*timer
	due   *timer // what is left of the slot that is being run
	done  int64  // the last tick that was run
	armed int
}

// visitNow is the visit of a timer in wheel.due.
const visitNow = -1

// arm sets t to fire at the given time, at the next tick if that has passed.
func (h *wheel) arm(t *timer, at time.Duration) {
	t.at = at
	switch {
	case t.visit == 0:
		h.armed++
	case t.visit <= tickOf(at):
		return
	default:
		h.unlink(t)
	}
	h.link(t)
}

func tickOf(at time.Duration) int64 { return int64((at + tick - 1) / tick) }

// list is the one that t is in.
func (h *wheel) list(t *timer) **timer {
	if t.visit == visitNow {
		return &h.due
	}
	return &h.slots[t.visit%wheelSlots]
}

func (h *wheel) link(t *timer) {
	t.visit = max(tickOf(t.at), h.done+1)
	first := h.list(t)
	if t.next = *first; t.next != nil {
		t.next.prev = t
	}
	*first = t
}

func (h *wheel) disarm(t *timer) {
	if t.visit != 0 {
		h.unlink(t)
		h.armed--
	}
}

func (h *wheel) unlink(t *timer) {
	if t.next != nil {
		t.next.prev = t.prev
	}
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		*h.list(t) = t.next
	}
	t.next, t.prev, t.visit = nil, nil, 0
}

// run fires every timer that is due at now.
func (h *wheel) run(w *worker, s *shard, now time.Duration) {
	last := int64(now / tick)
	if last-h.done > wheelSlots {
		h.done = last - wheelSlots // every slot is visited once: that is all of them
	}
	for h.done < last {
		h.done++
		h.runSlot(int(h.done%wheelSlots), w, s, now)
	}
}

// runSlot moves the list aside and then takes timer after timer off its front:
// what expires may arm or disarm any other.
func (h *wheel) runSlot(slot int, w *worker, s *shard, now time.Duration) {
	h.due, h.slots[slot] = h.slots[slot], nil
	for t := h.due; t != nil; t = t.next {
		t.visit = visitNow
	}
	for h.due != nil {
		t := h.due
		h.unlink(t)
		if t.at > now {
			h.link(t)
			continue
		}
		h.armed--
		t.owner.expire(w, s, now)
	}
}
