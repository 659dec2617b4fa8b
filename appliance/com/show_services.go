package com

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/exec"
)

// printSwitches prints what show com services does, in lines.
func printSwitches(s exec.Session, status *gate.Status) {
	var on []string
	for _, service := range status.Services {
		if service.On {
			on = append(on, service.Name)
		}
	}
	exec.Field(s, "Services", cmp.Or(strings.Join(on, ", "), "none"))
	exec.Field(s, "Support access", supportText(status.Support))
}

func supportText(support gate.SupportStatus) string {
	if support.Left <= 0 {
		return "closed"
	}
	left := (support.Left + time.Minute - 1).Truncate(time.Minute)
	return fmt.Sprintf("open for another %s; opened by %s", strings.TrimSuffix(left.String(), "0s"), support.By)
}

func printServices(s exec.Session, status *gate.Status) {
	exec.Field(s, "COMAdmin is of group", status.Group)
	exec.Field(s, "Operators", cmp.Or(strings.Join(status.Operators, ", "), "none: nothing can be changed over the link"))
	exec.Field(s, "Support access", supportText(status.Support))
	const row = "%-11s  %-12s  %8s  %8s  %s\n"
	fmt.Fprintf(s, "\n"+row, "Service", "Switch", "Done", "Refused", "Last")
	for _, service := range status.Services {
		open := "off"
		switch {
		case service.On:
			open = "on"
		case service.Support:
			open = "for support"
		}
		fmt.Fprintf(s, row, service.Name, open, fmt.Sprint(service.Done), fmt.Sprint(service.Refused), at(s, service.Last))
	}
}

func printSessions(s exec.Session, status *gate.SessionsStatus) {
	if len(status.Sessions) == 0 {
		fmt.Fprintln(s, "Nobody is in from COM.")
		return
	}
	exec.Field(s, "Time zone", s.Zone())
	const row = "%7s  %-22s  %-22s  %s\n"
	fmt.Fprintf(s, row, "Session", "Who", "Signed by", "Since")
	for _, one := range status.Sessions {
		since := one.Since
		if t, err := time.Parse(time.RFC3339, one.Since); err == nil {
			since = exec.Time(s, t, "Jan _2 15:04")
		}
		fmt.Fprintf(s, row, fmt.Sprint(one.Number), one.Actor, cmp.Or(one.Operator, "nobody"), since)
		fmt.Fprintf(s, "         %s: %d octets from COM, %d to COM\n", one.What, one.In, one.Out)
	}
}
