package access

import (
	"fmt"

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

var webLANs = lanCommand("ip http lan", "Ports that the administration pages are on (default LAN1)", func(c *model.Config) *[]int { return &c.Access.Web.LANs })

var webPort = config.Setting("ip http secure-port", "Port of the administration pages",
	config.Argument{Name: "PORT", Type: config.Port, Help: fmt.Sprintf("TCP port (default %d)", model.DefaultWebPort)},
	model.DefaultWebPort, func(c *model.Config) *int { return &c.Access.Web.Port })
