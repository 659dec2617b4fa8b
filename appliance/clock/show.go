package clock

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Synchronisation is the answer of control.ntp: what is known of the servers
// and of the last time that one was followed.
type Synchronisation struct {
	Status   string        `json:"status"` // as Clock.Status
	Servers  []string      `json:"servers"`
	Denied   []string      `json:"denied"`   // servers that do not want to be asked
	Source   netip.Addr    `json:"source"`   // the one last followed; invalid: none
	Offset   time.Duration `json:"offset"`   // from it, when it was followed
	Since    time.Duration `json:"since"`    // how long ago that was
	Interval time.Duration `json:"interval"` // between two rounds; 0 before the first
	Problem  string        `json:"problem"`  // of the last round
}

// Methods are what control serves of the clock.
func (c *Clock) Methods() link.Methods {
	return link.Methods{
		"control.ntp": func(context.Context) (Synchronisation, error) { return c.synchronisation(), nil },
	}
}

func (c *Clock) synchronisation() Synchronisation {
	status := c.Status()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := Synchronisation{
		Status: status, Servers: slices.Clone(c.servers), Denied: slices.Clone(c.state.denied), Source: c.state.source,
		Offset: c.state.offset, Interval: c.state.interval, Problem: c.state.problem,
	}
	if now.Source.IsValid() {
		now.Since = time.Since(c.state.followed)
	}
	return now
}

// kernelClock reads the state of the kernel's clock; any process may.
type kernelClock func(*unix.Timex) (state int, err error)

// ExecCommands declares what an operator may ask about the time.
func ExecCommands() []exec.Command { return kernelClock(unix.Adjtimex).commands() }

func (k kernelClock) commands() []exec.Command {
	return []exec.Command{
		{Syntax: "show clock [detail]", Help: "The time and where it comes from", Run: k.showClock},
		{Syntax: "show ntp status", Help: "How the clock is kept right", Run: k.showStatus},
		{Syntax: "show ntp associations", Help: "Time servers and what became of asking them", Run: showAssociations},
	}
}

func (k kernelClock) showClock(ctx context.Context, s exec.Session, a config.Args) error {
	exec.Field(s, "Time", time.Now().UTC().Format(time.RFC3339))
	var status model.ControlStatus
	err := s.Call(ctx, "control", "control.status", nil, &status)
	if err == nil {
		exec.Field(s, "Source", status.Clock)
	}
	if a.Has("detail") {
		err = errors.Join(err, k.show(s)) // the kernel answers without control
	}
	return err
}

// show prints how far the kernel trusts its clock (adjtimex(2)).
func (k kernelClock) show(s exec.Session) error {
	var t unix.Timex
	if _, err := k(&t); err != nil {
		return fmt.Errorf("ask the kernel about its clock: %w", err)
	}
	synchronised := "yes"
	if t.Status&unix.STA_UNSYNC != 0 {
		synchronised = "no"
	}
	const frequencyUnit = 1 << 16 // of a part in a million
	exec.Field(s, "Kernel synchronised", synchronised)
	exec.Field(s, "Frequency correction (ppm)", fmt.Sprintf("%.3f", float64(t.Freq)/frequencyUnit))
	exec.Field(s, "Estimated error (ms)", fmt.Sprintf("%.3f", float64(t.Esterror)/1000))
	exec.Field(s, "Maximum error (ms)", fmt.Sprintf("%.3f", float64(t.Maxerror)/1000))
	return nil
}

// ask asks control how the servers do.
func ask(ctx context.Context, s exec.Session) (now Synchronisation, err error) {
	err = s.Call(ctx, "control", "control.ntp", nil, &now)
	return now, err
}

func (k kernelClock) showStatus(ctx context.Context, s exec.Session, _ config.Args) error {
	now, err := ask(ctx, s)
	if err != nil {
		return errors.Join(err, k.show(s))
	}
	exec.Field(s, "Status", now.Status)
	if now.Source.IsValid() {
		exec.Field(s, "Last followed", fmt.Sprintf("%v, %s ago", now.Source, now.Since.Round(time.Second)))
		exec.Field(s, "Offset then (ms)", fmt.Sprintf("%.3f", float64(now.Offset)/float64(time.Millisecond)))
	}
	if now.Interval > 0 {
		exec.Field(s, "Poll interval (s)", int64(now.Interval/time.Second))
	}
	return k.show(s)
}

// showAssociations prints a row for each server. The one followed is known by
// its address, which is its own row where the configuration has a name.
func showAssociations(ctx context.Context, s exec.Session, _ config.Args) error {
	now, err := ask(ctx, s)
	if err != nil {
		return err
	}
	if len(now.Servers) == 0 {
		fmt.Fprintln(s, "No time server is configured")
		return nil
	}
	followed := ""
	rows := now.Servers
	if now.Source.IsValid() {
		if followed = now.Source.String(); !slices.Contains(rows, followed) {
			rows = append(rows, followed)
		}
	}
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tServer\tState")
	for _, server := range rows {
		mark, state := "", "configured"
		switch {
		case server == followed:
			mark, state = "*", fmt.Sprintf("followed %s ago, offset %.3f ms", now.Since.Round(time.Second), float64(now.Offset)/float64(time.Millisecond))
		case slices.Contains(now.Denied, server):
			mark, state = "x", "does not want to be asked"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", mark, server, state)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if now.Problem != "" {
		exec.Field(s, "Problem of the last round", now.Problem)
	}
	return nil
}
