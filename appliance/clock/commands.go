package clock

import (
	"fmt"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// serversMax is how many NTP servers can be configured: four are the least
// that outvote a liar when one is down (RFC 8633 §3.2); eight leave room for
// two sites of four.
const serversMax = 8

// Commands declares the commands of this subject.
func Commands() []config.Command {
	return []config.Command{{
		Mode: config.Global, Syntax: "ntp STATE",
		Args: []config.Argument{{Name: "STATE", Type: config.Choice{"on", "off"}, Help: "Whether time servers are asked (default on)"}},
		Help: "Follow time servers",
		Apply: func(c *model.Config, a config.Args) error {
			c.Time.Disabled = a.Text("STATE") == "off"
			return nil
		},
		Render: func(c *model.Config, _ config.Args) []config.Args {
			return config.When(c.Time.Disabled, config.Args{"STATE": "off"})
		},
	}, {
		Mode: config.Global, Syntax: "ntp server HOST [prefer]", No: "ntp server [HOST]", Many: true,
		Args: []config.Argument{{Name: "HOST", Type: config.Host{},
			Help: fmt.Sprintf("Address or name of an NTP server; up to %d; without one those of DHCP, else %s", serversMax, DefaultServer)}},
		Help:   "Add an NTP server",
		Apply:  addServer,
		Negate: removeServer,
		Check: func(c *model.Config, a config.Args) error {
			if err := notMixed(c.TimeServers[0], a.Text("HOST")); err != nil {
				return config.BadArgument("HOST", "%v", err)
			}
			return nil
		},
		Render: func(c *model.Config, _ config.Args) []config.Args {
			var lines []config.Args
			for _, host := range c.TimeServers {
				line := config.Args{"HOST": host}
				if host == c.Time.Prefer {
					line["prefer"] = true
				}
				lines = append(lines, line)
			}
			return lines
		},
	}, {
		Mode: config.Global, Syntax: "clock timezone ZONE [HOURS [MINUTES]]", No: "clock timezone",
		Args: []config.Argument{
			{Name: "ZONE", Type: Zone{}, Help: "IANA name, with daylight saving; or any name for a fixed offset (default UTC)"},
			{Name: "HOURS", Type: config.Integer{Min: westMost, Max: eastMost}, Help: "Fixed offset: hours east of UTC, or west if negative"},
			{Name: "MINUTES", Type: config.Integer{Min: 0, Max: 59}, Help: "And minutes, in the same direction"},
		},
		Help: "Time zone that times are shown in",
		Apply: func(c *model.Config, a config.Args) error {
			zone, err := zoneOf(a)
			if err == nil {
				c.Time.Zone = zone
			}
			return err
		},
		Negate: func(c *model.Config, _ config.Args) error {
			c.Time.Zone = model.TimeZone{}
			return nil
		},
		Render: func(c *model.Config, _ config.Args) []config.Args {
			if c.Time.Zone == (model.TimeZone{}) {
				return nil
			}
			return []config.Args{zoneArgs(c.Time.Zone)}
		},
	}}
}

// addServer adds a server, or changes whether it is preferred. One at the most
// is.
func addServer(c *model.Config, a config.Args) error {
	host := a.Text("HOST")
	if !slices.Contains(c.TimeServers, host) {
		if len(c.TimeServers) == serversMax {
			return fmt.Errorf("there can be no more than %d NTP servers", serversMax)
		}
		c.TimeServers = append(c.TimeServers, host)
	}
	switch {
	case a.Has("prefer"):
		c.Time.Prefer = host
	case c.Time.Prefer == host:
		c.Time.Prefer = ""
	}
	return nil
}

// removeServer removes a server, or all.
func removeServer(c *model.Config, a config.Args) error {
	if !a.Has("HOST") {
		c.TimeServers, c.Time.Prefer = nil, ""
		return nil
	}
	host := a.Text("HOST")
	i := slices.Index(c.TimeServers, host)
	if i < 0 {
		return config.BadArgument("HOST", "%s is not an NTP server", host)
	}
	c.TimeServers = slices.Delete(c.TimeServers, i, i+1)
	if c.Time.Prefer == host {
		c.Time.Prefer = ""
	}
	return nil
}
