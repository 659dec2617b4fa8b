package billing

import (
	"cmp"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The bounds of what can be configured.
const (
	radiusClientsMax = 8  // one for each instance of a method
	serversMax       = 16 // of one client
	indexMax         = 7  // of an instance (spec: IDX 0–7)
)

// radiusName is the name of a RADIUS client or server.
var radiusName = config.Name{Max: 80}

// Commands declares the modes of billing and of the RADIUS clients that it
// sends with.
func Commands() []config.Command {
	client := config.Argument{Name: "CLIENT", Type: radiusName, Help: "Name of the RADIUS client"}
	server := config.Argument{Name: "SERVER", Type: radiusName, Help: "Name of the RADIUS server"}
	index := config.Argument{Name: "INDEX", Type: config.Integer{Min: 0, Max: indexMax}, Help: "Number of the instance"}
	return []config.Command{
		{
			Mode: "config-sbc-sbe", Syntax: "radius accounting CLIENT", No: "radius accounting CLIENT", Opens: "config-sbc-sbe-acc",
			Args: []config.Argument{client},
			Help: "Configure a client of RADIUS accounting servers", Apply: addClient, Negate: removeClient, Render: renderClients,
		},
		{
			Mode: "config-sbc-sbe-acc", Syntax: "server SERVER", No: "server SERVER", Opens: "config-sbc-sbe-acc-ser",
			Args: []config.Argument{server},
			Help: "Configure a server of this client", Apply: addServer, Negate: removeServer, Render: renderServers,
		},
		{
			Mode: "config-sbc-sbe", Syntax: "billing", No: "billing", Opens: "config-sbc-sbe-billing",
			Help:   "Configure billing",
			Apply:  func(c *model.Config, _ config.Args) error { c.SBC.Billing.Configured = true; return nil },
			Negate: func(c *model.Config, _ config.Args) error { c.SBC.Billing = model.Billing{}; return nil },
			Render: func(c *model.Config, _ config.Args) []config.Args {
				if !c.SBC.Billing.Configured {
					return nil
				}
				return []config.Args{{}}
			},
		},
		{
			Mode: "config-sbc-sbe-billing", Syntax: "packetcable-em INDEX transport radius CLIENT",
			No: "packetcable-em INDEX [transport radius CLIENT]", Opens: "config-sbc-sbe-billing-packetcable-em",
			Args: []config.Argument{index, {Name: "CLIENT", Type: radiusName, Help: "RADIUS client that sends the event messages"}},
			Help: "Configure an instance of billing by event messages", Apply: setPacketCable, Negate: removePacketCable,
			Check: checkPacketCable, Render: renderPacketCable,
		},
		{
			Mode: "config-sbc-sbe-billing", Syntax: "xml INDEX", No: "xml INDEX", Opens: "config-sbc-sbe-billing-xml",
			Args: []config.Argument{index},
			Help: "Configure the instance of billing by XML files", Apply: addXML, Negate: removeXML, Render: renderXML,
		},
		toggle("config-sbc-sbe-acc", "activate", "Put the RADIUS client into service",
			func(c *model.Config, a config.Args) *bool {
				return &c.SBC.RADIUSClients[clientIndex(c, a.Text("CLIENT"))].Active
			}),
		toggle("config-sbc-sbe-billing", "method packetcable-em", "Bill by PacketCable event messages",
			func(c *model.Config, _ config.Args) *bool { return &c.SBC.Billing.MethodPacketCable }),
		toggle("config-sbc-sbe-billing", "method xml", "Bill by XML files",
			func(c *model.Config, _ config.Args) *bool { return &c.SBC.Billing.MethodXML }),
		toggle("config-sbc-sbe-billing", "activate", "Put the Billing Manager into service",
			func(c *model.Config, _ config.Args) *bool { return &c.SBC.Billing.Active }),
		toggle("config-sbc-sbe-billing-packetcable-em", "attach", "Put the instance into service",
			func(c *model.Config, a config.Args) *bool {
				i, _ := findPacketCable(c, a)
				return &c.SBC.Billing.PacketCable[i].Attached
			}),
		toggle("config-sbc-sbe-billing-xml", "attach", "Put the instance into service",
			func(c *model.Config, _ config.Args) *bool { return &c.SBC.Billing.XML[0].Attached }),
	}
}

// toggle declares a line without arguments that is there or not.
func toggle(mode config.Mode, words, help string, of func(*model.Config, config.Args) *bool) config.Command {
	return config.Command{
		Mode: mode, Syntax: words, No: words, Help: help,
		Apply:  func(c *model.Config, a config.Args) error { *of(c, a) = true; return nil },
		Negate: func(c *model.Config, a config.Args) error { *of(c, a) = false; return nil },
		Render: func(c *model.Config, in config.Args) []config.Args {
			if !*of(c, in) {
				return nil
			}
			return []config.Args{{}}
		},
	}
}

func clientIndex(c *model.Config, name string) int {
	return slices.IndexFunc(c.SBC.RADIUSClients, func(r model.RADIUSClient) bool { return r.Name == name })
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

func removeClient(c *model.Config, a config.Args) error {
	i := clientIndex(c, a.Text("CLIENT"))
	if i < 0 {
		return config.BadArgument("CLIENT", "there is no RADIUS client %s", a.Text("CLIENT"))
	}
	c.SBC.RADIUSClients = slices.Delete(c.SBC.RADIUSClients, i, i+1)
	return nil
}

func renderClients(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for _, client := range c.SBC.RADIUSClients {
		lines = append(lines, config.Args{"CLIENT": client.Name})
	}
	return lines
}

// servers are those of the client whose mode the line stands in.
func servers(c *model.Config, a config.Args) *[]model.RADIUSServer {
	return &c.SBC.RADIUSClients[clientIndex(c, a.Text("CLIENT"))].Servers
}

func serverIndex(all []model.RADIUSServer, name string) int {
	return slices.IndexFunc(all, func(s model.RADIUSServer) bool { return s.Name == name })
}

func addServer(c *model.Config, a config.Args) error {
	all, name := servers(c, a), a.Text("SERVER")
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
	all := servers(c, a)
	i := serverIndex(*all, a.Text("SERVER"))
	if i < 0 {
		return config.BadArgument("SERVER", "there is no server %s", a.Text("SERVER"))
	}
	*all = slices.Delete(*all, i, i+1)
	return nil
}

func renderServers(c *model.Config, in config.Args) []config.Args {
	var lines []config.Args
	for _, server := range *servers(c, in) {
		lines = append(lines, config.Args{"SERVER": server.Name})
	}
	return lines
}

func findPacketCable(c *model.Config, a config.Args) (int, bool) {
	return slices.BinarySearchFunc(c.SBC.Billing.PacketCable, a.Int("INDEX"),
		func(m model.PacketCableMethod, index int) int { return cmp.Compare(m.Index, index) })
}

func setPacketCable(c *model.Config, a config.Args) error {
	i, found := findPacketCable(c, a)
	if !found {
		c.SBC.Billing.PacketCable = slices.Insert(c.SBC.Billing.PacketCable, i, model.PacketCableMethod{Index: a.Int("INDEX")})
	}
	c.SBC.Billing.PacketCable[i].Client = a.Text("CLIENT")
	return nil
}

func removePacketCable(c *model.Config, a config.Args) error {
	i, found := findPacketCable(c, a)
	if !found {
		return config.BadArgument("INDEX", "there is no packetcable-em instance %d", a.Int("INDEX"))
	}
	c.SBC.Billing.PacketCable = slices.Delete(c.SBC.Billing.PacketCable, i, i+1)
	return nil
}

// checkPacketCable holds that a RADIUS client exists before it is used, and
// that it serves one instance only.
func checkPacketCable(c *model.Config, a config.Args) error {
	name := a.Text("CLIENT")
	if clientIndex(c, name) < 0 {
		return config.BadArgument("CLIENT", "there is no RADIUS client %s; define it with radius accounting %s", name, name)
	}
	for _, m := range c.SBC.Billing.PacketCable {
		if m.Client == name && m.Index != a.Int("INDEX") {
			return config.BadArgument("CLIENT", "RADIUS client %s serves instance %d already", name, m.Index)
		}
	}
	return nil
}

func renderPacketCable(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for _, m := range c.SBC.Billing.PacketCable {
		lines = append(lines, config.Args{"INDEX": m.Index, "CLIENT": m.Client})
	}
	return lines
}

func addXML(c *model.Config, a config.Args) error {
	index := a.Int("INDEX")
	if others := c.SBC.Billing.XML; len(others) > 0 {
		if others[0].Index != index {
			return config.BadArgument("INDEX", "there is the xml instance %d already; there can be one", others[0].Index)
		}
		return nil
	}
	c.SBC.Billing.XML = []model.XMLMethod{{Index: index}}
	return nil
}

func removeXML(c *model.Config, a config.Args) error {
	if xml := c.SBC.Billing.XML; len(xml) == 0 || xml[0].Index != a.Int("INDEX") {
		return config.BadArgument("INDEX", "there is no xml instance %d", a.Int("INDEX"))
	}
	c.SBC.Billing.XML = nil
	return nil
}

func renderXML(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for _, xml := range c.SBC.Billing.XML {
		lines = append(lines, config.Args{"INDEX": xml.Index})
	}
	return lines
}
