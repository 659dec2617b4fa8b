package billing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"causeway/appliance/billing/cache"
	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// mayChange says why a configuration cannot be taken now: events that wait are
// to be billed by the one before, and records are not to be left behind.
func (p *process) mayChange(next *plan) error {
	if p.plan == nil || next.same(p.plan) {
		return nil
	}
	if next.Configured && next.cache != p.terms.Cache && p.cache != nil {
		switch status := p.cache.Status(); {
		case status.Fault != "":
			return nil // the way out: what waits there is told of
		case status.Records > 0:
			return fmt.Errorf("cache path: %d records wait in %v; let them be delivered or clear them before the path changes", status.Records, p.terms.Cache)
		}
	}
	if p.terms.same(next.terms()) {
		return nil
	}
	if err := p.catchUp(); err != nil {
		return link.Passing(fmt.Errorf("billing cannot change while call events wait: %w", err))
	}
	return nil
}

// use puts a plan in force. What came before is billed by the one before.
func (p *process) use(next *plan) {
	if p.plan != nil && next.same(p.plan) {
		return
	}
	p.stopInstances()
	p.plan, p.settleAt = next, time.Now()
	if next.terms().Bills == 0 {
		p.settleAt = p.settleAt.Add(lateEvents)
	}
	p.adapt()
	p.planLongChecks(time.Now())
	p.reconcile()
	p.noteStatus()
}

// adapt brings the cache and the terms to the plan, as far as they can be now.
func (p *process) adapt() {
	if p.plan == nil {
		return
	}
	if p.terms != nil {
		p.openCache()
		p.moveCache()
	}
	p.settle()
}

// cacheUse is what a cache is opened for.
type cacheUse struct {
	dir, mount string
	maxSize    int
	onFailure  bool
	consumers  []cache.Consumer
}

// keepsRecords reports whether a cache is wanted: there are records, or may be.
func (p *process) keepsRecords() bool {
	return p.plan.Configured || p.terms.Bills != 0 || len(p.fresh) > 0
}

// cacheUse is what the cache is wanted for now: for the instances that bill, and
// for those of the plan.
func (p *process) cacheUse() (u cacheUse) {
	u.dir, u.mount = p.options.directory(p.terms.Cache)
	u.maxSize, u.onFailure, u.consumers = p.plan.Cache.MaxSize, p.plan.Cache.OnFailure, slices.Clone(p.terms.Consumers)
	for _, c := range p.plan.consumers() {
		if !slices.ContainsFunc(u.consumers, func(other cache.Consumer) bool { return c.Place == other.Place }) {
			u.consumers = append(u.consumers, c)
		}
	}
	return u
}

// openCache opens the cache, unless it is open as it should be.
func (p *process) openCache() {
	use := p.cacheUse()
	if p.cache != nil && reflect.DeepEqual(use, p.cacheUsed) {
		return
	}
	p.closeCache()
	if !p.keepsRecords() {
		return
	}
	opened, err := cache.Open(cache.Options{
		Dir: use.dir, Mount: use.mount, Box: p.box, Era: p.era, MaxSize: int64(use.maxSize) << 10, OnFailure: use.onFailure,
		Place: placeOf, Report: func(err error) { p.options.Log.Error("billing cache", "error", err) },
	}, use.consumers)
	p.note("cache directory", err)
	if err != nil {
		return
	}
	p.cache, p.cacheUsed = opened, use
	for _, c := range use.consumers {
		opened.Cursor(c.Name).Hold(true) // until its instance is at work
	}
}

// closeCache closes the cache in use. What its disk did not take is fresh again.
func (p *process) closeCache() {
	if p.cache == nil {
		return
	}
	p.stopInstances()
	if err := p.cache.Close(); err != nil {
		p.options.Log.Error("billing", "error", err)
	}
	p.fresh = append(p.cache.Unwritten(), p.fresh...)
	p.cache = nil
	if p.known { // all that comes from now on is new
		p.newest = cache.Source{}
	}
}

// mostMoved is how many records are taken along to another cache path.
const mostMoved = 10_000

// moveCache goes to the cache path of the plan, once the events are folded that
// the cache in use has records of, or its disk is in trouble. A few records are
// taken along. If there are more they are left and told of.
func (p *process) moveCache() {
	from, to := p.terms.Cache, p.plan.cache
	if from == to || !p.plan.Configured || p.cache == nil {
		return
	}
	status := p.cache.Status()
	if status.Fault == "" {
		if p.catchUp(); !p.known || p.folded < p.newest.Event {
			return
		}
		status = p.cache.Status()
	}
	p.stopInstances()
	old := p.cache
	moved, all := p.waiting(&status)
	if all {
		p.cache, p.fresh = nil, append(moved, p.fresh...)
	} else {
		p.closeCache()
	}
	p.leave(from, to, &status, all)
	terms := *p.terms
	terms.Cache = to
	p.terms, p.era, p.newest, p.known = &terms, rand.Uint64(), cache.Source{}, true
	p.keepNow()
	if !all {
		return
	}
	for _, c := range p.cacheUsed.consumers {
		if old.Cursor(c.Name) != nil && p.sealed {
			old.Clear(c.Name) // its error is that of Close
		}
	}
	p.note("cache that was left", old.Close())
}

// waiting reads what waits in the cache for its consumers, if it is not too
// much and can be read. Each record is for those who have not delivered it.
func (p *process) waiting(status *model.CacheStatus) (records []cache.Record, all bool) {
	if status.Fault != "" || status.Records > mostMoved {
		return nil, false
	}
	none, cancel := context.WithCancel(context.Background())
	cancel() // nothing is waited for
	for _, c := range p.cacheUsed.consumers {
		cursor, count := p.cache.Cursor(c.Name), int64(0)
		cursor.Rewind()
		for r, err := cursor.Next(none); err == nil; r, err = cursor.Next(none) {
			r.To = c.Places()
			records = append(records, r)
			count++
		}
		if count != consumer(status, c.Name).Records {
			return nil, false
		}
	}
	slices.SortFunc(records, func(a, b cache.Record) int { return cmp.Compare(a.Seq, b.Seq) })
	each := records[:0]
	for _, r := range records {
		if last := len(each) - 1; last >= 0 && each[last].Seq == r.Seq {
			each[last].To |= r.To
		} else {
			each = append(each, r)
		}
	}
	return each, true
}

// leave notes what stays behind in a cache path when another one is used.
func (p *process) leave(from, to storage.Path, status *model.CacheStatus, movedAll bool) {
	p.left = slices.DeleteFunc(p.left, func(l left) bool { return l.Path == to })
	stays := left{Path: from}
	for _, c := range status.Consumers {
		if c.Orphaned || !movedAll {
			stays.Records += c.Records
		}
	}
	if stays.Records > 0 {
		p.left = append(p.left, stays)
		p.options.Log.Error("billing records stay behind", "cache path", from, "records", stays.Records)
	}
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

// clear gives up the records that wait for an instance, or have stayed behind
// in a cache path: an operator's word.
func (p *process) clear(name string) (dropped int64, err error) {
	if at := slices.IndexFunc(p.left, func(l left) bool { return l.Path.String() == name }); at >= 0 {
		if err := p.catchUp(); err != nil {
			return 0, link.Passing(fmt.Errorf("nothing can be cleared while call events wait: %w", err))
		}
		dropped = p.left[at].Records
		p.left = slices.Delete(p.left, at, at+1)
		p.keepNow()
		return dropped, nil
	}
	if p.cache == nil {
		return 0, errors.New("there is no billing cache")
	}
	return p.cache.Clear(name)
}
