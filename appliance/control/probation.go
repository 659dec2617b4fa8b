package control

import (
	"time"

	"causeway/appliance/config/change"
)

// probation watches whether a process stays up with a revision: the revision
// is good when the process was as wanted for a while without a restart, and
// bad when it was restarted again and again before that.
type probation struct {
	of     change.InForce
	met    bool // the process was there to get the revision
	over   bool
	steady time.Time // as wanted and without a restart since then; zero: not so at the last look
	first  int       // restarts when it began
	last   int       // restarts at the last look
}

// mostRestarts is how many restarts make a revision bad. A single one happens
// to a good revision too.
const mostRestarts = 3

// unknown is the number of restarts where init does not answer.
const unknown = -1

// verdict is what a look at a process on probation comes to.
type verdict uint8

const (
	undecided verdict = iota
	good
	bad
)

func newProbation(of change.InForce, met bool, restarts int) probation {
	return probation{of: of, met: met, first: restarts, last: restarts}
}

// look takes what was seen now: the restarts, and whether the process is as
// wanted. settle is how long it must stay so.
func (p *probation) look(now time.Time, restarts int, asWanted bool, settle time.Duration) verdict {
	if restarts != unknown {
		if p.first == unknown {
			p.first, p.last = restarts, restarts
		}
		if restarts != p.last {
			p.last, p.steady = restarts, time.Time{}
		}
	}
	switch {
	case p.last-p.first >= mostRestarts:
		p.over = true
		return bad
	case !asWanted:
		p.steady = time.Time{}
	case p.steady.IsZero():
		p.steady = now
	case now.Sub(p.steady) >= settle:
		p.over = true
		return good
	}
	return undecided
}
