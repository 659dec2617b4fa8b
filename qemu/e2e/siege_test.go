//go:build e2e

package e2e

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/load"
	"causeway/qemu/smoke"
)

// element is a server on LAN2 that answers every call with a code of its own,
// and pings as long as it is well.
type element struct {
	code string
	well atomic.Bool
}

func startElement(t *testing.T, l *lab.Lab, port uint16, code string) *element {
	e := &element{code: code}
	e.well.Store(true)
	prober := probe(t, l.LAN2, netip.AddrPortFrom(lab.PeerLAN2, port))
	go func() {
		for {
			m, from, err := prober.Receive(t.Context())
			switch {
			case err != nil:
				return
			case !e.well.Load():
			case strings.HasPrefix(string(m), "OPTIONS "):
				prober.Send(m.Reply("200 OK", prober.Contact()), from)
			case strings.HasPrefix(string(m), "INVITE "):
				prober.Send(m.Reply(e.code+" Lab", prober.Contact()), from)
			}
		}
	}()
	return e
}

// answersWith places calls until one is answered with that code.
func answersWith(t *testing.T, ctx context.Context, caller *lab.Prober, uri string, codes ...string) {
	t.Helper()
	var last string
	for {
		one, cancel := context.WithTimeout(ctx, 5*time.Second)
		answer, err := caller.Ask(one, caller.Request("INVITE", uri), lab.BoxLAN1)
		cancel()
		if last = answer.StartLine(); err == nil && slices.Contains(codes, strings.Fields(last)[1]) {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("the last call ended with %q, %v; want %v", last, err, codes)
		}
	}
}

const serviceURI = "sip:service@192.168.42.1:5060"

// TestSIPPings has a server fall silent and come back: calls go to the other one,
// and back to the first.
func TestSIPPings(t *testing.T) {
	t.Parallel()
	config := twoLANs + "server-group sip global-ping\nserver-group sip ping-options lan2 192.168.43.1 5038\n ping-type adaptive 200 200\n timeout 200\n exit\n" +
		callsTo("target-destination far lan2", group("far", "503", "5090", "5091"), "server-group sip element-retries udp 1\n")
	l, _ := hostBox(t, config)
	first := startElement(t, l, 5090, "486")
	startElement(t, l, 5091, "480")
	caller := probe(t, l.LAN1, netip.AddrPortFrom(lab.PeerLAN1, 0))
	ctx := within(t, time.Minute)
	answersWith(t, ctx, caller, serviceURI, "486")
	first.well.Store(false)
	answersWith(t, ctx, caller, serviceURI, "480")
	first.well.Store(true)
	answersWith(t, ctx, caller, serviceURI, "486")
}

// TestSIPElementDies kills a callee in the middle of a call: its BYE is answered
// by the box, and new calls go to the other server.
func TestSIPElementDies(t *testing.T) {
	t.Parallel()
	l, _ := hostBox(t, twoLANs+callsTo("target-destination far lan2", group("far", "503", "5092", "5093")))
	caller := probe(t, l.LAN1, netip.AddrPortFrom(lab.PeerLAN1, 0))
	callee, err := l.LAN2.Probe(netip.AddrPortFrom(lab.PeerLAN2, 5092))
	if err != nil {
		t.Fatal(err)
	}
	startElement(t, l, 5093, "480")
	ctx := within(t, time.Minute)
	near := overUDP(caller, lab.BoxLAN1)
	calling, _ := call(t, ctx, near, overUDP(callee, lab.BoxLAN2), serviceURI)
	if err := callee.Close(); err != nil {
		t.Fatal(err)
	}
	near.mustSend(t, calling.request(near, "BYE", 2))
	for {
		answer := near.expect(t, ctx, "SIP/2.0 ")
		if code := strings.Fields(answer.StartLine())[1]; code[0] != '1' {
			if !slices.Contains([]string{"408", "500", "503"}, code) {
				t.Errorf("BYE to a callee that is gone was answered %q", answer.StartLine())
			}
			break
		}
	}
	answersWith(t, ctx, caller, serviceURI, "480")
}

// TestSIPDNSGone calls a server by its name, and goes on when nothing tells
// names any more; a name that nobody knows is refused, and holds up no other call.
func TestSIPDNSGone(t *testing.T) {
	t.Parallel()
	peers, err := lab.OpenPeers(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	config := twoLANs + callsTo("target-destination callee.example.com:5094 lan2 udp\n key lost target-destination lost.example.com:5094 lan2 udp")
	l, _ := hostBox(t, config)
	named, err := l.Home.Named(t.Context(), peers, t.TempDir(), netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(named.Kill)
	startElement(t, l, 5094, "486")
	caller := probe(t, l.LAN1, netip.AddrPortFrom(lab.PeerLAN1, 0))
	ctx := within(t, 2*time.Minute)
	answersWith(t, ctx, caller, serviceURI, "486")
	named.Kill()
	lost := probe(t, l.LAN1, netip.AddrPortFrom(lab.PeerLAN1, 0))
	refused := make(chan lab.Message, 1)
	go func() {
		answer, _ := lost.Ask(ctx, lost.Request("INVITE", "sip:lost@192.168.42.1:5060"), lab.BoxLAN1)
		refused <- answer
	}()
	for range 20 {
		answersWith(t, ctx, caller, serviceURI, "486")
	}
	if answer := <-refused; !strings.HasPrefix(string(answer), "SIP/2.0 5") && !strings.HasPrefix(string(answer), "SIP/2.0 4") {
		t.Errorf("a call to a name that cannot be found ended with %q; want a refusal", answer.StartLine())
	}
}

// stuckMessages is more than what the kernel and a bounded queue take.
const stuckMessages = 20000

// TestSIPStuckPeer sends to a peer that takes a connection and never reads: that
// costs bounded memory, and other calls nothing.
func TestSIPStuckPeer(t *testing.T) {
	t.Parallel()
	config := twoLANs + tcpOnBoth + "sip flood-limit 100000\n" + callsTo("target-destination 192.168.43.2:5060 lan2 udp\n key stuck target-destination 192.168.43.2:5095 lan2 tcp")
	l, proxy := hostBox(t, config)
	stuck, err := l.LAN2.ListenTCP(netip.AddrPortFrom(lab.PeerLAN2, 5095))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stuck.Close() })
	before, err := proxy.MemoryKB()
	if err != nil {
		t.Fatal(err)
	}
	ctx := within(t, time.Minute)
	sender := probe(t, l.LAN1, netip.AddrPortFrom(lab.PeerLAN1, 0))
	padding := "X-Padding: " + strings.Repeat("x", 900) + "\r\n"
	sent := make(chan error, 1)
	go func() {
		for n := range stuckMessages {
			m := sender.Request("MESSAGE", "sip:stuck@192.168.42.1:5060")
			m = lab.Message(strings.Replace(string(m), "Contact:", padding+"Contact:", 1))
			if err := sender.Send(m, lab.BoxLAN1); err != nil {
				sent <- err
				return
			}
			if n%20 == 0 {
				time.Sleep(5 * time.Millisecond) // so that calls find room in the box's socket
			}
		}
		sent <- nil
	}()
	if _, err := smoke.Place(ctx, l, smoke.Pair{Caller: load.Caller, Callee: load.Callee, Calls: 100, Rate: 20, Hold: 200 * time.Millisecond}); err != nil {
		t.Error(err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	const most = 64 << 10
	if after, err := proxy.MemoryKB(); err != nil || after > before+most {
		t.Errorf("memory rose from %d to %d kB, %v; want no more than %d kB", before, after, err, most)
	}
}

// TestSIPLeak is the short form of make leak.
func TestSIPLeak(t *testing.T) {
	t.Parallel()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	if err := (load.Leak{Program: path, Calls: 3000, Rate: 150, Progress: t.Output()}).Run(t.Context(), t.Output()); err != nil {
		t.Error(err)
	}
}

// TestSIPFlood is the short form of make flood.
func TestSIPFlood(t *testing.T) {
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	result, err := load.Flood{Program: path, Datagrams: 20000, Sources: 5000, Rate: 2000, Progress: t.Output()}.Run(t.Context())
	if err == nil {
		err = result.Check(5, 95) // on a processor that others fill, the flood is an overload
	}
	if err != nil {
		t.Errorf("%v\n%s", err, result)
	}
}

// TestSIPOverload is the short form of make overload.
func TestSIPOverload(t *testing.T) {
	t.Parallel()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	result, err := load.Overload{Program: path, Rate: 800, Length: 12 * time.Second, Progress: t.Output()}.Run(t.Context())
	if err == nil {
		err = result.Check(95)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, result)
	}
}
