//go:build e2e

package e2e

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/grammar"
	"causeway/qemu/lab"
	"causeway/qemu/smoke"
)

// program builds the appliance for this host once.
var program = sync.OnceValues(func() (string, error) {
	return lab.BuildAppliance(context.Background(), root, scratch)
})

// twoLANs is a box that listens on both LANs.
const twoLANs = `hostname lab
sip network lan1
 exit
sip network lan2
 exit
sip listen lan1 udp 192.168.42.1 5060
sip listen lan2 udp 192.168.43.1 5060
`

// hostBox starts a proxy on this host, with more flags than it needs, between the
// two LANs of a lab of its own and waits until it answers.
func hostBox(t *testing.T, config string, flags ...string) (*lab.Lab, *lab.Proxy) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	box, err := l.Box()
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := box.StartProxy(path, config, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the proxy printed:\n%s", proxy.Output())
		}
	})
	prober := probe(t, l.LAN1, netip.AddrPortFrom(lab.PeerLAN1, 0))
	if _, err := prober.AwaitOptions(within(t, time.Minute), lab.BoxLAN1); err != nil {
		t.Fatal(err)
	}
	return l, proxy
}

func probe(t *testing.T, where *lab.Namespace, local netip.AddrPort) *lab.Prober {
	t.Helper()
	prober, err := where.Probe(local)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { prober.Close() })
	return prober
}

// within gives a context that ends with the test or after limit.
func within(t *testing.T, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// TestSIPCalls has SIPp at both ends of the proxy on this host.
func TestSIPCalls(t *testing.T) {
	l, proxy := hostBox(t, grammar.BuiltIn())
	ctx := within(t, 4*time.Minute)
	t.Run("a hundred a second", func(t *testing.T) {
		pair := smoke.Pair{Caller: lab.Caller, Callee: lab.Callee, Calls: 200, Rate: 100, Hold: 200 * time.Millisecond}
		if _, err := smoke.Place(ctx, l, pair); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("not a relay", func(t *testing.T) {
		if err := smoke.NotARelay(ctx, l); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("held through a restart", func(t *testing.T) {
		if _, err := smoke.HeldThroughRestart(ctx, l, 20, 20, proxy.Restart); err != nil {
			t.Fatal(err)
		}
	})
}

// TestSIPNoAnswer calls a peer that is silent: the caller gets 408 when Timer
// B fires after 64*T1 = 32 s (RFC 3261 §16.7, §17.1.1.2).
func TestSIPNoAnswer(t *testing.T) {
	t.Parallel()
	l, _ := hostBox(t, grammar.BuiltIn())
	probe(t, l.LAN2, netip.AddrPortFrom(lab.PeerLAN2, lab.CalleePort)) // open, and never answers
	refusedWith(t, l, "408")
}

// TestSIPNextHopIsDown calls a peer whose port is closed: 503 if the ICMP that
// says so is heeded (RFC 3261 §18.4, §16.9), else 408 with Timer B.
func TestSIPNextHopIsDown(t *testing.T) {
	t.Parallel()
	l, _ := hostBox(t, grammar.BuiltIn())
	refusedWith(t, l, "500", "408")
}

// TestSIPNoNextHop calls a network that has nowhere to send calls to.
func TestSIPNoNextHop(t *testing.T) {
	t.Parallel()
	var kept []string
	for line := range strings.Lines(grammar.BuiltIn()) {
		if !strings.HasPrefix(line, "sip next-hop lan1 ") {
			kept = append(kept, line)
		}
	}
	l, _ := hostBox(t, strings.Join(kept, ""))
	refusedWith(t, l, "404")
}

// refusedWith places a call and wants one of those final answers.
func refusedWith(t *testing.T, l *lab.Lab, codes ...string) {
	t.Helper()
	caller := probe(t, l.LAN1, netip.AddrPortFrom(lab.PeerLAN1, 0))
	invite := caller.Request("INVITE", "sip:callee@"+lab.BoxLAN1.String())
	answer, err := caller.Ask(within(t, 2*time.Minute), invite, lab.BoxLAN1)
	if err != nil {
		t.Fatal(err)
	}
	if code := strings.Fields(answer.StartLine())[1]; !slices.Contains(codes, code) {
		t.Errorf("the call ended with %q; want %q", answer.StartLine(), codes)
	}
}
