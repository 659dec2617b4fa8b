package services

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/com/wire"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// TestConfigGet: COM sees what a console shows, but no secret in any form.
func TestConfigGet(t *testing.T) {
	b := newBox(t)
	anna := by("anna@partner.example", 1)
	b.edits(anna, "hostname other", "username alice create", "username alice group pfs-privusers", "username alice password correct-Horse-7-battery", "aaa login radius 192.0.2.7 key Sh4red-s3cret")
	for _, test := range []struct{ source, want string }{
		{"", "hostname box\n"},
		{"running", "hostname box\n"},
		{"candidate", "hostname other\n"},
	} {
		if got := b.text(test.source); !strings.Contains(got, test.want) {
			t.Errorf("config.get(%q) = %q; want it to have %q", test.source, got, test.want)
		}
	}
	var diff wire.Text
	if err := b.call(anna, wire.MethodConfigDiff, nil, &diff); err != nil || !strings.Contains(diff.Text, "- hostname box\n") || !strings.Contains(diff.Text, "+ hostname other\n") {
		t.Errorf("config.diff = %q, %v; want the host name to change", diff.Text, err)
	}
	for _, text := range []string{b.text("candidate"), diff.Text} {
		if !strings.Contains(text, "key ********\n") || !strings.Contains(text, "password ********\n") ||
			strings.Contains(text, "Sh4red") || strings.Contains(text, "Horse") || strings.Contains(text, "argon2id") {
			t.Errorf("COM gets %q; want asterisks for secrets", text)
		}
	}
	if err := b.call(anna, wire.MethodConfigGet, wire.ConfigGet{Source: "startup"}, nil); err == nil {
		t.Error("config.get(startup) of a box that has saved nothing = nil; want an error")
	}
	b.commits(anna, 1)
	if err := b.call(anna, wire.MethodConfigGet, wire.ConfigGet{Source: "startup"}, nil); err == nil {
		t.Error("config.get(startup) of a box whose only commit waits = nil; want an error")
	}
	if err := b.call(by("anna@partner.example", 2), wire.MethodConfigConfirm, wire.ConfigConfirm{Revision: 1}, nil); err != nil {
		t.Fatal(err)
	}
	if got := b.text("startup"); got != b.text("running") {
		t.Errorf("config.get(startup) = %q; want what is in force", got)
	}
	if err := b.call(anna, wire.MethodConfigGet, wire.ConfigGet{Source: "/etc/passwd"}, nil); codeOf(err) != wire.CodeUnsupported {
		t.Errorf("config.get of no configuration = %v; want code %d", err, wire.CodeUnsupported)
	}
}

// TestConfigEdit: lines come together or not at all, and faults show no secret.
func TestConfigEdit(t *testing.T) {
	b := newBox(t)
	anna := by("anna", 1)
	for _, test := range []struct {
		lines  []string
		faults []string // parts of them
	}{
		{[]string{"hostname one", "frob"}, []string{`line 2: "frob"`}},
		{[]string{"hostname one", "lan LAN1", "ip address 192.168.42.999 255.255.255.0"}, []string{"line 3"}},
		{[]string{"hostname one", "username alice password Sh4red-s3cret surplus"}, []string{"line 2"}},
		{nil, nil},
		{[]string{"! a comment", "", "hostname two", "lan LAN1", " ip address 192.168.42.9 255.255.255.0"}, nil},
		{[]string{"no hostname"}, nil},
		{[]string{"hostname three"}, nil},
	} {
		before := b.text("candidate")
		var got wire.ConfigFaults
		if err := b.call(anna, wire.MethodConfigEdit, wire.ConfigEdit{Lines: test.lines}, &got); err != nil || len(got.Faults) != len(test.faults) {
			t.Errorf("config.edit(%q) = %q, %v; want %d faults", test.lines, got.Faults, err, len(test.faults))
			continue
		}
		for i, want := range test.faults {
			if !strings.Contains(got.Faults[i], want) || strings.Contains(got.Faults[i], "s3cret") {
				t.Errorf("fault = %q; want one with %q, and without the secret", got.Faults[i], want)
			}
			if after := b.text("candidate"); after != before {
				t.Errorf("after faults the candidate is %q; want it as before: %q", after, before)
			}
		}
	}
	b.has("192.168.42.1") // until a commit
	if got := b.text("candidate"); !strings.Contains(got, "192.168.42.9") || !strings.Contains(got, "hostname three\n") {
		t.Errorf("the candidate is %q; want what was edited", got)
	}
}

// TestConfigValidate: what a commit would refuse is known before.
func TestConfigValidate(t *testing.T) {
	b := newBox(t)
	anna := by("anna", 1)
	check := func(want int) {
		t.Helper()
		var got wire.ConfigFaults
		if err := b.call(anna, wire.MethodConfigValidate, nil, &got); err != nil || got.Faults == nil || len(got.Faults) != want {
			t.Errorf("config.validate = %q, %v; want %d faults", got.Faults, err, want)
		}
	}
	check(0)
	b.edits(anna, "lan LAN1.7", "lan LAN1", "mtu 1400") // less than that of its VLAN
	check(1)
	var done wire.Committed
	if err := b.call(anna, wire.MethodConfigCommit, wire.ConfigCommit{}, &done); err != nil || done.Revision != 0 || len(done.Faults) != 1 {
		t.Errorf("config.commit = %+v, %v; want the fault", done, err)
	}
	b.edits(anna, "no lan LAN1.7")
	check(0)
}

// TestConfigHolder: one has the candidate (RFC 6241 §7.5), and what is told of
// the others is a conflict.
func TestConfigHolder(t *testing.T) {
	alice := model.Operator{User: "alice", Origin: "ttyS0"}
	anna, bert := by("anna", 1), by("bert", 1)
	lines := wire.ConfigEdit{Lines: []string{"hostname com"}}
	for _, test := range []struct {
		name    string
		prepare func(*box)
		method  string
		params  any
		code    int
	}{
		{"a console has it", func(b *box) { b.hold(alice) }, wire.MethodConfigEdit, lines, wire.CodeConflict},
		{"another one of COM has it", func(b *box) { b.edits(bert, "hostname bert") }, wire.MethodConfigEdit, lines, wire.CodeConflict},
		{"a console has left changes", func(b *box) { b.hold(alice, "hostname alice"); b.leave(alice) }, wire.MethodConfigEdit, lines, wire.CodeConflict},
		{"a console has left it as it was", func(b *box) { b.hold(alice); b.leave(alice) }, wire.MethodConfigEdit, lines, 0},
		{"it is his", func(b *box) { b.edits(anna, "hostname anna") }, wire.MethodConfigEdit, lines, 0},
		{"based on what is in force", func(b *box) { b.saves("one") }, wire.MethodConfigEdit, wire.ConfigEdit{BaseRevision: 1}, 0},
		{"based on another revision", func(b *box) { b.saves("one") }, wire.MethodConfigEdit, wire.ConfigEdit{BaseRevision: 2}, wire.CodeConflict},
		{"commit of another's", func(b *box) { b.edits(bert, "hostname bert") }, wire.MethodConfigCommit, wire.ConfigCommit{}, wire.CodeConflict},
		{"commit of a console's", func(b *box) { b.hold(alice, "hostname alice") }, wire.MethodConfigCommit, wire.ConfigCommit{}, wire.CodeConflict},
		{"commit of what a console has left", func(b *box) { b.hold(alice, "hostname alice"); b.leave(alice) }, wire.MethodConfigCommit, wire.ConfigCommit{}, wire.CodeConflict},
		{"commit based on another revision", func(b *box) { b.saves("one"); b.edits(anna, "hostname two") },
			wire.MethodConfigCommit, wire.ConfigCommit{BaseRevision: 7}, wire.CodeConflict},
		{"commit based on what is in force", func(b *box) { b.saves("one"); b.edits(anna, "hostname two") },
			wire.MethodConfigCommit, wire.ConfigCommit{BaseRevision: 1}, 0},
		{"rollback over another's changes", func(b *box) { b.saves("one"); b.saves("two"); b.hold(alice, "hostname alice") },
			wire.MethodConfigRollback, wire.ConfigRollback{Revision: 1}, wire.CodeConflict},
		{"rollback", func(b *box) { b.saves("one"); b.saves("two") }, wire.MethodConfigRollback, wire.ConfigRollback{Revision: 1}, 0},
		{"abort of another's", func(b *box) { b.edits(bert, "hostname bert") }, wire.MethodConfigAbort, nil, wire.CodeConflict},
		{"abort of nothing", func(*box) {}, wire.MethodConfigAbort, nil, wire.CodeConflict},
		{"abort", func(b *box) { b.edits(anna, "hostname anna") }, wire.MethodConfigAbort, nil, 0},
		{"it waits longer than a day", func(b *box) { b.edits(anna, "hostname anna") }, wire.MethodConfigCommit,
			wire.ConfigCommit{ConfirmSeconds: 24*60*60 + 1}, wire.CodeParams},
		{"it waits less than nothing", func(b *box) { b.edits(anna, "hostname anna") }, wire.MethodConfigCommit, wire.ConfigCommit{ConfirmSeconds: -1}, wire.CodeParams},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBox(t)
			test.prepare(b)
			before := b.text("candidate") + b.text("running")
			err := b.call(anna, test.method, test.params, nil)
			if codeOf(err) != test.code || (err == nil) != (test.code == 0) {
				t.Errorf("%s = %v; want code %d", test.method, err, test.code)
			}
			if after := b.text("candidate") + b.text("running"); err != nil && after != before {
				t.Errorf("after a refusal: %q; want %q", after, before)
			}
		})
	}
}

// hold has a console take the candidate and type lines.
func (b *box) hold(who model.Operator, lines ...string) {
	b.t.Helper()
	if answer, err := b.configuration.Configure(b.t.Context(), change.ConfigureRequest{Operator: who}); err != nil || answer.Holder != nil {
		b.t.Fatalf("Configure = %+v, %v; want the candidate", answer, err)
	}
	for _, line := range lines {
		if answer, err := b.configuration.Edit(b.t.Context(), change.EditRequest{Operator: who, Line: line}); err != nil || answer.Fault != nil {
			b.t.Fatalf("Edit(%q) = %v, %v; want no fault", line, answer.Fault, err)
		}
	}
}

// leave has a console give the candidate back with its changes.
func (b *box) leave(who model.Operator) {
	b.t.Helper()
	if _, err := b.configuration.Release(b.t.Context(), change.Who{Operator: who}); err != nil {
		b.t.Fatal(err)
	}
}

// saves has a console commit a host name for good.
func (b *box) saves(name string) {
	b.t.Helper()
	alice := model.Operator{User: "alice", Origin: "ttyS0"}
	b.hold(alice, "hostname "+name)
	if done, err := b.configuration.Commit(b.t.Context(), change.CommitRequest{Operator: alice}); err != nil || done.Revision == 0 {
		b.t.Fatalf("Commit = %+v, %v; want a revision", done, err)
	}
	b.leave(alice)
}

// TestConfigRights: COMAdmin may do over COM what its group would let it type at
// a console, and nothing else.
func TestConfigRights(t *testing.T) {
	exec := func(words ...string) (rules []model.Rule) {
		for _, w := range words {
			rules = append(rules, model.Rule{Permit: true, Kind: model.RuleExec, Words: w})
		}
		return rules
	}
	lan := model.Rule{Permit: true, Kind: model.RuleConfigure, Words: "lan"}
	for _, test := range []struct {
		method string
		params any
		rules  []model.Rule
		want   string // of the refusal; empty: it is none
	}{
		{wire.MethodConfigGet, wire.ConfigGet{}, nil, `"show running-config"`},
		{wire.MethodConfigGet, wire.ConfigGet{}, exec("show running-config"), ""},
		{wire.MethodConfigGet, wire.ConfigGet{Source: "startup"}, exec("show running-config"), `"show startup-config"`},
		{wire.MethodConfigGet, wire.ConfigGet{Source: "candidate"}, exec("show running-config"), `"show configuration candidate"`},
		{wire.MethodConfigDiff, nil, exec("show running-config"), "no right to config.diff"},
		{wire.MethodConfigDiff, nil, exec("show configuration"), ""},
		{wire.MethodConfigValidate, nil, exec("show"), "no right"},
		{wire.MethodConfigValidate, nil, exec("configure"), ""},
		{wire.MethodConfigEdit, wire.ConfigEdit{Lines: moved}, []model.Rule{lan}, "no right"},
		{wire.MethodConfigEdit, wire.ConfigEdit{Lines: moved}, append(exec("configure"), lan), ""},
		{wire.MethodConfigEdit, wire.ConfigEdit{Lines: append(slices.Clone(moved), "host x")}, append(exec("configure"), lan), `"hostname"`},
		{wire.MethodConfigEdit, wire.ConfigEdit{Lines: []string{"username a create"}}, append(exec("configure"), lan), `"username create"`},
		{wire.MethodConfigCommit, wire.ConfigCommit{}, exec("configure"), "no right"},
		{wire.MethodConfigCommit, wire.ConfigCommit{}, exec("commit"), ""},
		{wire.MethodConfigConfirm, wire.ConfigConfirm{}, exec("configure"), "no right"},
		{wire.MethodConfigRollback, wire.ConfigRollback{Revision: 1}, exec("commit"), "no right"},
		{wire.MethodConfigRollback, wire.ConfigRollback{Revision: 1}, append(exec("rollback"), lan), "no right"},
		{wire.MethodConfigAbort, nil, exec("commit"), "no right"},
	} {
		b := newBox(t)
		b.saves("one")
		err := b.call(with(test.rules, "anna", 1), test.method, test.params, nil)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s(%+v) with %v = %v; want no error", test.method, test.params, test.rules, err)
		case test.want != "" && (codeOf(err) != wire.CodeNotAllowed || !strings.Contains(fmt.Sprint(err), test.want)):
			t.Errorf("%s(%+v) with %v = %v; want code %d and %s", test.method, test.params, test.rules, err, wire.CodeNotAllowed, test.want)
		}
		if got := b.text("candidate"); test.want != "" && got != b.text("running") {
			t.Errorf("after a refusal the candidate is %q; want it as it was", got)
		}
	}
}
