package firewall

import (
	"net/netip"
	"testing"

	"causeway/qemu/lab"
)

// BenchmarkDatagram is the way of one SIP datagram from a host to the proxy's
// socket and of one back: without a table, with the firewall off (SIP is
// untracked all the same), and with it on.
func BenchmarkDatagram(b *testing.B) {
	off := builtIn()
	off.FirewallOff = true
	for _, way := range []struct {
		name  string
		table []Ruleset
	}{{"no table", nil}, {"off", []Ruleset{plan(off, nil)}}, {"on", []Ruleset{plan(builtIn(), nil)}}} {
		b.Run(way.name, func(b *testing.B) {
			box, host := newNetwork(b), newNetwork(b)
			if err := lab.Connect(box.Namespace, "lan1", netip.MustParsePrefix("192.168.42.1/24"),
				host.Namespace, "eth0", netip.MustParsePrefix("192.168.42.2/24")); err != nil {
				b.Fatal(err)
			}
			for _, table := range way.table {
				if err := box.tables.Replace(table); err != nil {
					b.Fatal(err)
				}
			}
			proxy, err := box.ListenUDP(netip.MustParseAddrPort("192.168.42.1:5060"))
			if err != nil {
				b.Fatal(err)
			}
			defer proxy.Close()
			peer, err := host.ListenUDP(netip.MustParseAddrPort("192.168.42.2:5060"))
			if err != nil {
				b.Fatal(err)
			}
			defer peer.Close()
			datagram, buffer := make([]byte, 500), make([]byte, 1000)
			for b.Loop() {
				if _, err := peer.WriteToUDPAddrPort(datagram, netip.MustParseAddrPort("192.168.42.1:5060")); err != nil {
					b.Fatal(err)
				}
				_, from, err := proxy.ReadFromUDPAddrPort(buffer)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := proxy.WriteToUDPAddrPort(datagram, from); err != nil {
					b.Fatal(err)
				}
				if _, _, err := peer.ReadFromUDPAddrPort(buffer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
