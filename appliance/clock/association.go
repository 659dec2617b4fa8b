package clock

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/beevik/ntp"
	"golang.org/x/sys/unix"
)

// How often a server is asked.
const (
	burstInterval = 2 * time.Second
	firstTries    = 4 // so many in a burst before a server counts as absent
	burst         = 8 // samples taken in a burst from one that answers anew
	burstPause    = 2 * time.Minute

	// retryInterval is between the tries of an absent server, doubling up to
	// the interval of the others. RFC 4330 §10 forbids less than 15 s.
	retryInterval = 16 * time.Second
	minPoll       = 64 * time.Second
	maxPoll       = 1024 * time.Second // reached by doubling while the clock is steady, or the server complains
)

// association is what is known of one server (RFC 5905 §9). It belongs to the
// Clock, which changes it under its lock.
type association struct {
	server  string // as configured
	prefer  bool
	address netip.Addr   // the one last asked
	left    []netip.Addr // addresses of the name, the one to ask first; empty: look it up

	asking  bool          // an exchange is under way
	due     time.Time     // of the next one
	burst   int           // exchanges left at burstInterval
	bursted time.Time     // when the last burst began
	poll    time.Duration // between exchanges now
	least   time.Duration // that the server has asked for; 0: nothing
	stopped bool          // the server does not want to be asked

	reach    uint8 // a bit for each exchange, the last one lowest: answered
	tries    int   // exchanges since it was configured
	filter   filter
	last     *ntp.Response // the last acceptable answer
	heard    time.Time     // when that came
	sent     int
	received int
	rejected int // answers that were not acceptable
	problem  string
	mark     mark
}

func newAssociation(server string, now time.Time) *association {
	return &association{server: server, due: now, burst: firstTries}
}

// question is one exchange to be made.
type question struct {
	of     *association // to take the answer in; nothing else may touch it
	server string
	left   []netip.Addr
	steps  int // of the clock so far
}

// answer is what became of it.
type answer struct {
	question
	asked    time.Time
	sent     bool
	response *ntp.Response // with an err one that is not acceptable, or nil
	err      error
}

// lookupLimit bounds a look-up of a server's name.
const lookupLimit = 10 * time.Second

// exchange asks a server once, at the first of its addresses that this network
// has a way to.
func (o *Options) exchange(ctx context.Context, q question) answer {
	got := answer{question: q, asked: time.Now()}
	if len(got.left) == 0 {
		if got.left, got.err = o.addresses(ctx, q.server); got.err != nil {
			return got
		}
	}
	got.asked, got.sent = time.Now(), true
	got.response, got.err = o.Query(ctx, netip.AddrPortFrom(got.left[0], port))
	for errors.Is(got.err, unix.ENETUNREACH) && len(got.left) > 1 {
		got.left = got.left[1:]
		got.asked = time.Now()
		got.response, got.err = o.Query(ctx, netip.AddrPortFrom(got.left[0], port))
	}
	if got.err == nil {
		got.err = judge(got.response)
	}
	if got.err != nil {
		got.err = fmt.Errorf("%s: %w", got.left[0], got.err)
	}
	return got
}

// addresses gives those of a server: one at least.
func (o *Options) addresses(ctx context.Context, server string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	found, err := o.Lookup(ctx, server)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s has no address", server)
	}
	return found, err
}

// hear takes an answer in. jumped says that it contradicts all before it.
func (a *association) hear(got answer) (jumped bool) {
	wasReachable := a.reach != 0
	a.tries++
	a.problem, a.reach, a.left = "", a.reach<<1, got.left
	if got.sent {
		a.sent++
		if address := got.left[0]; address != a.address {
			a.address, a.filter = address, nil
		}
	}
	if got.response != nil {
		a.received++
	}
	if got.err == nil {
		a.reach |= 1
		a.last, a.heard = got.response, got.asked
		jumped = a.filter.add(measured(got))
		if !wasReachable || jumped && got.asked.Sub(a.bursted) > burstPause {
			a.burst, a.bursted = burst, got.asked
		}
	} else {
		a.fail(got)
	}
	return jumped
}

// measured makes a sample of a response (RFC 5905 §8).
func measured(got answer) sample {
	r := got.response
	return sample{
		at:         got.asked,
		offset:     r.ClockOffset,
		delay:      max(r.RTT, precision),
		dispersion: r.Precision + precision + scale(r.RTT, wander),
	}
}

// fail notes what was wrong, and goes to the next address of a server that has
// not answered three times in a row.
func (a *association) fail(got answer) {
	a.problem = got.err.Error()
	if got.response != nil {
		a.rejected++
	}
	switch {
	case errors.Is(got.err, errDenied):
		a.stopped = true
	case errors.Is(got.err, errRate):
		a.least, a.burst = min(2*max(a.poll, a.least, minPoll), maxPoll), 0
	}
	if a.reach&7 == 0 && len(a.left) > 0 {
		a.left = a.left[1:]
	}
}

// schedule sets when to ask again after an exchange that began at asked, poll
// being the interval of the whole clock.
func (a *association) schedule(asked time.Time, poll time.Duration) {
	if a.burst > 0 {
		a.burst--
	}
	if a.least > 0 {
		a.burst = 0
	}
	switch {
	case a.burst > 0:
		a.due = asked.Add(burstInterval)
		return
	case a.reach != 0:
		a.poll = max(poll, a.least)
	default:
		a.poll = max(min(max(2*a.poll, retryInterval), poll), a.least)
	}
	a.due = asked.Add(a.poll)
}

// settled reports that there is no use in waiting for the server: it has given
// enough samples, is absent, or says another time with every answer.
func (a *association) settled() bool {
	return a.burst == 0 || a.stopped || len(a.filter) >= firstTries || a.tries >= burst
}

// reading is what the server says now; ok is false if it says nothing that
// can be followed.
func (a *association) reading(now time.Time) (r reading, at time.Time, ok bool) {
	if a.stopped || a.reach == 0 || len(a.filter) == 0 {
		return reading{}, time.Time{}, false
	}
	m := a.filter.measure(now)
	r = reading{
		server: a,
		offset: m.offset,
		distance: max(leastDelay, a.last.RootDelay+m.delay)/2 + a.last.RootDispersion + m.spread +
			scale(now.Sub(m.at), wander) + m.jitter,
		jitter:  m.jitter,
		stratum: a.last.Stratum,
		prefer:  a.prefer,
	}
	return r, m.at, r.distance < maxDistance
}
