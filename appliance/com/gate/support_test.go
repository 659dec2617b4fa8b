package gate

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"causeway/appliance/com/wire"
	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// TestSupport: an operator of the box opens what its switches have off, for a
// time, to operators that it trusts.
func TestSupport(t *testing.T) {
	b := newBox(t, echoes)
	b.config.COM.Services = nil
	b.Apply(&b.config)
	console := &exectest.Session{}
	console.Serve(t, "control", b.Methods())
	support := func(d time.Duration) (status SupportStatus, err error) {
		err = console.Call(t.Context(), "control", "control.com.support", SupportRequest{Operator: console.Operator(), Duration: d}, &status)
		return status, err
	}
	signed := func(idem string) int {
		_, err := b.change("{}", idem)
		return code(err)
	}
	if got := signed(idem1); got != wire.CodeDisabled {
		t.Errorf("change without support access: code %d; want %d", got, wire.CodeDisabled)
	}
	for _, d := range []time.Duration{ShortestSupport - time.Second, LongestSupport + time.Second, -time.Second} {
		if status, err := support(d); err == nil || status.Left > 0 {
			t.Errorf("support access for %v = %+v, %v; want a refusal", d, status, err)
		}
	}
	want := SupportStatus{Left: 4 * time.Hour, By: console.Operator().String()}
	if status, err := support(4 * time.Hour); err != nil || status != want {
		t.Fatalf("support access = %+v, %v; want %+v", status, err, want)
	}
	if got := signed(idem1); got != 0 {
		t.Errorf("change with support access: code %d; want none", got)
	}
	if _, err := b.Call(t.Context(), link1, "look", nil); code(err) != wire.CodeNotAllowed {
		t.Errorf("look without a signature = %v; want code %d", err, wire.CodeNotAllowed)
	}
	look := with(t, "{}", b.meta(b.bert, b.signed("look", "{}", idem2)))
	if _, err := b.Call(t.Context(), link1, "look", look); err != nil {
		t.Errorf("look that is signed = %v; want nil", err)
	}
	var status Status
	if err := console.Call(t.Context(), "control", "control.com.services", struct{}{}, &status); err != nil {
		t.Fatal(err)
	}
	for _, s := range status.Services {
		opens := s.Name != model.COMAlarms && s.Name != model.COMBackup && s.Name != model.COMFirmware && s.Name != model.COMMetrics
		if s.On || s.Support != opens {
			t.Errorf("service %s = %+v; want it open for support: %v", s.Name, s, opens)
		}
	}
	if status.Group != model.GroupPrivileged || len(status.Operators) != 2 {
		t.Errorf("status = %+v; want the group and the operators", status)
	}
	s := b.stream(t.Context(), b.header(wire.StreamCLI, `{}`))
	s.echo(t, "x")

	b.stopped() // and control starts anew
	b.start(echoes)
	if left := b.SupportLeft(); left != 4*time.Hour {
		t.Errorf("SupportLeft = %v; want that control starting anew does not end it", left)
	}
	s = b.stream(t.Context(), b.header(wire.StreamCLI, `{}`))
	for range 4 * 60 / 10 { // somebody types every ten minutes, and comes back every hour
		b.pass(10 * time.Minute)
		if b.SupportLeft() > 0 {
			s = b.stream(t.Context(), b.header(wire.StreamCLI, `{}`))
		}
	}
	s.cut(t, "the end of support access")
	if got := signed(idem2); got != wire.CodeDisabled {
		t.Errorf("change after support access: code %d; want %d", got, wire.CodeDisabled)
	}
	if _, err := support(time.Hour); err != nil {
		t.Fatal(err)
	}
	s = b.stream(t.Context(), b.header(wire.StreamCLI, `{}`))
	if status, err := support(0); err != nil || status.Left != 0 {
		t.Errorf("no support access = %+v, %v; want it closed", status, err)
	}
	s.cut(t, "no support access")
}

// TestSupportFile: a file that was cut anywhere, or is of another boot, opens
// nothing for longer than was asked.
func TestSupportFile(t *testing.T) {
	b := newBox(t)
	if err := b.support.set(time.Hour, model.Operator{User: "admin", Origin: "ttyS0"}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(b.support.file)
	if err != nil {
		t.Fatal(err)
	}
	for length := range len(content) {
		if err := os.WriteFile(b.support.file, content[:length], 0o600); err != nil {
			t.Fatal(err)
		}
		if left := loadSupport(b.options).left(); left != 0 {
			t.Errorf("with %d octets of the file it is open for %v; want closed", length, left)
		}
	}
	for until, want := range map[time.Duration]time.Duration{
		-time.Second: 0, time.Hour: 0, time.Hour + 1: 1, time.Hour + LongestSupport: LongestSupport, time.Hour + LongestSupport + 1: 0,
	} {
		text, err := json.Marshal(supportState{Until: until})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(b.support.file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if left := loadSupport(b.options).left(); left != want {
			t.Errorf("until %v it is open for %v; want %v", until, left, want)
		}
	}
}

// TestClear has an operator of the box end sessions.
func TestClear(t *testing.T) {
	b := newStreams(t)
	console := &exectest.Session{}
	console.Serve(t, "control", b.Methods())
	clear := func(number uint64) (cleared Cleared, err error) {
		err = console.Call(t.Context(), "control", "control.com.clear", ClearRequest{Operator: console.Operator(), Number: number}, &cleared)
		return cleared, err
	}
	one, two, three := b.stream(t.Context(), b.header(wire.StreamCLI, `{}`)), b.stream(t.Context(), b.header(wire.StreamTCP, `{}`)), b.stream(t.Context(), b.header(wire.StreamTCP, `{}`))
	var list SessionsStatus
	if err := console.Call(t.Context(), "control", "control.com.sessions", struct{}{}, &list); err != nil || len(list.Sessions) != 3 || list.Sessions[2].What != "tcp web" {
		t.Errorf("sessions = %+v, %v; want three", list, err)
	}
	if cleared, err := clear(2); err != nil || cleared.Sessions != 1 {
		t.Errorf("clear 2 = %+v, %v; want one", cleared, err)
	}
	two.cut(t, "session 2")
	if _, err := clear(9); err == nil {
		t.Error("clear 9 = nil; want that there is no such session")
	}
	if cleared, err := clear(0); err != nil || cleared.Sessions != 2 {
		t.Errorf("clear all = %+v, %v; want two", cleared, err)
	}
	one.cut(t, "session 1")
	three.cut(t, "session 3")
}
