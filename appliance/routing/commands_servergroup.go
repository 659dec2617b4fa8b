package routing

import (
	"net/netip"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// serverGroupMode is the mode of a server group.
const serverGroupMode = "config-sg"

// The preference and share of an element or a way whose line names none.
const (
	defaultQ      = 1000 // thousandths
	defaultWeight = 10
)

var serverGroups = collection[model.ServerGroup]{
	what: "server group", plural: "server groups", argument: "GROUP", most: groupsMax,
	all:  func(c *model.Config) *[]model.ServerGroup { return &c.SIP.Routing.Groups },
	name: func(g *model.ServerGroup) *string { return &g.Name },
}

// The arguments that elements of server groups and route groups share.
var (
	qArg      = config.Argument{Name: "Q", Type: config.QValue{}, Default: defaultQ, Help: "Preference: higher ones first"}
	weightArg = config.Argument{Name: "WEIGHT", Type: config.Integer{Min: 0, Max: 100}, Default: defaultWeight, Help: "Share among those of equal q-value"}
	codesArg  = config.Argument{Name: "CODES", Type: config.StatusCodes{}, Help: "Status codes, such as 503 or 500-503,504"}
)

// serverGroupCommands declares server groups and what holds for all of them.
func serverGroupCommands() []config.Command {
	balance := config.Choice(model.BalanceNames[:])
	server := []config.Argument{
		{Name: "HOST", Type: config.Host{}, Help: "Address or name of the server"},
		{Name: "PORT", Type: config.Integer{Min: 0, Max: 65535}, Help: "Port; 0: as DNS says, or that of the transport"},
		transportArg("Transport", model.UDP, model.TCP, model.TLS),
	}
	opener := serverGroups.opener(config.Global, "server-group sip group", "end server-group", "Configure servers of which each can take a request", serverGroupMode)
	opener.Syntax += " NETWORK"
	opener.No += " [NETWORK]"
	opener.Args = append(opener.Args, networkArg("NETWORK", "SIP network that requests to them leave by"))
	opener.Apply = func(c *model.Config, a config.Args) error {
		g, err := serverGroups.put(c, a)
		if err == nil {
			g.Network = a.Text("NETWORK")
		}
		return err
	}
	opener.Check = func(c *model.Config, a config.Args) error { return knownNetwork(c, "NETWORK", a.Text("NETWORK")) }
	opener.Render = func(c *model.Config, _ config.Args) []config.Args {
		var lines []config.Args
		for _, g := range c.SIP.Routing.Groups {
			lines = append(lines, config.Args{"GROUP": g.Name, "NETWORK": g.Network})
		}
		return lines
	}
	return slices.Concat([]config.Command{
		{
			Mode: config.Global, Syntax: "server-group sip global-load-balance BALANCE", No: "server-group sip global-load-balance [BALANCE]",
			Args: []config.Argument{{Name: "BALANCE", Type: balance[model.BalanceHighestQ:], Help: "How (default call-id)"}},
			Help: "Choose the server in groups with lbtype global",
			Apply: func(c *model.Config, a config.Args) error {
				c.SIP.Routing.Balance = balanceOf(a)
				return nil
			},
			Negate: func(c *model.Config, _ config.Args) error { c.SIP.Routing.Balance = 0; return nil },
			Render: func(c *model.Config, _ config.Args) []config.Args { return balanceLine(c.SIP.Routing.Balance) },
		},
		number(config.Global, "server-group sip retry-after", "How long a 503 without Retry-After takes a server out",
			integer("MILLISECONDS", 0, 3600000, "Milliseconds (default 0)"), func(c *model.Config, _ config.Args) *int { return &c.SIP.Routing.RetryAfter }),
		retriesCommand(),
		opener,
		{
			Mode: serverGroupMode, Syntax: "element ip-address HOST PORT TRANSPORT [q-value Q] [weight WEIGHT]",
			No:    "element ip-address HOST PORT TRANSPORT [q-value Q] [weight WEIGHT]",
			Args:  append(slices.Clip(server), qArg, weightArg),
			Help:  "Add a server, or change its preference and share",
			Apply: putElement, Negate: removeElement, Check: checkElement, Render: renderElements,
		},
		{
			Mode: serverGroupMode, Syntax: "element ip-address HOST PORT TRANSPORT shutdown", No: "element ip-address HOST PORT TRANSPORT shutdown",
			Args:   server,
			Help:   "Send a server no new calls; its open ones go on",
			Apply:  func(c *model.Config, a config.Args) error { return shutElement(c, a, true) },
			Negate: func(c *model.Config, a config.Args) error { return shutElement(c, a, false) },
			Render: renderShutElements,
		},
		{
			Mode: serverGroupMode, Syntax: "failover-resp-codes CODES...", No: "failover-resp-codes [CODES...]",
			Args: []config.Argument{codesArg},
			Help: "Responses that lead to the next server (default 503)",
			Apply: func(c *model.Config, a config.Args) error {
				codes, err := a.Codes("CODES")
				if err == nil {
					serverGroups.in(c, a).FailoverCodes = codes
				}
				return err
			},
			Negate: func(c *model.Config, a config.Args) error { serverGroups.in(c, a).FailoverCodes = nil; return nil },
			Render: func(c *model.Config, in config.Args) []config.Args {
				codes := serverGroups.in(c, in).FailoverCodes
				return config.When(codes != nil, config.Args{"CODES": config.CodesValue(codes)})
			},
		},
		{
			Mode: serverGroupMode, Syntax: "lbtype BALANCE", No: "lbtype [BALANCE]",
			Args:   []config.Argument{{Name: "BALANCE", Type: balance, Help: "How (default global)"}},
			Help:   "Choose the server",
			Apply:  func(c *model.Config, a config.Args) error { serverGroups.in(c, a).Balance = balanceOf(a); return nil },
			Negate: func(c *model.Config, a config.Args) error { serverGroups.in(c, a).Balance = 0; return nil },
			Check:  checkBalance,
			Render: func(c *model.Config, in config.Args) []config.Args {
				return balanceLine(serverGroups.in(c, in).Balance)
			},
		},
	},
		switchOff(serverGroupMode, "ping", "Ping the servers", "Do not ping the servers",
			func(c *model.Config, a config.Args) *bool { return &serverGroups.in(c, a).NoPing }))
}

func balanceOf(a config.Args) model.Balance {
	return model.Balance(slices.Index(model.BalanceNames[:], a.Text("BALANCE")))
}

func balanceLine(b model.Balance) []config.Args {
	return config.When(b != model.BalanceGlobal, config.Args{"BALANCE": b.String()})
}

// checkBalance refuses a choice by weight where no server has any.
func checkBalance(c *model.Config, a config.Args) error {
	g := serverGroups.in(c, a)
	weighs := func(e model.ServerElement) bool { return e.Weight > 0 }
	if g.Balance == model.BalanceWeight && len(g.Elements) > 0 && !slices.ContainsFunc(g.Elements, weighs) {
		return config.BadArgument("BALANCE", "all servers of %s have weight 0", g.Name)
	}
	return nil
}

// retriesCommand declares after how many failures a server is down.
func retriesCommand() config.Command {
	field := func(c *model.Config, transport string) *int {
		r := &c.SIP.Routing.Retries
		return map[string]*int{"udp": &r.UDP, "tcp": &r.TCP, "tls": &r.TLS}[transport]
	}
	transport := transportArg("Of which transport", model.UDP, model.TCP, model.TLS)
	return config.Command{
		Mode: config.Global, Syntax: "server-group sip element-retries TRANSPORT COUNT", No: "server-group sip element-retries TRANSPORT [COUNT]",
		Args: []config.Argument{transport, integer("COUNT", 1, 65535, "Failures (default: udp 2, tcp and tls 1)")},
		Help: "After how many failures in a row a server is down",
		Apply: func(c *model.Config, a config.Args) error {
			*field(c, a.Text("TRANSPORT")) = a.Int("COUNT")
			return nil
		},
		Negate: func(c *model.Config, a config.Args) error { *field(c, a.Text("TRANSPORT")) = 0; return nil },
		Render: func(c *model.Config, _ config.Args) []config.Args {
			var lines []config.Args
			for _, t := range transport.Type.(config.Choice) {
				if count := *field(c, t); count != 0 {
					lines = append(lines, config.Args{"TRANSPORT": t, "COUNT": count})
				}
			}
			return lines
		},
	}
}

// serverOf is the server that a line names.
func serverOf(a config.Args) model.ServerElement {
	return model.ServerElement{Host: a.Text("HOST"), Port: a.Int("PORT"), Transport: transportOf(a)}
}

// findElement gives the index of the server with the same host, port and
// transport, or -1.
func findElement(g *model.ServerGroup, e model.ServerElement) int {
	return slices.IndexFunc(g.Elements, func(other model.ServerElement) bool {
		return other.Host == e.Host && other.Port == e.Port && other.Transport == e.Transport
	})
}

func putElement(c *model.Config, a config.Args) error {
	g, e := serverGroups.in(c, a), serverOf(a)
	e.Q, e.Weight = a.Int("Q"), a.Int("WEIGHT")
	if addr, err := netip.ParseAddr(e.Host); err == nil {
		if err := checkHost("HOST", addr); err != nil {
			return err
		}
	}
	if i := findElement(g, e); i >= 0 {
		e.Shutdown = g.Elements[i].Shutdown
		g.Elements[i] = e
		return nil
	}
	total := 0
	for _, g := range c.SIP.Routing.Groups {
		total += len(g.Elements)
	}
	if total >= elementsMax {
		return config.BadArgument("HOST", "there can be no more than %d elements in all server groups", elementsMax)
	}
	g.Elements = append(g.Elements, e)
	return nil
}

func removeElement(c *model.Config, a config.Args) error {
	g := serverGroups.in(c, a)
	i, err := knownElement(g, a)
	if err == nil {
		g.Elements = slices.Delete(g.Elements, i, i+1)
	}
	return err
}

func shutElement(c *model.Config, a config.Args, shut bool) error {
	g := serverGroups.in(c, a)
	i, err := knownElement(g, a)
	if err == nil {
		g.Elements[i].Shutdown = shut
	}
	return err
}

// knownElement gives the index of the server that a line names.
func knownElement(g *model.ServerGroup, a config.Args) (int, error) {
	i := findElement(g, serverOf(a))
	if i < 0 {
		return i, config.BadArgument("HOST", "server group %s has no such element", g.Name)
	}
	return i, nil
}

func checkElement(c *model.Config, a config.Args) error {
	return checkTarget(c, "NETWORK", serverGroups.in(c, a).Network, "HOST", transportOf(a), a.Text("HOST"), a.Int("PORT"))
}

// checkTarget refuses a server that cannot be reached by its network or is the
// box itself, as far as that is known without DNS.
func checkTarget(c *model.Config, networkArgument, network, hostArgument string, t model.Transport, host string, port int) error {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return knownNetwork(c, networkArgument, network)
	}
	if port == 0 {
		port = int(t.DefaultPort())
	}
	return reachable(c, networkArgument, network, hostArgument, t, netip.AddrPortFrom(addr, uint16(port)))
}

func renderElements(c *model.Config, in config.Args) []config.Args {
	var lines []config.Args
	for _, e := range serverGroups.in(c, in).Elements {
		lines = append(lines, config.Args{"HOST": e.Host, "PORT": e.Port, "TRANSPORT": e.Transport.String(), "Q": e.Q, "WEIGHT": e.Weight})
	}
	return lines
}

func renderShutElements(c *model.Config, in config.Args) []config.Args {
	var lines []config.Args
	for _, e := range serverGroups.in(c, in).Elements {
		if e.Shutdown {
			lines = append(lines, config.Args{"HOST": e.Host, "PORT": e.Port, "TRANSPORT": e.Transport.String()})
		}
	}
	return lines
}
