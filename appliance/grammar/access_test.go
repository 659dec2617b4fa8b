package grammar_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/access"
	"causeway/appliance/console"
	"causeway/appliance/exec"
	"causeway/appliance/grammar"
	"causeway/appliance/model"
)

// hidden are what shows a configuration, which who may only look does not see.
var hidden = []string{
	"show configuration candidate", "show configuration diff", "show configuration failed", "show configuration revision",
	"show configuration running", "show running-config", "show startup-config", "show tech-support",
	"show sbc SBC sbe billing configuration",
}

// TestBuiltInGroups holds the rules of the built-in groups against all commands
// there are: who may look sees all but configurations and changes nothing.
func TestBuiltInGroups(t *testing.T) {
	rights := make(map[string]model.Rights)
	for _, g := range access.BuiltIn() {
		rights[g.Name] = model.Rights{Rules: g.Rules}
	}
	looked := 0
	for _, c := range append(grammar.Exec(), console.Commands()...) {
		isHidden := slices.ContainsFunc(hidden, func(words string) bool { return strings.HasPrefix(c.Syntax, words) })
		shows := strings.HasPrefix(c.Syntax, "show ")
		leaves := map[string]bool{"enable": true, "rescue [CHOICE]": true, "do LINE": true}[c.Syntax]
		may := !isHidden && !leaves && (shows || c.Level == exec.User)
		if got := rights[model.GroupReadOnly].May(model.RuleExec, c.Syntax); got != may {
			t.Errorf("%s may type %q: %t; want %t", model.GroupReadOnly, c.Syntax, got, may)
		}
		if !rights[model.GroupPrivileged].May(model.RuleExec, c.Syntax) {
			t.Errorf("%s may not type %q; want all", model.GroupPrivileged, c.Syntax)
		}
		looked++
	}
	for _, c := range grammar.All().Commands() {
		if rights[model.GroupReadOnly].May(model.RuleConfigure, c.Syntax) || !rights[model.GroupPrivileged].May(model.RuleConfigure, c.Syntax) {
			t.Errorf("%q may be typed by %s, or not by %s", c.Syntax, model.GroupReadOnly, model.GroupPrivileged)
		}
	}
	if looked < 100 {
		t.Errorf("looked at %d commands; there are more", looked)
	}
}

// TestRulesAreAboutCommands: a rule about anything that can be typed is taken,
// and one about nothing is refused: who believes to have denied something has not.
func TestRulesAreAboutCommands(t *testing.T) {
	g := grammar.All()
	of := func(kind string, syntaxes ...string) (rules []model.Rule) {
		for _, syntax := range syntaxes {
			rules = append(rules, model.Rule{Kind: kind, Words: strings.Join(model.Keywords(syntax), " ")})
		}
		return rules
	}
	var executed []string
	for _, c := range slices.Concat(grammar.Exec(), console.Commands(), console.ConfigurationCommands()) {
		executed = append(executed, c.Syntax)
	}
	good := slices.Concat(of(model.RuleExec, executed...), of(model.RuleConfigure, g.Syntaxes()...),
		of(model.RuleExec, "", "show", "show configuration"), of(model.RuleConfigure, "", "sbc sbe"))
	for _, group := range access.BuiltIn() {
		for _, r := range group.Rules {
			good = append(good, of(r.Kind, r.Words)...)
		}
	}
	for _, rule := range good {
		if _, err := g.Parse(line(rule)); err != nil {
			t.Errorf("Parse(%s) = %v; want no error", line(rule), err)
		}
	}
	for _, rule := range slices.Concat(
		of(model.RuleExec, "show runing-config", "sh", "username", "show running-config text", "do show"),
		of(model.RuleConfigure, "usernam", "sbe billing", "no username", "show"),
	) {
		if _, err := g.Parse(line(rule)); err == nil || !strings.Contains(err.Error(), "begins with") {
			t.Errorf("Parse(%s) = %v; want it refused", line(rule), err)
		}
	}
	if len(good) < 500 {
		t.Errorf("looked at %d rules; there are more commands", len(good))
	}
}

// line is a rule as it is typed.
func line(r model.Rule) string {
	return strings.TrimSpace("group ops deny " + r.Kind + " " + r.Words)
}

// TestTCPPorts: no two services have the same TCP port, whatever subjects they
// belong to and whichever comes first; UDP is another thing.
func TestTCPPorts(t *testing.T) {
	g := grammar.All()
	const network = "sip network lan1\nend network\n"
	for _, test := range []struct {
		text string
		want string // of the error; empty: none
	}{
		{network + "sip listen lan1 udp 192.0.2.1 22", ""},
		{network + "sip listen lan1 tcp 192.0.2.1 53", ""}, // DNS is on the loopback
		{network + "sip listen lan1 tcp 192.0.2.1 9464", ""},
		{network + "sip listen lan1 tcp 192.0.2.1 22", "port 22: SSH has it already"},
		{network + "sip listen lan1 ws 192.0.2.1 2222\nip ssh port 2222", "port 2222: SSH has it already"},
		{network + "sip listen lan1 tcp 192.0.2.1 2222\nip ssh port 2222\nip ssh off", ""},
		{network + "sip listen lan1 tls 192.0.2.1 9464\nmetrics on", "port 9464: the metrics service has it already"},
		{"metrics on\nmetrics port 22", "metrics port 22: SSH has it already"},
		{"metrics on\nip ssh port 9464", "port 9464: SSH has it already"},
		{"ip ssh port 53", "port 53: the box's own DNS has it already"},
		{"ip http secure-server\nip http secure-port 53", "port 53 of the HTTPS server: the box's own DNS has it already"},
		{"ip http secure-server\nip http secure-port 22", "port 22 of the HTTPS server: SSH has it already"},
		{"ip http secure-server\nip ssh port 443", "port 443: the HTTPS server has it already"},
		{"ip http secure-port 22", ""},
	} {
		_, err := g.Parse(test.text)
		if got := fmt.Sprint(err); (err == nil) != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("Parse(%q) = %v; want %q", test.text, err, test.want)
		}
	}
}
