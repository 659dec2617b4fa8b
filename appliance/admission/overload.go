package admission

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// How the box goes into overload and out of it. The upper mark is that of
// CUSP's queues ("low-threshold 80").
const (
	upperMark  = 0.80 // a queue this full makes more calls be shed
	lowerMark  = 0.40 // when all are emptier than this, fewer
	reviewTime = 100 * time.Millisecond
	release    = 0.05 // by which the share falls at each review below the lower mark
)

// overload finds the share of new calls that must be shed so that the queues
// of the sockets stay short. It rises fast, by half of what is still let in,
// and falls slowly; between the marks it stays.
type overload struct {
	share   atomic.Uint64 // float64 of 0–1
	changed atomic.Uint64 // sequence number of the share: Unix time in ms (RFC 7339 §4.4)
	fullest atomic.Uint64 // float64: since the last review
	review  atomic.Int64  // boot time of the next one

	mu    sync.Mutex // taken by one who found it free; nobody waits for it
	began time.Duration
}

func load(f *atomic.Uint64) float64     { return math.Float64frombits(f.Load()) }
func store(f *atomic.Uint64, v float64) { f.Store(math.Float64bits(v)) }

// report takes how full a queue is.
func (o *overload) report(now time.Duration, fill float64, epoch time.Time) {
	if fill < upperMark && o.share.Load() == 0 {
		return
	}
	for {
		// Bits of floats that are not negative are in the order of the floats.
		seen, bits := o.fullest.Load(), math.Float64bits(fill)
		if bits <= seen || o.fullest.CompareAndSwap(seen, bits) {
			break
		}
	}
	if int64(now) < o.review.Load() || !o.mu.TryLock() {
		return
	}
	defer o.mu.Unlock()
	if int64(now) < o.review.Load() {
		return
	}
	o.review.Store(int64(now + reviewTime))
	share := load(&o.share)
	next := nextShare(share, math.Float64frombits(o.fullest.Swap(0)))
	if next == share {
		return
	}
	if share == 0 {
		o.began = now
	}
	store(&o.share, next)
	o.changed.Store(max(o.changed.Load()+1, uint64(epoch.Add(now).UnixMilli())))
}

// lapse lets the share fall when nobody has told of a queue for long: then
// none is full, and calls must not be shed for ever.
func (o *overload) lapse(now time.Duration, epoch time.Time) {
	if int64(now-time.Second) >= o.review.Load() {
		o.report(now, 0, epoch)
	}
}

// nextShare is the share after a time in which the fullest queue was that full.
func nextShare(share, fullest float64) float64 {
	switch {
	case fullest >= upperMark:
		return share + (1-share)/2
	case fullest < lowerMark && share <= release:
		return 0
	case fullest < lowerMark:
		return share - release
	}
	return share
}

// Queue takes how full a socket's receive queue is, 0–1.
func (g *Gate) Queue(fill float64) { g.overload.report(g.now(), fill, g.epoch) }

// Shed says whether a new INVITE is refused because the box is overloaded, and
// with what. Emergency is asked then, before the request is given up.
func (g *Gate) Shed() (hop.Refusal, bool) {
	share := load(&g.overload.share)
	if share == 0 || rand.Float64() >= share {
		return hop.Refusal{}, false
	}
	g.counted.shed.Add(1)
	return g.plan.Load().shed, true
}

// Feedback gives the share of requests that neighbours shall hold back, in
// percent, and its sequence number, a Unix time in ms (RFC 7339 §4, algorithm
// "loss"); ok is false while there is no overload.
func (g *Gate) Feedback() (percent int, seq uint64, ok bool) {
	share := load(&g.overload.share)
	if share == 0 {
		return 0, 0, false
	}
	return int(math.Ceil(100 * share)), g.overload.changed.Load(), true
}

// shedRefusal is what "sip overload" says: 503, or 300 to another host.
func shedRefusal(o model.SIPOverload) hop.Refusal {
	r := hop.Refusal{Status: 503, Reason: "Overload", Rule: model.RuleOverload, RetryAfter: o.RetryAfter}
	if o.Redirect != "" {
		host := o.Redirect
		if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
			host = "[" + host + "]"
		}
		r.Status, r.Reason, r.Contact = 300, "", "sip:"+host
	}
	return r
}
