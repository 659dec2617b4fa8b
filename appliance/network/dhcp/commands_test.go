package dhcp

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// portCommands stand for those of package network that open the mode of a
// port and give it an address.
func portCommands() []config.Command {
	return []config.Command{
		{
			Mode: config.Global, Syntax: "lan LAN", Opens: "config-lan", Help: "A port",
			Args: []config.Argument{{Name: "LAN", Type: config.LAN{}, Help: "Port"}},
			Apply: func(c *model.Config, a config.Args) error {
				if c.LAN(a.Port("LAN")) == nil {
					c.LANs = append(c.LANs, model.NewLAN(a.Port("LAN")))
					slices.SortFunc(c.LANs, func(a, b model.LAN) int { return a.Port.Compare(b.Port) })
				}
				return nil
			},
			Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
				for _, lan := range c.LANs {
					lines = append(lines, config.Args{"LAN": lan.Port})
				}
				return lines
			},
		},
		{
			Mode: "config-lan", Syntax: "ip address ADDRESS MASK", Help: "Its address",
			Args: []config.Argument{{Name: "ADDRESS", Type: config.IPv4{}, Help: "Address"}, {Name: "MASK", Type: config.Mask{}, Help: "Mask"}},
			Apply: func(c *model.Config, a config.Args) error {
				c.LAN(a.Port("LAN")).Address = a.Prefix("ADDRESS", "MASK")
				return nil
			},
			Render: func(c *model.Config, in config.Args) []config.Args {
				address := c.LAN(in.Port("LAN")).Address
				if !address.IsValid() {
					return nil
				}
				return []config.Args{{"ADDRESS": address.Addr(), "MASK": address.Bits()}}
			},
		},
	}
}

func grammar(t *testing.T) *config.Grammar {
	t.Helper()
	g, err := config.New(portCommands(), Commands())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// on is a configuration of LAN1 with an address, or without.
func on(lines ...string) string {
	return "lan LAN1\nip address 192.168.42.1 255.255.255.0\n" + strings.Join(lines, "\n")
}

func bare(lines ...string) string { return "lan LAN1\n" + strings.Join(lines, "\n") }

func TestCommands(t *testing.T) {
	g := grammar(t)
	for name, test := range map[string]struct{ text, want string }{
		"a server": {
			on("dhcp mode server", "dhcp pool 192.168.42.10 200", "dhcp lease-time 60"),
			"lan LAN1\n ip address 192.168.42.1 255.255.255.0\n dhcp mode server\n dhcp pool 192.168.42.10 200 mask 255.255.255.0\n dhcp lease-time 60\n",
		},
		"the mask of the port": {
			"lan LAN1\nip address 192.168.40.1 255.255.248.0\ndhcp pool 192.168.42.10 200",
			"lan LAN1\n ip address 192.168.40.1 255.255.248.0\n dhcp pool 192.168.42.10 200 mask 255.255.248.0\n",
		},
		"defaults, and the router 0.0.0.0": {
			on("dhcp mode disabled", "dhcp pool 192.168.42.10 2 router 0.0.0.0 mask 255.255.255.0", "dhcp lease-time 1440"),
			"lan LAN1\n ip address 192.168.42.1 255.255.255.0\n dhcp pool 192.168.42.10 2 mask 255.255.255.0\n",
		},
		"a pool typed again": {
			on("dhcp pool 192.168.42.10 200", "dhcp pool 192.168.42.10 3 router 192.168.42.1"),
			"lan LAN1\n ip address 192.168.42.1 255.255.255.0\n dhcp pool 192.168.42.10 3 mask 255.255.255.0 router 192.168.42.1\n",
		},
		"all undone": {
			on("dhcp mode server", "dhcp pool 192.168.42.10 200", "dhcp lease-time 60",
				"no dhcp mode", "no dhcp pool 192.168.42.10 200 mask 255.255.255.0", "no dhcp lease-time 60"),
			"lan LAN1\n ip address 192.168.42.1 255.255.255.0\n",
		},
		"a client": {bare("dhcp mode client"), "lan LAN1\n dhcp mode client\n"},
		"a VLAN": {
			"lan LAN1.100\nip address 10.1.0.1 255.255.0.0\ndhcp mode server\ndhcp pool 10.1.2.0 65",
			"lan LAN1.100\n ip address 10.1.0.1 255.255.0.0\n dhcp mode server\n dhcp pool 10.1.2.0 65 mask 255.255.0.0\n",
		},
		"a relay's network": {
			on("dhcp mode server", "dhcp pool 192.168.42.10 1", "dhcp pool 10.1.0.10 5 router 10.1.0.1"),
			"lan LAN1\n ip address 192.168.42.1 255.255.255.0\n dhcp mode server\n dhcp pool 192.168.42.10 1 mask 255.255.255.0\n dhcp pool 10.1.0.10 5 mask 255.255.255.0 router 10.1.0.1\n",
		},
	} {
		c, err := g.Parse(test.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text := g.Render(c)
		if diff := cmp.Diff(test.want+" exit\n", text); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		again, err := g.Parse(text)
		if diff := cmp.Diff(c, again, equalAddresses, equalPrefixes, cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Errorf("%s: rendered and parsed again: %v\n%s", name, err, diff)
		}
	}
}

func TestCommandsRefuse(t *testing.T) {
	g := grammar(t)
	nine := []string{}
	for i := range 9 {
		nine = append(nine, "dhcp pool 192.168.42."+[]string{"10", "12", "14", "16", "18", "20", "22", "24", "26"}[i]+" 1")
	}
	const lan2 = "\nlan LAN2\nip address 10.0.0.1 255.0.0.0\n"
	for name, test := range map[string]struct{ text, line, rule string }{
		"client with an address":    {on("dhcp mode client"), "dhcp mode client", "client and the address 192.168.42.1 of LAN1 exclude each other"},
		"server without an address": {bare("dhcp mode server", "dhcp pool 192.168.42.10 2"), "dhcp mode server", "server needs an ip address on LAN1"},
		"server without a pool":     {on("dhcp mode server"), "dhcp mode server", "server needs a dhcp pool on the network 192.168.42.0/24"},
		"server of a relay only":    {on("dhcp mode server", "dhcp pool 10.1.0.10 5 router 10.1.0.1"), "dhcp mode server", "server needs a dhcp pool on the network"},
		"beyond the network":        {on("dhcp pool 192.168.42.10 250"), "", "reach beyond the network 192.168.42.0/24"},
		"up to the broadcast":       {on("dhcp pool 192.168.42.10 246"), "", "192.168.42.255 is the broadcast address"},
		"from the network itself":   {on("dhcp pool 192.168.42.0 10"), "", "192.168.42.0 is the address of the network itself"},
		"the appliance in it":       {"lan LAN1\nip address 192.168.42.20 255.255.255.0\ndhcp pool 192.168.42.10 20", "", "the pool has 192.168.42.20 in it, the address of LAN1"},
		"mask 0.0.0.0":              {bare("dhcp pool 192.168.42.10 2 mask 0.0.0.0"), "", "not that of a LAN"},
		"multicast":                 {bare("dhcp pool 224.0.0.1 2"), "", "224.0.0.1 is not the address of a host"},
		"at the end of all":         {bare("dhcp pool 223.255.255.250 65536 mask 255.255.0.0"), "", "reach beyond the network"},
		"router elsewhere":          {on("dhcp pool 192.168.42.10 2 router 192.168.43.1"), "", "192.168.43.1 is not on the network 192.168.42.0/24"},
		"router that is none":       {on("dhcp pool 192.168.42.10 2 router 192.168.42.255"), "", "192.168.42.255 is the broadcast address"},
		"router in the pool":        {on("dhcp pool 192.168.42.10 2 router 192.168.42.11"), "", "192.168.42.11 is in the pool itself"},
		"another mask than the port": {on("dhcp pool 192.168.42.10 2 mask 255.255.255.128"), "dhcp pool 192.168.42.10 2 mask 255.255.255.128",
			"the network 192.168.42.0/25 of the pool is not the network 192.168.42.0/24 of LAN1"},
		"a relay's without a router": {on("dhcp pool 10.1.0.10 5"), "", "it needs a router"},
		"overlapping":                {on("dhcp pool 192.168.42.10 10", "dhcp pool 192.168.42.19 2"), "dhcp pool 192.168.42.10 10", "overlaps the one from 192.168.42.19 to 192.168.42.20 of LAN1"},
		"overlapping another port's": {on("dhcp pool 10.1.0.10 5 router 10.1.0.1") + "\nlan LAN2\ndhcp pool 10.1.0.14 1", "dhcp pool 10.1.0.10 5", "overlaps the one from 10.1.0.14 to 10.1.0.14 of LAN2"},
		"on another port's network":  {on("dhcp pool 10.1.0.10 5 mask 255.255.0.0 router 10.1.0.1") + lan2, "", "the pool is on the network 10.0.0.0/8 of LAN2"},
		"another port in it":         {on("dhcp pool 10.0.0.1 5 mask 255.0.0.0 router 10.0.1.2") + lan2, "", "the pool has 10.0.0.1 in it, the address of LAN2"},
		"too many addresses":         {"lan LAN2\nip address 10.0.0.1 255.0.0.0\ndhcp pool 10.1.0.1 65536\ndhcp pool 10.3.0.1 1", "dhcp pool 10.1.0.1 65536", "65537 addresses; 65536 are possible"},
		"nine pools":                 {on(nine...), nine[8], "no more than 8 pools"},
		"no such pool":               {on("no dhcp pool 192.168.42.10"), "", "no pool begins with 192.168.42.10"},
		"a lease of a minute":        {bare("dhcp lease-time 1"), "", "1 is not between 2 and 43200"},
		"no addresses":               {bare("dhcp pool 192.168.42.10 0"), "", "0 is not between 1 and 65536"},
	} {
		_, err := g.Parse(test.text)
		var fault *config.Error
		if !errors.As(err, &fault) || !strings.Contains(fault.Rule, test.rule) || !strings.Contains(fault.Text, test.line) {
			t.Errorf("%s: %v; want %q refused: %s", name, err, test.line, test.rule)
		}
	}
}
