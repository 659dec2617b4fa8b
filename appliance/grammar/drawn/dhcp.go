package drawn

import (
	"net/netip"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawDHCP draws the part of a port in DHCP. A client gets no address of its own.
func drawDHCP(t *rapid.T, lan *model.LAN) {
	lan.DHCP.LeaseTime = rapid.SampledFrom([]int{2, 60, model.DefaultLeaseTime, 43_200}).Draw(t, "lease time")
	if rapid.Bool().Draw(t, "DHCP client") {
		lan.DHCP.Mode = model.DHCPClient
		lan.Address = netip.Prefix{}
		return
	}
	own := drawPools(t, lan.Address)
	lan.DHCP.Pools = own
	if rapid.Bool().Draw(t, "relay") {
		// A network of its own for each port.
		first := netip.AddrFrom4([4]byte{100, 64 + byte(lan.Port.LAN), byte(lan.Port.VLAN >> 4), byte(lan.Port.VLAN<<4) + 1})
		relayed := model.DHCPPool{Start: netip.PrefixFrom(first.Next(), 28), Count: rapid.IntRange(1, 13).Draw(t, "relayed hosts"), Router: first}
		lan.DHCP.Pools = append(lan.DHCP.Pools, relayed)
	}
	if len(own) > 0 && rapid.Bool().Draw(t, "DHCP server") {
		lan.DHCP.Mode = model.DHCPServer
	}
}

// drawPools draws up to two pools of the port's network: one with addresses
// below the port's own, one above.
func drawPools(t *rapid.T, self netip.Prefix) []model.DHCPPool {
	if self.Bits() < 9 || self.Bits() > 30 {
		return nil
	}
	offset := func(a netip.Addr) int {
		o := a.As4()
		return int(o[0])<<24 | int(o[1])<<16 | int(o[2])<<8 | int(o[3])
	}
	network, size := offset(self.Masked().Addr()), 1<<(32-self.Bits())
	own := offset(self.Addr()) - network
	var pools []model.DHCPPool
	for _, room := range [][2]int{{1, own - 1}, {own + 1, size - 2}} { // first and last offset
		if room[0] > room[1] || !rapid.Bool().Draw(t, "pool") {
			continue
		}
		first := rapid.IntRange(room[0], room[1]).Draw(t, "start") + network
		pool := model.DHCPPool{
			Start: netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(first >> 24), byte(first >> 16), byte(first >> 8), byte(first)}), self.Bits()),
			Count: rapid.IntRange(1, min(room[1]-(first-network)+1, 10_000)).Draw(t, "count"),
		}
		if rapid.Bool().Draw(t, "router") {
			pool.Router = self.Addr()
		}
		pools = append(pools, pool)
	}
	return pools
}
