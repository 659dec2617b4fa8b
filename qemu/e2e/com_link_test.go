//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"causeway/appliance/com"
	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd"
	"causeway/qemu/lab/comd/gateway"
)

// TestCOMLink: a box that COM does not know is pending until somebody approves it.
// It gets a certificate and, when there are some, subscriptions; where port 443
// is dropped it comes by 8443.
func TestCOMLink(t *testing.T) {
	t.Parallel()
	b := newManagedBox(t, "", nil, comd.Options{})
	ctx := within(t, 2*comLimit)
	b.awaitState(com.Untrusted)
	b.check(b.Trust(ctx))
	b.awaitState(com.Pending)
	known, err := b.Operator.Box(ctx, b.Serial)
	b.check(err)
	if known.Approved || known.Customer != comd.FirstCustomer || len(known.Services) > 0 || len(known.Certificates) > 0 {
		t.Errorf("COM knows the box as %+v; want it pending, with nothing switched on", known)
	}
	b.eventually(func() error {
		if s := b.subscriptions(); !s.Pending || len(s.Subscriptions) > 0 {
			return fmt.Errorf("a pending box has the subscriptions %+v", s)
		}
		return nil
	})

	b.does("", "approve", b.Serial)
	status := b.connected("com")
	if status.TLS != "TLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" || status.Protocol != wire.Mux || !strings.HasSuffix(status.Address, ":443") {
		t.Errorf("the link is %+v; want %s over TLS 1.2 on port 443", status, wire.Mux)
	}
	b.does("", "subscribe", b.Serial, wire.FeatureManagement, "1", "30")
	b.eventually(func() error {
		if s := b.subscriptions(); s.Pending || len(s.Subscriptions) != 1 || s.Subscriptions[0].Feature != wire.FeatureManagement {
			return fmt.Errorf("the subscriptions are %+v; want %s", s, wire.FeatureManagement)
		}
		return nil
	})
	contains(t, "comctl list", b.does(b.Serial, "list"), comd.FirstCustomer)

	b.check(b.LAN1.DropTCP(443))
	b.check(b.Redial(ctx))
	_, err = b.AwaitLink(ctx, func(s com.Status) bool { return s.State == com.Connected && strings.HasSuffix(s.Address, ":8443") })
	b.check(err)
	b.check(b.LAN1.DropTCP(443, 8443))
	b.check(b.Redial(ctx))
	b.eventually(func() error {
		if s := b.subscriptions(); !s.Grace.Running || s.Grace.Over || !s.Functions[0].Allowed {
			return fmt.Errorf("cut off, the subscriptions are %+v; want them to run on", s)
		}
		return nil
	})
	b.check(b.LAN1.DropTCP())
	b.check(b.Redial(ctx))
	b.connected("com")
	b.eventually(func() error {
		if s := b.subscriptions(); s.Grace.Running {
			return fmt.Errorf("with the link back the grace is %+v; want none", s.Grace)
		}
		return nil
	})
}

// awaitState waits for a state of the link.
func (b *managedBox) awaitState(state com.State) com.Status {
	b.t.Helper()
	status, err := b.AwaitLink(within(b.t, comLimit), func(s com.Status) bool { return s.State == state })
	b.check(err)
	return status
}

// TestCOMImpostor: servers that are not COM are told nothing, on either port.
func TestCOMImpostor(t *testing.T) {
	t.Parallel()
	b := newManagedBox(t, "", nil, comd.Options{})
	ctx := within(t, 2*comLimit)
	for _, wrong := range []struct {
		kind gateway.FaultKind
		want string
	}{
		{gateway.WrongAuthority, "unknown authority"},
		{gateway.WrongName, "not " + "com.example.com"},
		{gateway.Outdated, "expired"},
	} {
		b.check(b.COM.Gateway.SetFaults(gateway.Fault{Kind: wrong.kind}))
		b.check(b.Trust(ctx))
		for _, port := range []string{":443", ":8443"} {
			_, err := b.AwaitLink(ctx, func(s com.Status) bool {
				return !s.State.Up() && strings.Contains(s.Failure, wrong.want) && strings.HasSuffix(s.Address, port)
			})
			b.check(err)
		}
	}
	if _, err := b.COM.Store.Box(b.Serial); err == nil {
		t.Error("the box has said hello to an impostor")
	}
	b.check(b.COM.Gateway.SetFaults())
	b.check(b.Redial(ctx))
	b.awaitState(com.Pending)
}
