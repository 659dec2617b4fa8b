package license

import (
	"crypto/x509"
	"time"

	"causeway/appliance/license/ela"
)

const day = 24 * time.Hour

// How long the box may go without the server.
const (
	evaluationPeriod    = 90 * day // of running time (L-6)
	authorizationPeriod = 90 * day // from start_date on (L-25)
	// leaveWithin is how long a deregistration may go unanswered: its licences may
	// be with another box by then.
	leaveWithin = 7 * day
)

// facts are all that the state follows from, and what is kept of it (store.go).
type facts struct {
	Number     uint64    `json:"number"` // of writings: the larger one is the later
	Time       time.Time `json:"time"`   // trusted, when it was written
	State      State     `json:"state"`
	Since      time.Time `json:"since"`    // when that came
	Sequence   uint64    `json:"sequence"` // of the last request
	Evaluation consumed  `json:"evaluation"`

	Registration  *registration  `json:"registration,omitempty"`
	Authorization *authorization `json:"authorization,omitempty"`
	Signing       []string       `json:"signing,omitempty"` // signing certificates with their chains, PEM, oldest first
	Saved         *asked         `json:"saved,omitempty"`   // the request that was written to a file last
	// Leaving is when a deregistration was asked for that was not answered; zero:
	// none was, or the server has shown that it did not come to that.
	Leaving time.Time `json:"leaving,omitzero"`
	Doubted *doubted  `json:"doubted,omitempty"` // what could not be verified at a start

	Authorizing attempts `json:"authorizing"` // Mother May I
	Renewing    attempts `json:"renewing"`    // registration, or renewal of the ID certificate
	// Reentitling is how many requests for more licences have failed in a row (L-26).
	Reentitling int    `json:"reentitling"`
	Failure     string `json:"failure,omitempty"` // of the last exchange; empty: it was none
}

// moment is what the two clocks of a licence say.
type moment struct {
	now     time.Time     // trusted
	elapsed time.Duration // for which the box has run since it was new
}

// consumed counts the evaluation (L-6): only what the box runs in it.
type consumed struct {
	Before  time.Duration `json:"before"`  // consumed until At
	At      time.Duration `json:"at"`      // elapsed time
	Running bool          `json:"running"` // since At
}

// at is what is consumed of the period, at most all of it.
func (c consumed) at(m moment) time.Duration {
	used := c.Before
	if c.Running {
		used += max(m.elapsed-c.At, 0)
	}
	return min(used, evaluationPeriod)
}

func (c consumed) left(m moment) time.Duration { return evaluationPeriod - c.at(m) }

// run stops or starts the count.
func (c *consumed) run(running bool, m moment) { *c = consumed{c.at(m), m.elapsed, running} }

// unknown has the box have run for a time that was not counted.
func (c *consumed) unknown(d time.Duration, m moment) {
	c.run(c.Running, m)
	if c.Running {
		c.Before += d
	}
}

// asked is a request that an answer must fit to.
type asked struct {
	Kind  string          `json:"kind"`
	Count int             `json:"count,omitempty"` // licences, of KindAuthorize
	Fits  ela.Outstanding `json:"fits"`
}

// registration is an answer of the server to KindRegister or KindRenewID.
type registration struct {
	Asked   asked     `json:"asked"`
	Answer  []byte    `json:"answer"`  // as it was signed
	Opened  time.Time `json:"opened"`  // at what time its certificates were verified
	Arrived time.Time `json:"arrived"` // trusted, with what the answer says about it
	Initial time.Time `json:"initial"` // when the box was registered first

	is ela.Registered // the verified content of Answer
	by string         // serial number of the certificate that verified it
	id *x509.Certificate
}

// doubted are answers that were kept and could not be verified at a start: none
// of it counts. What is wrong may be mended: an authority was removed, a disk did
// not read.
type doubted struct {
	Registration  *registration  `json:"registration"`
	Authorization *authorization `json:"authorization,omitempty"`
	Signing       []string       `json:"signing"`
}

// authorization is an answer to Mother May I.
type authorization struct {
	Asked   asked     `json:"asked"`
	Answer  []byte    `json:"answer"`
	Opened  time.Time `json:"opened"`
	Arrived time.Time `json:"arrived"`

	is ela.Authorized
	by string
}

// deadline is when the authorisation is over (L-25, L-62).
func (a *authorization) deadline() time.Time {
	deadline := a.is.Start.Add(authorizationPeriod)
	if expiry := a.Arrived.Add(seconds(a.is.Expiry)); expiry.Before(deadline) {
		return expiry
	}
	return deadline
}

// daysLeft is as the log and show commands have it (L-63): never negative, 0
// when it is over.
func daysLeft(left time.Duration) int { return int((max(left, 0) + day - 1) / day) }

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// registered says whether the box has an identity that the server knows.
func (f *facts) registered(m moment) bool {
	return f.Registration != nil && m.now.Before(f.Registration.id.NotAfter)
}

// timer is a change that time alone brings.
type timer struct {
	event event
	// until is how long that takes; ok is false if it does not come.
	until func(*facts, moment) (left time.Duration, ok bool)
}

var timers = []timer{
	{evaluationOver, func(f *facts, m moment) (time.Duration, bool) { return f.Evaluation.left(m), true }},
	{authorizationOver, func(f *facts, m moment) (time.Duration, bool) {
		if f.Authorization == nil {
			return 0, false
		}
		return f.Authorization.deadline().Sub(m.now), true
	}},
	{idExpired, func(f *facts, m moment) (time.Duration, bool) {
		if f.Registration == nil {
			return 0, false
		}
		return f.Registration.id.NotAfter.Sub(m.now), true
	}},
	{deregistered, func(f *facts, m moment) (time.Duration, bool) {
		return f.Leaving.Add(leaveWithin).Sub(m.now), !f.Leaving.IsZero()
	}},
}

// next is the first change of state s that time brings, and how long that
// takes; moves is false if there is none.
func (f *facts) next(s State, profile string, m moment) (e event, left time.Duration, moves bool) {
	for _, t := range timers {
		if s.after(t.event, profile) == s {
			continue
		}
		if until, ok := t.until(f, m); ok && (!moves || until < left) {
			e, left, moves = t.event, until, true
		}
	}
	return e, left, moves
}

// outlook is what time alone does to calls.
type outlook struct {
	now, then effect
	left      time.Duration // until then
	changes   bool          // else it stays as it is
}

// outlook looks ahead to the first change of what calls may do.
func (f *facts) outlook(profile string, m moment) outlook {
	o := outlook{now: f.State.effect(profile)}
	ahead, s := *f, f.State // facts as they would be
	for start := m.now; ; {
		e, left, moves := ahead.next(s, profile, m)
		if !moves {
			return o
		}
		left = max(left, 0)
		m = moment{m.now.Add(left), m.elapsed + left}
		if s = s.after(e, profile); s.effect(profile).calls != o.now.calls {
			o.then, o.left, o.changes = s.effect(profile), m.now.Sub(start), true
			return o
		}
		ahead.Evaluation.run(s.evaluates(), m)
	}
}
