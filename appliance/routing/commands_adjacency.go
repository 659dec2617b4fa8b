package routing

import (
	"cmp"
	"net/netip"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

const adjacencyMode = "config-sbc-sbe-adj-sip"

// findAdjacency gives the index that the adjacency of that name has, or would
// have: they are kept by name.
func findAdjacency(c *model.Config, name string) (i int, found bool) {
	return slices.BinarySearchFunc(c.SBC.Adjacencies, name, func(a model.Adjacency, name string) int { return cmp.Compare(a.Name, name) })
}

// adjacencyOf is the adjacency in whose mode a line stands.
func adjacencyOf(c *model.Config, a config.Args) *model.Adjacency {
	i, _ := findAdjacency(c, a.Text("ADJACENCY"))
	return &c.SBC.Adjacencies[i]
}

// adjacencyCommands declares the neighbours that billing and call admission
// control know, in the words of CUBE.
func adjacencyCommands() []config.Command {
	return []config.Command{
		{
			Mode: "config-sbc-sbe", Syntax: "adjacency sip ADJACENCY", No: "adjacency sip ADJACENCY", Opens: adjacencyMode,
			Args:  []config.Argument{{Name: "ADJACENCY", Type: config.Name{}, Help: "Name of the adjacency"}},
			Help:  "Configure a neighbour as billing and call admission control know it",
			Apply: putAdjacency, Negate: removeAdjacency, Check: checkAdjacency,
			Render: func(c *model.Config, _ config.Args) []config.Args {
				var lines []config.Args
				for _, a := range c.SBC.Adjacencies {
					lines = append(lines, config.Args{"ADJACENCY": a.Name})
				}
				return lines
			},
		},
		adjacencyText("network", networkArg("NETWORK", "SIP network by which it is reached"), func(a *model.Adjacency) *string { return &a.Network },
			func(c *model.Config, a config.Args) error { return knownNetwork(c, "NETWORK", a.Text("NETWORK")) }),
		{
			Mode: adjacencyMode, Syntax: "remote-address ipv4 ADDRESS MASK", No: "remote-address ipv4 ADDRESS MASK",
			Args: []config.Argument{
				{Name: "ADDRESS", Type: config.IPv4{}, Help: "Address of the neighbour or its network"},
				{Name: "MASK", Type: config.Mask{}, Help: "Mask of the network, 255.255.255.255 for one address"},
			},
			Help:  "Add an address of the neighbour; without one it is the whole network",
			Apply: addRemote, Negate: removeRemote,
			Render: func(c *model.Config, in config.Args) []config.Args { return renderRemotes(c, in, true) },
		},
		{
			Mode: adjacencyMode, Syntax: "remote-address ipv6 PREFIX", No: "remote-address ipv6 PREFIX",
			Args:  []config.Argument{{Name: "PREFIX", Type: config.Prefix6{}, Help: "Address of the neighbour or its network"}},
			Help:  "Add an address of the neighbour; without one it is the whole network",
			Apply: addRemote, Negate: removeRemote,
			Render: func(c *model.Config, in config.Args) []config.Args { return renderRemotes(c, in, false) },
		},
		adjacencyText("transport", transportArg("Transport (default: any)", model.Transports[:]...), func(a *model.Adjacency) *string { return &a.Transport }, nil),
		adjacencyText("account", nameArg("ACCOUNT", "Name of the account"), func(a *model.Adjacency) *string { return &a.Account }, nil),
		adjacencyText("group", nameArg("GROUP", "Name of the adjacency group"), func(a *model.Adjacency) *string { return &a.Group }, nil),
		{
			Mode: adjacencyMode, Syntax: "attach", No: "attach", Help: "Without effect: an adjacency is in force with the commit",
			Apply: nothing, Negate: nothing,
		},
	}
}

// adjacencyText declares one word of an adjacency.
func adjacencyText(words string, arg config.Argument, field func(*model.Adjacency) *string, check func(*model.Config, config.Args) error) config.Command {
	return config.Command{
		Mode: adjacencyMode, Syntax: words + " " + arg.Name, No: words + " [" + arg.Name + "]",
		Args:   []config.Argument{arg},
		Help:   arg.Help,
		Apply:  func(c *model.Config, a config.Args) error { *field(adjacencyOf(c, a)) = a.Text(arg.Name); return nil },
		Negate: func(c *model.Config, a config.Args) error { *field(adjacencyOf(c, a)) = ""; return nil },
		Check:  check,
		Render: func(c *model.Config, in config.Args) []config.Args {
			return config.When(*field(adjacencyOf(c, in)) != "", config.Args{arg.Name: *field(adjacencyOf(c, in))})
		},
	}
}

func putAdjacency(c *model.Config, a config.Args) error {
	i, found := findAdjacency(c, a.Text("ADJACENCY"))
	switch {
	case found:
		return nil
	case len(c.SBC.Adjacencies) == adjacenciesMax:
		return config.BadArgument("ADJACENCY", "there can be no more than %d adjacencies", adjacenciesMax)
	}
	c.SBC.Adjacencies = slices.Insert(c.SBC.Adjacencies, i, model.Adjacency{Name: a.Text("ADJACENCY")})
	return nil
}

func removeAdjacency(c *model.Config, a config.Args) error {
	i, found := findAdjacency(c, a.Text("ADJACENCY"))
	if !found {
		return config.BadArgument("ADJACENCY", "there is no adjacency %s", a.Text("ADJACENCY"))
	}
	c.SBC.Adjacencies = slices.Delete(c.SBC.Adjacencies, i, i+1)
	return nil
}

// checkAdjacency refuses an adjacency without a network, and one that could be
// taken for another: a packet has one neighbour.
func checkAdjacency(c *model.Config, a config.Args) error {
	this := adjacencyOf(c, a)
	if this.Network == "" {
		return config.BadArgument("ADJACENCY", "adjacency %s has no network", this.Name)
	}
	for _, other := range c.SBC.Adjacencies {
		if other.Name == this.Name || other.Network != this.Network || other.Transport != this.Transport {
			continue
		}
		if len(this.Addresses) == 0 && len(other.Addresses) == 0 {
			return config.BadArgument("ADJACENCY", "adjacency %s is all of network %s already", other.Name, other.Network)
		}
		for _, prefix := range this.Addresses {
			if slices.Contains(other.Addresses, prefix) {
				return config.BadArgument("ADJACENCY", "adjacency %s has the address %v already", other.Name, prefix)
			}
		}
	}
	return nil
}

// remoteOf is the address or network of a line, in either family.
func remoteOf(a config.Args) (netip.Prefix, error) {
	argument, prefix := "PREFIX", netip.Prefix{}
	if a.Has("MASK") {
		argument, prefix = "ADDRESS", a.Prefix("ADDRESS", "MASK")
	} else {
		prefix = a.Prefix6("PREFIX")
	}
	if prefix != prefix.Masked() {
		return prefix, config.BadArgument(argument, "%v has bits of a host; the network is %v", prefix.Addr(), prefix.Masked())
	}
	return prefix, nil
}

// addRemote keeps addresses in rising order, IPv4 first.
func addRemote(c *model.Config, a config.Args) error {
	prefix, err := remoteOf(a)
	if err != nil {
		return err
	}
	n := adjacencyOf(c, a)
	i, found := slices.BinarySearchFunc(n.Addresses, prefix, netip.Prefix.Compare)
	switch {
	case found:
		return nil
	case len(n.Addresses) == remotesMax:
		return config.BadArgument("ADDRESS", "an adjacency can have no more than %d addresses", remotesMax)
	}
	n.Addresses = slices.Insert(n.Addresses, i, prefix)
	return nil
}

func removeRemote(c *model.Config, a config.Args) error {
	prefix, err := remoteOf(a)
	if err != nil {
		return err
	}
	n := adjacencyOf(c, a)
	i, found := slices.BinarySearchFunc(n.Addresses, prefix, netip.Prefix.Compare)
	if !found {
		return config.BadArgument("ADDRESS", "adjacency %s does not have the address %v", n.Name, prefix)
	}
	n.Addresses = slices.Delete(n.Addresses, i, i+1)
	return nil
}

func renderRemotes(c *model.Config, in config.Args, v4 bool) []config.Args {
	var lines []config.Args
	for _, prefix := range adjacencyOf(c, in).Addresses {
		switch {
		case prefix.Addr().Is4() != v4:
		case v4:
			lines = append(lines, config.Args{"ADDRESS": prefix.Addr(), "MASK": prefix.Bits()})
		default:
			lines = append(lines, config.Args{"PREFIX": prefix})
		}
	}
	return lines
}
