// Package routing decides where calls go. On this first floor it declares the
// SIP networks, their listen points and one next hop each; the proxy follows
// them. Adjacencies, triggers, policies and route tables grow here.
package routing

import (
	"net/netip"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The bounds of what can be configured.
const (
	networksMax = 64
	listensMax  = 64 // of one network
)

// Commands declares the commands of this subject, in CUSP's words.
func Commands() []config.Command {
	network := config.Argument{Name: "NETWORK", Type: config.Name{}, Help: "Name of a SIP network"}
	address := config.Argument{Name: "ADDRESS", Type: config.Address{}, Help: "IP address"}
	port := config.Argument{Name: "PORT", Type: config.Port, Help: "UDP port"}
	return []config.Command{
		{
			Mode: config.Global, Syntax: "sip network NETWORK", No: "sip network NETWORK", Opens: "config-sip-network",
			Args:  []config.Argument{network},
			Help:  "Configure a SIP network",
			Apply: addNetwork, Negate: removeNetwork,
			Render: func(c *model.Config, _ config.Args) []config.Args {
				var lines []config.Args
				for _, n := range c.SIP.Networks {
					lines = append(lines, config.Args{"NETWORK": n.Name})
				}
				return lines
			},
		},
		{
			Mode: config.Global, Syntax: "sip listen NETWORK udp ADDRESS PORT", No: "sip listen NETWORK udp ADDRESS PORT",
			Args:   []config.Argument{network, address, port},
			Help:   "Receive SIP on an address for a network",
			Apply:  addListen,
			Negate: removeListen,
			Check:  checkListen,
			Render: renderListens,
		},
		{
			Mode: config.Global, Syntax: "sip next-hop NETWORK udp ADDRESS PORT OUT-NETWORK", No: "sip next-hop NETWORK [udp ADDRESS PORT OUT-NETWORK]",
			Args: []config.Argument{
				network, address, port,
				{Name: "OUT-NETWORK", Type: config.Name{}, Help: "SIP network the requests leave by"},
			},
			Help:  "Send the new requests of a network to an address",
			Apply: setNextHop,
			Negate: func(c *model.Config, a config.Args) error {
				n, err := networkOf(c, a)
				if err != nil {
					return err
				}
				n.NextHop = model.SIPNextHop{}
				return nil
			},
			Check:  checkNextHop,
			Render: renderNextHops,
		},
	}
}

// networkOf is the configured network that the NETWORK argument names.
func networkOf(c *model.Config, a config.Args) (*model.SIPNetwork, error) {
	name := a.Text("NETWORK")
	if n := c.SIP.Network(name); n != nil {
		return n, nil
	}
	return nil, config.BadArgument("NETWORK", "there is no SIP network %s; define it first with sip network %s", name, name)
}

func addNetwork(c *model.Config, a config.Args) error {
	switch {
	case c.SIP.Network(a.Text("NETWORK")) != nil:
		return nil
	case len(c.SIP.Networks) == networksMax:
		return config.BadArgument("NETWORK", "there can be no more than %d SIP networks", networksMax)
	}
	c.SIP.Networks = append(c.SIP.Networks, model.SIPNetwork{Name: a.Text("NETWORK")})
	return nil
}

func removeNetwork(c *model.Config, a config.Args) error {
	if _, err := networkOf(c, a); err != nil {
		return err
	}
	c.SIP.Networks = slices.DeleteFunc(c.SIP.Networks, func(n model.SIPNetwork) bool {
		return n.Name == a.Text("NETWORK")
	})
	return nil
}

// endpointOf is the address and port of a line. They must be those of one host.
func endpointOf(a config.Args) (netip.AddrPort, error) {
	addr := a.Addr("ADDRESS")
	if addr.IsUnspecified() || addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.AddrPort{}, config.BadArgument("ADDRESS", "%v is not the address of a host", addr)
	}
	return a.AddrPort("ADDRESS", "PORT"), nil
}

func addListen(c *model.Config, a config.Args) error {
	n, err := networkOf(c, a)
	if err != nil {
		return err
	}
	endpoint, err := endpointOf(a)
	if err != nil {
		return err
	}
	switch {
	case listensOn(*n, endpoint):
		return nil
	case len(n.Listens) == listensMax:
		return config.BadArgument("NETWORK", "network %s can listen on no more than %d addresses", n.Name, listensMax)
	}
	n.Listens = append(n.Listens, model.SIPListen{Address: endpoint})
	return nil
}

func removeListen(c *model.Config, a config.Args) error {
	n, err := networkOf(c, a)
	if err != nil {
		return err
	}
	i := slices.Index(n.Listens, model.SIPListen{Address: a.AddrPort("ADDRESS", "PORT")})
	if i < 0 {
		return config.BadArgument("ADDRESS", "network %s does not listen there", n.Name)
	}
	n.Listens = slices.Delete(n.Listens, i, i+1)
	return nil
}

// checkListen refuses an address that two networks listen on: a request could
// not be told to have come in on one of them.
func checkListen(c *model.Config, a config.Args) error {
	endpoint := a.AddrPort("ADDRESS", "PORT")
	for _, n := range c.SIP.Networks {
		if n.Name != a.Text("NETWORK") && listensOn(n, endpoint) {
			return config.BadArgument("ADDRESS", "network %s listens on %v already", n.Name, endpoint)
		}
	}
	return nil
}

func listensOn(n model.SIPNetwork, endpoint netip.AddrPort) bool {
	return slices.Contains(n.Listens, model.SIPListen{Address: endpoint})
}

func setNextHop(c *model.Config, a config.Args) error {
	n, err := networkOf(c, a)
	if err != nil {
		return err
	}
	endpoint, err := endpointOf(a)
	if err != nil {
		return err
	}
	n.NextHop = model.SIPNextHop{Address: endpoint, Network: a.Text("OUT-NETWORK")}
	return nil
}

// checkNextHop sees that requests can leave by the named network, and that
// they do not come back to ourselves.
func checkNextHop(c *model.Config, a config.Args) error {
	endpoint := a.AddrPort("ADDRESS", "PORT")
	out := c.SIP.Network(a.Text("OUT-NETWORK"))
	if out == nil {
		return config.BadArgument("OUT-NETWORK", "there is no SIP network %s", a.Text("OUT-NETWORK"))
	}
	sameFamily := func(l model.SIPListen) bool { return l.Address.Addr().Is4() == endpoint.Addr().Is4() }
	if !slices.ContainsFunc(out.Listens, sameFamily) {
		return config.BadArgument("OUT-NETWORK", "network %s listens on no address from which %v can be reached", out.Name, endpoint.Addr())
	}
	for _, n := range c.SIP.Networks {
		if listensOn(n, endpoint) {
			return config.BadArgument("ADDRESS", "%v is our own listen address in network %s: requests would loop", endpoint, n.Name)
		}
	}
	return nil
}

func renderListens(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for _, n := range c.SIP.Networks {
		for _, listen := range n.Listens {
			lines = append(lines, config.Args{
				"NETWORK": n.Name,
				"ADDRESS": listen.Address.Addr(),
				"PORT":    int(listen.Address.Port()),
			})
		}
	}
	return lines
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
