package drawn

import (
	"cmp"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawLANs draws the ports and the routes through them.
func drawLANs(t *rapid.T, c *model.Config) {
	for name := range model.LANCount {
		vlans := rapid.SliceOfNDistinct(rapid.IntRange(0, 4094), 0, 3, rapid.ID).Draw(t, "the port and its VLANs")
		slices.Sort(vlans)
		for i, vlan := range vlans {
			lan := model.NewLAN(model.Port{LAN: name, VLAN: vlan})
			// Different first octets keep the networks apart.
			place := 4*byte(name) + byte(i)
			lan.MTU = rapid.SampledFrom([]int{model.DefaultMTU, 576, 1280, 9000}).Draw(t, "MTU")
			if most := mtuOf(c, name); vlan != 0 && lan.MTU > most {
				lan.MTU = most
			}
			drawAddresses(t, &lan, place)
			drawPort(t, &lan)
			drawDHCP(t, &lan)
			c.LANs = append(c.LANs, lan)
			c.Routes = append(c.Routes, routes(t, lan, place)...)
		}
	}
	// Those of IPv4 are written before those of IPv6.
	slices.SortStableFunc(c.Routes, func(a, b model.IPRoute) int {
		return cmp.Compare(a.Gateway.BitLen(), b.Gateway.BitLen())
	})
}

// mtuOf is the most that a VLAN of the port may have.
func mtuOf(c *model.Config, name model.LANName) int {
	if port := c.LAN(model.Port{LAN: name}); port != nil {
		return port.MTU
	}
	return model.DefaultMTU
}

// drawAddresses draws the addresses of a port.
func drawAddresses(t *rapid.T, lan *model.LAN, place byte) {
	if rapid.Bool().Draw(t, "has IPv4") {
		addr := netip.AddrFrom4([4]byte{10 + place, octet.Draw(t, "b"), octet.Draw(t, "c"), octet.Draw(t, "d")})
		lan.Address = netip.PrefixFrom(addr, rapid.SampledFrom([]int{8, 9, 16, 24, 27, 30, 31, 32}).Draw(t, "mask"))
		if notAHost(lan.Address) {
			lan.Address = netip.PrefixFrom(addr, 32)
		}
	}
	if lan.MTU >= 1280 && rapid.Bool().Draw(t, "has IPv6") {
		addr := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 5: place, 15: octet.Draw(t, "host")})
		lan.Address6 = netip.PrefixFrom(addr, rapid.SampledFrom([]int{48, 64, 126, 127, 128}).Draw(t, "length"))
		if addr == lan.Address6.Masked().Addr() {
			lan.Address6 = netip.PrefixFrom(addr, 128)
		}
	}
}

// drawPort draws what a port has beside its addresses.
func drawPort(t *rapid.T, lan *model.LAN) {
	lan.Shutdown, lan.NAT = rapid.Bool().Draw(t, "shutdown"), rapid.Bool().Draw(t, "NAT")
	lan.DSCP = rapid.IntRange(0, 63).Draw(t, "DSCP")
	if lan.Port.VLAN != 0 {
		return
	}
	lan.Speed = rapid.SampledFrom([]int{0, 10, 100, 1000, 2500, 10000}).Draw(t, "speed")
	lan.Duplex = rapid.SampledFrom([]string{"", "full", "half"}).Draw(t, "duplex")
	if lan.Duplex == "half" && lan.Speed >= 1000 {
		lan.Duplex = ""
	}
}

// notAHost repeats in other words what the network refuses for a LAN: all host
// bits zero or one.
func notAHost(p netip.Prefix) bool {
	if p.Bits() >= 31 {
		return false
	}
	last := netip.PrefixFrom(p.Addr().Next(), p.Bits())
	return p.Masked().Addr() == p.Addr() || !p.Contains(last.Addr())
}

// routes draws routes through one other host of each of the port's networks,
// and through a router that is known by its link-local address.
func routes(t *rapid.T, lan model.LAN, place byte) []model.IPRoute {
	var list []model.IPRoute
	add := func(gateway netip.Addr, destination netip.Prefix) {
		list = append(list, model.IPRoute{
			Destination: destination, Gateway: gateway, Port: lan.Port, Metric: rapid.IntRange(1, 255).Draw(t, "metric"),
		})
	}
	// Different places make different destinations.
	for n := range byte(rapid.IntRange(0, 3).Draw(t, "routes")) {
		far := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, place, 64 * n}), 26)
		if gateway := lan.Address.Addr().Next(); lan.Address.Contains(gateway) && !notAHost(netip.PrefixFrom(gateway, lan.Address.Bits())) {
			add(gateway, far)
		}
		far6 := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0xff, place, 6: n}), 56)
		if gateway := lan.Address6.Addr().Next(); lan.Address6.Contains(gateway) {
			add(gateway, far6)
		} else if lan.Address6.IsValid() {
			add(netip.MustParseAddr("fe80::1"), far6)
		}
	}
	return list
}
