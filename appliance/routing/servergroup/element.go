package servergroup

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// Key is what makes an element the same one in another group and after a
// commit.
type Key struct {
	Network   string // SIP network it is reached from
	Transport model.Transport
	Host      string // address or name
	Port      int    // 0: by DNS, or the transport's own
}

// Element is one server and what is known of it. It lives as long as some
// group of the configuration has it. Its methods are called by many threads.
type Element struct {
	key       Key
	now       func() time.Duration
	rules     atomic.Pointer[rules]
	condition atomic.Pointer[condition]

	outcomes [4]atomic.Int64 // requests by hop.Outcome
	pings    pingCounters

	// RFC 7339: the share of new calls that it does not want, in percent, and
	// until when.
	loss      atomic.Int64
	lossUntil atomic.Int64
}

func newElement(k Key, now func() time.Duration) *Element {
	e := &Element{key: k, now: now}
	e.rules.Store(&rules{retries: 1})
	e.condition.Store(&condition{since: now()})
	return e
}

// Up says whether a request may be sent there.
func (e *Element) Up() bool {
	c := e.condition.Load()
	return c.state == up || c.state == busy && e.now() >= c.until
}

// InService says whether new calls may go there: some group has it that does
// not have it shut down.
func (e *Element) InService() bool { return !e.rules.Load().shutdown }

// outcomeReasons are the reasons of failures by their outcomes.
var outcomeReasons = [...]reason{
	hop.Failed: callFailover, hop.TimedOut: callTimedOut, hop.Unreachable: callUnreachable,
}

// Report tells how a request went. A failover response with a Retry-After takes
// the element out for that time, one without for the configured time.
func (e *Element) Report(o hop.Outcome, retryAfter time.Duration) {
	e.outcomes[o].Add(1)
	if o == hop.Failed && retryAfter <= 0 {
		retryAfter = e.rules.Load().rest
	}
	switch {
	case o == hop.Answered:
		e.happens(answered, callAnswered, 0)
	case o == hop.Failed && retryAfter > 0:
		e.happens(refused, callRetryAfter, retryAfter)
	default:
		e.happens(failed, outcomeReasons[o], 0)
	}
}

// happens changes the condition. It allocates where something changes, which
// an answer of an element that is well does not.
func (e *Element) happens(what event, why reason, rest time.Duration) {
	for {
		before := e.condition.Load()
		if what == answered && before.state == up && before.failures == 0 && before.reason != never {
			return
		}
		after := before.after(what, why, rest, e.now(), e.rules.Load().retries)
		if after == *before || e.condition.CompareAndSwap(before, &after) {
			return
		}
	}
}

// take says whether a call may be sent there now. An element that is down and
// that no ping looks after takes one call in a while of which it is the first
// choice.
func (e *Element) take(now time.Duration, first bool) bool {
	c := e.condition.Load()
	switch {
	case c.state == up:
		return true
	case c.state == busy:
		return now >= c.until
	case !first || now < c.until || e.rules.Load().pingsDown && e.pings.problem.Load() == nil:
		return false
	}
	next := *c
	next.until = now + trialPeriod
	return e.condition.CompareAndSwap(c, &next)
}

// Feedback obeys a neighbour that is overloaded: percent of the new calls go
// elsewhere while validity lasts (RFC 7339 §5.4, §5.10).
func (e *Element) Feedback(percent int, validity time.Duration) {
	e.loss.Store(int64(percent))
	e.lossUntil.Store(int64(e.now() + validity))
}

// declines says whether this new call is one that the element does not want.
func (e *Element) declines(now time.Duration) bool {
	percent := e.loss.Load()
	return percent > 0 && int64(now) < e.lossUntil.Load() && rand.Int64N(100) < percent
}
