package admission

import (
	"sync"
	"sync/atomic"
	"time"
)

// Snapshot is how many calls were offered in a time.
type Snapshot struct {
	Calls int64         `json:"calls"`
	Span  time.Duration `json:"span"` // about 30 s; more when the box stood still
}

// The two windows.
const (
	snapshotPeriod = 30 * time.Second // CP-4
	snapshotMost   = 10
	secondMost     = 60
)

// rates are how many calls were offered: in the window of five minutes that
// calls are rejected by, and second by second for the operator.
type rates struct {
	published atomic.Pointer[average]
	nextAt    atomic.Int64 // boot time of the next snapshot
	refused   atomic.Int64 // boot time of the last call over the limit of the immediate mode; 0: none

	mu        sync.Mutex // the ticker and the operator; not the call path
	snapshots window
	seconds   window
	rejecting bool
	since     time.Duration // boot time at which rejecting became what it is
}

// average is that of the window.
type average struct {
	Snapshot // all that it covers
	// enforced is false before the second snapshot (CP-13).
	enforced bool
}

// start begins both windows at a boot time.
func (r *rates) start(now time.Duration) {
	r.snapshots = window{period: snapshotPeriod, most: snapshotMost, began: now, next: now + snapshotPeriod}
	r.seconds = window{period: tick, most: secondMost, began: now, next: now + tick}
	r.since = now
	r.publish()
}

// tick closes what is over; offered is how many calls there were up to now.
// exceeds says whether calls are rejected with what was published.
func (r *rates) tick(now time.Duration, offered int64, exceeds func(time.Duration) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seconds.tick(now, offered)
	if r.snapshots.tick(now, offered) {
		r.publish()
	}
	if rejecting := exceeds(now); rejecting != r.rejecting {
		r.rejecting, r.since = rejecting, now
	}
}

func (r *rates) publish() {
	r.nextAt.Store(int64(r.snapshots.next))
	r.published.Store(&average{r.snapshots.whole(), len(r.snapshots.kept) >= 2})
}

// average is what calls are rejected by.
func (r *rates) average() average { return *r.published.Load() }

// untilSnapshot is how long nothing will change, in seconds: what a rejected
// caller is told (CP-15), 1–30.
func (r *rates) untilSnapshot(now time.Duration) int {
	left := time.Duration(r.nextAt.Load()) - now
	return int(min(max((left+time.Second-1)/time.Second, 1), snapshotPeriod/time.Second))
}

// window is the newest snapshots of a count.
type window struct {
	period time.Duration // of one
	most   int           // of them
	kept   []Snapshot    // oldest first
	began  time.Duration // of the open one
	next   time.Duration // when it is over
	total  int64         // the count when it began
}

// tick closes the open snapshot if its time is over; total is the count now. A
// late one covers what has passed since, however long: a box that was
// suspended has offered nothing meanwhile.
func (w *window) tick(now time.Duration, total int64) (closed bool) {
	if now < w.next {
		return false
	}
	w.kept = append(w.kept, Snapshot{Calls: total - w.total, Span: now - w.began})
	w.began, w.total = now, total
	w.next += (now-w.next)/w.period*w.period + w.period
	// Those that cover the whole window without the oldest do not need it.
	for len(w.kept) > w.most || w.sum().Span-w.kept[0].Span >= time.Duration(w.most)*w.period {
		w.kept = w.kept[1:]
	}
	return true
}

func (w *window) sum() (sum Snapshot) {
	for _, s := range w.kept {
		sum.Calls += s.Calls
		sum.Span += s.Span
	}
	return sum
}

// whole is what the window covers, of one period at least (CP-13).
func (w *window) whole() Snapshot {
	sum := w.sum()
	sum.Span = max(sum.Span, w.period)
	return sum
}

// rate is that of one snapshot, in calls per second.
func (s Snapshot) rate() float64 { return float64(s.Calls) / s.Span.Seconds() }
