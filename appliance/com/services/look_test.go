package services

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

func TestLook(t *testing.T) {
	metrics, log, alarms := "causeway_up 1\n", "", []model.Alarm{{Number: 7, Name: "memory"}}
	look := Look{
		Metrics: func(context.Context) (string, error) { return metrics, nil },
		Alarms:  func() []model.Alarm { return alarms },
		Log:     func(_ context.Context, lines int) (string, error) { return log, nil },
	}
	text := func(method string, params any) (wire.Text, error) {
		return call[wire.Text](t.Context(), look.Methods(), method, params)
	}
	if got, err := text(wire.MethodMetricsGet, nil); err != nil || got.Text != metrics {
		t.Errorf("metrics.get = %q, %v; want %q", got.Text, err, metrics)
	}
	metrics = strings.Repeat(metrics, 20_000)
	if got, err := text(wire.MethodMetricsGet, nil); codeOf(err) != wire.CodeUnsupported {
		t.Errorf("metrics.get of too much = %d octets, %v; want code %d", len(got.Text), err, wire.CodeUnsupported)
	}
	for i := range 20_000 {
		log += fmt.Sprintf("line %d\n", i)
	}
	got, err := text(wire.MethodLogTail, wire.LogTail{Lines: 1000})
	if err != nil || len(got.Text) > longestText || !strings.HasPrefix(got.Text, "line ") || !strings.HasSuffix(got.Text, "line 19999\n") {
		t.Errorf("log.tail = %d octets, %v; want whole lines, the newest", len(got.Text), err)
	}
	for _, lines := range []int{0, -1, mostLines + 1} {
		if _, err := text(wire.MethodLogTail, wire.LogTail{Lines: lines}); codeOf(err) != wire.CodeParams {
			t.Errorf("log.tail of %d lines = %v; want code %d", lines, err, wire.CodeParams)
		}
	}
	for _, test := range []struct{ there, want int }{{1, 1}, {500, 250}} {
		alarms = make([]model.Alarm, test.there)
		for i := range alarms {
			alarms[i] = model.Alarm{Number: uint64(i), Text: strings.Repeat("x", 500)}
		}
		got, err := call[wire.AlarmsGot](t.Context(), look.Methods(), wire.MethodAlarmsGet, nil)
		if err != nil || len(got.Active) != test.want || got.Omitted != test.there-test.want {
			t.Errorf("alarms.get of %d = %d and %d omitted, %v; want %d", test.there, len(got.Active), got.Omitted, err, test.want)
		}
	}
}

func TestBackup(t *testing.T) {
	var faults []string
	var failure, held error
	backup := Backup{
		Make: func(_ context.Context, by model.Operator) (string, int, error) {
			return "harddisk:/backup/a.tar.age", 1234, failure
		},
		Take: func(context.Context, gate.Caller) error { return held },
		Restore: func(_ context.Context, _ model.Operator, name, passphrase string) (int, []string, error) {
			if passphrase != "s3cret" {
				return 0, nil, errors.New("another passphrase")
			}
			return 99, faults, failure
		},
	}
	do := func(method string, params any) (string, error) {
		got, err := call[wire.Text](t.Context(), backup.Methods(), method, params)
		return got.Text, err
	}
	if got, err := do(wire.MethodBackupRun, wire.BackupRun{}); err != nil || got != "harddisk:/backup/a.tar.age, 1234 octets" {
		t.Errorf("backup.run = %q, %v", got, err)
	}
	whole := wire.BackupRestore{Name: "a.tar.age", Passphrase: "s3cret"}
	if got, err := do(wire.MethodBackupRestore, whole); err != nil || !strings.HasPrefix(got, "99 lines of a.tar.age are in the candidate") {
		t.Errorf("backup.restore = %q, %v", got, err)
	}
	for _, p := range []wire.BackupRestore{{Name: "../a", Passphrase: "s3cret"}, {Name: "", Passphrase: "s3cret"}, {Name: "a"}} {
		if _, err := do(wire.MethodBackupRestore, p); codeOf(err) != wire.CodeParams {
			t.Errorf("backup.restore of %+v = %v; want code %d", p, err, wire.CodeParams)
		}
	}
	faults = []string{"line 7, column 1: it is not known", "line 9, column 1: it is not known"}
	if _, err := do(wire.MethodBackupRestore, whole); err == nil || !strings.Contains(err.Error(), faults[0]+", and 1 more") {
		t.Errorf("backup.restore with faults = %v; want them", err)
	}
	held = gate.Refuse(wire.CodeConflict, "alice has it")
	if _, err := do(wire.MethodBackupRestore, whole); codeOf(err) != wire.CodeConflict {
		t.Errorf("backup.restore while somebody has the candidate = %v; want code %d", err, wire.CodeConflict)
	}
	failure = errors.New("no disk")
	if _, err := do(wire.MethodBackupRun, wire.BackupRun{}); !errors.Is(err, failure) {
		t.Errorf("backup.run without a disk = %v; want %v", err, failure)
	}
	for _, m := range backup.Methods() {
		if m.Told != nil && strings.Contains(m.Told([]byte(`{"name":"a.tar.age","passphrase":"s3cret"}`)), "s3cret") {
			t.Errorf("%s tells a secret to the access log", m.Name)
		}
	}
}

func TestRestoreNeedsAllRights(t *testing.T) {
	exec := model.Rule{Permit: true, Kind: model.RuleExec}
	for _, test := range []struct {
		rules []model.Rule
		want  bool
	}{
		{[]model.Rule{exec}, false},
		{[]model.Rule{{Permit: true, Kind: model.RuleConfigure}}, false},
		{[]model.Rule{exec, {Permit: true, Kind: model.RuleConfigure}}, true},
		{[]model.Rule{exec, {Permit: true, Kind: model.RuleConfigure}, {Kind: model.RuleConfigure, Words: "username"}}, false},
	} {
		var may func(model.Rights) bool
		for _, m := range (Backup{}).Methods() {
			if m.Name == wire.MethodBackupRestore {
				may = m.May
			}
		}
		if got := may(model.Rights{Rules: test.rules}); got != test.want {
			t.Errorf("restoring with %+v is permitted %t; want %t", test.rules, got, test.want)
		}
	}
}

// Whatever changes something is signed, and each has a switch.
func TestWhatIsSigned(t *testing.T) {
	s := newShelf(t)
	var methods []gate.Method
	for _, list := range [][]gate.Method{s.files.Methods(), Backup{}.Methods(), Look{}.Methods(), (&Firmware{}).Methods()} {
		methods = append(methods, list...)
	}
	signed := ""
	for _, m := range methods {
		if m.Service == "" || m.May == nil {
			t.Errorf("%s has no switch, or needs no right", m.Name)
		}
		if m.Signed {
			signed += m.Name + " "
		}
	}
	if want := "file.upload backup.run backup.restore fw.stage fw.activate fw.confirm fw.cancel "; signed != want {
		t.Errorf("signed are %q; want %q", signed, want)
	}
}
