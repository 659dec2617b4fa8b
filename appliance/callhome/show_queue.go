package callhome

import (
	"fmt"
	"maps"
	"slices"

	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// printSchedule prints when messages are due, and what waits.
func printSchedule(s exec.Session, status *model.CallHomeStatus) {
	printTimes(s, status)
	if len(status.Due) > 0 {
		const row = "%-13s  %-24s  %s\n"
		fmt.Fprintf(s, "\n"+row, "Alert group", "Last made", "Next scheduled")
		for _, due := range status.Due {
			fmt.Fprintf(s, row, due.Group, at(s, due.Last, "never"), at(s, due.Next, "none"))
		}
	}
	fmt.Fprintln(s)
	exec.Field(s, "Deliveries that wait", len(status.Waiting))
	printDeliveries(s, status.Waiting)
}

// printDeliveries prints what became of each, and why it has failed.
func printDeliveries(s exec.Session, all []model.CallHomeEntry) {
	for _, d := range all {
		what := d.Group
		if d.Name != "" {
			what += " " + d.Name
		}
		fmt.Fprintf(s, "%s: %s to %s\n", d.ID, what, d.Profile)
		outcome := d.Outcome
		switch {
		case !d.Next.IsZero():
			outcome += ", next attempt " + at(s, d.Next, "")
		case !d.Ended.IsZero():
			outcome += " " + at(s, d.Ended, "")
		}
		fmt.Fprintln(s, "  "+outcome)
		if d.Error != "" && d.Outcome != outcomeSent {
			fmt.Fprintf(s, "  attempt %d: %s\n", d.Attempts, d.Error)
		}
	}
}

// printStatistics prints what was sent, what was not and why, and which alerts
// are not told again for now.
func printStatistics(s exec.Session, status *model.CallHomeStatus) {
	const row = "%-31s  %8v  %8v  %8v\n"
	fmt.Fprintf(s, row, "Profile", "Sent", "Failed", "Dropped")
	for _, t := range status.Profiles {
		fmt.Fprintf(s, row, t.Name, t.Sent, t.Failed, t.Dropped)
	}
	for _, why := range slices.Sorted(maps.Keys(status.Dropped)) {
		exec.Field(s, "Dropped as "+why, status.Dropped[why])
	}
	if len(status.Recent) > 0 {
		fmt.Fprintln(s, "\nDeliveries that are over")
		printDeliveries(s, status.Recent)
	}
	if len(status.Dedup) > 0 {
		fmt.Fprintln(s, "\nAlerts of the last 24 hours, which are not told again")
		for _, seen := range status.Dedup {
			fmt.Fprintf(s, "%s  %s %s, %d times since\n", at(s, seen.At, "never"), seen.Name, seen.Object, seen.Repeated)
		}
	}
}
