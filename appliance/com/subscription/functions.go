package subscription

import (
	"slices"
	"time"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// functions are what needs a subscription (COM-15, X-11). What is not subscribed
// does not work, nor does what has ended. When the grace is over, ends
// says whether a function stops as well.
var functions = []struct {
	feature string
	ends    func(*model.COM) bool
}{
	{wire.FeatureManagement, func(*model.COM) bool { return true }},
	{wire.FeatureCalls, func(c *model.COM) bool { return c.GraceEnd == model.GraceEndsCalls }},
}

// effect is what the subscriptions allow.
type effect struct {
	management bool
	calls      model.Allowance
}

// effect of a moment. s.mu is held.
func (s *Subscription) effect(m moment) effect {
	e := effect{management: s.refusal(wire.FeatureManagement, m) == ""}
	if calls := s.calls(m); calls.Calls {
		e.calls = calls
	}
	return e
}

// Allows says whether a feature of package wire may be used. A service that has a
// switch needs wire.FeatureManagement.
func (s *Subscription) Allows(feature string) bool {
	m := s.moment()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refusal(feature, m) == ""
}

// InGrace says whether the box goes by a subscription without COM; also when the
// grace is over.
func (s *Subscription) InGrace() bool {
	m := s.moment()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.facts.Grace.Running && s.facts.subscribed(m.now)
}

// refusal is why a feature may not be used; empty: it may. s.mu is held.
func (s *Subscription) refusal(feature string, m moment) string {
	f := &s.facts
	if f.Pending {
		return "nobody has approved the box yet"
	}
	end, ever := f.end(feature)
	count, running := f.count(feature, m.now)
	switch {
	case !ever:
		return "there is no subscription for it"
	case !running:
		return "the subscription has ended " + instant(end)
	case feature == wire.FeatureCalls && count == 0:
		return "the subscription is for no calls"
	}
	if f.Grace.over(m) && s.endsWithGrace(feature) {
		return "COM has not been reached for 30 days of running time"
	}
	return ""
}

// endsWithGrace says whether a feature stops when the grace is over. s.mu is held.
func (s *Subscription) endsWithGrace(feature string) bool {
	for _, function := range functions {
		if function.feature == feature {
			return function.ends(&s.com)
		}
	}
	return true
}

// calls is what calls may do where the subscription governs them. s.mu is held.
func (s *Subscription) calls(m moment) model.Allowance {
	limit := s.license.LimitCPS()
	if s.refusal(wire.FeatureCalls, m) != "" {
		return model.Allowance{LimitCPS: limit}
	}
	count, _ := s.facts.count(wire.FeatureCalls, m.now)
	return model.Allowance{Calls: true, LimitCPS: min(count, limit)}
}

// Prospect is what calls may do where the subscription governs them, and what
// from when on if COM is not heard of.
func (s *Subscription) Prospect() model.Prospect {
	m := s.moment()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.prospect(m)
}

// prospect looks ahead to the first change of what calls may do. s.mu is held.
func (s *Subscription) prospect(m moment) model.Prospect {
	p := model.Prospect{Now: s.calls(m)}
	for _, left := range s.ends(m) {
		if then := s.calls(moment{m.now.Add(left), m.elapsed + left}); then != p.Now {
			p.Changes, p.Left, p.Then = true, left, then
			break
		}
	}
	return p
}

// ends are how long it takes until something ends, the next one first. s.mu is
// held.
func (s *Subscription) ends(m moment) (list []time.Duration) {
	for _, of := range s.facts.Subscriptions {
		if !of.Expires.IsZero() && runs(of, m.now) {
			list = append(list, of.Expires.Sub(m.now))
		}
	}
	if g := s.facts.Grace; g.Running && !g.over(m) {
		list = append(list, model.COMGrace-g.passed(m))
	}
	slices.Sort(list)
	return list
}

// instant is how instants stand in texts.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
