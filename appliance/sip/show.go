package sip

import (
	"cmp"
	"context"
	"strconv"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// ExecCommands declares what an operator may ask of the proxy.
func ExecCommands() []exec.Command {
	return []exec.Command{
		{Syntax: "show sip status", Help: "Listen points, calls and counters of the proxy", Run: showStatus},
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
