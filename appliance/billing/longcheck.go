package billing

import (
	"context"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/billing/cache"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// longCheck is when the calls of some instances are looked at that last for
// more than 24 hours ("ldr-check").
type longCheck struct {
	at        model.TimeOfDay
	instances cache.Places
	next      time.Time
}

// planLongChecks lays out the checks of the plan: one for each time of day.
func (p *process) planLongChecks(now time.Time) {
	p.checks = nil
	for _, i := range p.plan.instances() {
		at := p.plan.longCheck(i.longCheck)
		known := slices.IndexFunc(p.checks, func(c longCheck) bool { return c.at == at })
		if known < 0 {
			known = len(p.checks)
			p.checks = append(p.checks, longCheck{at: at, next: nextTime(now.In(p.plan.zone), at)})
		}
		p.checks[known].instances |= i.Places()
	}
}

// nextTime is the next moment after now that has this time of day there.
func nextTime(now time.Time, at model.TimeOfDay) time.Time {
	for day := now.Day(); ; day++ {
		if t := time.Date(now.Year(), now.Month(), day, at.Hour, at.Minute, 0, 0, now.Location()); t.After(now) {
			return t
		}
	}
}

// runLongChecks does those that are due.
func (p *process) runLongChecks(ctx context.Context, now time.Time) {
	for i := range p.checks {
		c := &p.checks[i]
		if now.Before(c.next) {
			continue
		}
		c.next = nextTime(now.In(p.plan.zone), c.at)
		p.checkLong(ctx, now, c.instances)
	}
}

// checkLong reports the long calls, and has those closed that the proxy does not
// know any more: their end was seen by nobody.
func (p *process) checkLong(ctx context.Context, now time.Time, instances cache.Places) {
	long := p.manager.CheckLong(now, instances, p.emit)
	asked := keys{}
	for _, call := range long {
		p.counters[countLong]++
		asked.Keys = append(asked.Keys, call.Key.String())
		p.options.Log.Warn("call of more than 24 hours", "call_id", call.CallID, "from", call.From, "to", call.To,
			"since", call.Offered.UTC().Format(time.RFC3339))
	}
	p.flush()
	if len(long) == 0 {
		return
	}
	p.asking.Go(func() {
		gone, err := p.gone(ctx, asked)
		p.do(func() {
			p.note("long-duration check", err)
			p.foundDead(gone)
		})
	})
}

// foundDead closes calls whose end nobody has seen. What the proxy says holds
// for the whole journal: an end that is in it, unread, closes its call as it
// was. Calls that stay open are found again by the next check.
func (p *process) foundDead(gone []model.CallKey) {
	if len(gone) == 0 {
		return
	}
	if err := p.catchUp(); err != nil {
		p.note("long-duration check", err)
		return
	}
	p.counters[countFoundDead] += int64(p.manager.Lost(gone, time.Now(), p.emit))
	p.keepNow()
}

// keys name calls to the proxy.
type keys struct {
	Keys []string `json:"keys"`
}

// goneLimit bounds how long the proxy is waited for.
const goneLimit = 5 * time.Second

// gone asks the proxy which of the calls it does not know any more.
func (p *process) gone(ctx context.Context, asked keys) (gone []model.CallKey, err error) {
	ctx, cancel := context.WithTimeout(ctx, goneLimit)
	defer cancel()
	var answer keys
	if err := link.Call(ctx, link.Socket(p.options.Run, "proxy"), "proxy.gone", asked, &answer); err != nil {
		return nil, fmt.Errorf("ask which long calls are over: %w", err)
	}
	for _, text := range answer.Keys {
		key, err := model.ParseCallKey(text)
		if err != nil {
			return nil, fmt.Errorf("ask which long calls are over: %w", err)
		}
		gone = append(gone, key)
	}
	return gone, nil
}
