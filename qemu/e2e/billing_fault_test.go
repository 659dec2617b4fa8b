//go:build e2e

package e2e

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/qemu/audit"
	"causeway/qemu/lab"
)

// moon is one server with its secret.
var moon = radiusServer{port: 1813, secret: "cisco"}

// underWay waits until some of the calls are over.
func (b *billed) underWay(ctx context.Context, s *started, over int) {
	b.t.Helper()
	for {
		log, err := s.caller.Seen()
		if err != nil {
			b.t.Fatal(err)
		}
		ended := audit.Over(audit.Calls(s.prefix, log))
		if ended >= over {
			return
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("%d of %d calls are over; want %d", ended, s.calls, over)
		case <-s.caller.Ended():
			b.t.Fatal("the calls ended too early")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestBillingKeeperKilled kills the only record keeper while calls go on. The
// transport goes down; when it is back it gets everything.
func TestBillingKeeperKilled(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	b := billedBox(t, billingConfig{clients: [][]radiusServer{{moon}}, instance: "batch-size 1000\nbatch-time 20\n"})
	keeper := b.begin(ctx, b.keeper(moon.port, moon.secret))
	calls := b.start(ctx, ordinary(100, 100))
	b.underWay(ctx, calls, 20)
	keeper.Kill()
	b.finish(calls)
	b.await(ctx, "that the transport is down and records wait", func(s model.BillingStatus) bool {
		return !s.RADIUS[0].Up && s.Cache.Records > 0
	})
	b.begin(ctx, keeper)
	b.recorded(ctx, keeper)
}

// TestBillingBackup freezes the primary server while calls go on. The backup
// takes over; what the primary has it has.
func TestBillingBackup(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	backup := radiusServer{port: 1814, secret: "other"}
	b := billedBox(t, billingConfig{clients: [][]radiusServer{{moon, backup}}})
	first, second := b.begin(ctx, b.keeper(moon.port, moon.secret)), b.begin(ctx, b.keeper(backup.port, backup.secret))
	calls := b.start(ctx, ordinary(100, 100))
	b.underWay(ctx, calls, 20)
	if err := first.Freeze(); err != nil {
		t.Fatal(err)
	}
	b.finish(calls)
	b.place(ctx, ordinary(3, 100)) // which the primary has not, though it was quick with the others
	b.recorded(ctx, first, second)
	b.await(ctx, "that the client is up, with the backup in use", func(s model.BillingStatus) bool {
		return s.RADIUS[0].Up && !s.RADIUS[0].Servers[0].Current
	})
}

// TestBillingWrongSecret sends with a secret that the server does not have.
// Nothing is stored and nothing is lost.
func TestBillingWrongSecret(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	b := billedBox(t, billingConfig{clients: [][]radiusServer{{{port: moon.port, secret: "wrong"}}}})
	keeper := b.begin(ctx, b.keeper(moon.port, moon.secret))
	b.place(ctx, ordinary(10, 100))
	const messages = 10 * 2 * 4
	b.await(ctx, "that the transport is down and all records wait", func(s model.BillingStatus) bool {
		return !s.RADIUS[0].Up && s.Cache.Records == messages
	})
	if stored := mustStored(t, keeper); len(stored) > 0 {
		t.Errorf("%d requests are stored that have the wrong secret", len(stored))
	}
	b.configure(ctx, billingConfig{clients: [][]radiusServer{{moon}}})
	b.recorded(ctx, keeper)
}

// TestBillingBadLine has a third of the answers lost, and some come twice.
func TestBillingBadLine(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	const port = 1900
	b := billedBox(t, billingConfig{clients: [][]radiusServer{{{port: port, secret: "cisco"}}}, instance: "batch-size 500\nbatch-time 20\n"})
	keeper := b.begin(ctx, b.keeper(moon.port, "cisco"))
	relay, err := b.lab.LAN2.Relay(netip.AddrPortFrom(lab.PeerLAN2, port), keeper.At, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	relay.Lose.Store(30)
	relay.Twice.Store(10)
	b.place(ctx, ordinary(100, 100))
	b.recorded(ctx, keeper)
	if relay.Lost.Load() == 0 {
		t.Error("no answer was lost")
	}
}

// TestBillingCrashes kills the proxy and the billing process, each while calls
// go on and others are held. What is held ends with its true cause.
func TestBillingCrashes(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	config := billingConfig{clients: [][]radiusServer{{moon}}, billing: "cdr media-info"}
	b := billedBox(t, config)
	keeper := b.begin(ctx, b.keeper(moon.port, moon.secret))

	calls := ordinary(150, 150)
	calls.media = true
	busy := b.start(ctx, calls)
	for over := 30; over <= 90; over += 30 {
		b.underWay(ctx, busy, over)
		b.billing.Kill()
		if err := b.billing.Start(ctx, b.text(config)); err != nil {
			t.Fatal(err)
		}
	}
	b.finish(busy)
	b.recorded(ctx, keeper)

	// All are held when the proxy dies, and hang up when it is back.
	held := ordinary(30, 300)
	held.media, held.hold = true, 2*time.Second
	quiet := b.start(ctx, held)
	for quiet.callees[0].Count("R", "ACK ") < held.calls {
		select {
		case <-quiet.caller.Ended():
			t.Fatal("the calls ended too early")
		case <-time.After(5 * time.Millisecond):
		}
	}
	time.Sleep(commitWindow)
	if err := b.proxy.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	b.billing.Kill()
	if err := b.billing.Start(ctx, b.text(config)); err != nil {
		t.Fatal(err)
	}
	b.finish(quiet)
	b.recorded(ctx, keeper)
}

// commitWindow is the time in which events may be lost when the proxy dies:
// that of a group commit.
const commitWindow = 20 * time.Millisecond

// TestBillingDeactivated takes billing out of service while calls are held. With
// "abort" they are closed at once, with "quiesce" they are billed to their end;
// new calls are not billed.
func TestBillingDeactivated(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	b := billedBox(t, billingConfig{clients: [][]radiusServer{{moon}}})
	keeper := b.begin(ctx, b.keeper(moon.port, moon.secret))
	for _, mode := range []string{"quiesce", "abort"} {
		t.Run(mode, func(t *testing.T) {
			b := b.in(t)
			config := billingConfig{clients: [][]radiusServer{{moon}}, instance: "deact-mode " + mode + "\n"}
			b.configure(ctx, config)
			calls := ordinary(5, 100)
			calls.hold = 3 * time.Second
			held := b.start(ctx, calls)
			b.await(ctx, "that the calls are open", func(s model.BillingStatus) bool { return s.OpenCalls == calls.calls })
			config.inactive = true
			b.configure(ctx, config)
			if mode == "abort" { // the ends of the calls wait for billing to be activated again
				b.await(ctx, "that the calls are closed", func(s model.BillingStatus) bool {
					return s.OpenCalls == 0 && s.Cache.Records == int64(calls.calls)*2*2
				})
			}
			before := len(b.calls)
			b.finish(held)
			if mode == "abort" {
				const interworking = 127
				for i := range b.calls[before:] {
					b.calls[before+i].Cause = interworking
				}
			} else {
				b.recorded(ctx, keeper)
			}
			before = len(b.calls)
			b.place(ctx, ordinary(3, 100))
			b.calls = b.calls[:before]
			config.inactive = false
			b.configure(ctx, config)
			b.place(ctx, ordinary(3, 100))
			b.recorded(ctx, keeper)
		})
	}
}
