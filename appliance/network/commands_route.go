package network

import (
	"fmt"
	"net/netip"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// routesMax is how many static routes can be configured, of both families.
const routesMax = 1024

// family is what differs between the routes of IPv4 and of IPv6.
type family struct {
	is          func(netip.Addr) bool
	destination func(config.Args) netip.Prefix
	words       func(netip.Prefix) config.Args // the reverse
	argument    string                         // the first of the destination
	address     func(*model.LAN) netip.Prefix
	name        string
}

var ipv4 = family{
	is:          netip.Addr.Is4,
	destination: func(a config.Args) netip.Prefix { return a.Prefix("NETWORK", "MASK") },
	words:       func(p netip.Prefix) config.Args { return config.Args{"NETWORK": p.Addr(), "MASK": p.Bits()} },
	argument:    "NETWORK",
	address:     func(lan *model.LAN) netip.Prefix { return lan.Address },
	name:        "IPv4",
}

var ipv6 = family{
	is:          netip.Addr.Is6,
	destination: func(a config.Args) netip.Prefix { return a.Prefix6("PREFIX") },
	words:       func(p netip.Prefix) config.Args { return config.Args{"PREFIX": p} },
	argument:    "PREFIX",
	address:     func(lan *model.LAN) netip.Prefix { return lan.Address6 },
	name:        "IPv6",
}

// routeCommands declares how static routes are written.
func routeCommands() []config.Command {
	metric := config.Argument{Name: "METRIC", Type: config.Integer{Min: 1, Max: 255}, Default: 1, Help: "The route with the lowest is used"}
	return []config.Command{
		ipv4.command("ip route NETWORK MASK GATEWAY LAN [METRIC]", "ip route NETWORK MASK [GATEWAY [LAN [METRIC]]]", []config.Argument{
			{Name: "NETWORK", Type: config.IPv4{}, Help: "Network to reach; 0.0.0.0 for the default route"},
			{Name: "MASK", Type: config.Mask{}, Help: "Mask of that network"},
			{Name: "GATEWAY", Type: config.IPv4{}, Help: "Router on the LAN's own network"},
			portArgument, metric,
		}),
		ipv6.command("ipv6 route PREFIX GATEWAY LAN [METRIC]", "ipv6 route PREFIX [GATEWAY [LAN [METRIC]]]", []config.Argument{
			{Name: "PREFIX", Type: config.Prefix6{}, Help: "Network to reach; ::/0 for the default route"},
			{Name: "GATEWAY", Type: config.Address{}, Help: "Router on the LAN's own network, or its link-local address"},
			portArgument, metric,
		}),
	}
}

func (f *family) command(syntax, no string, args []config.Argument) config.Command {
	return config.Command{
		Mode: config.Global, Syntax: syntax, No: no, Args: args, Help: "Add a static " + f.name + " route",
		Apply: f.addRoute, Negate: f.removeRoutes, Check: f.checkRoute, Render: f.renderRoutes,
	}
}

// addRoute keeps the routes of IPv4 before those of IPv6, as they are rendered.
func (f *family) addRoute(c *model.Config, a config.Args) error {
	destination := f.destination(a)
	switch {
	case destination != destination.Masked():
		return config.BadArgument(f.argument, "%v has bits outside the mask; the network is %v",
			destination.Addr(), destination.Masked().Addr())
	case !f.is(a.Addr("GATEWAY")):
		return config.BadArgument("GATEWAY", "%v is not an %s address", a.Addr("GATEWAY"), f.name)
	}
	route := model.IPRoute{Destination: destination, Gateway: a.Addr("GATEWAY"), Port: a.Port("LAN"), Metric: a.Int("METRIC")}
	end := 0 // of the family's routes
	for i, have := range c.Routes {
		if have.Destination == route.Destination && have.Gateway == route.Gateway && have.Port == route.Port {
			c.Routes[i].Metric = route.Metric
			return nil
		}
		if have.Destination.Addr().Is4() || f.is(have.Destination.Addr()) {
			end = i + 1
		}
	}
	if len(c.Routes) == routesMax {
		return fmt.Errorf("there can be no more than %d routes", routesMax)
	}
	c.Routes = slices.Insert(c.Routes, end, route)
	return nil
}

// removeRoutes removes the routes to a network, or the one of them that goes
// by the given gateway. The metric may be typed and says nothing more.
func (f *family) removeRoutes(c *model.Config, a config.Args) error {
	before := len(c.Routes)
	c.Routes = slices.DeleteFunc(c.Routes, func(r model.IPRoute) bool {
		return r.Destination == f.destination(a) &&
			(!a.Has("GATEWAY") || r.Gateway == a.Addr("GATEWAY")) &&
			(!a.Has("LAN") || r.Port == a.Port("LAN"))
	})
	if len(c.Routes) == before {
		return fmt.Errorf("there is no such route")
	}
	return nil
}

func (f *family) checkRoute(c *model.Config, a config.Args) error {
	if err := f.checkGateway(c, a); err != nil {
		return err
	}
	// The kernel keeps one route of each destination and metric.
	for i := range c.LANs {
		if network := f.address(&c.LANs[i]); network.IsValid() && network.Masked() == f.destination(a) && a.Int("METRIC") == 1 {
			return config.BadArgument("METRIC", "%v is on this network itself; another way to it needs a metric of 2 or more", c.LANs[i].Port)
		}
	}
	alike := 0
	for _, r := range c.Routes {
		if r.Destination == f.destination(a) && r.Metric == a.Int("METRIC") {
			alike++
		}
	}
	if alike > 1 {
		return fmt.Errorf("another route to this network has the metric %d too", a.Int("METRIC"))
	}
	return nil
}

// checkGateway refuses a gateway that is not on the network of its port. That
// of a DHCP client is not known yet.
func (f *family) checkGateway(c *model.Config, a config.Args) error {
	port, gateway := a.Port("LAN"), a.Addr("GATEWAY")
	lan := c.LAN(port)
	if lan == nil {
		return config.BadArgument("LAN", "%v is not configured", port)
	}
	network := f.address(lan)
	leased := f == &ipv4 && lan.DHCP.Mode == model.DHCPClient
	if leased || gateway.Is6() && gateway.IsLinkLocalUnicast() {
		network = netip.PrefixFrom(gateway, gateway.BitLen())
	}
	switch {
	case !leased && !f.address(lan).IsValid():
		return config.BadArgument("LAN", "%v has no %s address", port, f.name)
	case gateway == f.address(lan).Addr():
		return config.BadArgument("GATEWAY", "%v is the appliance itself", gateway)
	case !network.Contains(gateway):
		return config.BadArgument("GATEWAY", "%v is not on the network %v of %v", gateway, network.Masked(), port)
	}
	if reason := unfitForHost(netip.PrefixFrom(gateway, network.Bits())); reason != "" {
		return config.BadArgument("GATEWAY", "%v %s", gateway, reason)
	}
	return nil
}

func (f *family) renderRoutes(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for _, r := range c.Routes {
		if f.is(r.Destination.Addr()) {
			line := f.words(r.Destination)
			line["GATEWAY"], line["LAN"], line["METRIC"] = r.Gateway, r.Port, r.Metric
			lines = append(lines, line)
		}
	}
	return lines
}
