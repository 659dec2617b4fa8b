package resolver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// What can be configured.
const (
	serversMax   = 4  // name servers
	hostsMax     = 64 // static hosts
	addressesMax = 8  // of each
)

// Commands declares the commands of this subject.
func Commands() []config.Command {
	return []config.Command{
		{
			Mode: config.Global, Syntax: "ip name-server ADDRESS...", No: "ip name-server [ADDRESS...]", Many: true,
			Args: []config.Argument{
				{Name: "ADDRESS", Type: config.Address{}, Help: "DNS server, asked in the order given; up to 4"},
			},
			Help:   "Add DNS servers; without any those of DHCP are asked, or 8.8.8.8",
			Apply:  addServers,
			Negate: removeServers,
			Render: func(c *model.Config, _ config.Args) []config.Args {
				var lines []config.Args
				for _, server := range c.NameServers {
					lines = append(lines, config.Args{"ADDRESS": []any{server}})
				}
				return lines
			},
		},
		{
			Mode: config.Global, Syntax: "ip host NAME ADDRESS...", No: "ip host NAME",
			Args: []config.Argument{
				{Name: "NAME", Type: config.Host{}, Help: "Host, with its domain"},
				{Name: "ADDRESS", Type: config.Address{}, Help: "Its address; up to 8"},
			},
			Help:   "Give a host addresses that no DNS server is asked for",
			Apply:  setHost,
			Negate: removeHost,
			Render: func(c *model.Config, _ config.Args) []config.Args {
				var lines []config.Args
				for _, host := range c.Hosts {
					var addresses []any
					for _, address := range host.Addresses {
						addresses = append(addresses, address)
					}
					lines = append(lines, config.Args{"NAME": host.Name, "ADDRESS": addresses})
				}
				return lines
			},
		},
		nameCommand("com domain NAME", "Domain of the Customer Operations Manager",
			model.DefaultCOMDomain, func(c *model.Config) *string { return &c.COM.Domain }),
		nameCommand("com file-store NAME", "Host that files of the Customer Operations Manager are fetched from",
			model.DefaultFileStore, func(c *model.Config) *string { return &c.COM.FileStore }),
	}
}

// nameCommand is one that sets a name which has a default.
func nameCommand(syntax, help, standard string, field func(*model.Config) *string) config.Command {
	return config.Command{
		Mode: config.Global, Syntax: syntax, No: strings.TrimSuffix(syntax, " NAME"),
		Args: []config.Argument{{Name: "NAME", Type: config.Host{}, Help: "The name; " + standard + " by default"}},
		Help: help,
		Apply: func(c *model.Config, a config.Args) error {
			name, err := hostName(a)
			if err != nil {
				return err
			}
			if name == standard {
				name = ""
			}
			*field(c) = name
			return nil
		},
		Negate: func(c *model.Config, _ config.Args) error {
			*field(c) = ""
			return nil
		},
		Render: func(c *model.Config, _ config.Args) []config.Args {
			return config.When(*field(c) != "", config.Args{"NAME": *field(c)})
		},
	}
}

// hostName gives the argument NAME in lower case, which is no address.
func hostName(a config.Args) (string, error) {
	name := a.Text("NAME")
	if _, err := netip.ParseAddr(name); err == nil {
		return "", config.BadArgument("NAME", "%s is an address, not a name", name)
	}
	return strings.ToLower(name), nil
}

func addServers(c *model.Config, a config.Args) error {
	servers := slices.Clone(c.NameServers)
	for _, server := range a.Addrs("ADDRESS") {
		if !isServer(server) {
			return config.BadArgument("ADDRESS", "%v is not the address of another host", server)
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

// setHost gives a host its addresses, in the place of those it had.
func setHost(c *model.Config, a config.Args) error {
	name, err := hostName(a)
	if err != nil {
		return err
	}
	host := model.Host{Name: name}
	for _, address := range a.Addrs("ADDRESS") {
		if address.IsUnspecified() || address.IsMulticast() {
			return config.BadArgument("ADDRESS", "%v is not the address of a host", address)
		}
		if !slices.Contains(host.Addresses, address) {
			host.Addresses = append(host.Addresses, address)
		}
	}
	if len(host.Addresses) > addressesMax {
		return fmt.Errorf("a host can have no more than %d addresses", addressesMax)
	}
	hosts := slices.Clone(c.Hosts)
	if i := hostIndex(hosts, name); i >= 0 {
		hosts[i] = host
	} else if len(hosts) < hostsMax {
		hosts = append(hosts, host)
	} else {
		return fmt.Errorf("there can be no more than %d static hosts", hostsMax)
	}
	c.Hosts = hosts
	return nil
}

func removeHost(c *model.Config, a config.Args) error {
	name := strings.ToLower(a.Text("NAME"))
	i := hostIndex(c.Hosts, name)
	if i < 0 {
		return config.BadArgument("NAME", "%s is not a static host", name)
	}
	c.Hosts = slices.Delete(slices.Clone(c.Hosts), i, i+1)
	return nil
}

func hostIndex(hosts []model.Host, name string) int {
	return slices.IndexFunc(hosts, func(h model.Host) bool { return h.Name == name })
}
