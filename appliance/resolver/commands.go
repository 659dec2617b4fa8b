package resolver

import (
	"fmt"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// serversMax is how many name servers can be configured.
const serversMax = 4

// Commands declares the commands of this subject.
func Commands() []config.Command {
	return []config.Command{{
		Mode: config.Global, Syntax: "ip name-server ADDRESS...", No: "ip name-server [ADDRESS...]",
		Args: []config.Argument{
			{Name: "ADDRESS", Type: config.Address{}, Help: "DNS server, asked in the order given; up to 4"},
		},
		Help:   "Add DNS servers",
		Apply:  addServers,
		Negate: removeServers,
		Render: func(c *model.Config, _ config.Args) []config.Args {
			var lines []config.Args
			for _, server := range c.NameServers {
				lines = append(lines, config.Args{"ADDRESS": []any{server}})
			}
			return lines
		},
	}}
}

func addServers(c *model.Config, a config.Args) error {
	servers := slices.Clone(c.NameServers)
	for _, server := range a.Addrs("ADDRESS") {
		if server.IsUnspecified() || server.IsMulticast() {
			return config.BadArgument("ADDRESS", "%v is not the address of a host", server)
		}
		if slices.Contains(servers, server) {
			continue
		}
		if len(servers) == serversMax {
			return fmt.Errorf("there can be no more than %d name servers", serversMax)
		}
		servers = append(servers, server)
	}
	c.NameServers = servers
	return nil
}

// removeServers removes the named servers, or all.
func removeServers(c *model.Config, a config.Args) error {
	if !a.Has("ADDRESS") {
		c.NameServers = nil
		return nil
	}
	servers := slices.Clone(c.NameServers)
	for _, server := range a.Addrs("ADDRESS") {
		i := slices.Index(servers, server)
		if i < 0 {
			return fmt.Errorf("%v is not a name server", server)
		}
		servers = slices.Delete(servers, i, i+1)
	}
	c.NameServers = servers
	return nil
}
