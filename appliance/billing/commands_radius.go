package billing

import (
	"fmt"
	"net/netip"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The bounds of what can be configured.
const (
	radiusClientsMax = 8  // one for each instance of a method
	serversMax       = 16 // of one client
)

// radiusName is the name of a RADIUS client or server.
var radiusName = config.Name{Max: 80}

// radiusCommands declares where RADIUS requests come from, and the clients with
// their servers.
func radiusCommands() []config.Command {
	return slices.Concat([]config.Command{aaaAddress, radiusClients}, clientCommands(), serverCommands())
}

var aaaAddress = config.Command{
	Mode: inSBE, Syntax: "control address aaa ipv4 ADDRESS [vrf VRF]", No: "control address aaa [ipv4 ADDRESS] [vrf VRF]",
	Args: []config.Argument{
		{Name: "ADDRESS", Type: config.IPv4{}, Help: "Own address that RADIUS requests come from (default: as the way there has it)"},
		{Name: "VRF", Type: config.Choice{"default"}, Help: "There is one"},
	},
	Help: "Choose the own address that RADIUS requests come from",
	Apply: func(c *model.Config, a config.Args) error {
		if addr := a.Addr("ADDRESS"); addr.IsUnspecified() || addr.IsMulticast() {
			return config.BadArgument("ADDRESS", "%v is not the address of a host", addr)
		}
		c.SBC.AAAAddress = a.Addr("ADDRESS")
		return nil
	},
	Negate: func(c *model.Config, _ config.Args) error { c.SBC.AAAAddress = netip.Addr{}; return nil },
	Render: func(c *model.Config, _ config.Args) []config.Args {
		return config.When(c.SBC.AAAAddress.IsValid(), config.Args{"ADDRESS": c.SBC.AAAAddress})
	},
}

var radiusClients = config.Command{
	Mode: inSBE, Syntax: "radius accounting CLIENT", No: "radius accounting CLIENT", Opens: inClient,
	Args: []config.Argument{{Name: "CLIENT", Type: radiusName, Help: "Name of the RADIUS client"}},
	Help: "Configure a client of RADIUS accounting servers", Apply: addClient, Negate: removeClient,
	Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
		for _, client := range c.SBC.RADIUSClients {
			lines = append(lines, config.Args{"CLIENT": client.Name})
		}
		return lines
	},
}

func clientCommands() []config.Command {
	active := toggle(inClient, "activate", "Put the RADIUS client into service",
		func(c *model.Config, a config.Args) *bool { return &clientOf(c, a).Active })
	active.Check = func(c *model.Config, a config.Args) error {
		if client := clientOf(c, a); len(client.Servers) == 0 {
			return fmt.Errorf("RADIUS client %s has no server", client.Name)
		}
		return nil
	}
	return []config.Command{
		setting(inClient, "concurrent-requests", number("REQUESTS", 1, 4000, "Requests that wait for an answer at the same time (default 250)"),
			func(c *model.Config, a config.Args) *int { return &clientOf(c, a).Concurrent }),
		setting(inClient, "retry-interval", number("MS", 10, 10_000, "Milliseconds between two tries (default 1200)"),
			func(c *model.Config, a config.Args) *int { return &clientOf(c, a).Interval }),
		retryLimit,
		{
			Mode: inClient, Syntax: "server SERVER", No: "server SERVER", Opens: inServer,
			Args: []config.Argument{{Name: "SERVER", Type: radiusName, Help: "Name of the RADIUS server"}},
			Help: "Configure a server of this client", Apply: addServer, Negate: removeServer, Check: checkServer,
			Render: func(c *model.Config, in config.Args) (lines []config.Args) {
				for _, server := range clientOf(c, in).Servers {
					lines = append(lines, config.Args{"SERVER": server.Name})
				}
				return lines
			},
		},
		active,
	}
}

// retryLimit counts the tries after the first one.
var retryLimit = config.Command{
	Mode: inClient, Syntax: "retry-limit TRIES", No: "retry-limit [TRIES]",
	Args:   []config.Argument{number("TRIES", 0, 9, "Further tries before the next server is asked (default 5)")},
	Help:   "How often a request is sent again before the next server is asked",
	Apply:  func(c *model.Config, a config.Args) error { clientOf(c, a).Tries = a.Int("TRIES") + 1; return nil },
	Negate: func(c *model.Config, a config.Args) error { clientOf(c, a).Tries = 0; return nil },
	Render: func(c *model.Config, in config.Args) []config.Args {
		tries := clientOf(c, in).Tries
		return config.When(tries > 0, config.Args{"TRIES": tries - 1})
	},
}

func serverCommands() []config.Command {
	at := func(c *model.Config, a config.Args) *netip.Addr { return &serverOf(c, a).Address }
	v6 := address(inServer, "address ipv6", "Address of the server", ipv6{}, at)
	v6.Check = func(c *model.Config, _ config.Args) error {
		if c.SBC.AAAAddress.IsValid() {
			return config.BadArgument("ADDRESS", "control address aaa has requests come from %v, which cannot reach an IPv6 address", c.SBC.AAAAddress)
		}
		return nil
	}
	return []config.Command{
		address(inServer, "address ipv4", "Address of the server", config.IPv4{}, at),
		v6,
		setting(inServer, "priority", number("PRIORITY", 1, 10, "1 is asked first (default 1); of equals in the order of their definition"),
			func(c *model.Config, a config.Args) *int { return &serverOf(c, a).Priority }),
		setting(inServer, "key", config.Argument{Name: "KEY", Type: config.Secret{Reader: "billing"}, Help: "Secret that it shares with the server (default: PacketCable's, sixteen times 0)"},
			func(c *model.Config, a config.Args) *string { return &serverOf(c, a).Key }),
		setting(inServer, "port", config.Argument{Name: "PORT", Type: config.Port, Help: "Port of the server (default 1813, with TLS 2083)"},
			func(c *model.Config, a config.Args) *int { return &serverOf(c, a).Port }),
		either(inServer, "transport", "How requests are sent (default udp)", config.Choice{"udp", "tls"},
			func(c *model.Config, a config.Args) *bool { return &serverOf(c, a).TLS }),
	}
}

func clientIndex(c *model.Config, name string) int {
	return slices.IndexFunc(c.SBC.RADIUSClients, func(r model.RADIUSClient) bool { return r.Name == name })
}

// clientOf is the client in whose mode a line stands.
func clientOf(c *model.Config, a config.Args) *model.RADIUSClient {
	return &c.SBC.RADIUSClients[clientIndex(c, a.Text("CLIENT"))]
}

func addClient(c *model.Config, a config.Args) error {
	name := a.Text("CLIENT")
	switch {
	case clientIndex(c, name) >= 0:
		return nil
	case len(c.SBC.RADIUSClients) == radiusClientsMax:
		return config.BadArgument("CLIENT", "there can be no more than %d RADIUS clients", radiusClientsMax)
	}
	c.SBC.RADIUSClients = append(c.SBC.RADIUSClients, model.RADIUSClient{Name: name})
	return nil
}

// removeClient refuses to delete a client that an instance sends with (seed 003).
func removeClient(c *model.Config, a config.Args) error {
	name := a.Text("CLIENT")
	i := clientIndex(c, name)
	if i < 0 {
		return config.BadArgument("CLIENT", "there is no RADIUS client %s", name)
	}
	for _, m := range c.SBC.Billing.PacketCable {
		if m.Client == name {
			return config.BadArgument("CLIENT", "RADIUS client %s serves packetcable-em %d", name, m.Index)
		}
	}
	c.SBC.RADIUSClients = slices.Delete(c.SBC.RADIUSClients, i, i+1)
	return nil
}

func serverIndex(all []model.RADIUSServer, name string) int {
	return slices.IndexFunc(all, func(s model.RADIUSServer) bool { return s.Name == name })
}

// serverOf is the server in whose mode a line stands.
func serverOf(c *model.Config, a config.Args) *model.RADIUSServer {
	all := clientOf(c, a).Servers
	return &all[serverIndex(all, a.Text("SERVER"))]
}

func addServer(c *model.Config, a config.Args) error {
	all, name := &clientOf(c, a).Servers, a.Text("SERVER")
	switch {
	case serverIndex(*all, name) >= 0:
		return nil
	case len(*all) == serversMax:
		return config.BadArgument("SERVER", "a RADIUS client can have no more than %d servers", serversMax)
	}
	*all = append(*all, model.RADIUSServer{Name: name})
	return nil
}

func removeServer(c *model.Config, a config.Args) error {
	all := &clientOf(c, a).Servers
	i := serverIndex(*all, a.Text("SERVER"))
	if i < 0 {
		return config.BadArgument("SERVER", "there is no server %s", a.Text("SERVER"))
	}
	*all = slices.Delete(*all, i, i+1)
	return nil
}

// checkServer holds that the servers of a client in service can be reached.
func checkServer(c *model.Config, a config.Args) error {
	server := serverOf(c, a)
	switch {
	case !clientOf(c, a).Active:
		return nil
	case !server.Address.IsValid():
		return config.BadArgument("SERVER", "server %s has no address", server.Name)
	}
	return nil
}
