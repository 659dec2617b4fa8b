package admission

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

var someDay = time.Date(2026, 3, 1, 11, 22, 33, 444e6, time.UTC)

func TestShow(t *testing.T) {
	var snapshots []Snapshot
	for i := range 10 {
		snapshots = append(snapshots, Snapshot{Calls: int64(1500 + 10*i), Span: 30*time.Second + time.Duration(i)*100*time.Millisecond})
	}
	rejecting := CPSStatus{
		Licensed: true, Limit: 50, Rule: model.RuleCPS, Snapshots: snapshots, Average: 50.74, Enforced: true, Rejecting: true, Since: someDay,
		Next: 12500 * time.Millisecond, Offered: 20000, Admitted: 19000, Emergency: 1, RefusedCPS: 900, RefusedCallRate: 100, RefusedCAC: 12, Shed: 7,
		Now: 51, MinuteAverage: 49.25, MinuteMaximum: 63,
	}
	for _, test := range []struct {
		name, line string
		answers    map[string]any
	}{
		{"cps-rejecting", "show cps", map[string]any{"proxy.cps": rejecting}},
		{"cps-new", "show cps", map[string]any{"proxy.cps": CPSStatus{Licensed: true, Rule: model.RuleCPS, Since: someDay}}},
		{"cps-immediate", "show cps", map[string]any{"proxy.cps": CPSStatus{Immediate: true, Licensed: true, Limit: 20, Rule: model.RuleCallRate}}},
		{"cps-unlicensed", "show cps", map[string]any{"proxy.cps": CPSStatus{Rule: model.RuleCPS}}},
		{"call-rate", "show call-rate", map[string]any{"proxy.cps": rejecting}},
		{"down", "show call-rate", nil},
		{"flood", "show sip flood", map[string]any{"proxy.flood": FloodStatus{1000, 120, 2, 34, []Source{
			{netip.MustParseAddr("192.0.2.66"), 4000, 120}, {netip.MustParseAddr("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"), 5000, 0},
		}}}},
		{"overload", "show sip overload", map[string]any{"proxy.overload": OverloadStatus{75, someDay, 1234}}},
		{"no-overload", "show sip overload", map[string]any{"proxy.overload": OverloadStatus{}}},
		{"failed-calls", "show failed-calls", map[string]any{"proxy.failed-calls": FailedCallsStatus{
			On: true, Written: 2, Lost: 3, Problem: "open failed-calls.jsonl: no such file or directory", Calls: []*FailedCall{
				{Time: someDay, CallID: "a1", From: "sip:alice@example.com", To: "sip:bob@example.com", URI: "sip:bob@example.com", Network: "lan1",
					Adjacency: "trunk-a", Peer: "udp 192.0.2.1:5060", Status: 503, Reason: "Call Limit Reached", Rule: "cac entry 1/t1/3 max-num-calls"},
				{Time: someDay, CallID: "a2", From: "sip:alice@example.com", To: "sip:bob@example.com", URI: "sip:bob@example.com", Network: "lan1",
					Adjacency: "trunk-a", Peer: "udp 192.0.2.1:5060", Out: "trunk-b", OutPeer: "198.51.100.7:5060", Status: 486, Reason: "Busy Here"},
			},
		}}},
		{"failed-calls-off", "show failed-calls last 5 rule cac from alice", map[string]any{"proxy.failed-calls": func(params string) (any, error) {
			if want := `{"last":5,"rule":"cac","from":"alice"}`; params != want {
				return nil, fmt.Errorf("asked for %s; want %s", params, want)
			}
			return FailedCallsStatus{}, nil
		}}},
		{"clear", "clear failed-calls", map[string]any{"proxy.clear-failed-calls": errors.New("no")}},
	} {
		s := exectest.Session{Answers: test.answers}
		exectest.Golden(t, test.name, s.Type(t.Context(), t, ExecCommands(), test.line))
	}
}

// TestShowCAC types the seed's commands against a gate with the seed's
// configuration over a real link.
func TestShowCAC(t *testing.T) {
	const lines = "sbc mySBC\nsbe\ncac-policy-set 1\ncac-table t1\ntable-type policy-set\nentry 1\nbilling filter enable\nbilling methods xml\n" +
		"cac-policy-set 2\ndescription trunks\nfirst-cac-table b\nfirst-cac-scope adjacency\ncac-table x\ncac-table b\ndescription by group\ntable-type limit adj-group\n" +
		"entry 3\nmatch-value ims-adjacencies\nmax-num-calls 1\nmax-call-rate-per-scope 60 burst 5\naction cac-complete\nentry 4\naction next-table a\ncac-table a\nentry 7\n"
	now := time.Hour
	g := gateAt(t, &now, 0, parse(t, lines+"active-cac-policy-set 2\n"))
	placeAll(t, g, []call{{ims, other, "", ""}, {ims, other, "", "cac entry 2/b/3 max-num-calls"}, {ordinary, other, "", ""}})
	var s exectest.Session
	s.Serve(t, "proxy", g.Methods())
	for _, test := range []struct{ name, line string }{
		{"cac-seed", "show sbc mySBC sbe cac-policy-set 1 table t1 entry 1"},
		{"cac-set", "show sbc mySBC sbe cac-policy-set 2"},
		{"cac-no-sbc", "show sbc other sbe cac-policy-set 1"},
		{"cac-no-set", "show sbc mySBC sbe cac-policy-set 3"},
		{"cac-no-table", "show sbc mySBC sbe cac-policy-set 1 table x"},
		{"cac-no-entry", "show sbc mySBC sbe cac-policy-set 1 table t1 entry 2"},
	} {
		exectest.Golden(t, test.name, s.Type(t.Context(), t, ExecCommands(), test.line))
	}
	// The lines of the seed's sample, but for those of what the box does not have.
	printed := s.Type(t.Context(), t, ExecCommands(), "show sbc mySBC sbe cac-policy-set 1 table t1 entry 1")
	for _, line := range []string{
		`SBC Service "mySBC"`, "CAC Averaging period 1: 60 sec", "CAC Averaging period 2: 0 sec", "CAC Policy Set 1", "Active policy set: No",
		"Description:", "First CAC table:", "First CAC scope: global", "Table name: t1", "Table type: policy-set",
		"Total call setup failures (due to non-media limits): 0", "Entry 1", "CAC scope:", "CAC scope prefix length: 0", "Action: Not set",
		"Number of call setup failures (due to non-media limits): 0", "Billing filter : enable", "Billing filter methods: xml",
	} {
		if !strings.Contains("\n"+printed, "\n"+line+"\n") {
			t.Errorf("printed\n%s\nwant the line %q", printed, line)
		}
	}
}

// TestMethods: every show command finds its method in the gate.
func TestMethods(t *testing.T) {
	now := time.Hour
	g := gateAt(t, &now, 10, &model.Config{})
	var s exectest.Session
	s.Serve(t, "proxy", g.Methods())
	for _, line := range []string{"show cps", "show call-rate", "show sip flood", "show sip overload", "show failed-calls", "clear failed-calls"} {
		if printed := s.Type(t.Context(), t, ExecCommands(), line); strings.Contains(printed, "%  ") || strings.HasPrefix(printed, "% ") {
			t.Errorf("%s printed\n%s", line, printed)
		}
	}
}
