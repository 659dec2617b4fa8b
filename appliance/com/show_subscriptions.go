package com

import (
	"fmt"
	"time"

	"causeway/appliance/com/subscription"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// governs is what the sources say about calls.
var governs = map[string]string{
	model.SourceSmart: "the licence alone",
	model.SourceCOM:   "the subscription alone",
	model.SourceBoth:  "the licence and the subscription, by the stricter",
}

// graceEnds is what the end of the grace means.
var graceEnds = map[string]string{
	model.GraceEndsFeatures: "subscribed functions end, calls go on",
	model.GraceEndsCalls:    "subscribed functions end, and calls",
}

func printSubscriptions(s exec.Session, status *subscription.Status) {
	exec.Field(s, "Subscription", subscribedText(status))
	exec.Field(s, "COM has answered last", at(s, status.Checked))
	exec.Field(s, "After the grace of 30 days", graceEnds[status.GraceEnd])
	exec.Field(s, "Calls are governed by", governs[status.Source])
	if status.Source != model.SourceSmart {
		printProspect(s, status.Prospect)
	}
	if status.Problem != "" {
		exec.Field(s, "Problem", status.Problem)
	}
	printOwned(s, status)
	const row = "%-18s  %s\n"
	fmt.Fprintf(s, "\n"+row, "Function", "Allowed")
	for _, function := range status.Functions {
		text := "yes"
		if !function.Allowed {
			text = "no: " + function.Reason
		}
		fmt.Fprintf(s, row, function.Feature, text)
	}
}

func printOwned(s exec.Session, status *subscription.Status) {
	for _, w := range status.Wanted {
		exec.Field(s, "Asked for", fmt.Sprintf("%d of %s", w.Count, w.Feature))
	}
	if len(status.Subscriptions) == 0 {
		return
	}
	const row = "%-18s  %6s  %s\n"
	fmt.Fprintf(s, "\n"+row, "Subscription", "Count", "Until")
	for _, one := range status.Subscriptions {
		until := "it is cancelled"
		switch {
		case one.Expired:
			until = "expired " + at(s, one.Expires)
		case !one.Expires.IsZero():
			until = at(s, one.Expires)
		}
		fmt.Fprintf(s, row, one.Feature, fmt.Sprint(one.Count), until)
	}
}

func printProspect(s exec.Session, p model.Prospect) {
	text := allowance(p.Now)
	if p.Changes {
		text += fmt.Sprintf("; in %s: %s", lasting(p.Left), allowance(p.Then))
	}
	exec.Field(s, "Calls", text)
}

func allowance(a model.Allowance) string {
	if !a.Calls {
		return "refused"
	}
	return fmt.Sprintf("allowed, up to %d a second", a.LimitCPS)
}

// printSubscribed prints what show com subscriptions does, in a line.
func printSubscribed(s exec.Session, status *subscription.Status) {
	exec.Field(s, "Subscription", subscribedText(status))
}

func subscribedText(status *subscription.Status) string {
	running := 0
	for _, one := range status.Subscriptions {
		if !one.Expired {
			running++
		}
	}
	switch {
	case status.Grace.Over:
		return "the grace is over"
	case status.Grace.Running:
		return "in grace, " + graceText(status.Grace)
	case status.Pending:
		return "pending: nobody has approved the box yet"
	case running == 0:
		return "none"
	}
	return fmt.Sprintf("%d running", running)
}

func graceText(g subscription.GraceStatus) string {
	return fmt.Sprintf("day %d of 30, %s left", g.Day, lasting(g.Left))
}

// lasting is a time in days, hours and minutes.
func lasting(d time.Duration) string {
	minutes := int64(max(d, 0) / time.Minute)
	return fmt.Sprintf("%d days, %d hours, %d minutes", minutes/1440, minutes/60%24, minutes%60)
}
