//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"causeway/appliance/com"
	"causeway/appliance/com/subscription"
	"causeway/appliance/com/wire"
	"causeway/appliance/grammar"
	"causeway/qemu/lab"
	"causeway/qemu/lab/comd"
)

// comLimit is how long anything of the link may take: a box that was refused
// waits up to 40 s before its third try.
const comLimit = 3 * time.Minute

// comActor is who acts in the operator's name.
const comActor = "anna@partner.example"

// managedBox is a box of this host with a link to COM, in a test.
type managedBox struct {
	*lab.Managed
	t   *testing.T
	dir string // with what comctl needs
}

// newManagedBox starts one that does not trust COM yet, with those lines in its
// configuration.
func newManagedBox(t *testing.T, lines string, line *lab.Line, options comd.Options) *managedBox {
	t.Helper()
	b := &managedBox{t: t, dir: t.TempDir()}
	program, err := programWithClock()
	b.check(err)
	peers, err := lab.OpenPeers(t.Context(), t.Output())
	b.check(err)
	b.Managed, err = lab.NewManaged(t.Context(), lab.ManagedSetup{
		Program: program, Peers: peers, Dir: b.dir, BuiltIn: grammar.BuiltIn(), Config: lines, Line: line, COM: options,
	})
	b.check(err)
	b.Operator.Actor = comActor
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("control printed:\n%s", b.Control.Tail())
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// newSubscribedBox starts a box that COM knows, with a subscription for remote
// management, and waits for its link.
func newSubscribedBox(t *testing.T, lines string, line *lab.Line, options comd.Options) *managedBox {
	t.Helper()
	b := newManagedBox(t, lines, line, options)
	b.check(b.COM.Preregister(b.Serial, comd.FirstCustomer))
	b.subscribe(wire.FeatureManagement, 1, time.Time{})
	b.check(b.Trust(t.Context()))
	b.connected("com")
	b.eventually(func() error {
		if s := b.subscriptions(); !s.Functions[1].Allowed && !s.Functions[0].Allowed {
			return fmt.Errorf("the subscriptions are %+v; want remote management", s)
		}
		return nil
	})
	return b
}

func (b *managedBox) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// eventually waits until there is no complaint left.
func (b *managedBox) eventually(complaint func() error) {
	b.t.Helper()
	b.check(b.Control.Await(within(b.t, comLimit), complaint))
}

// connected waits for a link whose box shows a certificate of that name.
func (b *managedBox) connected(identity string) com.Status {
	b.t.Helper()
	status, err := b.AwaitLink(within(b.t, comLimit), func(s com.Status) bool { return s.State == com.Connected && s.Identity == identity })
	b.check(err)
	return status
}

// relink has the box drop its link and waits for the next one.
func (b *managedBox) relink() {
	b.t.Helper()
	ctx := within(b.t, comLimit)
	before, err := b.Status(ctx)
	b.check(err)
	b.check(b.Redial(ctx))
	_, err = b.AwaitLink(ctx, func(s com.Status) bool { return s.State == com.Connected && s.Session > before.Session })
	b.check(err)
}

func (b *managedBox) subscribe(feature string, count int, expires time.Time) {
	b.t.Helper()
	b.check(b.COM.Subscribe(b.t.Context(), b.Serial, wire.Subscription{Feature: feature, Count: count, Expires: expires}))
}

func (b *managedBox) subscriptions() (status subscription.Status) {
	b.t.Helper()
	b.check(b.Control.Call(b.t.Context(), "com.subscriptions", nil, &status))
	return status
}

// commit puts lines in force, typed at the box.
func (b *managedBox) commit(lines string) {
	b.t.Helper()
	_, err := b.Control.Commit(within(b.t, comLimit), lines)
	b.check(err)
}

// audited fails unless the access log has a line with all of these.
func (b *managedBox) audited(words ...string) {
	b.t.Helper()
	auditedAt(b.t, b.Control, words...)
}

// comctl runs the operator's tool, and gives what it prints.
func (b *managedBox) comctl(args ...string) (string, error) {
	b.t.Helper()
	program, err := tools()
	b.check(err)
	ctx, cancel := context.WithTimeout(b.t.Context(), comLimit)
	defer cancel()
	output, err := exec.CommandContext(ctx, program, b.comctlArgs(args...)...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	return string(output), err
}

func (b *managedBox) comctlArgs(args ...string) []string {
	return append([]string{"comctl", "-api", b.URL, "-dir", b.dir, "-key", b.dir + "/operator.pem", "-actor", comActor}, args...)
}

// does fails unless comctl does something, and prints that.
func (b *managedBox) does(want string, args ...string) string {
	b.t.Helper()
	output, err := b.comctl(args...)
	if err != nil || !strings.Contains(output, want) {
		b.t.Errorf("comctl %q = %v:\n%s\nwant %q", args, err, output, want)
	}
	return output
}
