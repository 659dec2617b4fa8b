package routing

import (
	"net/netip"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// listenCommands declares listen points, what stands for them in Record-Route,
// and next hops.
func listenCommands() []config.Command {
	network := networkArg("NETWORK", "Name of a SIP network")
	address := config.Argument{Name: "ADDRESS", Type: config.Address{}, Help: "IP address"}
	port := config.Argument{Name: "PORT", Type: config.Port, Help: "Port"}
	transport := transportArg("Transport", model.Transports[:]...)
	return []config.Command{
		{
			Mode: config.Global, Syntax: "sip listen NETWORK TRANSPORT ADDRESS PORT", No: "sip listen NETWORK TRANSPORT ADDRESS PORT",
			Args:  []config.Argument{network, transport, address, port},
			Help:  "Receive SIP on an address for a network",
			Apply: addListen, Negate: removeListen, Check: checkListen, Render: renderListens,
		},
		{
			Mode: config.Global, Syntax: "sip record-route NETWORK TRANSPORT HOST [PORT]", No: "sip record-route NETWORK TRANSPORT [HOST [PORT]]",
			Args:  []config.Argument{network, transport, {Name: "HOST", Type: config.Host{}, Help: "Address or name under which neighbours reach the box"}, port},
			Help:  "Write another address than that of the listen point into Record-Route",
			Apply: setRecordRoute, Negate: removeRecordRoute, Render: renderRecordRoutes,
		},
		{
			Mode: config.Global, Syntax: "sip next-hop NETWORK udp ADDRESS PORT OUT-NETWORK", No: "sip next-hop NETWORK [udp ADDRESS PORT OUT-NETWORK]",
			Args:  []config.Argument{network, address, port, networkArg("OUT-NETWORK", "SIP network the requests leave by")},
			Help:  "Send the new requests of a network that no routing trigger takes to an address",
			Apply: setNextHop, Negate: removeNextHop, Check: checkNextHop, Render: renderNextHops,
		},
	}
}

// checkHost refuses what is not the address of one host.
func checkHost(argument string, addr netip.Addr) error {
	if addr.IsUnspecified() || addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return config.BadArgument(argument, "%v is not the address of a host", addr)
	}
	return nil
}

func addListen(c *model.Config, a config.Args) error {
	n, err := networkOf(c, a)
	if err != nil {
		return err
	}
	if err := checkHost("ADDRESS", a.Addr("ADDRESS")); err != nil {
		return err
	}
	listen := listenOf(a)
	switch {
	case slices.Contains(n.Listens, listen):
		return nil
	case len(n.Listens) == listensMax:
		return config.BadArgument("NETWORK", "network %s can listen on no more than %d addresses", n.Name, listensMax)
	}
	n.Listens = append(n.Listens, listen)
	return nil
}

func listenOf(a config.Args) model.SIPListen {
	return model.SIPListen{Transport: transportOf(a), Address: a.AddrPort("ADDRESS", "PORT")}
}

func removeListen(c *model.Config, a config.Args) error {
	n, err := networkOf(c, a)
	if err != nil {
		return err
	}
	i := slices.Index(n.Listens, listenOf(a))
	if i < 0 {
		return config.BadArgument("ADDRESS", "network %s does not listen there", n.Name)
	}
	n.Listens = slices.Delete(n.Listens, i, i+1)
	return nil
}

// checkListen refuses a second listen point on the same socket: a request
// could not be told to have come in on one of them. A service that listens with
// TCP has its port to itself, at all addresses.
func checkListen(c *model.Config, a config.Args) error {
	this := listenOf(a)
	if port := this.Address.Port(); this.Transport.Stream() {
		if service := c.TCPServiceAt(port, model.ServiceSIP); service != "" {
			return config.BadArgument("PORT", "port %d: %s has it already", port, service)
		}
	}
	for _, n := range c.SIP.Networks {
		for _, l := range n.Listens {
			itself := n.Name == a.Text("NETWORK") && l == this
			if !itself && l.Address == this.Address && l.Transport.Stream() == this.Transport.Stream() {
				return config.BadArgument("ADDRESS", "network %s listens on %v (%v) already", n.Name, l.Address, l.Transport)
			}
		}
	}
	return nil
}

func renderListens(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for _, n := range c.SIP.Networks {
		for _, listen := range n.Listens {
			lines = append(lines, config.Args{
				"NETWORK":   n.Name,
				"TRANSPORT": listen.Transport.String(),
				"ADDRESS":   listen.Address.Addr(),
				"PORT":      int(listen.Address.Port()),
			})
		}
	}
	return lines
}

// reachable sees that requests to an address can leave by the named network
// and do not come back to ourselves. The arguments are those that name the
// network and the address.
func reachable(c *model.Config, networkArgument, network, addressArgument string, transport model.Transport, to netip.AddrPort) error {
	if err := knownNetwork(c, networkArgument, network); err != nil {
		return err
	}
	usable := func(l model.SIPListen) bool {
		return l.Address.Addr().Is4() == to.Addr().Is4() && (transport.Stream() || l.Transport == model.UDP)
	}
	if !slices.ContainsFunc(c.SIP.Network(network).Listens, usable) {
		return config.BadArgument(networkArgument, "network %s listens on no address from which %v can be reached over %v", network, to.Addr(), transport)
	}
	for _, n := range c.SIP.Networks {
		for _, l := range n.Listens {
			if l.Address == to && l.Transport.Stream() == transport.Stream() {
				return config.BadArgument(addressArgument, "%v is our own listen address in network %s: requests would loop", to, n.Name)
			}
		}
	}
	return nil
}

func setNextHop(c *model.Config, a config.Args) error {
	n, err := networkOf(c, a)
	if err != nil {
		return err
	}
	if err := checkHost("ADDRESS", a.Addr("ADDRESS")); err != nil {
		return err
	}
	n.NextHop = model.SIPNextHop{Address: a.AddrPort("ADDRESS", "PORT"), Network: a.Text("OUT-NETWORK")}
	return nil
}

func removeNextHop(c *model.Config, a config.Args) error {
	n, err := networkOf(c, a)
	if err != nil {
		return err
	}
	n.NextHop = model.SIPNextHop{}
	return nil
}

func checkNextHop(c *model.Config, a config.Args) error {
	return reachable(c, "OUT-NETWORK", a.Text("OUT-NETWORK"), "ADDRESS", model.UDP, a.AddrPort("ADDRESS", "PORT"))
}

func renderNextHops(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for _, n := range c.SIP.Networks {
		if !n.NextHop.Address.IsValid() {
			continue
		}
		lines = append(lines, config.Args{
			"NETWORK":     n.Name,
			"ADDRESS":     n.NextHop.Address.Addr(),
			"PORT":        int(n.NextHop.Address.Port()),
			"OUT-NETWORK": n.NextHop.Network,
		})
	}
	return lines
}

// setRecordRoute keeps one host for each transport, in the order of the transports.
func setRecordRoute(c *model.Config, a config.Args) error {
	n, err := networkOf(c, a)
	if err != nil {
		return err
	}
	r := model.SIPRecordRoute{Transport: transportOf(a), Host: a.Text("HOST"), Port: a.Int("PORT")}
	i, found := findRecordRoute(n, r.Transport)
	if !found {
		n.RecordRoute = slices.Insert(n.RecordRoute, i, r)
	}
	n.RecordRoute[i] = r
	return nil
}

func findRecordRoute(n *model.SIPNetwork, t model.Transport) (i int, found bool) {
	return slices.BinarySearchFunc(n.RecordRoute, t, func(r model.SIPRecordRoute, t model.Transport) int { return int(r.Transport) - int(t) })
}

func removeRecordRoute(c *model.Config, a config.Args) error {
	n, err := networkOf(c, a)
	if err != nil {
		return err
	}
	i, found := findRecordRoute(n, transportOf(a))
	if !found {
		return config.BadArgument("TRANSPORT", "network %s has no record-route for %v", n.Name, transportOf(a))
	}
	n.RecordRoute = slices.Delete(n.RecordRoute, i, i+1)
	return nil
}

func renderRecordRoutes(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for _, n := range c.SIP.Networks {
		for _, r := range n.RecordRoute {
			line := config.Args{"NETWORK": n.Name, "TRANSPORT": r.Transport.String(), "HOST": r.Host}
			if r.Port != 0 {
				line["PORT"] = r.Port
			}
			lines = append(lines, line)
		}
	}
	return lines
}
