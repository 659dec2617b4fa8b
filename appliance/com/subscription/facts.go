package subscription

import (
	"fmt"
	"time"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// facts are all that follows from what COM has said, and what is kept of it.
type facts struct {
	Number        uint64              `json:"number"`            // of writings: the larger one is the later
	Time          time.Time           `json:"time"`              // trusted, when it was written
	Asked         []wire.Wanted       `json:"asked,omitempty"`   // that COM has answered
	Checked       time.Time           `json:"checked,omitzero"`  // trusted, when COM answered last; zero: never
	Pending       bool                `json:"pending,omitempty"` // nobody had approved the box
	Subscriptions []wire.Subscription `json:"subscriptions,omitempty"`
	Grace         grace               `json:"grace,omitzero"`
}

// runs says whether a subscription has not ended.
func runs(s wire.Subscription, now time.Time) bool {
	return s.Expires.IsZero() || now.Before(s.Expires)
}

// subscribed says whether there is a subscription that runs.
func (f *facts) subscribed(now time.Time) bool {
	for _, s := range f.Subscriptions {
		if runs(s, now) {
			return true
		}
	}
	return false
}

// count is how much of a feature the subscriptions that run are for; ok is false
// if none runs.
func (f *facts) count(feature string, now time.Time) (count int, ok bool) {
	for _, s := range f.Subscriptions {
		if s.Feature == feature && runs(s, now) {
			count, ok = count+s.Count, true
		}
	}
	return count, ok
}

// end is when the last subscription for a feature ends; zero: it does not. ok is
// false if there never was one.
func (f *facts) end(feature string) (end time.Time, ok bool) {
	for _, s := range f.Subscriptions {
		switch {
		case s.Feature != feature:
		case s.Expires.IsZero():
			return time.Time{}, true
		case s.Expires.After(end):
			end, ok = s.Expires, true
		}
	}
	return end, ok
}

// grace is the running time of the box since COM has confirmed the subscription
// last (COM-12). It is counted up to model.COMGrace.
type grace struct {
	Running bool          `json:"running"`
	Passed  time.Duration `json:"passed"` // until At
	At      time.Duration `json:"at"`     // elapsed time
}

// passed is how much of the grace is used, at most all of it.
func (g grace) passed(m moment) time.Duration {
	used := g.Passed
	if g.Running {
		used += max(m.elapsed-g.At, 0)
	}
	return min(used, model.COMGrace)
}

func (g grace) over(m moment) bool { return g.passed(m) == model.COMGrace }

const (
	day = 24 * time.Hour
	// tellAfter is how long COM may be away without an alarm.
	tellAfter = 5 * time.Minute
)

// day is which one of the 30 it is: 1–30.
func (g grace) day(m moment) int { return min(int(g.passed(m)/day)+1, int(model.COMGrace/day)) }

// What an answer may have. It is kept on bootflash: and stands in show commands.
const (
	mostSubscriptions = 32
	longestFeature    = 32 // octets
)

// check says why an answer of COM cannot be taken.
func check(answer wire.License) error {
	if n := len(answer.Subscriptions); n > mostSubscriptions {
		return fmt.Errorf("%d subscriptions are more than %d", n, mostSubscriptions)
	}
	for _, s := range answer.Subscriptions {
		if !named(s.Feature) {
			return fmt.Errorf("%.40q is no name of a feature", s.Feature)
		}
		if s.Count < 0 || s.Count > model.LicenseMost {
			return fmt.Errorf("a subscription for %s with a count of %d", s.Feature, s.Count)
		}
		if year := s.Expires.Year(); !s.Expires.IsZero() && (year < 2000 || year > 9999) {
			return fmt.Errorf("a subscription for %s that ends in the year %d", s.Feature, year)
		}
	}
	return nil
}

// named says whether a feature has a name as "remote-management".
func named(feature string) bool {
	for _, c := range []byte(feature) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return feature != "" && len(feature) <= longestFeature
}
