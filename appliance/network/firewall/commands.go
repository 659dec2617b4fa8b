package firewall

import (
	"causeway/appliance/config"
	"causeway/appliance/model"
)

// Commands declares the commands of this subject.
func Commands() []config.Command {
	return []config.Command{
		{
			Mode: config.Global, Syntax: "firewall SWITCH",
			Args: []config.Argument{{Name: "SWITCH", Type: onOff, Help: "off lets in everything; NAT stays"}},
			Help: "Close the ports to all but what is switched on (default on)",
			Apply: func(c *model.Config, a config.Args) error {
				c.FirewallOff = a.Text("SWITCH") == off
				return nil
			},
			Render: func(c *model.Config, _ config.Args) []config.Args { return renderOff(c.FirewallOff) },
		},
		{
			Mode: "config-lan", Syntax: "ping SWITCH",
			Args: []config.Argument{{Name: "SWITCH", Type: onOff, Help: "Whether echo requests are answered"}},
			Help: "Answer pings on this port (default on)",
			Apply: func(c *model.Config, a config.Args) error {
				c.LAN(a.Port("LAN")).NoPing = a.Text("SWITCH") == off
				return nil
			},
			Render: func(c *model.Config, in config.Args) []config.Args { return renderOff(c.LAN(in.Port("LAN")).NoPing) },
		},
	}
}

const off = "off"

var onOff = config.Choice{"on", off}

// renderOff is the line of a switch whose default is on.
func renderOff(isOff bool) []config.Args {
	return config.When(isOff, config.Args{"SWITCH": off})
}
