package grammar_test

import (
	"net/netip"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawLANs draws the ports and the routes through them.
func drawLANs(t *rapid.T, c *model.Config) {
	for name := range model.LANCount {
		if !rapid.Bool().Draw(t, "LAN is configured") {
			continue
		}
		lan := model.NewLAN(model.Port{LAN: name})
		// Different first octets keep the two LANs apart.
		addr := netip.AddrFrom4([4]byte{10 + byte(name), octet.Draw(t, "b"), octet.Draw(t, "c"), octet.Draw(t, "d")})
		lan.Address = netip.PrefixFrom(addr, rapid.SampledFrom([]int{8, 9, 16, 24, 27, 30, 31, 32}).Draw(t, "mask"))
		if notAHost(lan.Address) {
			lan.Address = netip.PrefixFrom(addr, 32)
		}
		drawDHCP(t, &lan)
		c.LANs = append(c.LANs, lan)
		c.Routes = append(c.Routes, routes(t, lan.Address, lan.Port)...)
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

// routes draws routes through one other host of the LAN's network.
func routes(t *rapid.T, lan netip.Prefix, port model.Port) []model.IPRoute {
	gateway := lan.Addr().Next()
	if !lan.Contains(gateway) || notAHost(netip.PrefixFrom(gateway, lan.Bits())) {
		return nil
	}
	var list []model.IPRoute
	for bits := range rapid.IntRange(0, 3).Draw(t, "routes") {
		// Different lengths and ports make different destinations.
		destination := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, 0, 0}), 12+2*bits+int(port.LAN)).Masked()
		metric := rapid.IntRange(1, 255).Draw(t, "metric")
		list = append(list, model.IPRoute{Destination: destination, Gateway: gateway, Port: port, Metric: metric})
	}
	return list
}
