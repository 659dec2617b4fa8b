package network

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// vlansMax is how many VLANs there can be on both ports together.
const vlansMax = 32

// addLAN has the port stand in the configuration, with its defaults.
func addLAN(c *model.Config, a config.Args) error {
	port := a.Port("LAN")
	i, found := slices.BinarySearchFunc(c.LANs, port, func(l model.LAN, p model.Port) int { return l.Port.Compare(p) })
	if found {
		return nil
	}
	vlans := 0
	for _, lan := range c.LANs {
		vlans += min(lan.Port.VLAN, 1)
	}
	if port.VLAN != 0 && vlans == vlansMax {
		return config.BadArgument("LAN", "there can be no more than %d VLANs", vlansMax)
	}
	c.LANs = slices.Insert(c.LANs, i, model.NewLAN(port))
	return nil
}

func removeLAN(c *model.Config, a config.Args) error {
	if c.LAN(a.Port("LAN")) == nil {
		return config.BadArgument("LAN", "%v is not configured", a.Port("LAN"))
	}
	c.LANs = slices.DeleteFunc(c.LANs, func(l model.LAN) bool { return l.Port == a.Port("LAN") })
	return nil
}

// checkLAN refuses a VLAN whose packets do not fit in those of its port.
func checkLAN(c *model.Config, a config.Args) error {
	lan := c.LAN(a.Port("LAN"))
	parent := model.NewLAN(model.Port{LAN: lan.Port.LAN})
	if configured := c.LAN(parent.Port); configured != nil {
		parent = *configured
	}
	if lan.MTU > parent.MTU {
		return config.BadArgument("LAN", "the MTU of %v is %d, and that of %v only %d", lan.Port, lan.MTU, parent.Port, parent.MTU)
	}
	return nil
}

func renderLANs(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for _, lan := range c.LANs {
		lines = append(lines, config.Args{"LAN": lan.Port})
	}
	return lines
}

// portSetting is one command of the mode of a port. Its negative form goes
// back to the default, which is not rendered.
type portSetting struct {
	syntax, no, help string
	args             []config.Argument
	set              func(*model.LAN, config.Args) error
	reset            func(*model.LAN)
	check            func(*model.Config, config.Args) error
	render           func(*model.LAN) config.Args // nil: the default
}

func (s portSetting) command() config.Command {
	return config.Command{
		Mode: configLAN, Syntax: s.syntax, No: s.no, Args: s.args, Help: s.help, Check: s.check,
		Apply: func(c *model.Config, a config.Args) error { return s.set(c.LAN(a.Port("LAN")), a) },
		Negate: func(c *model.Config, a config.Args) error {
			s.reset(c.LAN(a.Port("LAN")))
			return nil
		},
		Render: func(c *model.Config, in config.Args) []config.Args {
			if line := s.render(c.LAN(in.Port("LAN"))); line != nil {
				return []config.Args{line}
			}
			return nil
		},
	}
}

// errOfPort refuses to set what a VLAN has from its port.
var errOfPort = errors.New("a VLAN has the speed and duplex of its port")

// portSettings are the commands of the mode of a port, in the order in which
// they are rendered.
var portSettings = []portSetting{
	{
		syntax: "ip address ADDRESS MASK", no: "ip address [ADDRESS MASK]", help: "Set the IPv4 address of the port",
		args: []config.Argument{
			{Name: "ADDRESS", Type: config.IPv4{}, Help: "Address of the appliance on this LAN"},
			{Name: "MASK", Type: config.Mask{}, Help: "Mask of this LAN"},
		},
		set: setAddress, reset: func(lan *model.LAN) { lan.Address = netip.Prefix{} }, check: checkAddress,
		render: func(lan *model.LAN) config.Args {
			if !lan.Address.IsValid() {
				return nil
			}
			return config.Args{"ADDRESS": lan.Address.Addr(), "MASK": lan.Address.Bits()}
		},
	},
	{
		syntax: "ipv6 address PREFIX", no: "ipv6 address [PREFIX]", help: "Set the IPv6 address of the port",
		args: []config.Argument{{Name: "PREFIX", Type: config.Prefix6{}, Help: "Address of the appliance on this LAN, and the length of the LAN's prefix"}},
		set:  setAddress6, reset: func(lan *model.LAN) { lan.Address6 = netip.Prefix{} }, check: checkAddress6,
		render: func(lan *model.LAN) config.Args {
			if !lan.Address6.IsValid() {
				return nil
			}
			return config.Args{"PREFIX": lan.Address6}
		},
	},
	{
		syntax: "mtu OCTETS", no: "mtu [OCTETS]", help: "Set the size of the largest packet; 1500 if not set",
		args: []config.Argument{{Name: "OCTETS", Type: config.Integer{Min: 576, Max: 9000}, Help: "Of an IP packet; 1280 or more with IPv6"}},
		set: func(lan *model.LAN, a config.Args) error {
			lan.MTU = a.Int("OCTETS")
			return nil
		},
		reset:  func(lan *model.LAN) { lan.MTU = model.DefaultMTU },
		render: func(lan *model.LAN) config.Args { return unless(lan.MTU == model.DefaultMTU, "OCTETS", lan.MTU) },
	},
	{
		syntax: "speed SPEED", no: "speed [SPEED]", help: "Set the speed of the port",
		args: []config.Argument{{Name: "SPEED", Type: config.Choice{"auto", "10", "100", "1000", "2500", "10000"}, Help: "Mbit/s, or negotiated"}},
		set: func(lan *model.LAN, a config.Args) error {
			if lan.Port.VLAN != 0 {
				return errOfPort
			}
			lan.Speed, _ = strconv.Atoi(a.Text("SPEED")) // 0 of "auto"
			return nil
		},
		reset:  func(lan *model.LAN) { lan.Speed = 0 },
		render: func(lan *model.LAN) config.Args { return unless(lan.Speed == 0, "SPEED", strconv.Itoa(lan.Speed)) },
	},
	{
		syntax: "duplex DUPLEX", no: "duplex [DUPLEX]", help: "Set the duplex of the port",
		args: []config.Argument{{Name: "DUPLEX", Type: config.Choice{"auto", "full", "half"}, Help: "Both ways at a time or not, or negotiated"}},
		set: func(lan *model.LAN, a config.Args) error {
			if lan.Port.VLAN != 0 {
				return errOfPort
			}
			lan.Duplex = strings.TrimPrefix(a.Text("DUPLEX"), "auto")
			return nil
		},
		reset: func(lan *model.LAN) { lan.Duplex = "" },
		check: func(c *model.Config, a config.Args) error {
			if lan := c.LAN(a.Port("LAN")); lan.Duplex == "half" && lan.Speed >= 1000 {
				return config.BadArgument("DUPLEX", "half duplex is for 10 and 100 Mbit/s; the speed of %v is %d", lan.Port, lan.Speed)
			}
			return nil
		},
		render: func(lan *model.LAN) config.Args { return unless(lan.Duplex == "", "DUPLEX", lan.Duplex) },
	},
	{
		syntax: "dscp DSCP", no: "dscp [DSCP]", help: "Set the mark of the SIP packets that leave here; 24 if not set",
		args: []config.Argument{{Name: "DSCP", Type: config.Integer{Min: 0, Max: 63}, Help: "Differentiated services code point; 24 is CS3"}},
		set: func(lan *model.LAN, a config.Args) error {
			lan.DSCP = a.Int("DSCP")
			return nil
		},
		reset:  func(lan *model.LAN) { lan.DSCP = model.DefaultDSCP },
		render: func(lan *model.LAN) config.Args { return unless(lan.DSCP == model.DefaultDSCP, "DSCP", lan.DSCP) },
	},
	onOff("nat", "Hide the hosts of the other ports behind this one's address", func(lan *model.LAN) *bool { return &lan.NAT }),
	onOff("shutdown", "Switch the port off, with the VLANs on it", func(lan *model.LAN) *bool { return &lan.Shutdown }),
}

// unless gives the arguments of a line, or none where the default holds.
func unless(isDefault bool, name string, value any) config.Args {
	if isDefault {
		return nil
	}
	return config.Args{name: value}
}

// onOff is the command of a single word.
func onOff(word, help string, of func(*model.LAN) *bool) portSetting {
	return portSetting{
		syntax: word, no: word, help: help,
		set: func(lan *model.LAN, _ config.Args) error {
			*of(lan) = true
			return nil
		},
		reset: func(lan *model.LAN) { *of(lan) = false },
		render: func(lan *model.LAN) config.Args {
			if !*of(lan) {
				return nil
			}
			return config.Args{}
		},
	}
}
