package routing

import (
	"net/netip"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// networkMode is the mode of a SIP network.
const networkMode = "config-sip-network"

// networkKinds are the words for the kinds of networks. CUSP's icmp is
// standard here.
var networkKinds = config.Choice{
	model.NetworkStandard: "standard", model.NetworkNoICMP: "noicmp", model.NetworkNAT: "nat", 3: "icmp",
}

// timers are the timers of a network by CUSP's names.
var timers = map[string]func(*model.SIPTimers) *int{
	"T1":       func(t *model.SIPTimers) *int { return &t.T1 },
	"T2":       func(t *model.SIPTimers) *int { return &t.T2 },
	"T4":       func(t *model.SIPTimers) *int { return &t.T4 },
	"TU1":      func(t *model.SIPTimers) *int { return &t.TU1 },
	"TU2":      func(t *model.SIPTimers) *int { return &t.TU2 },
	"clientTn": func(t *model.SIPTimers) *int { return &t.ClientTn },
	"serverTn": func(t *model.SIPTimers) *int { return &t.ServerTn },
	"C":        func(t *model.SIPTimers) *int { return &t.C },
}

// counts are how often transactions repeat a message, by CUSP's names.
var counts = map[string]func(*model.SIPTimers) *int{
	"invite-client-transaction":     func(t *model.SIPTimers) *int { return &t.InviteClientCount },
	"non-invite-client-transaction": func(t *model.SIPTimers) *int { return &t.NonInviteClientCount },
	"invite-server-transaction":     func(t *model.SIPTimers) *int { return &t.InviteServerCount },
}

// networkCommands declares SIP networks, their listen points and next hops.
func networkCommands() []config.Command {
	network := networkArg("NETWORK", "Name of a SIP network")
	address := config.Argument{Name: "ADDRESS", Type: config.Address{}, Help: "IP address"}
	port := config.Argument{Name: "PORT", Type: config.Port, Help: "Port"}
	transport := transportArg("Transport", model.Transports[:]...)
	commands := []config.Command{
		{
			Mode: config.Global, Syntax: "sip network NETWORK [KIND]", No: "sip network NETWORK", Opens: networkMode, Ends: "end network",
			Args: []config.Argument{network, {Name: "KIND", Type: networkKinds,
				Help: "standard (default), also called icmp: ICMP errors fail requests; noicmp: they are ignored; nat: neighbours are behind NAT"}},
			Help:  "Configure a SIP network",
			Apply: putNetwork, Negate: removeNetwork,
			Render: func(c *model.Config, _ config.Args) []config.Args {
				var lines []config.Args
				for _, n := range c.SIP.Networks {
					line := config.Args{"NETWORK": n.Name}
					if n.Kind != model.NetworkStandard {
						line["KIND"] = networkKinds[n.Kind]
					}
					lines = append(lines, line)
				}
				return lines
			},
		},
	}
	commands = append(commands, networkSettings()...)
	return append(commands,
		config.Command{
			Mode: config.Global, Syntax: "sip listen NETWORK TRANSPORT ADDRESS PORT", No: "sip listen NETWORK TRANSPORT ADDRESS PORT",
			Args:  []config.Argument{network, transport, address, port},
			Help:  "Receive SIP on an address for a network",
			Apply: addListen, Negate: removeListen, Check: checkListen, Render: renderListens,
		},
		config.Command{
			Mode: config.Global, Syntax: "sip record-route NETWORK TRANSPORT HOST [PORT]", No: "sip record-route NETWORK TRANSPORT [HOST [PORT]]",
			Args:  []config.Argument{network, transport, {Name: "HOST", Type: config.Host{}, Help: "Address or name under which neighbours reach the box"}, port},
			Help:  "Write another address than that of the listen point into Record-Route",
			Apply: setRecordRoute, Negate: removeRecordRoute, Render: renderRecordRoutes,
		},
		config.Command{
			Mode: config.Global, Syntax: "sip next-hop NETWORK udp ADDRESS PORT OUT-NETWORK", No: "sip next-hop NETWORK [udp ADDRESS PORT OUT-NETWORK]",
			Args:  []config.Argument{network, address, port, networkArg("OUT-NETWORK", "SIP network the requests leave by")},
			Help:  "Send the new requests of a network that no routing trigger takes to an address",
			Apply: setNextHop, Negate: removeNextHop, Check: checkNextHop, Render: renderNextHops,
		},
	)
}

// networkSettings declares what is typed in the mode of a network.
func networkSettings() []config.Command {
	of := func(c *model.Config, a config.Args) *model.SIPNetwork { return c.SIP.Network(a.Text("NETWORK")) }
	return slices.Concat(
		switchOff(networkMode, "allow-connections", "Take connections that others open", "Take no connections that others open",
			func(c *model.Config, a config.Args) *bool { return &of(c, a).RefuseConnections }),
		[]config.Command{
			switchOn(networkMode, "header-hide", "Remove Via header fields of other networks from requests that leave by this one",
				func(c *model.Config, a config.Args) *bool { return &of(c, a).HeaderHide }),
			switchOn(networkMode, "tls verify", "Whoever connects must show a certificate that is trusted here",
				func(c *model.Config, a config.Args) *bool { return &of(c, a).TLSVerify }),
			number(networkMode, "udp max-datagram-size", "Longest datagram of the path; requests that come near it go over TCP",
				integer("OCTETS", 576, 65535, "Octets (default 1500)"),
				func(c *model.Config, a config.Args) *int { return &of(c, a).MaxDatagram }),
			number(networkMode, "tcp connection-setup-timeout", "How long a connection may take to open",
				integer("MILLISECONDS", 100, 60000, "Milliseconds (default 1000)"),
				func(c *model.Config, a config.Args) *int { return &of(c, a).ConnectTimeout }),
			number(networkMode, "non-invite-provisional", "Answer a request other than INVITE with 100 if nothing else came until then",
				integer("MILLISECONDS", 100, 60000, "Milliseconds (default T2)"),
				func(c *model.Config, a config.Args) *int { return &of(c, a).Timers.NonInviteProvisional }),
			timerCommand(of, "retransmit-count", "How often a message is sent again, at most",
				config.Argument{Name: "TRANSACTION", Help: "Of which transactions",
					Type: config.Choice{"invite-client-transaction", "invite-server-transaction", "non-invite-client-transaction"}},
				integer("COUNT", 1, 127, "Times (default: as often as the timers leave room for)"), counts, nil),
			timerCommand(of, "retransmit-timer", "Set a SIP timer",
				config.Argument{Name: "TIMER", Help: "RFC 3261 table 4; TU1: next element without any answer; TU2: final answer to others than INVITE; clientTn, serverTn: life of transactions",
					Type: config.Choice{"T1", "T2", "T4", "TU1", "TU2", "clientTn", "serverTn", "C"}},
				integer("MILLISECONDS", 10, 3600000, "Milliseconds (defaults: 500, 4000, 5000, 5000, 32000, 64·T1, 64·T1, 181000)"), timers, checkTimer),
		},
	)
}

// timerCommand declares "words WHICH VALUE": one of several numbers of the
// timers of a network.
func timerCommand(of func(*model.Config, config.Args) *model.SIPNetwork, words, help string, which, value config.Argument,
	fields map[string]func(*model.SIPTimers) *int, check func(*model.Config, config.Args) error) config.Command {
	field := func(c *model.Config, a config.Args, name string) *int { return fields[name](&of(c, a).Timers) }
	return config.Command{
		Mode: networkMode, Syntax: words + " " + which.Name + " " + value.Name, No: words + " " + which.Name + " [" + value.Name + "]",
		Args: []config.Argument{which, value},
		Help: help,
		Apply: func(c *model.Config, a config.Args) error {
			*field(c, a, a.Text(which.Name)) = a.Int(value.Name)
			return nil
		},
		Negate: func(c *model.Config, a config.Args) error {
			*field(c, a, a.Text(which.Name)) = 0
			return nil
		},
		Check: check,
		Render: func(c *model.Config, in config.Args) []config.Args {
			var lines []config.Args
			for _, name := range which.Type.(config.Choice) {
				if v := *field(c, in, name); v != 0 {
					lines = append(lines, config.Args{which.Name: name, value.Name: v})
				}
			}
			return lines
		},
	}
}

// checkTimer refuses a first wait that is longer than the longest one.
func checkTimer(c *model.Config, a config.Args) error {
	t := c.SIP.Network(a.Text("NETWORK")).Timers
	if a.Text("TIMER") == "T2" && t.T1 > t.T2 {
		return config.BadArgument("MILLISECONDS", "T2 (%d ms) is shorter than T1 (%d ms)", t.T2, t.T1)
	}
	return nil
}

// networkOf is the configured network that the NETWORK argument names.
func networkOf(c *model.Config, a config.Args) (*model.SIPNetwork, error) {
	name := a.Text("NETWORK")
	if n := c.SIP.Network(name); n != nil {
		return n, nil
	}
	return nil, config.BadArgument("NETWORK", "there is no SIP network %s; define it first with sip network %s", name, name)
}

// knownNetwork refuses a network, named by an argument, that is not configured.
func knownNetwork(c *model.Config, argument, name string) error {
	if c.SIP.Network(name) == nil {
		return config.BadArgument(argument, "there is no SIP network %s", name)
	}
	return nil
}

// putNetwork makes a network, or changes the kind of one.
func putNetwork(c *model.Config, a config.Args) error {
	n := c.SIP.Network(a.Text("NETWORK"))
	if n == nil {
		if len(c.SIP.Networks) == networksMax {
			return config.BadArgument("NETWORK", "there can be no more than %d SIP networks", networksMax)
		}
		c.SIP.Networks = append(c.SIP.Networks, model.SIPNetwork{Name: a.Text("NETWORK")})
		n = &c.SIP.Networks[len(c.SIP.Networks)-1]
	}
	switch kind := a.Text("KIND"); kind {
	case "":
	case "icmp":
		n.Kind = model.NetworkStandard
	default:
		n.Kind = model.SIPNetworkKind(slices.Index(networkKinds, kind))
	}
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
// could not be told to have come in on one of them.
func checkListen(c *model.Config, a config.Args) error {
	this := listenOf(a)
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
