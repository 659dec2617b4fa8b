package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/backup"
	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/network"
	"causeway/appliance/network/firewall"
	"causeway/appliance/resolver"
)

// grammar has the commands of the network only.
func grammar(t *testing.T) *config.Grammar {
	g, err := config.New(network.Commands(), backup.Commands())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// text is a configuration whose host name is name.
func text(name string) string { return "hostname " + name + "\n" }

// noNICs is the kernel of a box without any.
type noNICs struct{}

func (noNICs) Read() (network.State, error)                    { return network.State{}, nil }
func (noNICs) Add(network.Object) error                        { return unix.ENODEV }
func (noNICs) Remove(network.Object) error                     { return unix.ENODEV }
func (noNICs) Set(network.Setting) error                       { return unix.ENODEV }
func (noNICs) Announce(model.Port, netip.Addr) error           { return unix.ENODEV }
func (noNICs) Watch(ctx context.Context, changed func()) error { <-ctx.Done(); return ctx.Err() }

// noTables is a kernel whose firewall is as it should be.
type noTables struct{}

func (noTables) Compare(firewall.Ruleset) (string, firewall.Counters, error) { return "", nil, nil }
func (noTables) Replace(firewall.Ruleset) error                              { return unix.ENODEV }
func (noTables) Watch(ctx context.Context, changed func()) error             { <-ctx.Done(); return ctx.Err() }

// noServers is the network of a box that reaches no name server.
func noServers(context.Context, string, string) (net.Conn, error) { return nil, unix.ENETUNREACH }

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
		Volumes:       dir,
		ConfigDir:     filepath.Join(dir, "bootflash"),
		LicenseDir:    filepath.Join(dir, "license"),
		COMDir:        filepath.Join(dir, "com"),
		CallHomeDir:   filepath.Join(dir, "callhome"),
		KeyDir:        filepath.Join(dir, "keys"),
		Certificates:  filepath.Join(dir, "certificates"),
		MachineConfig: filepath.Join(dir, "machine"),
		Build:         filepath.Join(dir, "build.json"),
		Grammar:       grammar(t),
		BuiltIn:       text("builtin"),
		Log:           slog.New(slog.NewTextHandler(b, nil)),
		Resolver:      resolver.Options{Listen: []netip.AddrPort{}, Dial: noServers},
		Kernel:        noNICs{},
		Tables:        noTables{},
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

// keep adds a revision to the store, as an earlier life of control left it.
func (b *box) keep(state change.State, text string) {
	b.t.Helper()
	store, err := change.OpenStore(filepath.Join(b.options.ConfigDir, "revisions"))
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := store.Add(change.Revision{State: state, Operator: alice, Time: time.Now()}, text); err != nil {
		b.t.Fatal(err)
	}
}

// states are those of the revisions that control keeps, newest first.
func (b *box) states() (states []change.State) {
	b.t.Helper()
	var history change.History
	if err := b.ask("history", nil, &history); err != nil {
		b.t.Fatal(err)
	}
	for _, r := range history.Revisions {
		states = append(states, r.State)
	}
	return states
}

var alice = model.Operator{User: "alice", Origin: "ttyS0"}

// start runs control, from when it answers until the test ends or stop is called.
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
	eventually(b.t, "control answers", func() string {
		if _, err := b.status(); err != nil {
			return err.Error()
		}
		return ""
	})
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

// ask calls a method of control.
func (b *box) ask(method string, params, result any) error {
	return link.Call(b.t.Context(), link.Socket(b.options.Run, "control"), "control."+method, params, result)
}

func (b *box) status() (status model.ControlStatus, err error) {
	err = b.ask("status", nil, &status)
	return status, err
}

// problem gives the problems of a status in a line.
func problem(status model.ControlStatus) string { return strings.Join(status.Problems, "; ") }

// commit has alice change the host name and commit that.
func (b *box) commit(name string, confirmMinutes int) (answer change.Committed, err error) {
	b.t.Helper()
	var edited change.Edited
	if err := b.ask("configure", change.ConfigureRequest{Operator: alice}, nil); err != nil {
		b.t.Fatal(err)
	}
	if err := b.ask("edit", change.EditRequest{Operator: alice, Line: "hostname " + name}, &edited); err != nil || edited.Fault != nil {
		b.t.Fatal(err, edited.Fault)
	}
	err = b.ask("commit", change.CommitRequest{Operator: alice, ConfirmMinutes: confirmMinutes}, &answer)
	return answer, err
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
	prepared link.RevisionText
	id       string // of the revision
	revision string
	grant    model.Grant
	grants   int  // how often one was given
	early    bool // a revision was in force before any grant
	restarts int  // as init tells it
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
			p.set(func() { status.Revision, status.Grant = p.id, p.grant })
			return status, nil
		},
		p.name + ".prepare": func(_ context.Context, r link.RevisionText) (err error) {
			p.set(func() {
				if r.Text == p.refuses {
					err = errors.New("listen udp 192.0.2.1:5060: no such device")
				} else {
					p.prepared = r
				}
			})
			return err
		},
		p.name + ".switch": func(context.Context) (err error) {
			p.set(func() {
				if p.dies {
					p.prepared, p.restarts = link.RevisionText{}, p.restarts+1
				}
				if p.prepared.Text == "" {
					err = link.Passing(errors.New("nothing is prepared"))
				} else {
					p.id, p.revision = p.prepared.ID, p.prepared.Text
					p.early = p.early || p.grants == 0
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
	p.set(func() {
		p.prepared, p.id, p.revision, p.grant, p.restarts = link.RevisionText{}, "", "", model.Grant{}, p.restarts+1
	})
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
