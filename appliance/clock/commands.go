package clock

import (
	"fmt"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// serversMax is how many NTP servers can be configured.
const serversMax = 4

// Commands declares the commands of this subject.
func Commands() []config.Command {
	return []config.Command{{
		Mode: config.Global, Syntax: "ntp server HOST", No: "ntp server [HOST]",
		Args: []config.Argument{{Name: "HOST", Type: config.Host{}, Help: "Address or name of an NTP server; up to 4"}},
		Help: "Add an NTP server",
		Apply: func(c *model.Config, a config.Args) error {
			host := a.Text("HOST")
			if slices.Contains(c.TimeServers, host) {
				return nil
			}
			if len(c.TimeServers) == serversMax {
				return fmt.Errorf("there can be no more than %d NTP servers", serversMax)
			}
			c.TimeServers = append(c.TimeServers, host)
			return nil
		},
		Negate: func(c *model.Config, a config.Args) error {
			if !a.Has("HOST") {
				c.TimeServers = nil
				return nil
			}
			i := slices.Index(c.TimeServers, a.Text("HOST"))
			if i < 0 {
				return config.BadArgument("HOST", "%s is not an NTP server", a.Text("HOST"))
			}
			c.TimeServers = slices.Delete(c.TimeServers, i, i+1)
			return nil
		},
		Render: func(c *model.Config, _ config.Args) []config.Args {
			var lines []config.Args
			for _, host := range c.TimeServers {
				lines = append(lines, config.Args{"HOST": host})
			}
			return lines
		},
	}}
}
