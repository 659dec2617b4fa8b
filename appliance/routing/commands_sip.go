package routing

import (
	"slices"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// sipCommands declares what holds for all networks.
func sipCommands() []config.Command {
	return []config.Command{
		number(config.Global, "sip max-forwards", "Max-Forwards of requests that have none",
			integer("HOPS", 1, 255, "Hops (default 70)"), func(c *model.Config, _ config.Args) *int { return &c.SIP.MaxForwards }),
		switchOn(config.Global, "sip header-compaction", "Write the box's own header fields in their short forms",
			func(c *model.Config, _ config.Args) *bool { return &c.SIP.Compaction }),
		{
			Mode: config.Global, Syntax: "sip alias HOST", No: "sip alias HOST",
			Args:  []config.Argument{{Name: "HOST", Type: config.Host{}, Help: "Address or name"}},
			Help:  "Name a host that is the box itself, beside its listen addresses",
			Apply: addAlias, Negate: removeAlias,
			Render: func(c *model.Config, _ config.Args) []config.Args { return eachText("HOST", c.SIP.Aliases) },
		},
		number(config.Global, "sip tcp connection-timeout", "How long a connection may stand idle",
			integer("SECONDS", 10, 86400, "Seconds (default 240)"), func(c *model.Config, _ config.Args) *int { return &c.SIP.TCP.ConnectionTimeout }),
		number(config.Global, "sip tcp max-connections", "How many connections may be open, TLS and WebSocket included",
			integer("CONNECTIONS", 1, 10000, "Connections (default 256)"), func(c *model.Config, _ config.Args) *int { return &c.SIP.TCP.MaxConnections }),
		{
			Mode: config.Global, Syntax: "sip overload reject [retry-after SECONDS]", No: "sip overload",
			Args: []config.Argument{integer("SECONDS", 0, 3600, "Seconds until callers should try again")},
			Help: "Answer calls that are too many with 503 (default)",
			Apply: func(c *model.Config, a config.Args) error {
				c.SIP.Overload = model.SIPOverload{RetryAfter: a.Int("SECONDS")}
				return nil
			},
			Negate: func(c *model.Config, _ config.Args) error { c.SIP.Overload = model.SIPOverload{}; return nil },
			Render: func(c *model.Config, _ config.Args) []config.Args {
				return config.When(c.SIP.Overload.RetryAfter != 0, config.Args{"SECONDS": c.SIP.Overload.RetryAfter})
			},
		},
		{
			Mode: config.Global, Syntax: "sip overload redirect HOST",
			Args: []config.Argument{{Name: "HOST", Type: config.Host{}, Help: "Address or name of the other one"}},
			Help: "Send callers to another proxy (300) when calls are too many",
			Apply: func(c *model.Config, a config.Args) error {
				c.SIP.Overload = model.SIPOverload{Redirect: a.Text("HOST")}
				return nil
			},
			Render: func(c *model.Config, _ config.Args) []config.Args {
				return config.When(c.SIP.Overload.Redirect != "", config.Args{"HOST": c.SIP.Overload.Redirect})
			},
		},
		switchOn(config.Global, "sip privacy service", "Remove asserted identities of callers who want privacy (RFC 3323, 3325)",
			func(c *model.Config, _ config.Args) *bool { return &c.SIP.Privacy.Service }),
		{
			Mode: config.Global, Syntax: "sip privacy trusted-destination NETWORK", No: "sip privacy trusted-destination NETWORK",
			Args:  []config.Argument{networkArg("NETWORK", "Name of a SIP network")},
			Help:  "Leave asserted identities in requests that leave by a network",
			Apply: addTrusted, Negate: removeTrusted,
			Check:  func(c *model.Config, a config.Args) error { return knownNetwork(c, "NETWORK", a.Text("NETWORK")) },
			Render: func(c *model.Config, _ config.Args) []config.Args { return eachText("NETWORK", c.SIP.Privacy.Trusted) },
		},
		switchOn(config.Global, "route recursion", "Try the contacts of a 3xx here instead of handing it to the caller",
			func(c *model.Config, _ config.Args) *bool { return &c.SIP.Recursion }),
	}
}

// dnsMode is the mode of "sip dns-srv".
const dnsMode = "config-dns"

// dnsCommands declares how host names are located.
func dnsCommands() []config.Command {
	opener := config.Command{
		Mode: config.Global, Syntax: "sip dns-srv", No: "sip dns-srv", Opens: dnsMode, Ends: "end dns",
		Help:   "Configure how hosts are located (RFC 3263)",
		Apply:  func(*model.Config, config.Args) error { return nil },
		Negate: func(c *model.Config, _ config.Args) error { c.SIP.DNS = model.SIPDNS{}; return nil },
		Render: func(c *model.Config, _ config.Args) []config.Args { return onlyIf(c.SIP.DNS != model.SIPDNS{}) },
	}
	return slices.Concat(
		[]config.Command{opener},
		switchOff(dnsMode, "enable", "Look SRV records up", "Look addresses up only",
			func(c *model.Config, _ config.Args) *bool { return &c.SIP.DNS.NoSRV }),
		switchOff(dnsMode, "naptr", "Look NAPTR records up", "Look no NAPTR records up",
			func(c *model.Config, _ config.Args) *bool { return &c.SIP.DNS.NoNAPTR }),
		[]config.Command{{
			Mode: dnsMode, Syntax: "use-naptr", No: "use-naptr", Help: "As naptr",
			Apply:  func(c *model.Config, _ config.Args) error { c.SIP.DNS.NoNAPTR = false; return nil },
			Negate: func(c *model.Config, _ config.Args) error { c.SIP.DNS.NoNAPTR = true; return nil },
		}},
	)
}

// eachText is a line for each of the texts.
func eachText(argument string, texts []string) []config.Args {
	var lines []config.Args
	for _, t := range texts {
		lines = append(lines, config.Args{argument: t})
	}
	return lines
}

func sameHost(name string) func(string) bool {
	return func(other string) bool { return strings.EqualFold(name, other) }
}

func addAlias(c *model.Config, a config.Args) error {
	switch {
	case slices.ContainsFunc(c.SIP.Aliases, sameHost(a.Text("HOST"))):
		return nil
	case len(c.SIP.Aliases) == aliasesMax:
		return config.BadArgument("HOST", "there can be no more than %d aliases", aliasesMax)
	}
	c.SIP.Aliases = append(c.SIP.Aliases, a.Text("HOST"))
	return nil
}

func removeAlias(c *model.Config, a config.Args) error {
	i := slices.IndexFunc(c.SIP.Aliases, sameHost(a.Text("HOST")))
	if i < 0 {
		return config.BadArgument("HOST", "%s is no alias", a.Text("HOST"))
	}
	c.SIP.Aliases = slices.Delete(c.SIP.Aliases, i, i+1)
	return nil
}

func addTrusted(c *model.Config, a config.Args) error {
	switch trusted := c.SIP.Privacy.Trusted; {
	case slices.Contains(trusted, a.Text("NETWORK")):
		return nil
	case len(trusted) == networksMax:
		return config.BadArgument("NETWORK", "there can be no more than %d trusted destinations", networksMax)
	}
	c.SIP.Privacy.Trusted = append(c.SIP.Privacy.Trusted, a.Text("NETWORK"))
	return nil
}

func removeTrusted(c *model.Config, a config.Args) error {
	i := slices.Index(c.SIP.Privacy.Trusted, a.Text("NETWORK"))
	if i < 0 {
		return config.BadArgument("NETWORK", "network %s is no trusted destination", a.Text("NETWORK"))
	}
	c.SIP.Privacy.Trusted = slices.Delete(c.SIP.Privacy.Trusted, i, i+1)
	return nil
}
