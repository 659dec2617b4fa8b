package access

import (
	"fmt"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// webCommands declares where the administration pages are, in the words of IOS.
func webCommands() []config.Command { return []config.Command{webServer, webLANs, webPort} }

var webServer = config.Command{
	Mode: config.Global, Syntax: "ip http secure-server", No: "ip http secure-server",
	Help:   "Serve the administration pages over HTTPS once there is a user (default off)",
	Apply:  func(c *model.Config, _ config.Args) error { c.Access.Web.On = true; return nil },
	Negate: func(c *model.Config, _ config.Args) error { c.Access.Web.On = false; return nil },
	Check: func(c *model.Config, _ config.Args) error {
		port := c.Access.Web.TCPPort()
		if service := c.TCPServiceAt(port, model.ServiceWeb); service != "" {
			return fmt.Errorf("port %d of the HTTPS server: %s has it already; see ip http secure-port", port, service)
		}
		return nil
	},
	Render: func(c *model.Config, _ config.Args) []config.Args { return config.When(c.Access.Web.On, config.Args{}) },
}

var webLANs = config.Command{
	Mode: config.Global, Syntax: "ip http lan LAN...", No: "ip http lan",
	Args: []config.Argument{{Name: "LAN", Type: lans, Help: "A port"}},
	Help: "Ports that the administration pages are on (default LAN1)",
	Apply: func(c *model.Config, a config.Args) error {
		c.Access.Web.LANs = lansOf(a)
		return nil
	},
	Negate: func(c *model.Config, _ config.Args) error { c.Access.Web.LANs = nil; return nil },
	Render: func(c *model.Config, _ config.Args) []config.Args { return renderLANs(c.Access.Web.LANs) },
}

var webPort = config.Command{
	Mode: config.Global, Syntax: "ip http secure-port PORT", No: "ip http secure-port [PORT]",
	Args: []config.Argument{{Name: "PORT", Type: config.Port, Help: fmt.Sprintf("TCP port (default %d)", model.DefaultWebPort)}},
	Help: "Port of the administration pages",
	Apply: func(c *model.Config, a config.Args) error {
		if c.Access.Web.Port = a.Int("PORT"); c.Access.Web.Port == model.DefaultWebPort {
			c.Access.Web.Port = 0
		}
		return nil
	},
	Negate: func(c *model.Config, _ config.Args) error { c.Access.Web.Port = 0; return nil },
	Render: func(c *model.Config, _ config.Args) []config.Args {
		return config.When(c.Access.Web.Port != 0, config.Args{"PORT": c.Access.Web.Port})
	},
}

// lansOf are the ports that a line names, ascending; the default is nil.
func lansOf(a config.Args) (list []int) {
	for i, lan := range lans {
		if slices.Contains(a.Texts("LAN"), lan) {
			list = append(list, i+1)
		}
	}
	if slices.Equal(list, []int{1}) {
		return nil
	}
	return list
}

// renderLANs gives the line of ports that are not the default.
func renderLANs(list []int) []config.Args {
	var names []any
	for _, lan := range list {
		names = append(names, lans[lan-1])
	}
	return config.When(names != nil, config.Args{"LAN": names})
}
