package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
	"causeway/appliance/system"
)

// TestStatus: control tells what it runs with, and why not with something else.
func TestStatus(t *testing.T) {
	b := newBox(t)
	b.keep(change.StateProven, text("older"))
	b.keep(change.StateCommitted, "hostname x\nsip netwrok a\n")
	b.start()
	var status model.ControlStatus
	eventually(t, "control.status", func() string {
		var err error
		if status, err = b.status(); err != nil {
			return err.Error()
		}
		return ""
	})
	const want = `revision 2 is not used: line 2: "sip netwrok a": `
	if status.HostName != "older" || status.ConfigSource != change.SourceLastGood || status.Revision != 1 ||
		status.RevisionID != model.RevisionID(text("older")) || !strings.HasPrefix(problem(status), want) {
		t.Errorf("status = %+v; want the last good one, because %s", status, want)
	}
	if !strings.Contains(b.printed(), "netwrok") {
		t.Errorf("the console does not say why:\n%s", b.printed())
	}
	var running Running
	if err := b.ask("running", nil, &running); err != nil || running.Text != text("older") {
		t.Errorf("control.running = %q, %v; want %q", running.Text, err, text("older"))
	}
}

func TestNoConfiguration(t *testing.T) {
	b := newBox(t)
	b.options.BuiltIn = "broken"
	if err := Run(t.Context(), b.options); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("Run without any configuration = %v; want what is wrong with the built-in one", err)
	}
}

// TestBoxKey: the key is made once, and one that is damaged is not replaced.
func TestBoxKey(t *testing.T) {
	dir, log := filepath.Join(t.TempDir(), "new"), slog.New(slog.DiscardHandler)
	path := filepath.Join(dir, config.BoxKeyFile)
	sealed := boxKey(dir, log).Seal("secret")
	if got, err := boxKey(dir, log).Open(sealed); err != nil || got != "secret" {
		t.Errorf("Open = %q, %v; want the secret", got, err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for length := range whole {
		if err := os.WriteFile(path, whole[:length], 0o600); err != nil {
			t.Fatal(err)
		}
		if boxKey(dir, log) != nil {
			t.Errorf("boxKey of %d octets is a key; want none", length)
		}
		if left, err := os.ReadFile(path); err != nil || len(left) != length {
			t.Errorf("%d octets are left, %v; want %d", len(left), err, length)
		}
	}
}

// TestCommit: proxy and billing run with what an operator committed.
func TestCommit(t *testing.T) {
	b := newBox(t)
	proxy, billing := b.process("proxy"), b.process("billing")
	b.start()
	proxy.runs(text("builtin"))
	answer, err := b.commit("new", 0)
	if err != nil || answer.Revision != 1 || len(answer.Faults) > 0 || len(answer.Notes) != 1 || !strings.HasPrefix(answer.Notes[0], "Call Home sends nothing yet") {
		t.Fatalf("commit = %+v, %v; want revision 1, and a note about Call Home", answer, err)
	}
	for _, p := range []*process{proxy, billing} {
		p.set(func() {
			if p.revision != text("new") {
				t.Errorf("%s runs with %q after the commit; want %q", p.name, p.revision, text("new"))
			}
		})
	}
	billing.stop() // one that is down gets it when it is back
	if answer, err = b.commit("newer", 0); err != nil || answer.Revision != 2 || len(answer.Notes) != 1 || !strings.Contains(answer.Notes[0], "billing gets the configuration later") {
		t.Errorf("commit = %+v, %v; want revision 2 and a note about billing", answer, err)
	}
	billing.restart()
	billing.runs(text("newer"))
	status, err := b.status()
	if err != nil || status.Revision != 2 || status.ConfigSource != change.SourceRevision || problem(status) != "" || status.HostName != "newer" {
		t.Errorf("status = %+v, %v; want revision 2 without a problem", status, err)
	}
}

// TestCommitRefused: what one process refuses is in force nowhere.
func TestCommitRefused(t *testing.T) {
	for _, refusing := range []string{"proxy", "billing"} {
		b := newBox(t)
		processes := map[string]*process{"proxy": b.process("proxy"), "billing": b.process("billing")}
		processes[refusing].refuses = text("bad")
		b.start()
		processes["proxy"].runs(text("builtin"))
		processes["billing"].runs(text("builtin"))
		want := refusing + " refuses the configuration: listen udp 192.0.2.1:5060: no such device"
		if answer, err := b.commit("bad", 0); err == nil || err.Error() != want || answer.Revision != 0 {
			t.Errorf("commit = %+v, %v; want %q", answer, err, want)
		}
		if status, err := b.status(); err != nil || status.Revision != 0 || problem(status) != "" {
			t.Errorf("status = %+v, %v; want the built-in configuration without a problem", status, err)
		}
		if states := b.states(); len(states) > 0 {
			t.Errorf("revisions are %v; want none", states)
		}
		for _, p := range processes {
			p.runs(text("builtin"))
		}
	}
}

// TestCommitThatKillsTheProxy: a commit that waits for its confirmation is
// undone at once when the proxy cannot run with it.
func TestCommitThatKillsTheProxy(t *testing.T) {
	b := newBox(t)
	b.keep(change.StateProven, text("saved"))
	proxy := b.process("proxy")
	b.init(proxy)
	b.start()
	proxy.runs(text("saved"))
	proxy.set(func() { proxy.dies = true })
	if answer, err := b.commit("deadly", 10); err != nil || answer.Revision != 2 {
		t.Fatalf("commit = %+v, %v; want revision 2", answer, err)
	}
	eventually(t, "control.status", func() string {
		const want = "revision 2 of alice on ttyS0 was withdrawn: proxy ended 3 times with it"
		if status, err := b.status(); err != nil || problem(status) != want || status.Revision != 1 || status.Pending != nil {
			return fmt.Sprintf("%+v, %v; want revision 1 and %q", status, err, want)
		}
		return ""
	})
	proxy.set(func() { proxy.dies = false })
	proxy.runs(text("saved"))
	if states := b.states(); states[0] != change.StateWithdrawn {
		t.Errorf("revisions are %v; want the newest %s", states, change.StateWithdrawn)
	}
}

// TestRefused: a configuration that one process refuses is given up by all.
func TestRefused(t *testing.T) {
	for _, refusing := range []string{"proxy", "billing"} {
		b := newBox(t)
		b.keep(change.StateCommitted, text("older"))
		b.keep(change.StateCommitted, text("saved"))
		processes := map[string]*process{"proxy": b.process("proxy"), "billing": b.process("billing")}
		processes[refusing].refuses = text("saved")
		b.start()
		processes["proxy"].runs(text("older"))
		processes["billing"].runs(text("older"))
		eventually(t, "control.status", func() string {
			want := "revision 2 of alice on ttyS0 was withdrawn: refused by " + refusing + ": listen udp 192.0.2.1:5060: no such device"
			status, err := b.status()
			if err != nil || status.Revision != 1 || status.HostName != "older" || problem(status) != want {
				return fmt.Sprintf("%+v, %v; want revision 1 because of %q", status, err, want)
			}
			return ""
		})
		if !strings.Contains(b.printed(), "no such device") {
			t.Errorf("the console does not say why:\n%s", b.printed())
		}
	}
}

// TestBuiltInRefused: with nothing else left, the reason is shown and the
// process keeps what it had until it accepts.
func TestBuiltInRefused(t *testing.T) {
	b := newBox(t)
	proxy := b.process("proxy")
	proxy.set(func() { proxy.refuses, proxy.revision = text("builtin"), "what it had" })
	b.start()
	eventually(t, "control.status", func() string {
		if status, err := b.status(); err != nil || status.Proxy != "refused by proxy: listen udp 192.0.2.1:5060: no such device" {
			return fmt.Sprintf("Proxy = %q, %v", status.Proxy, err)
		}
		return ""
	})
	proxy.runs("what it had")
	said := func() int {
		return strings.Count(b.printed(), `msg=configuration problem="the built-in configuration does not serve`)
	}
	eventually(t, "the console", func() string { // after the status has it
		if said() == 0 {
			return "does not say that nothing else is left"
		}
		return ""
	})
	if n := said(); n != 1 {
		t.Errorf("the console says %d times that nothing else is left; want once:\n%s", n, b.printed())
	}
	proxy.set(func() { proxy.refuses = "" })
	proxy.runs(text("builtin"))
}

// TestNoGoroutineLeft ends control while every subject works.
func TestNoGoroutineLeft(t *testing.T) {
	b := newBox(t)
	proxy, billing := b.process("proxy"), b.process("billing")
	before := runtime.NumGoroutine()
	stop := b.start()
	proxy.runs(text("builtin"))
	billing.runs(text("builtin"))
	stop()
	eventually(t, "goroutines", func() string {
		if now := runtime.NumGoroutine(); now > before {
			stacks := make([]byte, 1<<16)
			return fmt.Sprintf("%d; want %d\n%s", now, before, stacks[:runtime.Stack(stacks, true)])
		}
		return ""
	})
}

// TestKeep: a subject that fails starts again, ever later, and at once after
// it has worked for long.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var starts []time.Duration
		ctx, cancel := context.WithCancel(t.Context())
		keep(ctx, slog.New(slog.DiscardHandler), func(context.Context) error {
			starts = append(starts, time.Since(start))
			switch len(starts) {
			case 4:
				time.Sleep(time.Hour)
			case 6:
				cancel()
			}
			return errors.New("broken")
		})
		want := []time.Duration{0, 1 * time.Second, 3 * time.Second, 7 * time.Second, 3608 * time.Second, 3610 * time.Second}
		if !slices.Equal(starts, want) {
			t.Errorf("starts at %v; want %v", starts, want)
		}
	})
}

// TestReloadKept: a scheduled reload outlives control, but no boot.
func TestReloadKept(t *testing.T) {
	b := newBox(t)
	stop := b.start()
	var status system.ReloadStatus
	if err := b.ask("reload", system.ReloadRequest{Operator: alice, Minutes: 90}, &status); err != nil || !status.Scheduled {
		t.Fatalf("control.reload = %+v, %v; want it scheduled", status, err)
	}
	for _, test := range []struct {
		what   string
		before func() error
		want   bool
	}{
		{"a start of control", func() error { return nil }, true},
		{"a boot", func() error { return os.RemoveAll(b.options.Run) }, false},
	} {
		stop()
		if err := test.before(); err != nil {
			t.Fatal(err)
		}
		stop = b.start()
		status = system.ReloadStatus{}
		if err := b.ask("reload-status", nil, &status); err != nil || status.Scheduled != test.want {
			t.Errorf("control.reload-status after %s = %+v, %v; want scheduled %t", test.what, status, err, test.want)
		}
	}
}
