package billing

import (
	"context"
	"fmt"
	"time"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// longCheck is when the calls of some methods are looked at that last for more
// than 24 hours ("ldr-check").
type longCheck struct {
	at      model.TimeOfDay
	methods model.CallBilling
	next    time.Time
}

// planLongChecks lays out the checks of the plan: one for each time of day.
func (p *process) planLongChecks(now time.Time) {
	p.checks = nil
	add := func(at model.TimeOfDay, methods model.CallBilling) {
		for i := range p.checks {
			if c := &p.checks[i]; c.at == at {
				c.methods.PacketCable = c.methods.PacketCable || methods.PacketCable
				c.methods.XML = c.methods.XML || methods.XML
				return
			}
		}
		p.checks = append(p.checks, longCheck{at, methods, nextTime(now.In(p.plan.zone), at)})
	}
	for _, m := range p.plan.PacketCable {
		add(p.plan.longCheck(m.LongCheck), model.CallBilling{PacketCable: true})
	}
	for _, x := range p.plan.XML {
		add(p.plan.longCheck(x.LongCheck), model.CallBilling{XML: true})
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
func (p *process) runLongChecks(now time.Time) {
	for i := range p.checks {
		c := &p.checks[i]
		if now.Before(c.next) {
			continue
		}
		c.next = nextTime(now.In(p.plan.zone), c.at)
		p.checkLong(now, c.methods)
	}
}

// checkLong reports the long calls, and closes those that the proxy does not
// know any more: their end was seen by nobody.
func (p *process) checkLong(now time.Time, methods model.CallBilling) {
	long := p.manager.CheckLong(now, methods, p.emit)
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
	gone, err := p.gone(asked)
	p.note("long-duration check", err)
	p.counters[countFoundDead] += int64(len(gone))
	p.manager.Lost(gone, now, p.emit)
	p.flush()
}

// keys name calls to the proxy.
type keys struct {
	Keys []string `json:"keys"`
}

// goneLimit bounds how long the proxy is waited for; events wait meanwhile.
const goneLimit = 5 * time.Second

// gone asks the proxy which of the calls it does not know any more.
func (p *process) gone(asked keys) (gone []model.CallKey, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), goneLimit)
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
