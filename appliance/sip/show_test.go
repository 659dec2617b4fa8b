package sip

import (
	"testing"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

func TestShow(t *testing.T) {
	working := model.ProxyStatus{
		Revision: "0123456789ab", Grant: model.Grant{Now: model.Allowance{Calls: true, LimitCPS: 50}},
		Listens:   []string{"lan1 udp 192.168.42.1:5060", "lan2 udp 192.168.43.1:5060"},
		OpenCalls: 3, Transactions: 7, Counters: map[string]int64{"requests": 12, "absorbed": 2, "calls": 5, "refused": 4, "refused-cps": 3},
	}
	for _, test := range []struct {
		golden, line string
		answers      map[string]any
	}{
		{"show-sip-status", "show sip status", map[string]any{"proxy.status": working}},
		{"show-sip-status-new", "sh sip statu", map[string]any{"proxy.status": model.ProxyStatus{}}},
		{"show-calls-summary", "show calls summary", map[string]any{"proxy.status": working}},
		{"show-sip-status-down", "show sip status", nil},
	} {
		s := exectest.Session{Answers: test.answers}
		exectest.Golden(t, test.golden, s.Type(t.Context(), t, ExecCommands(), test.line))
	}
}
