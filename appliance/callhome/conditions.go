package callhome

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// undeliveredAfter is how long a message may wait, and how long one that was
// dropped is told of, before and after it is an alarm.
const undeliveredAfter = 24 * time.Hour

// lost are the outcomes of deliveries that should not be: nobody has changed his
// mind, and no newer message has come.
var lost = []string{"expired", "full", "refused"}

// conditions are what should not be of Call Home at a time.
func conditions(s model.CallHomeStatus, now time.Time) (found []model.Condition) {
	if s.Problem != "" {
		found = append(found, model.Condition{Name: alarm.CallHomeStore, Text: s.Problem})
	}
	if text := undelivered(s, now); text != "" {
		found = append(found, model.Condition{Name: alarm.CallHomeUndelivered, Text: text})
	}
	return found
}

// undelivered says which message did not reach its profile; empty: all do, or
// one has since.
func undelivered(s model.CallHomeStatus, now time.Time) string {
	for _, e := range s.Waiting {
		if now.Sub(e.Made) >= undeliveredAfter {
			return fmt.Sprintf("a message of the group %s waits for %s since %s: %s", e.Group, e.Profile, e.Made.UTC().Format(time.RFC3339), cmp.Or(e.Error, "it is not tried"))
		}
	}
	for i, e := range s.Recent { // newest first
		since := slices.ContainsFunc(s.Recent[:i], func(later model.CallHomeEntry) bool {
			return later.Profile == e.Profile && later.Outcome == "sent"
		})
		if slices.Contains(lost, e.Outcome) && !since && now.Sub(e.Ended) < undeliveredAfter {
			return fmt.Sprintf("a message of the group %s did not reach %s (%s): %s", e.Group, e.Profile, e.Outcome, e.Error)
		}
	}
	return ""
}
