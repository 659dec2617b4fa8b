package model

import "testing"

func TestRights(t *testing.T) {
	rule := func(permit bool, kind, words string) Rule { return Rule{Permit: permit, Kind: kind, Words: words} }
	r := Rights{Rules: []Rule{
		rule(true, RuleExec, "show"),
		rule(false, RuleExec, "show running-config"),
		rule(true, RuleExec, "configure terminal"),
		rule(true, RuleExec, "debug"), rule(false, RuleExec, "debug"),
		rule(true, RuleConfigure, ""),
		rule(false, RuleConfigure, "sbc NAME sbe billing"),
		rule(true, RuleConfigure, "sbc sbe billing ldr-check"),
	}}
	for _, test := range []struct {
		kind, syntax string
		may          bool
	}{
		{RuleExec, "show version", true},
		{RuleExec, "show", true},
		{RuleExec, "show running-config", false},
		{RuleExec, "show running-config-file", true},
		{RuleExec, "configure [terminal [take]]", true},
		{RuleExec, "debug PROCESS", false},
		{RuleExec, "reload", false},
		{RuleConfigure, "hostname NAME", true},
		{RuleConfigure, "sbc NAME sbe adjacency sip NAME", true},
		{RuleConfigure, "sbc NAME sbe billing", false},
		{RuleConfigure, "sbc NAME sbe billing method METHOD...", false},
		{RuleConfigure, "sbc NAME sbe billing ldr-check HOURS MINUTES", true},
	} {
		if got := r.May(test.kind, test.syntax); got != test.may {
			t.Errorf("May(%s, %q) = %t; want %t", test.kind, test.syntax, got, test.may)
		}
	}
	for _, test := range []struct {
		kind, syntax string
		permit, want bool
	}{
		{RuleConfigure, "sbc NAME", false, true},
		{RuleConfigure, "sbc NAME", true, true},
		{RuleConfigure, "sbc NAME sbe billing", false, false},
		{RuleConfigure, "sbc NAME sbe billing", true, true},
		{RuleConfigure, "sip network NAME", true, false},
		{RuleExec, "sbc NAME", true, false},
	} {
		if got := r.Within(test.kind, test.syntax, test.permit); got != test.want {
			t.Errorf("Within(%s, %q, %t) = %t; want %t", test.kind, test.syntax, test.permit, got, test.want)
		}
	}
}
