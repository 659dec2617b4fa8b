package billing

import (
	"errors"
	"fmt"
	"time"

	"causeway/appliance/billing/cache"
	"causeway/appliance/model"
)

// mayLeaveCache says why a configuration cannot be taken that names another
// cache than the one in use: records wait there.
func (p *process) mayLeaveCache(next *plan) error {
	if p.plan == nil || p.cache == nil || next.cache == p.plan.cache {
		return nil
	}
	if waiting := p.cache.Status().Records; waiting > 0 {
		return fmt.Errorf("cache path: %d records wait in %v; let them be delivered or clear them before the path changes", waiting, p.plan.cache)
	}
	return nil
}

// use puts a plan in force. What came before is billed by the one before.
func (p *process) use(next *plan) {
	if p.plan == nil {
		p.begin(next)
		return
	}
	if next.same(p.plan) {
		return
	}
	for p.read() {
	}
	p.keepSnapshot(true)
	p.deactivate(next)
	p.manager.Use(next.settings(p.sequence.take))
	p.flush()
	for _, i := range append([]*instance(nil), p.instances...) {
		p.stopInstance(i)
	}
	same := next.sameCache(p.plan)
	p.plan = next
	if !same {
		p.changeCache()
		p.flush()
	}
	p.planLongChecks(time.Now())
	p.reconcile()
	p.keepSnapshot(true)
	p.noteStatus()
}

// begin puts the first plan of this life in force.
func (p *process) begin(next *plan) {
	p.plan = next
	p.manager.Use(next.settings(p.sequence.take))
	p.changeCache()
	p.planLongChecks(time.Now())
	p.reconcile()
	p.noteStatus()
}

// deactivate does with the calls in progress what the methods that end say.
func (p *process) deactivate(next *plan) {
	now := time.Now()
	for _, method := range []struct {
		ends    bool
		methods model.CallBilling
		mode    model.DeactMode
	}{
		{p.plan.bills.PacketCable && !next.bills.PacketCable, model.CallBilling{PacketCable: true}, packetCableMode(p.plan, next)},
		{p.plan.bills.XML && !next.bills.XML, model.CallBilling{XML: true}, xmlMode(p.plan, next)},
	} {
		switch {
		case !method.ends:
		case method.mode == model.DeactQuiesce:
			p.manager.Quiesce(method.methods)
		default:
			p.manager.Abort(method.methods, now, p.emit)
		}
	}
}

// packetCableMode is how the PacketCable method ends: as the instances say that
// were at work, with quiesce only if all say so. An instance that is deleted
// with it can deliver nothing more, so that its calls are closed.
func packetCableMode(old, next *plan) model.DeactMode {
	mode := model.DeactQuiesce
	for _, m := range old.PacketCable {
		if m.Attached {
			mode = min(mode, m.DeactMode)
		}
	}
	if len(next.PacketCable) == 0 {
		return model.DeactAbort
	}
	return mode
}

func xmlMode(old, next *plan) model.DeactMode {
	if len(next.XML) == 0 {
		return model.DeactAbort
	}
	return old.XML[0].DeactMode
}

// changeCache closes the cache in use, and opens the one of the plan. What the
// disk did not take goes from one to the other.
func (p *process) changeCache() {
	dir, mount := p.options.directory(p.plan.cache)
	anew := p.known // no event comes again that a cache may have
	if p.cache != nil {
		if err := p.cache.Close(); err != nil {
			p.options.Log.Error("billing", "error", err)
		}
		anew = p.cache.Status().Directory != dir
		p.fresh = append(p.cache.Unwritten(), p.fresh...)
		p.cache, p.known = nil, true
		p.newest = cache.Source{}
	}
	if !p.plan.Configured {
		return
	}
	opened, err := cache.Open(cache.Options{
		Dir: dir, Mount: mount, Box: p.box, Anew: anew, MaxSize: int64(p.plan.Cache.MaxSize) << 10, OnFailure: p.plan.Cache.OnFailure,
		Report: func(err error) { p.options.Log.Error("billing cache", "error", err) },
	}, p.plan.consumers())
	p.note("cache directory", err)
	if err != nil {
		return
	}
	p.cache = opened
}

// clockStepped records a step of the clock, by which times of records before
// and after it differ.
func (p *process) clockStepped(ahead time.Duration) {
	if p.plan == nil || ahead.Abs() < leastStep {
		return
	}
	p.manager.Step(time.Now(), ahead, p.emit)
	p.flush()
	p.planLongChecks(time.Now())
}

// leastStep is the smallest step of the clock that records speak of.
const leastStep = 200 * time.Millisecond

// clear gives up the records that wait for an instance: an operator's word.
func (p *process) clear(instance string) (dropped int64, err error) {
	if p.cache == nil {
		return 0, errors.New("there is no billing cache")
	}
	return p.cache.Clear(instance)
}
