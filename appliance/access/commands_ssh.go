package access

import (
	"slices"

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
		sshLANs, sshPort(),
	}
}

var sshLANs = lanCommand("ip ssh lan", "Ports that SSH answers on (default LAN1)", func(c *model.Config) *[]int { return &c.Access.SSH.LANs })

// lanCommand declares the line that says which ports of the box a service is on.
func lanCommand(words, help string, of func(*model.Config) *[]int) config.Command {
	return config.Command{
		Mode: config.Global, Syntax: words + " LAN...", No: words, Help: help,
		Args: []config.Argument{{Name: "LAN", Type: lans, Help: "A port"}},
		Apply: func(c *model.Config, a config.Args) error {
			var list []int
			for i, lan := range lans {
				if slices.Contains(a.Texts("LAN"), lan) {
					list = append(list, i+1)
				}
			}
			if slices.Equal(list, []int{1}) {
				list = nil
			}
			*of(c) = list
			return nil
		},
		Negate: func(c *model.Config, _ config.Args) error { *of(c) = nil; return nil },
		Render: func(c *model.Config, _ config.Args) []config.Args {
			var names []any
			for _, lan := range *of(c) {
				names = append(names, lans[lan-1])
			}
			return config.When(names != nil, config.Args{"LAN": names})
		},
	}
}

// sshPort is the line of the port.
func sshPort() config.Command {
	c := config.Setting("ip ssh port", "Port that SSH answers at",
		config.Argument{Name: "PORT", Type: config.Port, Help: "TCP port (default 22)"},
		model.DefaultSSHPort, func(c *model.Config) *int { return &c.Access.SSH.Port })
	c.Check = checkPort
	return c
}

// checkPort refuses a port that another service has.
func checkPort(c *model.Config, _ config.Args) error {
	port := c.Access.SSH.TCPPort()
	if service := c.TCPServiceAt(port, model.ServiceSSH); service != "" && !c.Access.SSH.Off {
		return config.BadArgument("PORT", "port %d: %s has it already", port, service)
	}
	return nil
}
