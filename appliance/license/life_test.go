package license

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/storage/files"
)

// fakeClock is the trusted time, and the time since power-on.
type fakeClock struct {
	mu       sync.Mutex
	at       time.Time
	ran      time.Duration // since the box was new
	up       time.Duration // since power-on
	raised   time.Time
	tampered string
	astray   time.Duration // how far at is ahead of what is true
	behind   time.Duration // how far the system clock is behind that
}

func (c *fakeClock) now() time.Time         { c.mu.Lock(); defer c.mu.Unlock(); return c.at }
func (c *fakeClock) Now() time.Time         { return c.now() }
func (c *fakeClock) Elapsed() time.Duration { c.mu.Lock(); defer c.mu.Unlock(); return c.ran }
func (c *fakeClock) Uptime() time.Duration  { c.mu.Lock(); defer c.mu.Unlock(); return c.up }
func (c *fakeClock) Tampered() string       { c.mu.Lock(); defer c.mu.Unlock(); return c.tampered }

// lead has a time server lie by d.
func (c *fakeClock) lead(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.astray = c.at.Add(d), d
}

// real is the time of the world.
func (c *fakeClock) real() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at.Add(-c.astray) }

func (c *fakeClock) Dates() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at.Add(-c.astray - c.behind)
}

func (c *fakeClock) Correct(to time.Time) error {
	c.mu.Lock()
	c.at, c.astray = c.at.Add(-c.astray), 0
	c.mu.Unlock()
	return c.Raise(to)
}

func (c *fakeClock) Raise(to time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to.After(c.at) {
		c.at = to
	}
	c.raised = to
	return nil
}

// run has the box run; rest has it be without power.
func (c *fakeClock) run(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.ran, c.up = c.at.Add(d), c.ran+d, c.up+d
}

func (c *fakeClock) rest(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.up = c.at.Add(d), 0
}

// keys are who the box is, as its certificates know it.
type keys struct {
	waiting *ecdsa.PrivateKey
	inForce *tls.Certificate
	roots   []*x509.Certificate
}

func (k *keys) Request(subject string) ([]byte, crypto.Signer, error) {
	if k.waiting == nil {
		var err error
		if k.waiting, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, nil, err
		}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: subject}}, k.waiting)
	return der, k.waiting, err
}

func (k *keys) Import(text []byte) error {
	block, _ := pem.Decode(text)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	if k.waiting == nil || !k.waiting.PublicKey.Equal(leaf.PublicKey) {
		return errors.New("the box has no key for this certificate")
	}
	k.inForce = &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: k.waiting, Leaf: leaf}
	k.waiting = nil
	return nil
}

func (k *keys) Certificate() (*tls.Certificate, error) { return k.inForce, nil }
func (k *keys) InTPM() bool                            { return false }
func (k *keys) Forget() error                          { k.waiting, k.inForce = nil, nil; return nil }
func (k *keys) Roots() ([]*x509.Certificate, error)    { return k.roots, nil }

// life is a box and its server over months.
type life struct {
	*Agent
	t            testing.TB
	dir          string
	clock        *fakeClock
	server       *server
	keys         *keys
	log          *bytes.Buffer
	config       model.Config
	down         bool // the way to the server
	synchronised bool
	spread       float64
	subscribed   model.Prospect // what COM allows
}

func newLife(t testing.TB) *life {
	l := &life{
		t: t, dir: t.TempDir(), clock: &fakeClock{at: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}, keys: &keys{}, log: &bytes.Buffer{},
		config:       model.Config{HostName: "proxy", License: model.License{URL: "https://license.example.com"}},
		synchronised: true,
	}
	l.server = newServer(t, l.clock)
	l.keys.roots = []*x509.Certificate{l.server.root.Certificate}
	for _, name := range []string{"usb0", "bootflash", "harddisk/log"} {
		if err := os.MkdirAll(filepath.Join(l.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(l.dir, "serial"), []byte("aB3dE6gH9jK\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.boot()
	return l
}

// boot starts control anew on what the life before has left.
func (l *life) boot() {
	log := slog.New(slog.NewTextHandler(l.log, nil))
	l.Agent = New(Options{
		File: filepath.Join(l.dir, "state"), Copy: filepath.Join(l.dir, "copy"), Key: []byte("key of this box"),
		Serial: filepath.Join(l.dir, "serial"), Clock: l.clock, Uptime: l.clock.Uptime,
		Synchronised: func() bool { return l.synchronised },
		Identity:     l.keys,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if l.down {
				return nil, errors.New("no route to host")
			}
			return new(net.Dialer).DialContext(ctx, network, l.server.http.Listener.Addr().String())
		},
		HostName:     func() string { return l.config.HostName },
		Files:        files.New(l.dir, nil),
		Changed:      func() {},
		Subscription: func() model.Prospect { return l.subscribed },
		Journal:      NewLog(filepath.Join(l.dir, "harddisk", "log"), l.clock.now, l.clock.Uptime, log),
		Log:          log,
		write:        os.WriteFile, // what flushes costs minutes in a life
		spread:       func() float64 { return l.spread },
	})
	l.apply(nil)
}

// apply puts another configuration in force.
func (l *life) apply(change func(*model.License)) {
	if change != nil {
		change(&l.config.License)
	}
	config := l.config
	l.Apply(&config)
	l.look()
}

// look is what Run does when it looks.
func (l *life) look() {
	for more := true; more; { // a registration is followed by an authorisation
		l.step(l.t.Context())
		l.save()
		select {
		case <-l.kick:
		default:
			more = false
		}
	}
}

// pass has the box run for a time, and look every hour.
func (l *life) pass(d time.Duration) {
	for d > 0 {
		part := min(d, time.Hour)
		l.clock.run(part)
		d -= part
		l.look()
	}
}

// reboot has the box be without power for a time.
func (l *life) reboot(off time.Duration) {
	l.clock.rest(off)
	l.boot()
}

// register registers the box.
func (l *life) register() {
	l.t.Helper()
	if _, err := l.Agent.register(l.t.Context(), RegisterRequest{Token: "secret-token"}); err != nil {
		l.t.Fatalf("register: %v", err)
	}
	l.look()
}

// is fails unless the agent is in a state and calls are allowed or not.
func (l *life) is(want State, calls bool) {
	l.t.Helper()
	status, grant := l.Status(), l.Grant()
	if status.State != want || status.Calls != calls || grant.Now.Calls != calls {
		l.t.Fatalf("state %v, calls %t, grant %+v; want %v, %t (%s)", status.State, status.Calls, grant, want, calls, status.Failure)
	}
}

// alarms are the names of the conditions that hold.
func (l *life) alarms() (names []string) {
	for _, c := range l.Conditions() {
		names = append(names, strings.TrimPrefix(c.Name, "license-"))
	}
	return names
}

// tells fails unless just these alarms are raised.
func (l *life) tells(want ...string) {
	l.t.Helper()
	if got := l.alarms(); !slices.Equal(got, want) {
		l.t.Fatalf("alarms %q; want %q", got, want)
	}
}
