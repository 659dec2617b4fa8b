package sip

import "time"

// Timers are the intervals of RFC 3261 §17 and table 4. The zero value of a
// field means its default.
type Timers struct {
	T1 time.Duration // round-trip estimate, 500 ms
	T2 time.Duration // longest retransmit interval, 4 s
	T4 time.Duration // longest life of a message in the network, 5 s
	C  time.Duration // wait for a final response to INVITE, over 3 minutes (§16.6); 181 s
}

func (t Timers) withDefaults() Timers {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&t.T1, 500*time.Millisecond)
	set(&t.T2, 4*time.Second)
	set(&t.T4, 5*time.Second)
	set(&t.C, 181*time.Second)
	return t
}

// timeout is 64·T1: timers B, F, H, J, L and M.
func (t Timers) timeout() time.Duration { return 64 * t.T1 }

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
