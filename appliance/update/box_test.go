package update

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/bundle"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
	"causeway/appliance/storage"
	"causeway/appliance/storage/files"
)

// The release key of the box, and one that it does not know.
var (
	releaseKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	strangeKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, ed25519.SeedSize))
)

// box is an Update with volumes that are directories, and a fake init.
type box struct {
	t   *testing.T
	dir string
	*Update
	log bytes.Buffer

	mu       sync.Mutex
	firmware model.Firmware
	silent   bool // init does not answer
	refuses  error
	called   []string // what changes something, with its parameters
	seen     Look
	blind    error
	talking  int           // open calls
	drained  int           // times that new calls were kept out
	ahead    time.Duration // of the bubble's clock
	boot     string
	since    time.Time // of the boot
}

func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{t: t, dir: t.TempDir(), seen: healthy(), boot: "first", since: time.Now().Add(-time.Hour)}
	b.firmware = model.Firmware{Running: "A", Blessed: "A", Floor: "v1.0.0", Slots: []model.SlotStatus{
		{Name: "A", State: model.SlotBlessed, Version: "v1.1.0"}, {Name: "B", State: model.SlotReady, Version: "v1.0.5"},
	}}
	for _, volume := range storage.Volumes() {
		b.must(os.Mkdir(b.path(volume), 0o755))
	}
	der, err := x509.MarshalPKIXPublicKey(releaseKey.Public())
	b.must(err)
	b.must(os.WriteFile(b.path("release.pem"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644))
	b.Update = New(b.options())
	return b
}

func (b *box) options() Options {
	return Options{
		Volumes: b.dir, Keys: b.path("release.pem"), Build: model.BuildInfo{Board: "x86_64", Variant: bundle.Release, Version: "v1.1.0"},
		State: b.path("bootflash/upgrade"), Boot: b.boot, Files: files.New(b.dir, nil), Init: b.init,
		Calls: func(context.Context) (int, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.talking, nil
		},
		Drain: func(context.Context) error {
			b.set(func() { b.drained++ })
			return nil
		},
		Now: func() time.Time {
			b.mu.Lock()
			defer b.mu.Unlock()
			return time.Now().Add(b.ahead).UTC()
		},
		Uptime: func() time.Duration { return time.Since(b.since) },
		Look: func(context.Context) (Look, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.seen, b.blind
		},
		Log: slog.New(slog.NewTextHandler(&b.log, nil)),
	}
}

// init is the fake one.
func (b *box) init(_ context.Context, method string, params, result any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	text, err := json.Marshal(params)
	b.must(err)
	switch {
	case b.silent:
		return errors.New("init does not answer")
	case method == "firmware":
		*result.(*model.Firmware) = b.firmware
		return nil
	case method == "health":
		*result.(*model.SystemHealth) = b.seen.Health
		return nil
	case b.refuses != nil:
		return b.refuses
	}
	b.called = append(b.called, method+" "+string(text))
	return nil
}

// calls are the changes that init was asked for since the last time.
func (b *box) calls() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.called = nil }()
	return b.called
}

func (b *box) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func (b *box) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) path(name string) string { return filepath.Join(b.dir, name) }

// shelfNames are the files on the shelf.
func (b *box) shelfNames() string {
	entries, _ := os.ReadDir(b.path("harddisk/firmware"))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// manifest is that of a bundle which the box takes.
func manifest(version string) bundle.Manifest {
	return bundle.Manifest{Board: "x86_64", Variant: bundle.Release, Version: version, Floor: "v1.0.0", Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

// bundleOf makes a bundle signed by a key.
func bundleOf(t *testing.T, m bundle.Manifest, key ed25519.PrivateKey) []byte {
	t.Helper()
	notes, image := []byte("What is new.\n"), bytes.Repeat([]byte(m.Version), 10_000)
	_, text, err := bundle.Make(m, notes, image)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := bundle.Write(&file, text, ed25519.Sign(key, text), notes, image); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// put puts a file on a volume: "usb0/x".
func (b *box) put(name string, content []byte) {
	b.t.Helper()
	b.must(os.MkdirAll(filepath.Dir(b.path(name)), 0o755))
	b.must(os.WriteFile(b.path(name), content, 0o644))
}

// place is a path as a Place.
func place(t *testing.T, text string) files.Place {
	t.Helper()
	p, err := files.ParsePlace(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// healthy is a box that nothing speaks against.
func healthy() Look {
	services := []model.ServiceStatus{{Name: "proxy", PID: 1}, {Name: "billing", PID: 2}, {Name: "control", PID: 3}, {Name: "console", PID: 4}}
	return Look{
		Health: model.SystemHealth{
			Services: services,
			Volumes: []model.VolumeStatus{
				{Name: "bootflash", Device: "/dev/vda3", State: "mounted"}, {Name: "harddisk", Device: "/dev/vda4", State: "mounted"},
				{Name: "usb0", State: "missing"},
			},
		},
		Control: model.ControlStatus{ConfigSource: change.SourceRevision, RevisionID: "0123456789ab", Proxy: "revision 0123456789ab", Billing: "revision 0123456789ab"},
		Proxy:   model.ProxyStatus{Revision: "0123456789ab", Listens: []string{"lan1 udp 192.0.2.1:5060"}},
		Billing: model.BillingStatus{Revision: "0123456789ab"},
		Config:  &model.Config{SIP: model.SIP{Networks: []model.SIPNetwork{{Name: "lan1", Listens: []model.SIPListen{{Address: addressPort("192.0.2.1:5060")}}}}}},
		Saved:   true,
		Disks:   true,
	}
}

// clone is a Look whose slices may be changed.
func clone(l Look) Look {
	l.Health.Services, l.Health.Volumes = slices.Clone(l.Health.Services), slices.Clone(l.Health.Volumes)
	return l
}
