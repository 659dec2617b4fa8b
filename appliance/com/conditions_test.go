package com

import (
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/com/line"
	"causeway/appliance/model"
)

// TestConditions: which alarms hold in which state.
func TestConditions(t *testing.T) {
	const server = "com.example.com"
	slow := line.Status{RoundTrip: 201 * time.Millisecond, Bandwidth: line.LeastBandwidth - 1}
	for name, test := range map[string]struct {
		status Status
		want   string
	}{
		"not set up":        {Status{State: Unset}, ""},
		"shut down":         {Status{State: Off, Line: slow}, ""},
		"secondary":         {Status{State: Secondary}, ""},
		"without time":      {Status{State: Clockless}, ""},
		"connected":         {Status{State: Connected, Line: line.Status{RoundTrip: line.LongestRoundTrip, Bandwidth: line.LeastBandwidth}}, ""},
		"line not measured": {Status{State: Connected}, ""},
		"line slow":         {Status{State: Connected, Line: slow}, "com-line-delay com-line-slow"},
		"pending":           {Status{State: Pending}, "com-pending"},
		"dials":             {Status{State: Dialling}, "com-link-down"},
		"waits":             {Status{State: Waiting, Failure: "timeout", Line: slow}, "com-link-down"},
		"no authority":      {Status{State: Untrusted}, "com-link-down com-untrusted"},
		"another server":    {Status{State: Waiting, Suspect: "x509"}, "com-link-down com-untrusted"},
		"refused":           {Status{State: Waiting, Refused: "1008"}, "com-link-down com-refused"},
	} {
		test.status.Server, test.status.Customer = server, "AB-12"
		if got := names(test.status.Conditions()); got != test.want {
			t.Errorf("%s: Conditions() = %q; want %q", name, got, test.want)
		}
	}
}

// names are those of conditions, sorted as the rows are; all have a text.
func names(list []model.Condition) string {
	var all []string
	for _, c := range list {
		if c.Text != "" {
			all = append(all, c.Name)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}
