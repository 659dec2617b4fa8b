package console

import (
	"slices"
	"testing"

	"causeway/appliance/backup"
	"causeway/appliance/config"
	"causeway/appliance/grammar"
	"causeway/appliance/model"
	"causeway/appliance/storage/files"
)

// TestPermitsLine: what counts is what control would take a line for, and not
// how it is typed.
func TestPermitsLine(t *testing.T) {
	configure := func(permit bool, words string) model.Rule {
		return model.Rule{Permit: permit, Kind: model.RuleConfigure, Words: words}
	}
	exec := model.Rule{Permit: true, Kind: model.RuleExec}
	billing := []model.Rule{exec, configure(true, "sbc sbe billing"), configure(false, "sbc sbe billing element-id")}
	noUsers := []model.Rule{exec, configure(true, ""), configure(false, "username"), configure(false, "sbc sbe billing")}
	inBilling := []string{"sbc x", "sbe", "billing"}
	g := grammar.All()
	for _, test := range []struct {
		rules []model.Rule
		path  []string
		line  string
		want  string // of the error; empty: it is permitted
	}{
		{nil, nil, "hostname x", `your groups do not permit "hostname"`},
		{nil, nil, "exit", ""},
		{nil, inBilling, "end", ""},
		{nil, inBilling, "conf t", ""},
		{billing, nil, "sbc x", ""},
		{billing, nil, "sb x", ""},
		{billing, nil, "no sbc x", `your groups do not permit "no sbc"`},
		{billing, inBilling[:1], "sbe", ""},
		{billing, inBilling, "ldr-check 1 0", ""},
		{billing, inBilling, "no ldr", ""},
		{billing, inBilling, "elem 7", `your groups do not permit "sbc sbe billing element-id"`},
		{billing, inBilling, "no elem", `your groups do not permit "sbc sbe billing element-id"`},
		{billing, inBilling, "hostname x", `your groups do not permit "hostname"`},
		{billing, inBilling, "x(config)# host x", `your groups do not permit "hostname"`},
		{billing, inBilling[:2], "no billing", `your groups do not permit "no sbc sbe billing"`},
		{noUsers, nil, "hostname x", ""},
		{noUsers, nil, "us x create", `your groups do not permit "username create"`},
		{noUsers, inBilling, "no us x", `your groups do not permit "username create"`},
		{noUsers, nil, "no sbc x", `your groups do not permit "no sbc"`},
		{noUsers, nil, "sbc x", ""},
		{noUsers, inBilling[:2], "billing", `your groups do not permit "sbc sbe billing"`},
		{noUsers, nil, "frob", `"frob": frob is not a command here`},
	} {
		got := ""
		if err := g.Permits(model.Rights{Rules: test.rules}, test.path, test.line); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("Permits(%q, %q) = %q; want %q", test.path, test.line, got, test.want)
		}
	}
}

// TestPermits: a command of EXEC that deals with all of the configuration is no
// way around the rights to its lines.
func TestPermits(t *testing.T) {
	exec := model.Rule{Permit: true, Kind: model.RuleExec}
	configure := model.Rule{Permit: true, Kind: model.RuleConfigure}
	but := model.Rule{Kind: model.RuleConfigure, Words: "username"}
	unseen := model.Rule{Kind: model.RuleExec, Words: "show running-config"}
	const hidden = `your groups do not permit "show running-config"`
	const refusal = "your groups do not permit all of the configuration, which this is about"
	for _, test := range []struct {
		rules []model.Rule
		line  string
		want  string // of the error; empty: it is permitted
	}{
		{[]model.Rule{exec, configure}, "copy usb0:x running-config", ""},
		{[]model.Rule{exec, configure}, "rollback 1", ""},
		{[]model.Rule{exec, configure, but}, "copy usb0:x running-config", refusal},
		{[]model.Rule{exec, configure, but}, "copy running-config usb0:x", ""},
		{[]model.Rule{exec, configure, but}, "rollback 1", refusal},
		{[]model.Rule{exec, configure, but}, "backup restore usb0:x", refusal},
		{[]model.Rule{exec, configure, but}, "backup now", refusal},
		{[]model.Rule{exec}, "setup", refusal},
		{[]model.Rule{exec}, "more bootflash:control/revisions/000001.conf", ""},
		{[]model.Rule{exec, unseen}, "more bootflash:control/revisions/000001.conf", hidden},
		{[]model.Rule{exec, unseen}, "copy bootflash:/control//revisions/000001.conf usb0:", hidden},
		{[]model.Rule{exec, unseen}, "copy bootflash:control/revisions/000001.conf sftp://a@192.0.2.1/", hidden},
		{[]model.Rule{exec, unseen}, "copy harddisk:log/messages usb0:", ""},
		{[]model.Rule{exec, unseen}, "copy sftp://a@192.0.2.1/x usb0:", ""},
		{[]model.Rule{exec, unseen}, "dir bootflash:control", ""},
		{[]model.Rule{configure}, "setup", `your groups do not permit "setup"`},
		{nil, "terminal monitor", `your groups do not permit "terminal monitor"`},
		{nil, "terminal length 0", ""},
	} {
		s, err := New(Settings{Grammar: grammar.All(), Commands: slices.Concat(files.ExecCommands(), backup.ExecCommands())})
		if err != nil {
			t.Fatal(err)
		}
		s.login.Rights.Rules = test.rules
		line, fault := s.understand(s.places[privilegedExec], test.line)
		if fault != nil {
			t.Fatal(fault)
		}
		got := ""
		if err := s.permits(line.command, line.args); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("permits(%q) = %q; want %q", test.line, got, test.want)
		}
	}
}

// TestEveryLineHasItsRight: somebody who may type but one command of the
// configuration may type that one, and somebody who may type all others may not.
func TestEveryLineHasItsRight(t *testing.T) {
	g := grammar.All()
	for _, c := range g.Commands() {
		if c.Mode != config.Global {
			continue
		}
		one := model.Rule{Permit: true, Kind: model.RuleConfigure, Words: c.Syntax}
		rights := model.Rights{Rules: []model.Rule{one}}
		if may, all := rights.May(model.RuleConfigure, c.Syntax), config.PermitsAll(rights); !may || all == nil {
			t.Errorf("the right to %q alone: May = %t, PermitsAll = %v; want it and no more", c.Syntax, may, all)
		}
		one.Permit = false
		rights.Rules = []model.Rule{{Permit: true, Kind: model.RuleConfigure}, one}
		if may, all := rights.May(model.RuleConfigure, c.Syntax), config.PermitsAll(rights); may || all == nil {
			t.Errorf("all rights but that to %q: May = %t, PermitsAll = %v; want neither", c.Syntax, may, all)
		}
	}
}
