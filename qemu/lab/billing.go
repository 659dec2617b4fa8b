package lab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Billing is `appliance billing` running on this host beside the proxy of a
// box: on the same files, with the same configuration.
type Billing struct {
	proxy   *Proxy
	program string
	output  *lockedBuffer // of all its lives
	process *Process
}

// StartBilling starts the billing process of the proxy's box with that
// configuration text.
func (p *Proxy) StartBilling(ctx context.Context, config string) (*Billing, error) {
	b := &Billing{proxy: p, program: p.program, output: &lockedBuffer{}}
	if err := b.Start(ctx, config); err != nil {
		return nil, err
	}
	return b, nil
}

// Start starts it on the files of its last life, which has ended, and gives it
// the configuration, as control does.
func (b *Billing) Start(ctx context.Context, config string) error {
	path := b.proxy.path
	if err := os.MkdirAll(path("harddisk"), 0o750); err != nil {
		return fmt.Errorf("start billing: %w", err)
	}
	command := exec.Command(b.program, "billing", "-run", path("run"), "-journal", path("journal"), "-serial", path("serial"),
		"-volumes", b.proxy.dir, "-key-dir", path("keys"), "-tls", path("billing-tls"))
	process, err := b.proxy.where.run("billing", command, b.output)
	if err != nil {
		return err
	}
	b.process = process
	for { // it has no socket yet
		err := b.Configure(ctx, config)
		if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
			return err
		}
		select {
		case <-process.exited:
			return fmt.Errorf("billing ended by itself: %w: %s", errors.Join(process.status), b.Output())
		case <-ctx.Done():
			return fmt.Errorf("start billing: %w: %w", context.Cause(ctx), err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Configure puts another configuration in force.
func (b *Billing) Configure(ctx context.Context, config string) error {
	socket := link.Socket(b.proxy.path("run"), "billing")
	for _, call := range []struct {
		method string
		params any
	}{
		{"billing.prepare", map[string]string{"revision": config}},
		{"billing.switch", nil},
	} {
		if err := link.Call(ctx, socket, call.method, call.params, nil); err != nil {
			return fmt.Errorf("configure billing: %w", err)
		}
	}
	return nil
}

// Status is what it says of itself.
func (b *Billing) Status(ctx context.Context) (status model.BillingStatus, err error) {
	err = link.Call(ctx, link.Socket(b.proxy.path("run"), "billing"), "billing.status", nil, &status)
	return status, err
}

// PID is that of its present life.
func (b *Billing) PID() int { return b.process.PID() }

// Kill ends it as a fault would (SIGKILL).
func (b *Billing) Kill() { b.process.Kill() }

// Output is what all its lives have printed.
func (b *Billing) Output() string { return b.output.String() }

// Close ends it (SIGTERM). It fails when it had ended before.
func (b *Billing) Close() error { return b.process.Stop() }

// Path is where a file of the box is, such as "harddisk/cdr".
func (p *Proxy) Path(name string) string { return p.path(name) }

// Seal makes the stored form of a secret for a configuration of this box,
// whose key is made with the first one.
func (p *Proxy) Seal(secret string) (string, error) {
	file := p.path("keys/box.key")
	octets, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		octets = make([]byte, 32)
		rand.Read(octets)
		err = errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, octets, 0o600))
	}
	if err != nil {
		return "", fmt.Errorf("seal a secret: %w", err)
	}
	key, err := config.NewBoxKey(octets)
	if err != nil {
		return "", err
	}
	return key.Seal(secret), nil
}
