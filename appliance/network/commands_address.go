package network

import (
	"net/netip"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

func setAddress(lan *model.LAN, a config.Args) error {
	address := a.Prefix("ADDRESS", "MASK")
	if address.Bits() == 0 {
		return config.BadArgument("MASK", "0.0.0.0 is not the mask of a LAN")
	}
	if reason := unfitForHost(address); reason != "" {
		return config.BadArgument("ADDRESS", "%v %s", address.Addr(), reason)
	}
	lan.Address = address
	return nil
}

func setAddress6(lan *model.LAN, a config.Args) error {
	address := a.Prefix6("PREFIX")
	if address.Bits() == 0 {
		return config.BadArgument("PREFIX", "/0 is not the prefix of a LAN")
	}
	if address.Addr().IsLinkLocalUnicast() {
		return config.BadArgument("PREFIX", "%v is a link-local address; the port has one by itself", address.Addr())
	}
	if reason := unfitForHost(address); reason != "" {
		return config.BadArgument("PREFIX", "%v %s", address.Addr(), reason)
	}
	lan.Address6 = address
	return nil
}

// unfitForHost says why the address cannot be that of one host on its
// network; empty if it can.
func unfitForHost(address netip.Prefix) string {
	addr := address.Addr()
	switch {
	case addr.IsMulticast():
		return "is a multicast address"
	case addr.IsLoopback():
		return "is a loopback address"
	case addr.IsUnspecified(), addr.Is4() && (addr.As4()[0] == 0 || addr.As4()[0] >= 240):
		return "is a reserved address"
	case address.Bits() >= addr.BitLen()-1: // both addresses of such a network are hosts (RFC 3021, RFC 6164)
		return ""
	case addr == address.Masked().Addr(): // in IPv6 that of any router there (RFC 4291 §2.6.1)
		return "is the address of the network itself"
	case addr.Is4() && addr == broadcast(address):
		return "is the broadcast address of its network"
	}
	return ""
}

// broadcast is the last address of an IPv4 network.
func broadcast(network netip.Prefix) netip.Addr {
	octets := network.Addr().As4()
	for bit := network.Bits(); bit < 32; bit++ {
		octets[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(octets)
}

func checkAddress(c *model.Config, a config.Args) error {
	if c.LAN(a.Port("LAN")).DHCP.Mode == model.DHCPClient {
		return config.BadArgument("ADDRESS", "%v is a DHCP client: its address comes from a server", a.Port("LAN"))
	}
	return checkOverlap(c, a.Port("LAN"), "ADDRESS", func(lan *model.LAN) netip.Prefix { return lan.Address })
}

// checkAddress6 refuses IPv6 where its smallest packets do not fit (RFC 8200 §5).
func checkAddress6(c *model.Config, a config.Args) error {
	if lan := c.LAN(a.Port("LAN")); lan.MTU < 1280 {
		return config.BadArgument("PREFIX", "IPv6 needs an MTU of 1280 or more; that of %v is %d", lan.Port, lan.MTU)
	}
	return checkOverlap(c, a.Port("LAN"), "PREFIX", func(lan *model.LAN) netip.Prefix { return lan.Address6 })
}

// checkOverlap refuses two ports that share addresses: the kernel could not
// tell on which of them a peer is.
func checkOverlap(c *model.Config, port model.Port, argument string, of func(*model.LAN) netip.Prefix) error {
	address := of(c.LAN(port))
	for i := range c.LANs {
		other := of(&c.LANs[i])
		if c.LANs[i].Port != port && other.IsValid() && other.Overlaps(address) {
			return config.BadArgument(argument, "the network %v overlaps %v of %v", address.Masked(), other.Masked(), c.LANs[i].Port)
		}
	}
	return nil
}
