package firewall

import (
	"cmp"
	"context"
	"fmt"
	"text/tabwriter"

	"causeway/appliance/config"
	"causeway/appliance/exec"
)

// ExecCommands declares what an operator may ask of the firewall.
func ExecCommands() []exec.Command {
	return []exec.Command{{Syntax: "show firewall", Help: "What each port lets in, and what was dropped", Run: show}}
}

func show(ctx context.Context, s exec.Session, _ config.Args) error {
	var report Report
	if err := s.Call(ctx, "control", "control.firewall", nil, &report); err != nil {
		return err
	}
	if report.Off {
		fmt.Fprintln(s, "% THE FIREWALL IS OFF: every port lets in everything. Close it with: firewall on")
	}
	exec.Field(s, "Problem", cmp.Or(report.Problem, "none"))
	for _, port := range report.Ports {
		fmt.Fprintf(s, "\nWhat comes in by %v, from anyone, in the order in which it is tried:\n", port.Port)
		if err := showLines(s, port.Lines); err != nil {
			return err
		}
	}
	if len(report.Forward) > 0 {
		fmt.Fprint(s, "\nWhat goes from port to port:\n")
		return showLines(s, report.Forward)
	}
	return nil
}

func showLines(s exec.Session, lines []Line) error {
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	for _, line := range lines {
		verdict := "accept"
		if line.Dropped {
			verdict = "drop"
		}
		fmt.Fprintf(table, "  %s\t%s\t%d packets\t%d octets\n", verdict, line.What, line.Packets, line.Octets)
	}
	return table.Flush()
}
