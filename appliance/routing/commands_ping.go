package routing

import (
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// pingMode is the mode of the ping options of a network.
const pingMode = "config-ping"

// pingOptions are the ping options of the network in whose mode a line stands.
func pingOptions(c *model.Config, a config.Args) *model.PingOptions {
	all := c.SIP.Routing.PingOptions
	for i := range all {
		if all[i].Network == a.Text("NETWORK") {
			return &all[i]
		}
	}
	return nil
}

// pingCommands declares how servers are pinged.
func pingCommands() []config.Command {
	interval := func(name, help string) config.Argument { return integer(name, 100, 3600000, help) }
	up, down := interval("UP", "Milliseconds between pings of a server that is up"), interval("DOWN", "Milliseconds between pings of one that is down")
	pingType := func(kind model.PingType, help string, args ...config.Argument) config.Command {
		command := config.Command{
			Mode: pingMode, Syntax: "ping-type " + model.PingTypeNames[kind], Args: args, Help: help,
			Apply: func(c *model.Config, a config.Args) error {
				p := pingOptions(c, a)
				p.Type, p.Up, p.Down = kind, 0, 0
				for _, arg := range args {
					*intervalOf(p, arg.Name) = a.Int(arg.Name)
				}
				return nil
			},
			Render: func(c *model.Config, in config.Args) []config.Args {
				p, line := pingOptions(c, in), config.Args{}
				if p.Type != kind || p.Up == 0 && p.Down == 0 {
					return nil
				}
				for _, arg := range args {
					line[arg.Name] = *intervalOf(p, arg.Name)
				}
				return []config.Args{line}
			},
		}
		for _, arg := range args {
			command.Syntax += " " + arg.Name
		}
		return command
	}
	adaptive := pingType(model.PingAdaptive, "Ping servers that are up and servers that are down (default, 5000 10000)", up, down)
	adaptive.No = "ping-type [PING-TYPE [UP [DOWN]]]"
	adaptive.Args = append(adaptive.Args, config.Argument{Name: "PING-TYPE", Type: config.Choice(model.PingTypeNames[:]), Help: "Which one"})
	adaptive.Negate = func(c *model.Config, a config.Args) error {
		p := pingOptions(c, a)
		p.Type, p.Up, p.Down = model.PingAdaptive, 0, 0
		return nil
	}
	return []config.Command{
		switchOn(config.Global, "server-group sip global-ping", "Ping the servers of all groups but those with no ping",
			func(c *model.Config, _ config.Args) *bool { return &c.SIP.Routing.GlobalPing }),
		{
			Mode: config.Global, Syntax: "server-group sip ping-options NETWORK ADDRESS PORT", No: "server-group sip ping-options NETWORK [ADDRESS PORT]",
			Opens: pingMode, Ends: "end ping",
			Args: []config.Argument{
				networkArg("NETWORK", "SIP network of the servers"),
				{Name: "ADDRESS", Type: config.Address{}, Help: "Own address that pings come from"},
				{Name: "PORT", Type: config.Port, Help: "Own port that pings come from; not that of a listen point"},
			},
			Help:  "Configure how servers are pinged",
			Apply: putPingOptions, Negate: removePingOptions, Check: checkPingOptions, Render: renderPingOptions,
		},
		{
			Mode: pingMode, Syntax: "method METHOD", No: "method",
			Args:   []config.Argument{{Name: "METHOD", Type: config.Choice{"OPTIONS"}, Help: "The only one"}},
			Help:   "Ping with OPTIONS",
			Apply:  nothing,
			Negate: nothing,
		},
		adaptive,
		pingType(model.PingProactive, "Ping servers that are up", up),
		pingType(model.PingReactive, "Ping servers that are down", down),
		number(pingMode, "timeout", "How long an answer is waited for", integer("MILLISECONDS", 100, 60000, "Milliseconds (default 500)"),
			func(c *model.Config, a config.Args) *int { return &pingOptions(c, a).Timeout }),
	}
}

func intervalOf(p *model.PingOptions, argument string) *int {
	if argument == "UP" {
		return &p.Up
	}
	return &p.Down
}

func putPingOptions(c *model.Config, a config.Args) error {
	if err := checkHost("ADDRESS", a.Addr("ADDRESS")); err != nil {
		return err
	}
	p := pingOptions(c, a)
	if p == nil {
		all := &c.SIP.Routing.PingOptions
		if len(*all) == networksMax {
			return config.BadArgument("NETWORK", "there can be ping options of no more than %d networks", networksMax)
		}
		*all = append(*all, model.PingOptions{Network: a.Text("NETWORK")})
		p = &(*all)[len(*all)-1]
	}
	p.Local = a.AddrPort("ADDRESS", "PORT")
	return nil
}

func removePingOptions(c *model.Config, a config.Args) error {
	if pingOptions(c, a) == nil {
		return config.BadArgument("NETWORK", "network %s has no ping options", a.Text("NETWORK"))
	}
	c.SIP.Routing.PingOptions = slices.DeleteFunc(c.SIP.Routing.PingOptions, func(p model.PingOptions) bool {
		return p.Network == a.Text("NETWORK")
	})
	return nil
}

// checkPingOptions refuses a socket that is taken.
func checkPingOptions(c *model.Config, a config.Args) error {
	local := a.AddrPort("ADDRESS", "PORT")
	if err := knownNetwork(c, "NETWORK", a.Text("NETWORK")); err != nil {
		return err
	}
	for _, n := range c.SIP.Networks {
		if slices.ContainsFunc(n.Listens, func(l model.SIPListen) bool { return l.Address == local }) {
			return config.BadArgument("PORT", "network %s listens on %v; pings come from a port of their own", n.Name, local)
		}
	}
	for _, p := range c.SIP.Routing.PingOptions {
		if p.Local == local && p.Network != a.Text("NETWORK") {
			return config.BadArgument("PORT", "the pings of network %s come from %v already", p.Network, local)
		}
	}
	return nil
}

func renderPingOptions(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for _, p := range c.SIP.Routing.PingOptions {
		lines = append(lines, config.Args{"NETWORK": p.Network, "ADDRESS": p.Local.Addr(), "PORT": int(p.Local.Port())})
	}
	return lines
}
