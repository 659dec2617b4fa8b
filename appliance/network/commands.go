package network

import (
	"causeway/appliance/config"
	"causeway/appliance/model"
)

// configLAN is the mode in which a port is configured.
const configLAN config.Mode = "config-lan"

// Commands declares the commands of this subject.
func Commands() []config.Command {
	commands := []config.Command{
		{
			Mode: config.Global, Syntax: "hostname NAME", No: "hostname [NAME]",
			Args: []config.Argument{{Name: "NAME", Type: config.Label{}, Help: "Name of this appliance"}},
			Help: "Name the appliance",
			Apply: func(c *model.Config, a config.Args) error {
				c.HostName = a.Text("NAME")
				return nil
			},
			Negate: func(c *model.Config, a config.Args) error {
				c.HostName = ""
				return nil
			},
			Render: func(c *model.Config, _ config.Args) []config.Args {
				return config.When(c.HostName != "", config.Args{"NAME": c.HostName})
			},
		},
		{
			Mode: config.Global, Syntax: "lan LAN", No: "lan LAN", Opens: configLAN,
			Args:   []config.Argument{portArgument},
			Help:   "Configure a LAN port, or a VLAN on it",
			Apply:  addLAN,
			Negate: removeLAN,
			Check:  checkLAN,
			Render: renderLANs,
		},
	}
	for _, s := range portSettings {
		commands = append(commands, s.command())
	}
	return append(commands, routeCommands()...)
}

// portArgument names a port.
var portArgument = config.Argument{Name: "LAN", Type: config.LAN{}, Help: "Port of the appliance, or a VLAN on it as in LAN1.100"}
