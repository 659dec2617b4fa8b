//go:build e2e

package e2e

import (
	"net/netip"
	"testing"
	"time"

	"causeway/qemu/lab"
)

const calledURI = "sip:callee@192.168.42.1:5060"

var callee5060 = netip.AddrPortFrom(lab.PeerLAN2, lab.CalleePort)

// TestSIPFragmentedTCP sends messages over TCP a few octets at a time, and
// several in one piece (RFC 3261 §18.3).
func TestSIPFragmentedTCP(t *testing.T) {
	l, _ := hostBox(t, twoLANs+nextHop+tcpOnBoth)
	ctx := within(t, time.Minute)
	stream, err := l.LAN1.Dial(ctx, netip.AddrPortFrom(lab.PeerLAN1, 0), lab.BoxLAN1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stream.Close() })
	caller, callee := overStream(stream), overUDP(probe(t, l.LAN2, callee5060), lab.BoxLAN2)
	whole := caller.send
	for name, send := range map[string]func(lab.Message) error{
		"7 octets at a time": func(m lab.Message) error {
			for ; len(m) > 0; m = m[min(7, len(m)):] {
				if err := whole(m[:min(7, len(m))]); err != nil {
					return err
				}
			}
			return nil
		},
		"after empty lines": func(m lab.Message) error { return whole("\r\n\r\n" + m) },
	} {
		t.Run(name, func(t *testing.T) {
			caller.send = send
			callBothWays(t, within(t, time.Minute), caller, callee, calledURI)
		})
	}
	t.Run("two in one piece", func(t *testing.T) {
		first, second := caller.request("MESSAGE", calledURI), caller.request("MESSAGE", calledURI)
		if err := whole(first + second); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			m := callee.expect(t, ctx, "MESSAGE ")
			callee.mustSend(t, m.Reply("200 OK", callee.contact))
			caller.expect(t, ctx, "SIP/2.0 200 ")
		}
	})
}

// TestSIPWebSocket calls from a WebSocket (RFC 7118), whose far end is called
// back over the same connection.
func TestSIPWebSocket(t *testing.T) {
	l, _ := hostBox(t, twoLANs+nextHop+"sip listen lan1 ws 192.168.42.1 8080\n")
	ctx := within(t, time.Minute)
	stream, err := l.LAN1.DialWebSocket(ctx, netip.AddrPortFrom(lab.PeerLAN1, 0), netip.AddrPortFrom(lab.BoxLAN1.Addr(), 8080), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stream.Close() })
	callBothWays(t, ctx, overStream(stream), overUDP(probe(t, l.LAN2, callee5060), lab.BoxLAN2), calledURI)
}

// TestSIPIPv6 calls from IPv6 to IPv6, and from IPv6 to IPv4.
func TestSIPIPv6(t *testing.T) {
	var (
		boxLAN1, boxLAN2 = netip.MustParseAddrPort("[2001:db8:42::1]:5060"), netip.MustParseAddrPort("[2001:db8:43::1]:5060")
		near, far        = netip.MustParseAddrPort("[2001:db8:42::2]:5070"), netip.MustParseAddrPort("[2001:db8:43::2]:5060")
	)
	l, proxy := hostBox(t, twoLANs+nextHop)
	for _, address := range []struct {
		where  *lab.Namespace
		device string
		of     netip.AddrPort
	}{{l.Home, "lan1", boxLAN1}, {l.LAN1, "lan1", near}, {l.Home, "lan2", boxLAN2}, {l.LAN2, "lan2", far}} {
		if err := address.where.Address(address.device, netip.PrefixFrom(address.of.Addr(), 64)); err != nil {
			t.Fatal(err)
		}
	}
	const listens = "sip listen lan1 udp 2001:db8:42::1 5060\nsip listen lan2 udp 2001:db8:43::1 5060\n"
	caller := overUDP(probe(t, l.LAN1, near), boxLAN1)
	for _, test := range []struct {
		name, next string
		callee     party
	}{
		{"to IPv6", "sip next-hop lan1 udp 2001:db8:43::2 5060 lan2\n", overUDP(probe(t, l.LAN2, far), boxLAN2)},
		{"to IPv4", nextHop, overUDP(probe(t, l.LAN2, callee5060), lab.BoxLAN2)},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := within(t, time.Minute)
			if err := proxy.Configure(ctx, twoLANs+listens+test.next); err != nil {
				t.Fatal(err)
			}
			callBothWays(t, ctx, caller, test.callee, "sip:callee@[2001:db8:42::1]:5060")
		})
	}
}
