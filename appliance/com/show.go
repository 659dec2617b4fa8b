package com

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"causeway/appliance/com/line"
	"causeway/appliance/com/outbox"
	"causeway/appliance/config"
	"causeway/appliance/exec"
)

// showCommands declares what can be seen of COM.
func showCommands() []exec.Command {
	return []exec.Command{
		{Syntax: "show com", Help: "The link to COM: how it stands, and what may be done through it", Run: showLink},
		{Syntax: "show com services", Help: "What COM is let do, and who has done what", Run: showing("services", printServices)},
		{Syntax: "show com sessions", Help: "Who is in from COM", Run: showing("sessions", printSessions)},
		{Syntax: "show com subscriptions", Help: "What is subscribed, and the grace while there is no link", Run: showing("subscriptions", printSubscriptions)},
		{Syntax: "show com outbox", Help: "What waits to be told to COM", Run: showing("outbox", printOutbox)},
	}
}

// showing is a command that asks for a status and prints it.
func showing[S any](method string, print func(exec.Session, *S)) func(context.Context, exec.Session, config.Args) error {
	return func(ctx context.Context, s exec.Session, _ config.Args) error {
		var status S
		if err := s.Call(ctx, "control", "control.com."+method, nil, &status); err != nil {
			return err
		}
		print(s, &status)
		return nil
	}
}

func showLink(ctx context.Context, s exec.Session, a config.Args) error {
	for _, show := range []func(context.Context, exec.Session, config.Args) error{
		showing("status", printLink), showing("subscriptions", printSubscribed), showing("services", printSwitches),
	} {
		if err := show(ctx, s, a); err != nil {
			return err
		}
	}
	return nil
}

// stamp is how times are shown.
const stamp = "Jan 02 15:04:05 2006 MST"

// never is a time that there is not.
const never = "never"

func at(s exec.Session, t time.Time) string {
	if t.IsZero() {
		return never
	}
	return exec.Time(s, t, stamp)
}

func printLink(s exec.Session, status *Status) {
	link := string(status.State)
	if !status.Since.IsZero() {
		link += " since " + at(s, status.Since)
	}
	exec.Field(s, "Link", link)
	exec.Field(s, "Serial number", status.Serial)
	exec.Field(s, "Customer ID", cmp.Or(status.Customer, "none"))
	exec.Field(s, "Subscription server", cmp.Or(status.Server, "none"))
	exec.Field(s, "Proxy", cmp.Or(status.Proxy, "none"))
	if status.State == Untrusted {
		exec.Field(s, "COM is known by", "nothing: see crypto pki authenticate com")
	}
	for _, row := range []struct{ name, text string }{
		{"Address", status.Address}, {"Certificate of the box", status.Identity}, {"COM is known by", status.Trusts},
	} {
		if row.text != "" { // it was dialled
			exec.Field(s, row.name, row.text)
		}
	}
	if status.State.Up() {
		printSession(s, status)
	} else {
		printTries(s, status)
	}
	printLine(s, status.Line)
	exec.Counters(s, status.Counters)
}

func printSession(s exec.Session, status *Status) {
	exec.Field(s, "Certificate of COM", status.Peer)
	exec.Field(s, "Security", status.TLS)
	exec.Field(s, "Protocol", status.Protocol)
	exec.Field(s, "Session", fmt.Sprintf("%d, %s", status.Session, status.ID))
	exec.Field(s, "Heartbeats", fmt.Sprintf("%d, one every %v", status.Beats, status.Heartbeat))
}

func printTries(s exec.Session, status *Status) {
	exec.Field(s, "Tries since the last session", status.Tries)
	if !status.Next.IsZero() {
		exec.Field(s, "Next try", at(s, status.Next))
	}
	if status.Failure != "" {
		exec.Field(s, "Last failure", status.Failure)
	}
}

func printLine(s exec.Session, measured line.Status) {
	text := "not measured yet"
	if !measured.Measured.IsZero() {
		var parts []string
		if measured.RoundTrip > 0 {
			parts = append(parts, "round trip "+roundTrip(measured.RoundTrip))
		}
		if measured.Bandwidth > 0 {
			parts = append(parts, bandwidth(measured.Bandwidth))
		}
		text = strings.Join(parts, ", ")
	}
	exec.Field(s, "Line", text)
	if !measured.Measured.IsZero() {
		exec.Field(s, "Line measured", at(s, measured.Measured))
	}
}

func printOutbox(s exec.Session, status *outbox.Status) {
	sent := "when the link is up and com service alarms is there"
	if status.Sends {
		sent = "now"
	}
	exec.Field(s, "Sent", sent)
	exec.Field(s, "Entries", fmt.Sprintf("%d of %d", status.Entries, status.MostEntries))
	exec.Field(s, "Octets", fmt.Sprintf("%d of %d", status.Octets, status.MostOctets))
	for _, class := range slices.Sorted(maps.Keys(status.Classes)) {
		exec.Field(s, "  "+class, status.Classes[class])
	}
	if status.Entries > 0 {
		exec.Field(s, "Oldest", at(s, status.Oldest))
	}
	exec.Field(s, "Newest number", status.Newest)
	exec.Field(s, "COM has all up to", status.Acknowledged)
	exec.Field(s, "Dropped", status.Dropped)
	exec.Field(s, "Licence events without room", status.Refused)
	if status.Problem != "" {
		exec.Field(s, "Problem", status.Problem)
	}
}
