package admission

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// ExecCommands declares what an operator may ask of admission.
func ExecCommands() []exec.Command {
	return slices.Concat([]exec.Command{
		{Syntax: "show cps", Help: "Calls per second over five minutes, and the limit", Run: showCPS},
		{Syntax: "show call-rate", Help: "Calls per second now and over the last minute", Run: showCallRate},
		{Syntax: "show sip flood", Help: "Addresses that send too much, or are denied", Run: showFlood},
		{Syntax: "show sip overload", Help: "Whether new calls are refused because the box is overloaded", Run: showOverload},
	}, cacExecCommands(), failedExecCommands())
}

const clock = "2006-01-02 15:04:05"

func showCPS(ctx context.Context, s exec.Session, _ config.Args) error {
	var status CPSStatus
	if err := s.Call(ctx, "proxy", "proxy.cps", nil, &status); err != nil {
		return err
	}
	mode := "window5m"
	if status.Immediate {
		mode = "immediate"
	}
	exec.Field(s, "Mode", mode)
	exec.Field(s, "Limit (calls/s)", limitText(status))
	exec.Field(s, "Average (calls/s)", fmt.Sprintf("%.2f", status.Average))
	exec.Field(s, "Rejecting", rejectingText(s, status))
	exec.Field(s, "Calls offered", status.Offered)
	exec.Field(s, "Calls rejected for the rate", status.RefusedCPS+status.RefusedCallRate)
	exec.Field(s, "Next snapshot in (s)", seconds(status.Next.Seconds()))
	fmt.Fprintf(s, "%-8s  %8s  %8s  %8s\n", "Snapshot", "Span (s)", "Calls", "Calls/s")
	for i := range status.Snapshots {
		at := len(status.Snapshots) - 1 - i // the newest first
		shot := status.Snapshots[at]
		fmt.Fprintf(s, "%-8d  %8s  %8d  %8.2f\n", i+1, seconds(shot.Span.Seconds()), shot.Calls, shot.rate())
	}
	return nil
}

func seconds(n float64) string { return fmt.Sprintf("%.1f", n) }

func limitText(status CPSStatus) string {
	switch {
	case !status.Licensed:
		return "0 (licence)"
	case status.Limit == 0:
		return "none"
	case status.Rule == model.RuleCPS:
		return strconv.Itoa(status.Limit) + " (licence)"
	}
	return fmt.Sprintf("%d (%s)", status.Limit, status.Rule)
}

func rejectingText(s exec.Session, status CPSStatus) string {
	since := ", since " + exec.Time(s, status.Since, clock)
	switch {
	case !status.Licensed:
		return "all calls, they are not licensed"
	case status.Immediate:
		return "calls beyond the limit in each second"
	case status.Rejecting:
		return "yes" + since
	case !status.Enforced:
		return "no, before the second snapshot no call is"
	}
	return "no" + since
}

// showCallRate uses the words of CISCO-USP-MIB.
func showCallRate(ctx context.Context, s exec.Session, _ config.Args) error {
	var status CPSStatus
	if err := s.Call(ctx, "proxy", "proxy.cps", nil, &status); err != nil {
		return err
	}
	exec.Field(s, "Calls per second, now", fmt.Sprintf("%.1f", status.Now))
	exec.Field(s, "Calls per second, 1-minute average", fmt.Sprintf("%.1f", status.MinuteAverage))
	exec.Field(s, "Calls per second, 1-minute maximum", fmt.Sprintf("%.1f", status.MinuteMaximum))
	exec.Field(s, "Limit (calls/s)", limitText(status))
	fmt.Fprintln(s, "Since the proxy started")
	for _, line := range []struct {
		name  string
		count int64
	}{
		{"Total calls", status.Offered},
		{"Calls admitted", status.Admitted},
		{"  emergency calls among them that nothing could refuse", status.Emergency},
		{"Calls dropped, not licensed", status.RefusedLicence},
		{"Calls dropped, exceeding the licence", status.RefusedCPS},
		{"Calls dropped, exceeding call-rate-limit", status.RefusedCallRate},
		{"Calls refused by call admission control", status.RefusedCAC},
		{"Calls refused before a restart", status.RefusedDrain},
		{"Calls shed in overload, beside the total", status.Shed},
	} {
		exec.Field(s, line.name, line.count)
	}
	return nil
}

func showFlood(ctx context.Context, s exec.Session, _ config.Args) error {
	var status FloodStatus
	if err := s.Call(ctx, "proxy", "proxy.flood", nil, &status); err != nil {
		return err
	}
	exec.Field(s, "Limit of one address (requests/s)", status.Limit)
	exec.Field(s, "Requests dropped", status.Dropped)
	exec.Field(s, "Sources denied", status.Deny)
	exec.Field(s, "Messages of denied sources", status.Denied)
	fmt.Fprintf(s, "%-39s  %12s  %12s\n", "Address", "Requests", "Dropped")
	for _, source := range status.Sources {
		fmt.Fprintf(s, "%-39s  %12d  %12d\n", source.Address, source.Seen, source.Dropped)
	}
	return nil
}

func showOverload(ctx context.Context, s exec.Session, _ config.Args) error {
	var status OverloadStatus
	if err := s.Call(ctx, "proxy", "proxy.overload", nil, &status); err != nil {
		return err
	}
	state := "no"
	if status.Percent > 0 {
		state = "yes, since " + exec.Time(s, status.Since, clock)
	}
	exec.Field(s, "Overload", state)
	exec.Field(s, "New calls refused now (%)", status.Percent)
	exec.Field(s, "Calls shed since the proxy started", status.Shed)
	return nil
}

func failedExecCommands() []exec.Command {
	return []exec.Command{
		{
			Syntax: "show failed-calls [last COUNT] [rule RULE] [from CALLER]",
			Args: []config.Argument{
				{Name: "COUNT", Type: config.Integer{Min: 1, Max: failedMost}, Help: "How many calls", Default: 20},
				{Name: "RULE", Type: config.Word{Max: 80}, Help: "Part of the rule: licence, cps, cac, 1/t1/3"},
				{Name: "CALLER", Type: config.Word{Max: 80}, Help: "Part of the caller's URI"},
			},
			Help: "Calls that failed, and the rule that refused them", Run: showFailed,
		},
		{
			Syntax: "clear failed-calls", Help: "Forget the calls that failed, in the files too", Level: exec.Privileged,
			Run: func(ctx context.Context, s exec.Session, _ config.Args) error {
				return s.Call(ctx, "proxy", "proxy.clear-failed-calls", nil, nil)
			},
		},
	}
}

func showFailed(ctx context.Context, s exec.Session, a config.Args) error {
	query := FailedCallsQuery{Last: a.Int("COUNT"), Rule: a.Text("RULE"), From: a.Text("CALLER")}
	var status FailedCallsStatus
	if err := s.Call(ctx, "proxy", "proxy.failed-calls", query, &status); err != nil {
		return err
	}
	exec.Field(s, "Failed-calls log", map[bool]string{true: on, false: off}[status.On])
	exec.Field(s, "Calls logged since the proxy started", status.Written)
	if status.Lost > 0 {
		exec.Field(s, "Not logged, they came too fast", status.Lost)
	}
	if status.Problem != "" {
		exec.Field(s, "Not written to the disk", status.Problem)
	}
	for _, call := range status.Calls {
		fmt.Fprintf(s, "\n%s  %d %s\n", exec.Time(s, call.Time, "2006-01-02 15:04:05.000"), call.Status, call.Reason)
		exec.Field(s, "  Rule", cmp.Or(call.Rule, "none: the other side refused it"))
		exec.Field(s, "  From", call.From)
		exec.Field(s, "  To", call.To)
		exec.Field(s, "  Request-URI", call.URI)
		exec.Field(s, "  Caller", fmt.Sprintf("%s, %s, network %s", call.Adjacency, call.Peer, call.Network))
		if call.Out != "" || call.OutPeer != "" {
			exec.Field(s, "  Callee", fmt.Sprintf("%s, %s", call.Out, call.OutPeer))
		}
		exec.Field(s, "  Call-ID", call.CallID)
	}
	return nil
}
