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
	lan := config.Argument{Name: "LAN", Type: config.LAN{}, Help: "Port of the appliance, or a VLAN on it as in LAN1.100"}
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
			Mode: config.Global, Syntax: "lan LAN", No: "lan LAN", Opens: "config-lan",
			Args:   []config.Argument{lan},
			Help:   "Configure a LAN port, or a VLAN on it",
			Apply:  addLAN,
			Negate: removeLAN,
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
				c.LAN(a.Port("LAN")).Address = netip.Prefix{}
				return nil
			},
			Check: checkAddress,
			Render: func(c *model.Config, in config.Args) []config.Args {
				address := c.LAN(in.Port("LAN")).Address
				if !address.IsValid() {
					return nil
				}
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

// addLAN has the port stand in the configuration, with its defaults.
func addLAN(c *model.Config, a config.Args) error {
	port := a.Port("LAN")
	i, found := slices.BinarySearchFunc(c.LANs, port, func(l model.LAN, p model.Port) int { return l.Port.Compare(p) })
	if !found {
		c.LANs = slices.Insert(c.LANs, i, model.NewLAN(port))
	}
	return nil
}

func removeLAN(c *model.Config, a config.Args) error {
	if c.LAN(a.Port("LAN")) == nil {
		return config.BadArgument("LAN", "%v is not configured", a.Port("LAN"))
	}
	c.LANs = slices.DeleteFunc(c.LANs, func(l model.LAN) bool { return l.Port == a.Port("LAN") })
	return nil
}

func renderLANs(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for _, lan := range c.LANs {
		lines = append(lines, config.Args{"LAN": lan.Port})
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
	c.LAN(a.Port("LAN")).Address = address
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

// checkAddress refuses two ports that share addresses: the kernel could not
// tell on which of them a peer is.
func checkAddress(c *model.Config, a config.Args) error {
	address := c.LAN(a.Port("LAN")).Address
	for _, other := range c.LANs {
		if other.Port != a.Port("LAN") && other.Address.IsValid() && other.Address.Overlaps(address) {
			return config.BadArgument("ADDRESS", "the network %v overlaps %v of %v",
				address.Masked(), other.Address.Masked(), other.Port)
		}
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
		Port:        a.Port("LAN"),
		Metric:      a.Int("METRIC"),
	}
	for i, have := range c.Routes {
		if have.Destination == route.Destination && have.Gateway == route.Gateway && have.Port == route.Port {
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
			(!a.Has("LAN") || r.Port == a.Port("LAN"))
	})
	if len(c.Routes) == before {
		return fmt.Errorf("there is no such route")
	}
	return nil
}

func checkRoute(c *model.Config, a config.Args) error {
	port, gateway := a.Port("LAN"), a.Addr("GATEWAY")
	var address netip.Prefix
	if lan := c.LAN(port); lan != nil {
		address = lan.Address
	}
	switch {
	case !address.IsValid():
		return config.BadArgument("LAN", "%v has no address", port)
	case gateway == address.Addr():
		return config.BadArgument("GATEWAY", "%v is the appliance itself", gateway)
	case !address.Contains(gateway):
		return config.BadArgument("GATEWAY", "%v is not on the network %v of %v", gateway, address.Masked(), port)
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
			"LAN":     r.Port,
			"METRIC":  r.Metric,
		})
	}
	return lines
}
