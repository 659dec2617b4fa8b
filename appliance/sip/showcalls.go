package sip

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// table prints rows under a heading.
func table(s exec.Session, heading string, rows int, row func(i int) []any) {
	t := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, heading)
	for i := range rows {
		cells := make([]string, 0, 8)
		for _, cell := range row(i) {
			cells = append(cells, fmt.Sprint(cell))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	t.Flush()
}

// more says that not everything is listed.
func more(s exec.Session, listed, total int) {
	if total > listed {
		fmt.Fprintf(s, "%d more are not listed.\n", total-listed)
	}
}

func showListen(ctx context.Context, s exec.Session, _ config.Args) error {
	var status model.ProxyStatus
	if err := s.Call(ctx, "proxy", "proxy.status", nil, &status); err != nil {
		return err
	}
	table(s, "Network\tTransport\tAddress", len(status.Listens), func(i int) (cells []any) {
		for _, word := range strings.Fields(status.Listens[i]) {
			cells = append(cells, word)
		}
		return cells
	})
	return nil
}

func showStatistics(ctx context.Context, s exec.Session, _ config.Args) error {
	var status model.ProxyStatus
	if err := s.Call(ctx, "proxy", "proxy.status", nil, &status); err != nil {
		return err
	}
	exec.Field(s, "Open calls", status.OpenCalls)
	exec.Field(s, "Transactions", status.Transactions)
	exec.Counters(s, status.Counters)
	return nil
}

func showTransactions(ctx context.Context, s exec.Session, _ config.Args) error {
	var all Transactions
	if err := s.Call(ctx, "proxy", "proxy.transactions", nil, &all); err != nil {
		return err
	}
	exec.Field(s, "Transactions", all.Total)
	table(s, "Side\tMethod\tState\tPeer\tTimer", len(all.Some), func(i int) []any {
		t := all.Some[i]
		side := "client"
		if t.Server {
			side = "server"
		}
		return []any{side, t.Method, t.State, t.Peer, t.Timer.Round(100 * time.Millisecond)}
	})
	more(s, len(all.Some), all.Total)
	return nil
}

func showConnections(ctx context.Context, s exec.Session, _ config.Args) error {
	var all []model.SIPConnection
	if err := s.Call(ctx, "proxy", "proxy.connections", nil, &all); err != nil {
		return err
	}
	exec.Field(s, "Connections", len(all))
	table(s, "Network\tProtocol\tLocal\tRemote\tBegun by\tState\tIdle\tIn\tOut\tPeer", len(all), func(i int) []any {
		c := all[i]
		by := "peer"
		if c.Outbound {
			by = "us"
		}
		return []any{c.Network, c.Transport, c.Local, c.Remote, by, c.State, c.Idle.Round(time.Second), c.MessagesIn, c.MessagesOut, c.Peer}
	})
	return nil
}

func showCallsBrief(ctx context.Context, s exec.Session, _ config.Args) error {
	var calls Calls
	if err := s.Call(ctx, "proxy", "proxy.calls", nil, &calls); err != nil {
		return err
	}
	exec.Field(s, "Open calls", calls.Total)
	table(s, "Began\tState\tFrom\tTo\tBetween", len(calls.Some), func(i int) []any {
		c := calls.Some[i]
		return []any{exec.Time(s, c.Began, time.TimeOnly), stateOf(&c), c.From, c.To, c.Caller.Adjacency + " > " + c.Callee.Adjacency}
	})
	more(s, len(calls.Some), calls.Total)
	return nil
}

func stateOf(c *model.OpenCall) string {
	if c.Answered.IsZero() {
		return "set-up"
	}
	return "answered"
}

func showCallsDetail(ctx context.Context, s exec.Session, _ config.Args) error {
	var calls Calls
	if err := s.Call(ctx, "proxy", "proxy.calls", nil, &calls); err != nil {
		return err
	}
	exec.Field(s, "Open calls", calls.Total)
	for _, c := range calls.Some {
		showCall(s, &c, "State", stateOf(&c))
	}
	more(s, len(calls.Some), calls.Total)
	return nil
}

// showCall prints both sides of a call, and under what name how it is.
func showCall(s exec.Session, c *model.OpenCall, what, how string) {
	fmt.Fprintln(s)
	exec.Field(s, "Call", c.Key)
	exec.Field(s, "Call-ID", c.CallID)
	exec.Field(s, what, how)
	exec.Field(s, "From", c.From)
	exec.Field(s, "To", c.To)
	exec.Field(s, "Began", beganAt(s, c, time.RFC3339))
	if !c.Answered.IsZero() {
		exec.Field(s, "Answered", exec.Time(s, c.Answered, time.RFC3339))
	}
	for _, one := range []struct {
		name string
		model.CallSide
	}{{"Caller", c.Caller}, {"Callee", c.Callee}} {
		switch {
		case one.Adjacency != "":
			exec.Field(s, one.name, fmt.Sprintf("%s, network %s, adjacency %s", one.Peer, one.Network, one.Adjacency))
		case one.Network != "":
			exec.Field(s, one.name, fmt.Sprintf("%s, network %s", one.Peer, one.Network))
		}
	}
}

// beganAt is when a call was offered. That of a call that lived through a restart
// of the proxy was before, and its sides are not known.
func beganAt(s exec.Session, c *model.OpenCall, layout string) string {
	if c.Began.IsZero() {
		return "before restart"
	}
	return exec.Time(s, c.Began, layout)
}

func showCallsHistory(ctx context.Context, s exec.Session, a config.Args) error {
	var history History
	if err := s.Call(ctx, "proxy", "proxy.call-history", HistoryQuery{Last: a.Int("COUNT"), Number: a.Text("TEXT")}, &history); err != nil {
		return err
	}
	exec.Field(s, "Proxy started", exec.Time(s, history.Started, time.DateTime))
	exec.Field(s, "Calls ended since then", history.Over)
	if !history.Since.IsZero() {
		exec.Field(s, "Kept are those since", exec.Time(s, history.Since, time.DateTime))
	}
	if a.Has("detail") {
		for _, c := range history.Some {
			showCall(s, &c.OpenCall, "End", endOf(&c))
			if c.Rule != "" {
				exec.Field(s, "Rule", c.Rule)
			}
			exec.Field(s, "Ended", exec.Time(s, c.Ended, time.RFC3339))
			exec.Field(s, "Lasted", lasted(&c))
		}
	} else {
		table(s, "Began\tLasted\tEnd\tFrom\tTo\tBetween", len(history.Some), func(i int) []any {
			c := &history.Some[i]
			return []any{beganAt(s, &c.OpenCall, "01-02 15:04:05"), lasted(c), endOf(c), cmp.Or(userOf(c.From), "-"), cmp.Or(userOf(c.To), "-"),
				wayOf(c.Caller) + " > " + wayOf(c.Callee)}
		})
	}
	more(s, len(history.Some), history.Total)
	return nil
}

// lasted is how long a call was answered.
func lasted(c *EndedCall) string {
	if c.Answered.IsZero() {
		return "-"
	}
	return c.Lasted.Round(time.Second).String()
}

// endOf is why a call is over: the word that the call's last event has for it, and
// the status of the final response unless that is as it should be.
func endOf(c *EndedCall) string {
	if c.Status < 300 {
		return c.Cause
	}
	return fmt.Sprintf("%s %d", c.Cause, c.Status)
}

// wayOf is where a call came from or went to: the adjacency, or the network that
// has none.
func wayOf(side model.CallSide) string { return cmp.Or(side.Adjacency, side.Network, "-") }
