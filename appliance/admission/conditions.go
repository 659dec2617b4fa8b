package admission

import (
	"fmt"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// recent is how long after a refused call or a dropped request their alarm's
// condition still holds; the alarm adds its own time.
const recent = 10 * time.Second

// Conditions are the alarms that hold now.
func (g *Gate) Conditions() []model.Condition {
	now := g.now()
	var all []model.Condition
	for _, kind := range []struct {
		model.Condition
		text func(now time.Duration) string // empty: it does not hold
	}{
		{model.Condition{Name: alarm.Overload}, g.overloaded},
		{model.Condition{Name: alarm.CPSExceeded}, g.rateExceeded},
		{model.Condition{Name: alarm.SIPFlood}, g.flooded},
	} {
		if kind.Text = kind.text(now); kind.Text != "" {
			all = append(all, kind.Condition)
		}
	}
	return all
}

func (g *Gate) overloaded(time.Duration) string {
	percent, _, ok := g.Feedback()
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d %% of new calls are refused because the box is overloaded", percent)
}

// rateExceeded warns from the limit on, also where the average may equal it
// (CP-11).
func (g *Gate) rateExceeded(now time.Duration) string {
	p, allowance := g.plan.Load(), g.allowance(now)
	limit, average := p.limit(allowance), g.rates.average()
	refused := time.Duration(g.rates.refused.Load())
	switch {
	case !allowance.Calls || limit.cps == 0:
		return ""
	case p.immediate && refused > 0 && now < refused+recent:
		return fmt.Sprintf("calls beyond %d a second are refused (%s)", limit.cps, limit.rule)
	case !p.immediate && p.rejects(average, limit.cps):
		return fmt.Sprintf("calls are refused: %.2f calls a second over five minutes, the limit is %d (%s)", average.rate(), limit.cps, limit.rule)
	case !p.immediate && average.enforced && average.rate() >= float64(limit.cps):
		return fmt.Sprintf("%.2f calls a second over five minutes are at the limit of %d (%s)", average.rate(), limit.cps, limit.rule)
	}
	return ""
}

func (g *Gate) flooded(now time.Duration) string {
	last := time.Duration(g.sources.last.Load())
	if last == 0 || now >= last+recent {
		return ""
	}
	text := fmt.Sprintf("%d requests were dropped since the proxy started", g.sources.dropped.Load())
	if top := g.sources.top(1); len(top) > 0 && top[0].Dropped > 0 {
		text += fmt.Sprintf(", %d of them from %v", top[0].Dropped, top[0].Address)
	}
	return text
}
