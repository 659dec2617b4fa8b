// Package admission says who may call now. On the call path it is asked, in
// this order: whether a source is denied or floods, whether the box is
// overloaded, whether the licence and its rate allow one more call (CP-1…17),
// and whether call admission control has a seat for it. It is asked by many
// threads at once and holds no lock there: what is configured is an immutable
// plan, what is counted is atomics.
//
// In come the configuration (Check, Apply), grants from control and questions
// of the SIP core; out go refusals that name their rule, the failed-calls log,
// counters and alarms. Counters survive a commit.
package admission

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// ErrOldGrant is the answer to a grant that is older than the one in force.
var ErrOldGrant = errors.New("a newer grant is in force")

// Options are what a Gate is made of.
type Options struct {
	// Now gives CLOCK_BOOTTIME; nil means the kernel's.
	Now func() time.Duration
	// FailedCalls is the directory of the failed-calls log's files, which the
	// process may write; empty keeps the log in memory only.
	FailedCalls string
	Log         *slog.Logger
}

// Gate decides on calls. Make it with New, configure it with Apply, and let
// Run own its clock and its log.
type Gate struct {
	clock *bootClock // nil where Options had one
	now   func() time.Duration
	epoch time.Time // wall clock at boot time 0
	log   *slog.Logger

	grant atomic.Pointer[model.Grant]
	plan  atomic.Pointer[plan]

	counted  counters
	drained  atomic.Int64 // until then, in boot time, no new calls are let in
	bucket   bucket       // of "cps mode immediate"
	rates    rates
	sources  *sources
	overload overload
	failed   *failedCalls

	mu    sync.Mutex // over what follows: commits only
	seats map[entryKey]*tallies
}

// counters count since the process started.
type counters struct {
	offered, admitted, emergency              atomic.Int64
	licence, cps, callRate, cac, shed, denied atomic.Int64
	drained                                   atomic.Int64
}

// New makes a gate that has no grant and no configuration yet: it admits
// nobody.
func New(o Options) *Gate {
	var clock *bootClock
	if o.Now == nil {
		clock = newBootClock()
		o.Now = clock.now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	now := o.Now()
	g := &Gate{
		clock: clock, now: o.Now, epoch: time.Now().Add(-now), log: o.Log,
		sources: newSources(), failed: newFailedCalls(o.FailedCalls, o.Log), seats: make(map[entryKey]*tallies),
	}
	g.rates.start(now)
	g.plan.Store(newPlan(&model.Config{}, g.talliesOf))
	return g
}

// tick is how often the rates of calls are taken.
const tick = time.Second

// Run takes the snapshots of CP-4 and writes the failed-calls log until ctx
// ends.
func (g *Gate) Run(ctx context.Context) error {
	var writer sync.WaitGroup
	writer.Go(func() { g.failed.run(ctx) })
	defer writer.Wait()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if g.clock != nil {
				g.clock.catchUp()
			}
			now := g.now()
			g.rates.tick(now, g.counted.offered.Load(), g.exceeds)
			g.overload.lapse(now, g.epoch)
		}
	}
}

// Check says whether the gate can work with a configuration, changing nothing.
func (g *Gate) Check(c *model.Config) error {
	for i := range c.SBC.CACPolicySets {
		set := &c.SBC.CACPolicySets[i]
		if err := checkSet(set); err != nil {
			return fmt.Errorf("cac-policy-set %d: %w", set.Number, err)
		}
	}
	return nil
}

// Apply puts a configuration in force that Check found right. Calls that have
// seats keep them, whatever becomes of their limits.
func (g *Gate) Apply(c *model.Config) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.plan.Store(newPlan(c, g.talliesOf))
}

// SetGrant puts a grant in force unless a newer one is.
func (g *Gate) SetGrant(grant model.Grant) error {
	for {
		old := g.grant.Load()
		if old != nil && grant.Generation < old.Generation {
			return ErrOldGrant
		}
		if g.grant.CompareAndSwap(old, &grant) {
			return nil
		}
	}
}

// Grant gives the grant in force, or false.
func (g *Gate) Grant() (model.Grant, bool) {
	grant := g.grant.Load()
	if grant == nil {
		return model.Grant{}, false
	}
	return *grant, true
}

// Ready says whether calls may be set up at all.
func (g *Gate) Ready() bool {
	now := g.now()
	return g.allowance(now).Calls && !g.draining(now)
}

// allowance is what the grant allows now; without a grant, nothing.
func (g *Gate) allowance(now time.Duration) model.Allowance {
	grant := g.grant.Load()
	if grant == nil {
		return model.Allowance{}
	}
	return grant.At(now)
}

// Offer counts one call and says whether licence and rate allow it. It is
// called once for each valid initial INVITE (CP-10).
func (g *Gate) Offer(in *hop.Incoming) hop.Refusal {
	g.counted.offered.Add(1)
	p := g.plan.Load()
	refusal, count := g.judge(p, g.now())
	switch {
	case refusal.Status == 0:
		g.counted.admitted.Add(1)
	case p.exempts(in):
		g.counted.admitted.Add(1)
		g.counted.emergency.Add(1)
		return hop.Refusal{}
	default:
		count.Add(1)
	}
	return refusal
}

// Emergency says whether a request is an emergency call that passes.
func (g *Gate) Emergency(in *hop.Incoming) bool { return g.plan.Load().exempts(in) }

// judge says what licence and rate have against one more call, and where its
// refusal is counted.
func (g *Gate) judge(p *plan, now time.Duration) (hop.Refusal, *atomic.Int64) {
	if g.draining(now) {
		return hop.Refusal{Status: 503, Reason: "About To Restart", Rule: model.RuleDrain, RetryAfter: drainRetry}, &g.counted.drained
	}
	allowance := g.allowance(now)
	if !allowance.Calls {
		return hop.Refusal{Status: 503, Reason: "Calls Are Not Licensed", Rule: model.RuleLicence}, &g.counted.licence
	}
	limit := p.limit(allowance)
	retry := 1
	switch {
	case limit.cps == 0:
		return hop.Refusal{}, nil
	case p.immediate:
		if g.bucket.take(now, time.Second/time.Duration(limit.cps), time.Second) {
			return hop.Refusal{}, nil
		}
		g.rates.refused.Store(int64(now))
	case !p.rejects(g.rates.average(), limit.cps):
		return hop.Refusal{}, nil
	default:
		retry = g.rates.untilSnapshot(now)
	}
	refusal := hop.Refusal{Status: p.rejectCode, Reason: limit.reason, Rule: limit.rule, RetryAfter: retry}
	if limit.rule == model.RuleCallRate {
		return refusal, &g.counted.callRate
	}
	return refusal, &g.counted.cps
}

// exceeds says whether the window rejects calls now.
func (g *Gate) exceeds(now time.Duration) bool {
	p, allowance := g.plan.Load(), g.allowance(now)
	limit := p.limit(allowance)
	return allowance.Calls && limit.cps > 0 && !p.immediate && p.rejects(g.rates.average(), limit.cps)
}
