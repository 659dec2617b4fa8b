package resolver

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
)

// ExecCommands declares what an operator may ask of the resolver.
func ExecCommands() []exec.Command {
	return []exec.Command{
		{Syntax: "show dns", Help: "Name servers, how they do, and the names that must resolve", Run: showDNS},
		{Syntax: "show hosts", Help: "Host names that are known without asking", Run: showHosts},
		{
			Syntax: "nslookup NAME [type TYPE] [server ADDRESS]",
			Args: []config.Argument{
				{Name: "NAME", Type: queryName{}, Help: "What to look up"},
				{Name: "TYPE", Type: queryTypes, Help: "Type of the records; A and AAAA by default, PTR of an address"},
				{Name: "ADDRESS", Type: config.Address{}, Help: "Name server to ask"},
			},
			Help: "Look up a name or an address in the DNS",
			Run:  lookUp,
		},
		{Syntax: "clear dns cache", Help: "Forget what name servers answered", Level: exec.Privileged, Run: clearCache},
	}
}

func showDNS(ctx context.Context, s exec.Session, _ config.Args) error {
	var now State
	if err := s.Call(ctx, "control", "control.dns", nil, &now); err != nil {
		return err
	}
	exec.Field(s, "Status", now.Status)
	for _, served := range now.Served {
		if served.Problem != "" {
			exec.Field(s, "Not served at "+served.Place, served.Problem)
		} else {
			exec.Field(s, "Served at", served.Place)
		}
	}
	if err := printServers(s, now.Servers); err != nil {
		return err
	}
	if err := printChecks(s, now.Checks); err != nil {
		return err
	}
	exec.Field(s, "Answers kept", fmt.Sprintf("%d of %d, %d of %d KiB", now.Cached, cacheSize, now.Octets>>10, cacheOctets>>10))
	exec.Counters(s, now.Counters)
	return nil
}

func printServers(s exec.Session, servers []Server) error {
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Name server\tOrigin\tState\tRound trip\tAsked\tFailed\tAnswered")
	for _, server := range servers {
		state, roundTrip, answered := "not asked", "-", "never"
		switch {
		case server.Silent:
			state = "silent"
		case server.Problem != "":
			state = "failing"
		case server.Asked > 0:
			state = "answers"
		}
		if server.RoundTrip > 0 {
			roundTrip = fmt.Sprintf("%.1f ms", float64(server.RoundTrip)/float64(time.Millisecond))
			answered = fmt.Sprintf("%s ago", rounded(server.Answered))
		}
		fmt.Fprintf(table, "%v\t%s\t%s\t%s\t%d\t%d\t%s\n",
			server.Address, server.Origin, state, roundTrip, server.Asked, server.Failed, answered)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, server := range servers {
		if server.Problem != "" {
			exec.Field(s, "Problem", server.Problem)
		}
	}
	return nil
}

func printChecks(s exec.Session, checks []Checked) error {
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Needed name\tUse\tState\tChecked")
	for _, c := range checks {
		state, checked := "unknown", "never"
		switch {
		case c.Problem != "":
			state = "does not resolve"
		case c.Done:
			state = "resolves"
		}
		if c.Done {
			checked = rounded(c.Ago) + " ago"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.Name, c.Use, state, checked)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, c := range checks {
		if c.Problem != "" {
			exec.Field(s, "Problem", c.Problem)
		}
	}
	return nil
}

func showHosts(ctx context.Context, s exec.Session, _ config.Args) error {
	var now Hosts
	if err := s.Call(ctx, "control", "control.dns-hosts", nil, &now); err != nil {
		return err
	}
	if len(now.Static)+len(now.Cached) == 0 {
		fmt.Fprintln(s, "No host is configured, and no name was looked up lately")
	}
	for _, host := range now.Static {
		fmt.Fprintf(s, "%s, configured:\n", host.Name)
		for _, address := range host.Addresses {
			fmt.Fprintf(s, "  %v\n", address)
		}
	}
	for _, c := range now.Cached {
		left := "for " + rounded(c.Left)
		if c.Left <= 0 {
			left = "stale since " + rounded(-c.Left)
		}
		fmt.Fprintf(s, "%s, type %s, %s:\n", c.Name, c.Type, left)
		if err := printRecords(s, c.Records, c.Outcome); err != nil {
			return err
		}
	}
	return nil
}

// printRecords prints records as master files have them, and why there are
// none at their end.
func printRecords(s exec.Session, records []Record, outcome string) error {
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	for _, record := range records {
		fmt.Fprintf(table, "  %s\t%d\t%s\t%s\n", record.Name, record.TTL, record.Type, record.Data)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if outcome != "" {
		fmt.Fprintf(s, "  %s\n", outcome)
	}
	return nil
}

func clearCache(ctx context.Context, s exec.Session, _ config.Args) error {
	var cleared Cleared
	if err := s.Call(ctx, "control", "control.dns-clear", struct{}{}, &cleared); err != nil {
		return err
	}
	fmt.Fprintf(s, "%d answers forgotten\n", cleared.Answers)
	return nil
}

// rounded is a time as people say it.
func rounded(d time.Duration) string { return d.Round(time.Second).String() }
