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

// Billing is `appliance billing` running on this host, without a machine around
// it: in the namespace of a box, on the files of a box.
type Billing struct {
	program string
	where   *Namespace
	dir     string
	output  *lockedBuffer // of all its lives
	process *Process
}

// StartBilling starts program's billing with that configuration text. dir has
// the files of the box: those of a Proxy (Dir), or of another one.
func (n *Namespace) StartBilling(ctx context.Context, program, dir, config string) (*Billing, error) {
	b := &Billing{program: program, where: n, dir: dir, output: &lockedBuffer{}}
	if err := b.Start(ctx, config); err != nil {
		return nil, err
	}
	return b, nil
}

// Start starts it on the files of its last life, which has ended, and gives it
// the configuration, as control does.
func (b *Billing) Start(ctx context.Context, config string) error {
	path := func(name string) string { return filepath.Join(b.dir, name) }
	for _, dir := range []string{"run/billing", "bootflash", journalDir} {
		if err := os.MkdirAll(path(dir), 0o755); err != nil {
			return fmt.Errorf("start billing: %w", err)
		}
	}
	command := exec.Command(b.program, "billing", "-run", path("run"), "-journal", path(journalDir), "-serial", path("run/init/serial"),
		"-volumes", b.dir, "-key-dir", path("bootflash/keys"), "-tls", path("bootflash/certificates/radius"), "-confine", b.dir)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 0, Gid: model.GIDCauseway}} // control may use its socket
	process, err := b.where.run("billing", command, b.output)
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
	for _, call := range []struct {
		method string
		params any
	}{
		{"billing.prepare", map[string]string{"revision": config}},
		{"billing.switch", nil},
	} {
		if err := link.Call(ctx, b.socket(), call.method, call.params, nil); err != nil {
			return fmt.Errorf("configure billing: %w", err)
		}
	}
	return nil
}

func (b *Billing) socket() string { return link.Socket(filepath.Join(b.dir, "run"), "billing") }

// Status is what it says of itself.
func (b *Billing) Status(ctx context.Context) (status model.BillingStatus, err error) {
	err = link.Call(ctx, b.socket(), "billing.status", nil, &status)
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

// Seal makes the stored form of a secret, for the configuration of a box with
// its files in dir. Its key is made with the first one.
func Seal(dir, secret string) (string, error) {
	file := filepath.Join(dir, "bootflash/keys/box.key")
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
