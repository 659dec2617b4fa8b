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
	if err != nil || answer.Revision != 1 || len(answer.Faults)+len(answer.Notes) > 0 {
		t.Fatalf("commit = %+v, %v; want revision 1", answer, err)
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

// TestFollowing: proxy and billing get what they should have, however often
// and in whatever order they come and go.
func TestFollowing(t *testing.T) {
	b := newBox(t)
	b.keep(change.StateCommitted, text("saved"))
	stop := b.start()
	id := model.RevisionID(text("saved"))
	says := func(proxy, billing string) {
		t.Helper()
		eventually(t, "control.status", func() string {
			status, err := b.status()
			if err != nil || !strings.Contains(status.Proxy, proxy) || !strings.Contains(status.Billing, billing) {
				return fmt.Sprintf("%v, proxy %q, billing %q; want %q, %q", err, status.Proxy, status.Billing, proxy, billing)
			}
			return ""
		})
	}
	says("no such file or directory", "no such file or directory")
	proxy := b.process("proxy") // billing is not there yet
	proxy.runs(text("saved"))
	says("revision "+id, "no such file or directory")
	billing := b.process("billing")
	billing.runs(text("saved"))
	says("revision "+id, "revision "+id)

	var grant model.Grant
	eventually(t, "grant", func() string {
		proxy.set(func() { grant = proxy.grant })
		if !grant.Now.Calls || grant.Now.LimitCPS != 0 || grant.ChangesAt != 0 || grant.Generation == 0 {
			return fmt.Sprintf("grant = %+v; want all calls for ever", grant)
		}
		return ""
	})
	billing.set(func() {
		if billing.grants != 0 {
			t.Error("billing was given a grant")
		}
	})
	proxy.restart()
	proxy.runs(text("saved"))
	eventually(t, "the same grant", func() (missing string) {
		proxy.set(func() {
			if proxy.grant != grant {
				missing = fmt.Sprintf("grant = %+v; want %+v", proxy.grant, grant)
			}
		})
		return missing
	})
	billing.stop()
	says("revision "+id, "link.sock")
	billing.restart()
	billing.runs(text("saved"))
	proxy.set(func() { proxy.revision = text("of somebody else") })
	proxy.runs(text("saved"))

	stop()
	b.keep(change.StateCommitted, text("newer")) // and control starts again
	b.start()
	proxy.runs(text("newer"))
	billing.runs(text("newer"))
	eventually(t, "a grant of the new life", func() (missing string) {
		proxy.set(func() {
			if proxy.grant.Generation <= grant.Generation {
				missing = fmt.Sprintf("generation = %d; want more than %d", proxy.grant.Generation, grant.Generation)
			}
		})
		return missing
	})
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
	if n := strings.Count(b.printed(), `msg=configuration problem="the built-in configuration does not serve`); n != 1 {
		t.Errorf("the console says %d times that nothing else is left; want once:\n%s", n, b.printed())
	}
	proxy.set(func() { proxy.refuses = "" })
	proxy.runs(text("builtin"))
}

// TestProven: a revision is proven when the proxy stayed up with it.
func TestProven(t *testing.T) {
	b := newBox(t)
	b.pace.settle = 20 * time.Millisecond
	b.keep(change.StateCommitted, text("saved"))
	proxy := b.process("proxy")
	b.init(proxy)
	b.start()
	proxy.runs(text("saved"))
	eventually(t, "a proven revision", func() string {
		if states := b.states(); states[0] != change.StateProven {
			return fmt.Sprint("revisions are ", states)
		}
		return ""
	})
	if names, err := filepath.Glob(filepath.Join(b.options.ConfigDir, "*", "*.new-*")); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

// TestCrashLoop: a configuration with which the proxy ends again and again is
// given up; one that has served before is not, as the fault lies elsewhere.
func TestCrashLoop(t *testing.T) {
	for _, test := range []struct {
		state          change.State
		problem, after string
	}{
		{change.StateCommitted, "revision 1 of alice on ttyS0 was withdrawn: proxy ended 3 times with it", "builtin"},
		{change.StateProven, "revision 1 does not serve any more: proxy ended 3 times with it", "deadly"},
	} {
		b := newBox(t)
		b.keep(test.state, text("deadly"))
		proxy := b.process("proxy")
		proxy.dies = true
		b.init(proxy)
		b.start()
		eventually(t, "control.status", func() string {
			if status, err := b.status(); err != nil || problem(status) != test.problem || status.HostName != test.after {
				return fmt.Sprintf("%q, %q, %v; want %q, %s", problem(status), status.HostName, err, test.problem, test.after)
			}
			return ""
		})
		proxy.set(func() { proxy.dies = false })
		proxy.runs(text(test.after))
	}
}

// TestServesAgain: what did not serve for a while and stayed in force is no
// problem any more when it serves.
func TestServesAgain(t *testing.T) {
	for _, test := range []struct {
		name, reason string
		fail, mend   func(p *process)
	}{
		{"refused", "refused by proxy", func(p *process) { p.refuses = text("saved") }, func(p *process) { p.refuses = "" }},
		{"crashing", "proxy ended 3 times with it", func(p *process) { p.dies = true }, func(p *process) { p.dies = false }},
	} {
		b := newBox(t)
		b.pace.settle = 20 * time.Millisecond
		b.keep(change.StateProven, text("saved"))
		proxy := b.process("proxy")
		b.init(proxy)
		proxy.set(func() { test.fail(proxy) })
		b.start()
		says := func(want string) {
			t.Helper()
			eventually(t, test.name, func() string {
				if status, err := b.status(); err != nil || !strings.HasPrefix(problem(status), want) || want == "" && problem(status) != "" {
					return fmt.Sprintf("problem %q, %v; want %q", problem(status), err, want)
				}
				return ""
			})
		}
		says("revision 1 does not serve any more: " + test.reason)
		proxy.set(func() { test.mend(proxy) })
		proxy.runs(text("saved"))
		says("")
	}
}

// TestCrashLoopBeforeTheRevision: a proxy that ends before it got the
// configuration, as on a broken disk, has nothing against it.
func TestCrashLoopBeforeTheRevision(t *testing.T) {
	b := newBox(t)
	b.keep(change.StateCommitted, text("saved"))
	proxy := b.process("proxy")
	proxy.stop()
	b.init(proxy)
	b.start()
	for range 10 * mostRestarts {
		proxy.set(func() { proxy.restarts++ })
		time.Sleep(5 * time.Millisecond)
	}
	proxy.start()
	proxy.runs(text("saved"))
	if status, err := b.status(); err != nil || problem(status) != "" || status.ConfigSource != change.SourceRevision {
		t.Errorf("status = %q, %q, %v; want no problem with the saved one", problem(status), status.ConfigSource, err)
	}
}

// TestSwitchOfARestartedProcess: the process ends between prepare and switch,
// once. That is no fault of the configuration.
func TestSwitchOfARestartedProcess(t *testing.T) {
	b := newBox(t)
	b.keep(change.StateCommitted, text("saved"))
	proxy := b.process("proxy")
	proxy.dies = true
	b.start()
	eventually(t, "control.status", func() string {
		if status, err := b.status(); err != nil || status.Proxy != "nothing is prepared" {
			return fmt.Sprintf("Proxy = %q, %v", status.Proxy, err)
		}
		return ""
	})
	proxy.set(func() { proxy.dies = false })
	proxy.runs(text("saved"))
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
