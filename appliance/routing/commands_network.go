package routing

import (
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

// networkCommands declares SIP networks and what is typed in their mode.
func networkCommands() []config.Command {
	opener := config.Command{
		Mode: config.Global, Syntax: "sip network NETWORK [KIND]", No: "sip network NETWORK", Opens: networkMode, Ends: "end network",
		Args: []config.Argument{networkArg("NETWORK", "Name of a SIP network"), {Name: "KIND", Type: networkKinds,
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
	}
	return append([]config.Command{opener}, networkSettings()...)
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
			switchOn(networkMode, "overload-control", "Ask neighbours how many calls they want, and send no more (RFC 7339)",
				func(c *model.Config, a config.Args) *bool { return &of(c, a).OverloadControl }),
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
