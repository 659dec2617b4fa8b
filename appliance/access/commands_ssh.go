package access

import (
	"causeway/appliance/config"
	"causeway/appliance/model"
)

// off is what switches say.
const off = "off"

// lans are the ports as commands name them.
var lans = config.Choice{"LAN1", "LAN2"}

func sshCommands() []config.Command {
	return []config.Command{
		{
			Mode: config.Global, Syntax: "ip ssh SWITCH",
			Args: []config.Argument{{Name: "SWITCH", Type: config.Choice{"on", off}, Help: "Whether SSH and SFTP are served"}},
			Help: "Serve SSH and SFTP once there is a user (default on)",
			Apply: func(c *model.Config, a config.Args) error {
				c.Access.SSH.Off = a.Text("SWITCH") == off
				return nil
			},
			Render: func(c *model.Config, _ config.Args) []config.Args {
				return config.When(c.Access.SSH.Off, config.Args{"SWITCH": off})
			},
		},
		sshLANs, sshPort,
	}
}

var sshLANs = config.Command{
	Mode: config.Global, Syntax: "ip ssh lan LAN...", No: "ip ssh lan",
	Args: []config.Argument{{Name: "LAN", Type: lans, Help: "A port"}},
	Help: "Ports that SSH answers on (default LAN1)",
	Apply: func(c *model.Config, a config.Args) error {
		c.Access.SSH.LANs = lansOf(a)
		return nil
	},
	Negate: func(c *model.Config, _ config.Args) error { c.Access.SSH.LANs = nil; return nil },
	Render: func(c *model.Config, _ config.Args) []config.Args { return renderLANs(c.Access.SSH.LANs) },
}

var sshPort = config.Command{
	Mode: config.Global, Syntax: "ip ssh port PORT", No: "ip ssh port [PORT]",
	Args: []config.Argument{{Name: "PORT", Type: config.Port, Help: "TCP port (default 22)"}},
	Help: "Port that SSH answers at",
	Apply: func(c *model.Config, a config.Args) error {
		c.Access.SSH.Port = a.Int("PORT")
		if c.Access.SSH.Port == model.DefaultSSHPort {
			c.Access.SSH.Port = 0
		}
		return nil
	},
	Negate: func(c *model.Config, _ config.Args) error { c.Access.SSH.Port = 0; return nil },
	Check:  checkPort,
	Render: func(c *model.Config, _ config.Args) []config.Args {
		return config.When(c.Access.SSH.Port != 0, config.Args{"PORT": c.Access.SSH.Port})
	},
}

// checkPort refuses a port that another service has.
func checkPort(c *model.Config, _ config.Args) error {
	port := c.Access.SSH.TCPPort()
	if service := c.TCPServiceAt(port, model.ServiceSSH); service != "" && !c.Access.SSH.Off {
		return config.BadArgument("PORT", "port %d: %s has it already", port, service)
	}
	return nil
}
