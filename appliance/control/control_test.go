package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// TestConfigurationSources: what the box comes up with, whatever it finds.
func TestConfigurationSources(t *testing.T) {
	const broken = "hostname x\nsip netwrok a\nend"
	const fault = `line 2: "sip netwrok a": there is no such command`
	tests := []struct {
		name                   string
		machine, startup, good string
		host, source, problem  string
		printed                []string
	}{
		{name: "a new box", host: "builtin", source: "built-in"},
		{name: "saved", startup: text("saved"), good: text("older"), host: "saved", source: "startup"},
		{name: "the machine's comes first", machine: text("qemu"), startup: text("saved"), host: "qemu", source: "machine"},
		{name: "broken, with a last good one", startup: broken, good: text("older"), host: "older", source: "last good",
			problem: "startup: " + fault, printed: []string{"configuration=startup", `there is no such command`}},
		{name: "broken, without", startup: broken, host: "builtin", source: "built-in", problem: "startup: " + fault},
		{name: "everything broken", machine: "x", startup: broken, good: "\x00\xff", host: "builtin", source: "built-in",
			problem: `machine: line 1: "x": there is no such command; startup: ` + fault + `; last good: line 1: "\x00\xff": there is no such command`},
		{name: "two faults", startup: "a\nb\nend", host: "builtin", source: "built-in",
			problem: "startup: line 1: \"a\": there is no such command\nline 2: \"b\": there is no such command",
			printed: []string{`fault="line 1: \"a\"`, `fault="line 2: \"b\"`}},
		{name: "the machine's broken, the saved one serves", machine: broken, startup: text("saved"), host: "saved", source: "startup",
			problem: "machine: " + fault},
		{name: "too long", startup: strings.Repeat("x", maxText+1), host: "builtin", source: "built-in",
			problem: "startup: startup-config is longer than 1048576 octets"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBox(t)
			b.put(b.options.MachineConfig, test.machine)
			b.put(b.startup(), test.startup)
			b.put(b.good(), test.good)
			b.start()
			var status model.ControlStatus
			eventually(t, "control.status", func() string {
				var err error
				if status, err = b.status(); err != nil {
					return err.Error()
				}
				return ""
			})
			problem := strings.ReplaceAll(status.ConfigProblem, b.options.ConfigDir+"/", "")
			if status.HostName != test.host || status.ConfigSource != test.source || problem != test.problem {
				t.Errorf("status = %s, %s, %q; want %s, %s, %q", status.HostName, status.ConfigSource, problem, test.host, test.source, test.problem)
			}
			for _, words := range test.printed {
				if !strings.Contains(b.printed(), words) {
					t.Errorf("the console has no %q:\n%s", words, b.printed())
				}
			}
			var running Running
			if err := link.Call(t.Context(), link.Socket(b.options.Run, "control"), "control.running", nil, &running); err != nil || running.Text != text(test.host) {
				t.Errorf("control.running = %q, %v; want %q", running.Text, err, text(test.host))
			}
		})
	}
}

// TestCutFiles cuts the saved and the last good configuration at every octet:
// a file that is not whole is never run with.
func TestCutFiles(t *testing.T) {
	whole := text("a-host-name")
	for length := range whole {
		b := newBox(t)
		for path, content := range map[string]string{b.startup(): whole[:length], b.good(): whole[:length], b.good() + ".new-1": whole} {
			if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		c := build(b.options, b.pace)
		if err := c.adoptNext(); err != nil || c.current.source != sourceBuiltIn || len(c.refusals) != 2 {
			t.Errorf("cut at %d: source = %s, %v, refusals %q; want %s, two refusals", length, c.current.source, err, c.refusals, sourceBuiltIn)
		}
	}
}

func TestUnreadableFiles(t *testing.T) {
	b := newBox(t)
	if err := os.Mkdir(b.startup(), 0o750); err != nil {
		t.Fatal(err)
	}
	b.put(b.good(), text("older"))
	c := build(b.options, b.pace)
	if err := c.adoptNext(); err != nil || c.current.source != sourceLastGood || len(c.refusals) != 1 {
		t.Errorf("with a directory for a file: %s, %v, %q; want %s and one refusal", c.current.source, err, c.refusals, sourceLastGood)
	}
	b.options.BuiltIn, b.options.ConfigDir = "broken", "/nonexistent"
	if err := Run(t.Context(), b.options); !errors.Is(err, errNoneLeft) {
		t.Errorf("Run without any configuration = %v; want %v", err, errNoneLeft)
	}
}

// TestFollowing: proxy and billing get what they should have, however often
// and in whatever order they come and go.
func TestFollowing(t *testing.T) {
	b := newBox(t)
	b.put(b.startup(), text("saved"))
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
	b.put(b.startup(), text("newer")) // and control starts again
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
		b.put(b.startup(), text("saved"))
		b.put(b.good(), text("older"))
		processes := map[string]*process{"proxy": b.process("proxy"), "billing": b.process("billing")}
		processes[refusing].refuses = text("saved")
		b.start()
		processes["proxy"].runs(text("older"))
		processes["billing"].runs(text("older"))
		eventually(t, "control.status", func() string {
			want := "startup: refused by " + refusing + ": listen udp 192.0.2.1:5060: no such device"
			status, err := b.status()
			if err != nil || status.ConfigSource != sourceLastGood || status.HostName != "older" || status.ConfigProblem != want {
				return fmt.Sprintf("%+v, %v; want %s because of %q", status, err, sourceLastGood, want)
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
	if n := strings.Count(b.printed(), errNoneLeft.Error()); n != 1 {
		t.Errorf("the console says %d times that nothing else is left; want once:\n%s", n, b.printed())
	}
	proxy.set(func() { proxy.refuses = "" })
	proxy.runs(text("builtin"))
}

// TestRemembered: a saved configuration becomes the last good one when the
// proxy stayed up with it, and no other does.
func TestRemembered(t *testing.T) {
	for _, test := range []struct {
		name, machine, startup, want string
	}{
		{"saved", "", text("saved"), text("saved")},
		{"the machine's", text("qemu"), "", text("older")},
		{"broken", "", "broken", text("older")},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBox(t)
			b.pace.settle = 20 * time.Millisecond
			b.put(b.options.MachineConfig, test.machine)
			b.put(b.startup(), test.startup)
			b.put(b.good(), text("older"))
			var mu sync.Mutex
			proven := ""
			c := build(b.options, b.pace)
			remember := c.proxy.proven
			c.proxy.proven = func(r revision) {
				remember(r)
				mu.Lock()
				defer mu.Unlock()
				proven = r.text
			}
			b.init(b.process("proxy"))
			go c.run(t.Context())
			eventually(t, "a proven revision", func() string {
				mu.Lock()
				defer mu.Unlock()
				if proven == "" {
					return "none yet"
				}
				return ""
			})
			if got, err := os.ReadFile(b.good()); err != nil || string(got) != test.want {
				t.Errorf("%s holds %q, %v; want %q", goodFile, got, err, test.want)
			}
			if names, err := filepath.Glob(b.good() + "?*"); err != nil || len(names) > 0 {
				t.Errorf("left behind: %v, %v", names, err)
			}
		})
	}
}

// TestCrashLoop: a configuration with which the proxy ends again and again is
// given up, and is not the last good one.
func TestCrashLoop(t *testing.T) {
	b := newBox(t)
	b.put(b.startup(), text("deadly"))
	proxy := b.process("proxy")
	proxy.dies = true
	b.init(proxy)
	b.start()
	eventually(t, "control.status", func() string {
		const want = "startup: proxy ended 3 times with it"
		if status, err := b.status(); err != nil || status.ConfigProblem != want || status.HostName != "builtin" {
			return fmt.Sprintf("%q, %q, %v; want %q, builtin", status.ConfigProblem, status.HostName, err, want)
		}
		return ""
	})
	proxy.set(func() { proxy.dies = false })
	proxy.runs(text("builtin"))
	if _, err := os.Stat(b.good()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat(%s) = %v; want %v", goodFile, err, fs.ErrNotExist)
	}
}

// TestCrashLoopBeforeTheRevision: a proxy that ends before it got the
// configuration, as on a broken disk, has nothing against it.
func TestCrashLoopBeforeTheRevision(t *testing.T) {
	b := newBox(t)
	b.put(b.startup(), text("saved"))
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
	if status, err := b.status(); err != nil || status.ConfigProblem != "" || status.ConfigSource != sourceStartup {
		t.Errorf("status = %q, %q, %v; want no problem with the saved one", status.ConfigProblem, status.ConfigSource, err)
	}
}

// TestSwitchOfARestartedProcess: the process ends between prepare and switch,
// once. That is no fault of the configuration.
func TestSwitchOfARestartedProcess(t *testing.T) {
	b := newBox(t)
	b.put(b.startup(), text("saved"))
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
