package sip

import (
	"testing"
	"time"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

func TestShow(t *testing.T) {
	working := model.ProxyStatus{
		Revision: "0123456789ab", Grant: model.Grant{Now: model.Allowance{Calls: true, LimitCPS: 50}},
		Listens:   []string{"lan1 udp 192.168.42.1:5060", "lan2 udp 192.168.43.1:5060"},
		OpenCalls: 3, Transactions: 7, Counters: map[string]int64{"requests": 12, "absorbed": 2, "calls": 5, "refused": 4, "refused-cps": 3},
	}
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	answered := EndedCall{
		OpenCall: model.OpenCall{
			Key: "aaaaaaaaaaaaaaaaaaaa", CallID: "call-1@192.0.2.1", From: "sip:+15550100@example.com", To: "tel:+15550101", Began: began, Answered: began.Add(4 * time.Second),
			Caller: model.CallSide{Network: "lan1", Adjacency: "phones", Peer: "udp 192.0.2.1:5060"}, Callee: model.CallSide{Network: "lan2", Peer: "tcp 198.51.100.2:5060"},
		},
		Ended: began.Add(79 * time.Second), Lasted: 75 * time.Second, Cause: "caller-hung-up", Status: 200,
	}
	refused, restored := answered, EndedCall{OpenCall: model.OpenCall{Key: "cccccccccccccccccccc", CallID: "call-3@192.0.2.1", From: "sip:example.com"}, Ended: began, Cause: "stale"}
	refused.Key, refused.CallID, refused.Answered, refused.Callee = "bbbbbbbbbbbbbbbbbbbb", "call-2@192.0.2.1", time.Time{}, model.CallSide{}
	refused.Cause, refused.Status, refused.Rule, refused.Ended = "rule", 503, "cac entry 1/t1/3 max-num-calls", began
	history := History{Started: began.Add(-time.Hour), Over: 1600, Since: began.Add(-time.Minute), Total: 4, Some: []EndedCall{answered, refused, restored}}
	for _, test := range []struct {
		golden, line string
		answers      map[string]any
	}{
		{"show-sip-status", "show sip status", map[string]any{"proxy.status": working}},
		{"show-sip-status-new", "sh sip statu", map[string]any{"proxy.status": model.ProxyStatus{}}},
		{"show-calls-summary", "show calls summary", map[string]any{"proxy.status": working}},
		{"show-calls-history", "show calls history", map[string]any{"proxy.call-history": history}},
		{"show-calls-history-detail", "show calls history detail", map[string]any{"proxy.call-history": history}},
		{"show-sip-status-down", "show sip status", nil},
	} {
		s := exectest.Session{Answers: test.answers}
		exectest.Golden(t, test.golden, s.Type(t.Context(), t, ExecCommands(), test.line))
	}
}

// TestHistoryIsAsked: the options come in any order, and get to the proxy.
func TestHistoryIsAsked(t *testing.T) {
	for line, want := range map[string]string{
		"show calls history":                             `proxy.call-history {"last":20,"number":""}`,
		"show calls history number 555 detail last 1000": `proxy.call-history {"last":1000,"number":"555"}`,
	} {
		s := exectest.Session{Answers: map[string]any{"proxy.call-history": History{}}}
		s.Type(t.Context(), t, ExecCommands(), line)
		if got := s.Called(); len(got) != 1 || got[0] != want {
			t.Errorf("%s asks %q; want %s", line, got, want)
		}
	}
}
