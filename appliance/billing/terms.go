package billing

import (
	"reflect"
	"slices"
	"time"

	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/halfcall"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// terms are what the records of an event depend on. They stand in the snapshot,
// so that an event that comes again after a crash is folded as it was folded
// first: the numbers of its records tell which of them the cache has.
type terms struct {
	ElementID    int
	Zone         model.TimeZone
	EndpointInfo model.EndpointInfo
	MediaInfo    bool
	Bills        cache.Places     // of the instances at work
	Quiesce      cache.Places     // of those: that bill their calls to the end when they are deactivated
	Consumers    []cache.Consumer // all instances
	Cache        storage.Path     // of the cache that has the records
}

// terms are those of the plan.
func (n *plan) terms() *terms {
	t := &terms{ElementID: n.ElementID, Zone: n.timeZone, EndpointInfo: n.EndpointInfo, MediaInfo: n.MediaInfo,
		Consumers: n.consumers(), Cache: n.cache}
	for _, i := range n.instances() {
		if i.attached && n.Active {
			t.Bills |= i.Places()
		}
		if i.deactMode == model.DeactQuiesce {
			t.Quiesce |= i.Places()
		}
	}
	return t
}

// settings are what the manager goes by.
func (t *terms) settings(next func() uint32) halfcall.Settings {
	zone, err := t.Zone.Location()
	if err != nil {
		zone = time.UTC // what a plan has was looked up before
	}
	return halfcall.Settings{
		ElementID: t.ElementID, Zone: zone, EndpointInfo: t.EndpointInfo, MediaInfo: t.MediaInfo, Bills: t.Bills, NextSequence: next,
	}
}

// same reports whether events are folded by both as by one, wherever their
// records are kept.
func (t *terms) same(other *terms) bool {
	there := *other
	there.Cache = t.Cache
	return reflect.DeepEqual(t, &there)
}

// lateEvents is how long billing goes on when no instance is left: calls come
// until the proxy, which changes over after billing, writes no events any more.
const lateEvents = time.Second

// settle puts the terms of the plan in force, once the events of before are
// folded by those of before. The snapshot that says so has also the records of
// the calls that are closed with it: no event gives them again.
func (p *process) settle() {
	next := p.plan.terms()
	if p.terms != nil {
		if p.terms.same(next) || time.Now().Before(p.settleAt) || p.catchUp() != nil {
			return
		}
		next.Cache = p.terms.Cache
		if p.deactivate(next); len(p.fresh) > 0 || p.cache != nil && p.cache.Status().MemoryRecords > 0 {
			next.Consumers = p.terms.Consumers // until what is theirs is on the disk
		}
		if p.terms.same(next) {
			return
		}
	}
	p.terms = next
	p.manager.Use(next.settings(p.sequence.take))
	p.keepNow()
}

// deactivate does with the calls in progress what the instances that end say.
// One that is deleted can deliver nothing more, so that its calls are closed,
// also those that it was to bill to their end.
func (p *process) deactivate(next *terms) {
	ends := p.terms.Bills &^ next.Bills
	closed := ends &^ p.terms.Quiesce
	for _, c := range p.terms.Consumers {
		if next.Bills&c.Places() == 0 && !slices.Contains(next.Consumers, c) {
			closed |= c.Places()
		}
	}
	p.manager.Quiesce(ends &^ closed)
	if closed != 0 {
		p.manager.Abort(closed, time.Now(), p.emit)
	}
}
