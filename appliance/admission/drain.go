package admission

import "time"

const (
	// drainLease is how long one word of control keeps new calls out: it says so
	// again and again, and whatever becomes of it, calls come in soon after.
	drainLease = 10 * time.Second
	// drainRetry is when a caller may try again, in seconds: the box is back then.
	drainRetry = 60
)

// Drain lets no new calls in for a while, but emergency calls: the box is about
// to restart. Those that are there go on.
func (g *Gate) Drain() { g.drained.Store(int64(g.now() + drainLease)) }

func (g *Gate) draining(now time.Duration) bool { return int64(now) < g.drained.Load() }
