package routing

import (
	"causeway/appliance/config"
	"causeway/appliance/model"
)

// destinationWords are one kind of destination as lines of route tables and
// route groups have it.
type destinationWords struct {
	kind  model.DestinationKind
	words string
	help  string
	args  []config.Argument
	read  func(config.Args) model.Destination // but Kind
	line  func(model.Destination) config.Args
	check func(*model.Config, model.Destination) error // that what it names is there
}

// destinations are all kinds, by kind.
var destinations = [...]destinationWords{
	{
		kind: model.ToTarget, words: "target-destination TARGET NETWORK [TRANSPORT]", help: "to a server group or a host",
		args: []config.Argument{
			{Name: "TARGET", Type: config.HostPort{}, Help: "Server group, or host with or without a port"}, leavesBy,
			transportArg("Transport (default: as DNS says, or udp)", model.UDP, model.TCP, model.TLS),
		},
		read: func(a config.Args) model.Destination {
			target := a.HostPort("TARGET")
			return model.Destination{Host: target.Host, Port: target.Port, Transport: a.Text("TRANSPORT"), Network: a.Text("NETWORK")}
		},
		line: func(d model.Destination) config.Args {
			line := config.Args{"TARGET": config.HostAndPort{Host: d.Host, Port: d.Port}, "NETWORK": d.Network}
			if d.Transport != "" {
				line["TRANSPORT"] = d.Transport
			}
			return line
		},
		check: checkTargetDestination,
	},
	{
		kind: model.ToGroup, words: "group GROUP", help: "to a route group",
		args:  []config.Argument{nameArg("GROUP", "Name of a route group")},
		read:  func(a config.Args) model.Destination { return model.Destination{Name: a.Text("GROUP")} },
		line:  func(d model.Destination) config.Args { return config.Args{"GROUP": d.Name} },
		check: func(c *model.Config, d model.Destination) error { return routeGroups.known(c, "GROUP", d.Name) },
	},
	{
		kind: model.ToResponse, words: "response CODE", help: "to a response: the request is refused",
		args:  []config.Argument{integer("CODE", 300, 699, "Status code")},
		read:  func(a config.Args) model.Destination { return model.Destination{Status: a.Int("CODE")} },
		line:  func(d model.Destination) config.Args { return config.Args{"CODE": d.Status} },
		check: func(*model.Config, model.Destination) error { return nil },
	},
	{
		kind: model.ToPolicy, words: "policy POLICY", help: "to a lookup policy, which decides",
		args:  []config.Argument{nameArg("POLICY", "Name of a lookup policy")},
		read:  func(a config.Args) model.Destination { return model.Destination{Name: a.Text("POLICY")} },
		line:  func(d model.Destination) config.Args { return config.Args{"POLICY": d.Name} },
		check: func(c *model.Config, d model.Destination) error { return lookupPolicies.known(c, "POLICY", d.Name) },
	},
	{
		kind: model.ToRequestURI, words: "default-sip NETWORK", help: "to where the Request-URI says (RFC 3263)",
		args:  []config.Argument{leavesBy},
		read:  func(a config.Args) model.Destination { return model.Destination{Network: a.Text("NETWORK")} },
		line:  func(d model.Destination) config.Args { return config.Args{"NETWORK": d.Network} },
		check: func(c *model.Config, d model.Destination) error { return knownNetwork(c, "NETWORK", d.Network) },
	},
}

// leavesBy names the network of a destination.
var leavesBy = networkArg("NETWORK", "SIP network that requests leave by")

// destination is where a line leads.
func (w destinationWords) destination(a config.Args) model.Destination {
	d := w.read(a)
	d.Kind = w.kind
	return d
}

// checkTargetDestination refuses a server group of another network and a host
// that cannot be one or cannot be reached.
func checkTargetDestination(c *model.Config, d model.Destination) error {
	if g := serverGroups.find(c, d.Host); g != nil && d.Port == 0 {
		if g.Network != d.Network {
			return config.BadArgument("NETWORK", "server group %s is in network %s", g.Name, g.Network)
		}
		return nil
	}
	if _, err := (config.Host{}).Parse(d.Host); err != nil {
		return config.BadArgument("TARGET", "there is no server group %s, and a host cannot have that name", d.Host)
	}
	t, _ := model.ParseTransport(d.Transport) // none: UDP
	return checkTarget(c, "NETWORK", d.Network, "TARGET", t, d.Host, d.Port)
}
