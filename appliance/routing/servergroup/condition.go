package servergroup

import "time"

// state is that of an element.
type state uint8

// The states of an element.
const (
	up   state = iota
	down       // too many failures in a row
	busy       // it asked for rest: 503 with Retry-After (RFC 3261 §20.33)
)

// event is what happens to an element.
type event uint8

// The events. Of calls they are a request's outcome, of pings that of one
// OPTIONS.
const (
	answered event = iota // by any response that is no failure
	failed                // no answer, no way there, or a response that leads to the next element
	refused               // by a response that says how long to stay away
)

// reason is what brought an element into its state.
type reason uint8

// The reasons.
const (
	never reason = iota // nothing was heard of it yet
	callAnswered
	callFailover
	callTimedOut
	callUnreachable
	callRetryAfter
	pingAnswered
	pingRefused
	pingTimedOut
	pingUnreachable
	pingUnlocated
	pingRetryAfter
	rested
)

var reasonTexts = [...]string{
	never:           "not heard of yet",
	callAnswered:    "a call was answered",
	callFailover:    "a call got a failover response",
	callTimedOut:    "a call was not answered",
	callUnreachable: "a call did not reach it",
	callRetryAfter:  "503 with Retry-After to a call",
	pingAnswered:    "a ping was answered",
	pingRefused:     "a ping got 408 or 503",
	pingTimedOut:    "a ping was not answered",
	pingUnreachable: "a ping did not reach it",
	pingUnlocated:   "its host name was not found",
	pingRetryAfter:  "503 with Retry-After to a ping",
	rested:          "the time of its Retry-After is over",
}

// condition is all that is known about whether an element serves. Values never
// change: each event makes another one. Times are those of Registry.now.
type condition struct {
	state    state
	reason   reason
	failures int           // in a row
	since    time.Duration // of the state
	// until is when a busy element is up again, and when one call may try one
	// that is down and that no ping looks after.
	until time.Duration
}

// rules are what the configuration says about the states of an element.
type rules struct {
	retries   int           // failures in a row that make it down
	rest      time.Duration // after a failover response without Retry-After; 0: none
	pingsDown bool          // it is pinged while it is down
	shutdown  bool          // in all groups that have it: no new calls go there
}

// maxRest bounds a Retry-After: nobody talks himself out for days.
const maxRest = time.Hour

// trialPeriod is how long after its last failure one call may try an element
// that is down and that no ping looks after.
const trialPeriod = 30 * time.Second

// at is c at a time: the rest of a busy element ends by itself.
func (c condition) at(now time.Duration) condition {
	if c.state == busy && now >= c.until {
		return condition{reason: rested, failures: c.failures, since: c.until}
	}
	return c
}

// after is what c becomes by an event. rest is how long a refused request says
// to stay away.
//
//	state  answered  failed                          refused
//	up     up        down at so many, else up        busy
//	down   up        down                            busy
//	busy   busy      down at so many, else busy      busy
//
// An answer does not end the rest of a busy element: it may be one to a
// request that was sent before, and a ping costs it nothing.
func (c condition) after(e event, why reason, rest, now time.Duration, retries int) condition {
	c = c.at(now)
	next := c
	next.reason = why
	switch e {
	case answered:
		next.failures = 0
		switch c.state {
		case busy:
			next.reason = c.reason
		case down:
			next.state = up
		}
	case failed:
		next.failures++
		if c.state == down || next.failures >= retries {
			next.state, next.until = down, now+trialPeriod
		}
	case refused:
		next.state, next.failures, next.until = busy, 0, now+min(rest, maxRest)
	}
	if next.state != c.state {
		next.since = now
	}
	return next
}
