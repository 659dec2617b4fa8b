package change

import (
	"errors"
	"slices"
	"testing"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// grammar has a host name, time servers, users and, in a mode, networks with a next
// hop. As a whole a configuration must not call the host "taken", and a host
// called "fixed" keeps its name.
func grammar(t testing.TB) *config.Grammar {
	name := config.Argument{Name: "NAME", Type: config.Name{}, Help: "Name"}
	hop := config.Argument{Name: "HOP", Type: config.Name{}, Help: "Name of another network"}
	host := config.Argument{Name: "HOST", Type: config.Host{}, Help: "Address or name"}
	g, err := config.New([]config.Command{
		{
			Mode: config.Global, Syntax: "hostname NAME", Args: []config.Argument{name}, Help: "Name of the host",
			Apply: func(c *model.Config, a config.Args) error { c.HostName = a.Text("NAME"); return nil },
			Check: func(c *model.Config, a config.Args) error {
				if a.Text("NAME") == "taken" {
					return config.BadArgument("NAME", "another host has this name")
				}
				return nil
			},
			Locked: func(before, _ *model.Config, _ config.Args) error {
				if before.HostName == "fixed" {
					return errors.New("the name is fixed")
				}
				return nil
			},
			Render: func(c *model.Config, _ config.Args) []config.Args {
				if c.HostName == "" {
					return nil
				}
				return []config.Args{{"NAME": c.HostName}}
			},
		},
		{
			Mode: config.Global, Syntax: "time-server HOST", No: "time-server HOST", Args: []config.Argument{host}, Help: "Where the time comes from",
			Apply: func(c *model.Config, a config.Args) error {
				c.TimeServers = append(c.TimeServers, a.Text("HOST"))
				return nil
			},
			Negate: func(c *model.Config, a config.Args) error {
				i := slices.Index(c.TimeServers, a.Text("HOST"))
				if i < 0 {
					return errors.New("there is no such server")
				}
				c.TimeServers = slices.Delete(c.TimeServers, i, i+1)
				return nil
			},
			Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
				for _, server := range c.TimeServers {
					lines = append(lines, config.Args{"HOST": server})
				}
				return lines
			},
		},
		{
			Mode: config.Global, Syntax: "username NAME", No: "username NAME", Args: []config.Argument{name}, Help: "Who may log in",
			Apply: func(c *model.Config, a config.Args) error {
				c.Access.Users = append(c.Access.Users, model.User{Name: a.Text("NAME")})
				return nil
			},
			Negate: func(c *model.Config, _ config.Args) error { c.Access.Users = nil; return nil },
			Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
				for _, u := range c.Access.Users {
					lines = append(lines, config.Args{"NAME": u.Name})
				}
				return lines
			},
		},
		{
			Mode: config.Global, Syntax: "network NAME", Opens: "config-network", Args: []config.Argument{name}, Help: "A network",
			Apply: func(c *model.Config, a config.Args) error {
				if c.SIP.Network(a.Text("NAME")) == nil {
					c.SIP.Networks = append(c.SIP.Networks, model.SIPNetwork{Name: a.Text("NAME")})
				}
				return nil
			},
			Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
				for _, n := range c.SIP.Networks {
					lines = append(lines, config.Args{"NAME": n.Name})
				}
				return lines
			},
		},
		{
			Mode: "config-network", Syntax: "next-hop HOP", Args: []config.Argument{hop}, Help: "Where its calls go",
			Apply: func(c *model.Config, a config.Args) error {
				c.SIP.Network(a.Text("NAME")).NextHop.Network = a.Text("HOP")
				return nil
			},
			Render: func(c *model.Config, in config.Args) []config.Args {
				if hop := c.SIP.Network(in.Text("NAME")).NextHop.Network; hop != "" {
					return []config.Args{{"HOP": hop}}
				}
				return nil
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// named is the canonical text of a configuration whose host has that name.
func named(name string) string { return "hostname " + name + "\n" }
