package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/network"
)

// parse is a grammar of two commands. Every configuration ends with "end".
func parse(text string) (*model.Config, error) {
	config := &model.Config{}
	var faults []error
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		word, argument, _ := strings.Cut(line, " ")
		switch {
		case word == "hostname" && argument != "":
			config.HostName = argument
		case word == "end" && i == len(lines)-1:
			return config, errors.Join(faults...)
		default:
			faults = append(faults, fmt.Errorf("line %d: %q: there is no such command", i+1, line))
		}
	}
	if faults == nil {
		faults = []error{errors.New("the end is missing")}
	}
	return nil, errors.Join(faults...)
}

// text is a configuration whose host name is name.
func text(name string) string { return "hostname " + name + "\nend" }

// noNICs is the kernel of a box without any.
type noNICs struct{}

func (noNICs) Read() (network.State, error)                    { return network.State{}, nil }
func (noNICs) SetUp(model.LANName) error                       { return unix.ENODEV }
func (noNICs) AddAddress(model.LANName, netip.Prefix) error    { return unix.ENODEV }
func (noNICs) RemoveAddress(model.LANName, netip.Prefix) error { return unix.ENODEV }
func (noNICs) AddRoute(network.Route) error                    { return unix.ENODEV }
func (noNICs) RemoveRoute(network.Route) error                 { return unix.ENODEV }
func (noNICs) AddRule(network.Rule) error                      { return unix.ENODEV }
func (noNICs) RemoveRule(network.Rule) error                   { return unix.ENODEV }
func (noNICs) Watch(ctx context.Context, changed func()) error { <-ctx.Done(); return ctx.Err() }

// box is the directories of one box, and what its control printed.
type box struct {
	t       *testing.T
	options Options
	pace    pace

	mu      sync.Mutex
	console bytes.Buffer
}

func newBox(t *testing.T) *box {
	dir := t.TempDir()
	b := &box{t: t, pace: pace{first: time.Millisecond, look: 5 * time.Millisecond, settle: time.Hour}}
	b.options = Options{
		Run:           filepath.Join(dir, "run"),
		ConfigDir:     filepath.Join(dir, "bootflash"),
		MachineConfig: filepath.Join(dir, "machine"),
		Build:         filepath.Join(dir, "build.json"),
		Parse:         parse,
		BuiltIn:       text("builtin"),
		Log:           slog.New(slog.NewTextHandler(b, nil)),
		Kernel:        noNICs{},
		Adjust:        func(*unix.Timex) (int, error) { return 0, unix.EPERM },
	}
	if err := os.Mkdir(b.options.ConfigDir, 0o750); err != nil {
		t.Fatal(err)
	}
	return b
}

// Write takes the log.
func (b *box) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.console.Write(line)
}

func (b *box) printed() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.console.String()
}

// put writes a file of the box; empty content writes none.
func (b *box) put(path, content string) {
	b.t.Helper()
	if content == "" {
		return
	}
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) startup() string { return filepath.Join(b.options.ConfigDir, startupFile) }
func (b *box) good() string    { return filepath.Join(b.options.ConfigDir, goodFile) }

// start runs control until the test ends or stop is called.
func (b *box) start() (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- build(b.options, b.pace).run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				b.t.Errorf("run = %v; want nil", err)
			}
		case <-time.After(limit):
			b.t.Error("control still runs after its context ended")
		}
	})
	b.t.Cleanup(stop)
	return stop
}

// limit bounds every wait of these tests; none of them takes that long.
const limit = 30 * time.Second

// eventually waits until met gives an empty string.
func eventually(t *testing.T, what string, met func() string) {
	t.Helper()
	var missing string
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if missing = met(); missing == "" {
			return
		}
	}
	t.Fatalf("%s: %s", what, missing)
}

func (b *box) status() (status model.ControlStatus, err error) {
	err = link.Call(b.t.Context(), link.Socket(b.options.Run, "control"), "control.status", nil, &status)
	return status, err
}

// process is a fake proxy or billing. A restart makes it forget what it was told.
type process struct {
	t    *testing.T
	name string
	run  string
	stop func()

	mu       sync.Mutex
	refuses  string // a revision text it refuses to prepare
	dies     bool   // at every switch
	prepared string
	revision string
	grant    model.Grant
	grants   int // how often one was given
	restarts int // as init tells it
}

func (b *box) process(name string) *process {
	p := &process{t: b.t, name: name, run: b.options.Run}
	p.start()
	b.t.Cleanup(func() { p.stop() })
	return p
}

func (p *process) start() {
	p.stop = serve(p.t, link.Socket(p.run, p.name), link.Methods{
		p.name + ".status": func(context.Context) (status model.ProxyStatus, err error) {
			p.set(func() { status.Revision, status.Grant = model.RevisionID(p.revision), p.grant })
			return status, nil
		},
		p.name + ".prepare": func(_ context.Context, r struct {
			Revision string `json:"revision"`
		}) (err error) {
			p.set(func() {
				if r.Revision == p.refuses {
					err = errors.New("listen udp 192.0.2.1:5060: no such device")
				} else {
					p.prepared = r.Revision
				}
			})
			return err
		},
		p.name + ".switch": func(context.Context) (err error) {
			p.set(func() {
				if p.dies {
					p.prepared, p.restarts = "", p.restarts+1
				}
				if p.prepared == "" {
					err = errors.New("nothing is prepared")
				} else {
					p.revision = p.prepared
				}
			})
			return err
		},
		p.name + ".grant": func(_ context.Context, g model.Grant) error {
			p.set(func() { p.grant, p.grants = g, p.grants+1 })
			return nil
		},
	})
}

func (p *process) restart() {
	p.stop()
	p.set(func() { p.prepared, p.revision, p.grant, p.restarts = "", "", model.Grant{}, p.restarts+1 })
	p.start()
}

func (p *process) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// runs waits until the process runs with a revision.
func (p *process) runs(text string) {
	p.t.Helper()
	eventually(p.t, p.name, func() (missing string) {
		p.set(func() {
			if p.revision != text {
				missing = fmt.Sprintf("revision = %q; want %q", p.revision, text)
			}
		})
		return missing
	})
}

// init serves init's answers about the proxy.
func (b *box) init(proxy *process) {
	b.t.Cleanup(serve(b.t, link.Socket(b.options.Run, "init"), link.Methods{
		"init.health": func(context.Context) (health model.SystemHealth, err error) {
			proxy.set(func() {
				health.Services = []model.ServiceStatus{{Name: "billing", Restarts: 99}, {Name: "proxy", Restarts: proxy.restarts}}
			})
			return health, nil
		},
	}))
}

// serve answers until stop is called.
func serve(t *testing.T, path string, methods link.Methods) (stop func()) {
	t.Helper()
	listener, err := link.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- link.ServeListener(ctx, listener, methods) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ServeListener(%s) = %v; want nil", path, err)
		}
	})
}

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
		status, err := b.status()
		want := "startup: refused by " + refusing + ": listen udp 192.0.2.1:5060: no such device"
		if err != nil || status.ConfigSource != sourceLastGood || status.HostName != "older" || status.ConfigProblem != want {
			t.Errorf("status = %+v, %v; want %s because of %q", status, err, sourceLastGood, want)
		}
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
