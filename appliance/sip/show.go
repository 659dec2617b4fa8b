package sip

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// ExecCommands declares what an operator may ask of the proxy.
func ExecCommands() []exec.Command {
	return []exec.Command{
		{Syntax: "show sip status", Help: "Listen points, calls and counters of the proxy", Run: showStatus},
		{Syntax: "show sip listen", Help: "Where the proxy listens", Run: showListen},
		{Syntax: "show sip statistics", Help: "Messages, transactions and what became of them", Run: showStatistics},
		{Syntax: "show sip transactions", Help: "Transactions under way", Run: showTransactions},
		{Syntax: "show sip connections", Help: "Connections of TCP, TLS and WebSocket", Run: showConnections},
		{Syntax: "show calls summary", Help: "Open calls, and what became of the others", Run: showCalls},
		{Syntax: "show calls brief", Help: "Open calls, a line each", Run: showCallsBrief},
		{Syntax: "show calls detail", Help: "Open calls, with both sides of each", Run: showCallsDetail},
		{
			Syntax: "show calls history [last COUNT] [number TEXT] [detail]",
			Args: []config.Argument{
				{Name: "COUNT", Type: config.Integer{Min: 1, Max: historyListed}, Help: "How many calls", Default: 20},
				{Name: "TEXT", Type: config.Word{Max: keptMost[keptFrom]}, Help: "Part of the user or number in From or To"},
			},
			Help: "Calls that ended, newest first", Run: showCallsHistory,
		},
	}
}

func showStatus(ctx context.Context, s exec.Session, _ config.Args) error {
	var status model.ProxyStatus
	if err := s.Call(ctx, "proxy", "proxy.status", nil, &status); err != nil {
		return err
	}
	exec.Field(s, "Revision", cmp.Or(status.Revision, "none"))
	showGrant(s, status.Grant)
	for _, listen := range status.Listens {
		exec.Field(s, "Listen", listen)
	}
	if len(status.Listens) == 0 {
		exec.Field(s, "Listen", "none")
	}
	exec.Field(s, "Open calls", status.OpenCalls)
	exec.Field(s, "Transactions", status.Transactions)
	exec.Counters(s, status.Counters)
	return nil
}

// showGrant prints what the licence allows now.
func showGrant(s exec.Session, grant model.Grant) {
	exec.Field(s, "New calls", map[bool]string{true: "allowed", false: "refused"}[grant.Now.Calls])
	limit := "none"
	if grant.Now.LimitCPS > 0 {
		limit = strconv.Itoa(grant.Now.LimitCPS)
	}
	exec.Field(s, "Limit (calls/s)", limit)
}

// callCounters are the lines of show calls summary.
var callCounters = []struct {
	name string
	counter
}{
	{"Calls offered", countOffered},
	{"Calls admitted", countCalls},
	{"  not answered", countFailed},
	{"Cancelled by the caller", countCancelled},
	{"Calls refused", countRefused},
	{"  not licensed", countNoLicence},
	{"  call rate exceeded", countOverCPS},
	{"  overload", countShed},
	{"  no room for their records", countNoCredits},
}

func showCalls(ctx context.Context, s exec.Session, _ config.Args) error {
	var status model.ProxyStatus
	if err := s.Call(ctx, "proxy", "proxy.status", nil, &status); err != nil {
		return err
	}
	showGrant(s, status.Grant)
	exec.Field(s, "Open calls", status.OpenCalls)
	fmt.Fprintln(s, "Since the proxy started")
	for _, line := range callCounters {
		exec.Field(s, line.name, status.Counters[counterNames[line.counter]])
	}
	return nil
}
