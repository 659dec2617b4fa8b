package subscription

import (
	"cmp"
	"fmt"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// ending is when the end of a subscription is told.
const ending = 30 * day

// Conditions are what should not be. Each day of the grace is an alarm of its
// own, so that each is raised once, whatever restarts meanwhile.
func (s *Subscription) Conditions() (list []model.Condition) {
	m := s.moment()
	s.mu.Lock()
	defer s.mu.Unlock()
	governs := s.license.Governor() != model.SourceSmart
	if governs || s.com.CustomerID != "" && s.com.Server != "" && !s.com.Secondary {
		list = append(s.graceConditions(m), s.endConditions(m.now)...)
	}
	if why := s.refusal(wire.FeatureCalls, m); governs && why != "" {
		list = append(list, model.Condition{Name: alarm.COMCallsRefused, Text: "all calls are refused: " + why})
	}
	if problem := cmp.Or(s.problem, s.unsaved); problem != "" {
		list = append(list, model.Condition{Name: alarm.COMSubscriptionState, Text: problem})
	}
	return list
}

// graceConditions tell that COM is away, as long as there is something to lose.
// s.mu is held.
func (s *Subscription) graceConditions(m moment) []model.Condition {
	g := s.facts.Grace
	switch {
	case !s.facts.subscribed(m.now), g.passed(m) < tellAfter:
		return nil
	case g.over(m):
		return []model.Condition{{Name: alarm.COMGraceOver, Text: "COM was not reached for 30 days of running time: " + s.lost() + " stopped"}}
	}
	n := g.day(m)
	return []model.Condition{{
		Name: alarm.COMGrace, Object: fmt.Sprintf("day %d", n),
		Text: fmt.Sprintf("COM is not reached for the %s of 30 days; %s will stop", ordinal(n), s.lost()),
	}}
}

// lost is what ends with the grace. s.mu is held.
func (s *Subscription) lost() string {
	if s.endsWithGrace(wire.FeatureCalls) && s.license.Governor() != model.SourceSmart {
		return "remote management and calls"
	}
	return "remote management"
}

// ordinal is as "2nd".
func ordinal(n int) string {
	suffix := "th"
	if n/10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprint(n, suffix)
}

// endConditions tell which subscriptions end or have ended. s.mu is held.
func (s *Subscription) endConditions(now time.Time) (list []model.Condition) {
	for _, function := range functions {
		end, ever := s.facts.end(function.feature)
		switch left := end.Sub(now); {
		case !ever, end.IsZero(), left > ending:
		case left > 0:
			list = append(list, model.Condition{Name: alarm.COMSubscriptionEnding, Object: function.feature, Text: "the subscription ends " + instant(end)})
		default:
			list = append(list, model.Condition{Name: alarm.COMSubscriptionEnded, Object: function.feature, Text: "the subscription has ended " + instant(end)})
		}
	}
	return list
}
