//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/qemu/audit"
	"causeway/qemu/lab"
)

// billed is a box on this host whose calls are billed, between SIPp on both
// LANs and record keepers on LAN2.
type billed struct {
	t       *testing.T
	lab     *lab.Lab
	proxy   *lab.Proxy
	billing *lab.Billing
	peers   *lab.Peers
	calls   []audit.Call // all that were placed so far
	groups  int          // of calls
}

// billedBox starts a box with that configuration.
func billedBox(t *testing.T, config billingConfig) *billed {
	t.Helper()
	peers, err := lab.OpenPeers(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	b := &billed{t: t, peers: peers}
	b.lab, b.proxy = hostBox(t, twoLANs+nextHop)
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ctx := within(t, time.Minute)
	if b.billing, err = b.lab.Home.StartBilling(ctx, path, b.proxy.Dir(), b.text(config)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.billing.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("billing printed:\n%s", b.billing.Output())
		}
	})
	b.configure(ctx, config)
	return b
}

// in has the box tell a part of the test of what fails in it.
func (b *billed) in(t *testing.T) *billed {
	whole := b.t
	b.t = t
	t.Cleanup(func() { b.t = whole })
	return b
}

// configure puts a configuration in force in both processes.
func (b *billed) configure(ctx context.Context, config billingConfig) {
	b.t.Helper()
	text := b.text(config)
	if err := errors.Join(b.proxy.Configure(ctx, text), b.billing.Configure(ctx, text)); err != nil {
		b.t.Fatal(err)
	}
}

// keeper prepares a record keeper that listens at that port of LAN2.
func (b *billed) keeper(port uint16, secret string) *lab.RADIUS {
	b.t.Helper()
	return b.prepare(lab.RADIUS{At: netip.AddrPortFrom(lab.PeerLAN2, port), Secret: secret})
}

func (b *billed) prepare(keeper lab.RADIUS) *lab.RADIUS {
	b.t.Helper()
	k, err := b.lab.LAN2.RADIUS(b.peers, b.t.TempDir(), keeper)
	if err != nil {
		b.t.Fatal(err)
	}
	return k
}

// begin starts a record keeper, until the test ends.
func (b *billed) begin(ctx context.Context, k *lab.RADIUS) *lab.RADIUS {
	b.t.Helper()
	if err := k.Start(ctx); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(k.Kill)
	return k
}

// billingConfig is what differs between the configurations of billing.
type billingConfig struct {
	clients  [][]radiusServer // of an instance of packetcable-em each
	instance string           // lines of each
	billing  string           // lines of billing
	sbe      string           // lines of the border element
	routing  string           // lines of the whole
	inactive bool
}

// radiusServer is a server on LAN2.
type radiusServer struct {
	port   uint16
	secret string
}

// elementID is that of the box.
const elementID = 4711

func (b *billed) text(c billingConfig) string {
	var text strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) }
	text.WriteString(twoLANs + nextHop + c.routing)
	line("sbc mySbc\nsbe")
	line("adjacency sip SIPPA\nnetwork lan1\nexit\nadjacency sip SIPPB\nnetwork lan2\nexit")
	text.WriteString(c.sbe)
	line("control address aaa ipv4 %v", lab.BoxLAN2.Addr())
	for n, servers := range c.clients {
		line("radius accounting set%d\nretry-interval 100\nretry-limit 3", n)
		for priority, server := range servers {
			line("server s%d\naddress ipv4 %v\nport %d\npriority %d", server.port, lab.PeerLAN2, server.port, priority+1)
			key, err := lab.Seal(b.proxy.Dir(), server.secret)
			if err != nil {
				b.t.Fatal(err)
			}
			line("key %s\nexit", key)
		}
		line("activate\nexit")
	}
	line("billing\nelement-id %d\nlocal-address ipv4 %v\n%s", elementID, lab.BoxLAN2.Addr(), c.billing)
	if len(c.clients) > 0 {
		line("method packetcable-em")
	}
	for n := range c.clients {
		line("packetcable-em %d transport radius set%d\n%sattach\nexit", n, n, c.instance)
	}
	if !c.inactive {
		line("activate")
	}
	line("exit\nexit\nexit")
	return text.String()
}

// callGroup is calls of one kind.
type callGroup struct {
	ladderCase
	calls, rate int
	hold        time.Duration
	media       bool // records tell of media
}

// started is a group under way.
type started struct {
	callGroup
	prefix  string
	caller  *lab.Run
	callees []*lab.Run
}

// start has SIPp begin with the calls. Their numbers have a prefix of their own,
// their Call-IDs begin with it.
func (b *billed) start(ctx context.Context, g callGroup) *started {
	b.t.Helper()
	b.groups++
	s := &started{callGroup: g, prefix: fmt.Sprintf("1555%03d0", b.groups)}
	for port, ladder := range g.callees {
		callee, err := b.lab.LAN2.SIPp(ctx, lab.SIPp{
			Ladder: ladder, Local: netip.AddrPortFrom(lab.PeerLAN2, port), Calls: g.calls, Hold: g.hold, Messages: true, Repeats: g.repeats,
		})
		if err != nil {
			b.t.Fatal(err)
		}
		s.callees = append(s.callees, callee)
	}
	var err error
	s.caller, err = b.lab.LAN1.SIPp(ctx, lab.SIPp{
		Ladder: audit.From(s.prefix, g.caller), Local: netip.AddrPortFrom(lab.PeerLAN1, lab.CallerPort), Remote: lab.BoxLAN1,
		CallID: s.prefix, Calls: g.calls, Rate: g.rate, Hold: g.hold, Messages: true, Repeats: g.repeats,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// finish waits for the end of the calls and adds them to those of the box.
func (b *billed) finish(s *started) []audit.Call {
	b.t.Helper()
	<-s.caller.Ended()
	log, err := s.caller.Seen()
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := s.caller.Wait(); err != nil {
		for _, callee := range s.callees {
			callee.Stop()
			callee.Wait()
		}
		b.t.Fatal(err)
	}
	for _, callee := range s.callees {
		if _, err := callee.Wait(); err != nil {
			b.t.Error(err)
		}
	}
	calls := audit.Calls(s.prefix, log)
	for i := range calls {
		calls[i].Media = s.media
	}
	if audit.Over(calls) != s.calls {
		b.t.Fatalf("of %d calls %d are over; want %d", len(calls), audit.Over(calls), s.calls)
	}
	b.calls = append(b.calls, calls...)
	return calls
}

// place places the calls and waits for their end.
func (b *billed) place(ctx context.Context, g callGroup) []audit.Call {
	b.t.Helper()
	return b.finish(b.start(ctx, g))
}

// ordinary is calls that are answered and last a moment.
func ordinary(calls, rate int) callGroup {
	return callGroup{ladderCase: ladderCase{caller: lab.Caller, callees: map[uint16]lab.Ladder{lab.CalleePort: lab.Callee}},
		calls: calls, rate: rate, hold: 100 * time.Millisecond}
}

// recordedLimit is generous: records that could not be delivered are tried again
// every 10 s.
const recordedLimit = time.Minute

// recorded waits until the keepers together have the records of all calls.
func (b *billed) recorded(ctx context.Context, keepers ...audit.Keeper) *audit.Records {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, recordedLimit)
	defer cancel()
	found, records, err := audit.Await(ctx, b.calls, time.Time{}, keepers...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Logf("calls=%d records=%d lost=%d duplicates=%d", found.Calls, found.Records, found.Lost, found.Duplicates)
	return records
}

// await waits until billing says of itself what is looked for.
func (b *billed) await(ctx context.Context, what string, holds func(model.BillingStatus) bool) model.BillingStatus {
	b.t.Helper()
	for {
		status, err := b.billing.Status(ctx)
		if err == nil && holds(status) {
			return status
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("billing does not say %s: %v, %+v", what, err, status)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
