package backup

import (
	"bytes"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
	"causeway/appliance/storage/files"
)

// commands are those of backups, and two others: one with a secret, and one that
// this box alone may not know.
func commands(strange bool) []config.Command {
	list := []config.Command{{
		Mode: config.Global, Syntax: "hostname NAME", Help: "Name the box",
		Args:   []config.Argument{{Name: "NAME", Type: config.Label{}, Help: "Its name"}},
		Apply:  func(c *model.Config, a config.Args) error { c.HostName = a.Text("NAME"); return nil },
		Render: func(c *model.Config, _ config.Args) []config.Args { return []config.Args{{"NAME": c.HostName}} },
	}, {
		Mode: config.Global, Syntax: "aaa login radius HOST key SECRET", Help: "Have a server say who may log in",
		Args: []config.Argument{{Name: "HOST", Type: config.Host{}, Help: "Its name"}, {Name: "SECRET", Type: config.Secret{}, Help: "The shared one"}},
		Apply: func(c *model.Config, a config.Args) error {
			c.Access.RADIUS = append(c.Access.RADIUS, model.LoginServer{Host: a.Text("HOST"), Key: a.Text("SECRET")})
			return nil
		},
		Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
			for _, s := range c.Access.RADIUS {
				lines = append(lines, config.Args{"HOST": s.Host, "SECRET": s.Key})
			}
			return lines
		},
	}}
	if strange {
		list = append(list, config.Command{
			Mode: config.Global, Syntax: "metrics SECRET", Help: "Have it scraped",
			Args:  []config.Argument{{Name: "SECRET", Type: config.Secret{}, Help: "For it"}},
			Apply: func(c *model.Config, a config.Args) error { c.COM.Domain = a.Text("SECRET"); return nil },
			Render: func(c *model.Config, _ config.Args) []config.Args {
				if c.COM.Domain == "" {
					return nil
				}
				return []config.Args{{"SECRET": c.COM.Domain}}
			},
		})
	}
	return append(list, Commands()...)
}

// certificates are those of a box, and what it does not give.
type certificates struct {
	mu    sync.Mutex
	files map[string][]byte
	left  []string
}

func (c *certificates) Export() (map[string][]byte, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files, c.left
}

func (c *certificates) Restore(name string, content []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if bytes.Contains(content, []byte("expired")) {
		return errors.New("expired")
	}
	c.files[name] = content
	return nil
}

// box is one box: its key, its volumes, its configuration.
type box struct {
	*Service
	t             *testing.T
	dir           string
	key           *config.BoxKey
	grammar       *config.Grammar
	configuration *change.Configuration
	certificates  *certificates
	zone          *time.Location
	ahead         time.Duration // of the clock of this box

	mu  sync.Mutex
	log bytes.Buffer
}

var admin = model.Operator{User: "admin", Origin: "ssh 192.0.2.7:50122"}

func newBox(t *testing.T, serial string) *box { return newBoxWith(t, serial, commands(false)) }

func newBoxWith(t *testing.T, serial string, list []config.Command) *box {
	t.Helper()
	b := &box{t: t, dir: t.TempDir(), certificates: &certificates{files: map[string][]byte{}}, zone: time.UTC}
	for _, dir := range []string{"bootflash", "harddisk", "usb0", "run"} {
		if err := os.Mkdir(filepath.Join(b.dir, dir), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	b.write("serial", serial+"\n")
	octets := make([]byte, 32)
	rand.Read(octets)
	var err error
	if b.key, err = config.NewBoxKey(octets); err != nil {
		t.Fatal(err)
	}
	grammar, err := config.New(list)
	if err != nil {
		t.Fatal(err)
	}
	b.grammar = grammar.Sealing(b.key)
	b.configuration = change.New(change.Options{
		Grammar: b.grammar, BuiltIn: "hostname new\n", Version: "1.0", Dir: filepath.Join(b.dir, "bootflash", "revisions"),
		Machine: filepath.Join(b.dir, "machine"), Choice: filepath.Join(b.dir, "choice"), StateDir: filepath.Join(b.dir, "run"),
		Adopt: func(change.InForce) {}, Log: slog.New(slog.NewTextHandler(b, nil)),
	})
	if err := b.configuration.Start(); err != nil {
		t.Fatal(err)
	}
	b.start()
	return b
}

// start begins another life of control.
func (b *box) start() {
	b.Service = New(Options{
		Configuration: b.configuration, Grammar: b.grammar, Key: b.key, Certificates: b.certificates,
		Files: files.New(b.dir, nil), Serial: filepath.Join(b.dir, "serial"), Build: model.BuildInfo{Version: "1.0", Board: "x86-64"},
		StateFile: b.stateFile(), Alone: func(do func()) { do() },
		Now: func() time.Time { return time.Now().Add(b.ahead).In(b.zone) }, Log: slog.New(slog.NewTextHandler(b, nil)),
	})
}

func (b *box) stateFile() string { return filepath.Join(b.dir, "bootflash", "backups") }

// Write takes the log.
func (b *box) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(line)
}

func (b *box) logged() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

func (b *box) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// commit puts a text in force.
func (b *box) commit(text string) {
	b.t.Helper()
	ctx, who := b.t.Context(), change.Who{Operator: admin}
	if _, err := b.configuration.Configure(ctx, change.ConfigureRequest{Operator: admin}); err != nil {
		b.t.Fatal(err)
	}
	if loaded, err := b.configuration.Load(ctx, change.LoadRequest{Operator: admin, Text: text, Replace: true}); err != nil || len(loaded.Faults) > 0 {
		b.t.Fatalf("Load(%q) = %v, %v", text, loaded.Faults, err)
	}
	b.commitCandidate()
	if _, err := b.configuration.Release(ctx, who); err != nil {
		b.t.Fatal(err)
	}
}

// commitCandidate puts the candidate in force as its next holder does.
func (b *box) commitCandidate() {
	b.t.Helper()
	if _, err := b.configuration.Configure(b.t.Context(), change.ConfigureRequest{Operator: admin}); err != nil {
		b.t.Fatal(err)
	}
	if committed, err := b.configuration.Commit(b.t.Context(), change.CommitRequest{Operator: admin}); err != nil || len(committed.Faults) > 0 {
		b.t.Fatalf("Commit = %+v, %v", committed, err)
	}
}

// revealed is the configuration in force with its secrets in plain text.
func (b *box) revealed() string {
	b.t.Helper()
	f := b.configuration.InForce()
	text, err := b.grammar.Reveal(f.Config, f.Aside, b.key)
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

const phrase = "correct horse battery"

// backUp makes a backup on usb0: that a passphrase opens, and gives its file.
func (b *box) backUp() string {
	b.t.Helper()
	made, err := b.now(b.t.Context(), NowRequest{Operator: admin, To: "usb0:/", Passphrase: phrase})
	if err != nil {
		b.t.Fatal(err)
	}
	return filepath.Join(b.dir, "usb0", made.Name)
}

// take puts a file on the stick of a box.
func (b *box) take(file string) {
	b.t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	b.write("usb0/backup", string(content))
}

// stick are the files on the stick.
func (b *box) stick() (names []string) {
	b.t.Helper()
	entries, err := os.ReadDir(filepath.Join(b.dir, "usb0"))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

func (b *box) restoreAll(certificates bool) (Restored, error) {
	r := RestoreRequest{ReadRequest: ReadRequest{Operator: admin, From: "usb0:backup", Secret: phrase}, Certificates: certificates}
	opened, err := b.read(b.t.Context(), r.ReadRequest)
	if err != nil {
		return Restored{}, err
	}
	r.SHA256 = opened.SHA256
	return b.restore(b.t.Context(), r)
}
