package network

import (
	"fmt"
	"net/netip"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// routesMax is how many static routes can be configured.
const routesMax = 1024

// Commands declares the commands of this subject.
func Commands() []config.Command {
	lan := config.Argument{Name: "LAN", Type: config.Choice{"LAN1", "LAN2"}, Help: "Port of the appliance"}
	return []config.Command{
		{
			Mode: config.Global, Syntax: "hostname NAME", No: "hostname [NAME]",
			Args: []config.Argument{{Name: "NAME", Type: config.Label{}, Help: "Name of this appliance"}},
			Help: "Name the appliance",
			Apply: func(c *model.Config, a config.Args) error {
				c.HostName = a.Text("NAME")
				return nil
			},
			Negate: func(c *model.Config, a config.Args) error {
				c.HostName = ""
				return nil
			},
			Render: func(c *model.Config, _ config.Args) []config.Args {
				if c.HostName == "" {
					return nil
				}
				return []config.Args{{"NAME": c.HostName}}
			},
		},
		{
			Mode: config.Global, Syntax: "lan LAN", Opens: "config-lan",
			Args:   []config.Argument{lan},
			Help:   "Configure a LAN port",
			Apply:  func(*model.Config, config.Args) error { return nil },
			Render: renderLANs,
		},
		{
			Mode: "config-lan", Syntax: "ip address ADDRESS MASK", No: "ip address [ADDRESS MASK]",
			Args: []config.Argument{
				{Name: "ADDRESS", Type: config.IPv4{}, Help: "Address of the appliance on this LAN"},
				{Name: "MASK", Type: config.Mask{}, Help: "Mask of this LAN"},
			},
			Help:  "Set the address of the port",
			Apply: setAddress,
			Negate: func(c *model.Config, a config.Args) error {
				c.LANs[lanOf(a)].Address = netip.Prefix{}
				return nil
			},
			Check: checkAddress,
			Render: func(c *model.Config, in config.Args) []config.Args {
				address := c.LANs[lanOf(in)].Address
				return []config.Args{{"ADDRESS": address.Addr(), "MASK": address.Bits()}}
			},
		},
		{
			Mode: config.Global, Syntax: "ip route NETWORK MASK GATEWAY LAN [METRIC]", No: "ip route NETWORK MASK [GATEWAY [LAN [METRIC]]]",
			Args: []config.Argument{
				{Name: "NETWORK", Type: config.IPv4{}, Help: "Network to reach; 0.0.0.0 for the default route"},
				{Name: "MASK", Type: config.Mask{}, Help: "Mask of that network"},
				{Name: "GATEWAY", Type: config.IPv4{}, Help: "Router on the LAN's own network"},
				lan,
				{Name: "METRIC", Type: config.Integer{Min: 1, Max: 255}, Default: 1, Help: "The route with the lowest is used"},
			},
			Help:   "Add a static route",
			Apply:  addRoute,
			Negate: removeRoutes,
			Check:  checkRoute,
			Render: renderRoutes,
		},
	}
}

// lanOf is the port that the LAN argument names.
func lanOf(a config.Args) model.LANName {
	if a.Text("LAN") == model.LAN2.String() {
		return model.LAN2
	}
	return model.LAN1
}

// renderLANs gives the ports that have an address.
func renderLANs(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for name := range model.LANCount {
		if c.LANs[name].Address.IsValid() {
			lines = append(lines, config.Args{"LAN": name.String()})
		}
	}
	return lines
}

func setAddress(c *model.Config, a config.Args) error {
	address := a.Prefix("ADDRESS", "MASK")
	if address.Bits() == 0 {
		return config.BadArgument("MASK", "0.0.0.0 is not the mask of a LAN")
	}
	if reason := unfitForHost(address); reason != "" {
		return config.BadArgument("ADDRESS", "%v %s", address.Addr(), reason)
	}
	c.LANs[lanOf(a)].Address = address
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
	case addr.As4()[0] == 0 || addr.As4()[0] >= 240:
		return "is a reserved address"
	case address.Bits() >= 31: // both addresses of a /31 are hosts (RFC 3021)
		return ""
	case addr == address.Masked().Addr():
		return "is the address of the network itself"
	case addr == broadcast(address):
		return "is the broadcast address of its network"
	}
	return ""
}

// broadcast is the last address of the network.
func broadcast(network netip.Prefix) netip.Addr {
	octets := network.Addr().As4()
	for bit := network.Bits(); bit < 32; bit++ {
		octets[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(octets)
}

// checkAddress refuses two LANs that share addresses: the kernel could not
// tell on which of them a peer is.
func checkAddress(c *model.Config, a config.Args) error {
	this, other := lanOf(a), model.LAN1
	if this == model.LAN1 {
		other = model.LAN2
	}
	address := c.LANs[other].Address
	if address.IsValid() && address.Overlaps(c.LANs[this].Address) {
		return config.BadArgument("ADDRESS", "the network %v overlaps %v of %v",
			c.LANs[this].Address.Masked(), address.Masked(), other)
	}
	return nil
}

func addRoute(c *model.Config, a config.Args) error {
	destination := a.Prefix("NETWORK", "MASK")
	if destination != destination.Masked() {
		return config.BadArgument("NETWORK", "%v has bits outside the mask; the network is %v",
			destination.Addr(), destination.Masked().Addr())
	}
	route := model.IPRoute{
		Destination: destination,
		Gateway:     a.Addr("GATEWAY"),
		LAN:         lanOf(a),
		Metric:      a.Int("METRIC"),
	}
	for i, have := range c.Routes {
		if have.Destination == route.Destination && have.Gateway == route.Gateway && have.LAN == route.LAN {
			c.Routes[i].Metric = route.Metric
			return nil
		}
	}
	if len(c.Routes) == routesMax {
		return fmt.Errorf("there can be no more than %d routes", routesMax)
	}
	c.Routes = append(c.Routes, route)
	return nil
}

// removeRoutes removes the routes to a network, or the one of them that goes
// by the given gateway. The metric may be typed and says nothing more.
func removeRoutes(c *model.Config, a config.Args) error {
	before := len(c.Routes)
	c.Routes = slices.DeleteFunc(c.Routes, func(r model.IPRoute) bool {
		return r.Destination == a.Prefix("NETWORK", "MASK") &&
			(!a.Has("GATEWAY") || r.Gateway == a.Addr("GATEWAY")) &&
			(!a.Has("LAN") || r.LAN == lanOf(a))
	})
	if len(c.Routes) == before {
		return fmt.Errorf("there is no such route")
	}
	return nil
}

func checkRoute(c *model.Config, a config.Args) error {
	lan, gateway := lanOf(a), a.Addr("GATEWAY")
	address := c.LANs[lan].Address
	switch {
	case !address.IsValid():
		return config.BadArgument("LAN", "%v has no address", lan)
	case gateway == address.Addr():
		return config.BadArgument("GATEWAY", "%v is the appliance itself", gateway)
	case !address.Contains(gateway):
		return config.BadArgument("GATEWAY", "%v is not on the network %v of %v", gateway, address.Masked(), lan)
	}
	if reason := unfitForHost(netip.PrefixFrom(gateway, address.Bits())); reason != "" {
		return config.BadArgument("GATEWAY", "%v %s", gateway, reason)
	}
	// The kernel keeps one route of each destination and metric.
	alike := 0
	for _, r := range c.Routes {
		if r.Destination == a.Prefix("NETWORK", "MASK") && r.Metric == a.Int("METRIC") {
			alike++
		}
	}
	if alike > 1 {
		return fmt.Errorf("another route to this network has the metric %d too", a.Int("METRIC"))
	}
	return nil
}

func renderRoutes(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for _, r := range c.Routes {
		lines = append(lines, config.Args{
			"NETWORK": r.Destination.Addr(),
			"MASK":    r.Destination.Bits(),
			"GATEWAY": r.Gateway,
			"LAN":     r.LAN.String(),
			"METRIC":  r.Metric,
		})
	}
	return lines
}
