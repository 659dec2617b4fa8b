package billing

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// indexMax is the highest number of an instance; so there are 8 at the most.
const indexMax = 7

func packetCableCommands() []config.Command {
	attach := toggle(inPacketCable, "attach", "Put the instance into service", func(c *model.Config, a config.Args) *bool { return &packetCableOf(c, a).Attached })
	attach.Check = func(c *model.Config, a config.Args) error {
		i := clientIndex(c, a.Text("CLIENT"))
		if i >= 0 && !c.SBC.RADIUSClients[i].Active { // that there is one is checked where it is named
			return fmt.Errorf("RADIUS client %s is not active", a.Text("CLIENT"))
		}
		return nil
	}
	return []config.Command{
		{
			Mode: inBilling, Syntax: "packetcable-em INDEX transport radius CLIENT", No: "packetcable-em INDEX [transport radius CLIENT]", Opens: inPacketCable,
			Args: []config.Argument{
				number("INDEX", 0, indexMax, "Number of the instance"),
				{Name: "CLIENT", Type: radiusName, Help: "RADIUS client that sends the event messages"},
			},
			Help: "Configure an instance of billing by event messages", Apply: setPacketCable, Negate: removePacketCable, Check: checkPacketCable,
			Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
				for _, m := range c.SBC.Billing.PacketCable {
					lines = append(lines, config.Args{"INDEX": m.Index, "CLIENT": m.Client})
				}
				return lines
			},
		},
		setting(inPacketCable, "batch-size", number("OCTETS", 0, 4000, "Octets of event messages in one request; 0: each goes by itself (default)"),
			func(c *model.Config, a config.Args) *int { return &packetCableOf(c, a).BatchSize }),
		setting(inPacketCable, "batch-time", number("MS", 10, 60_000, "Milliseconds that a message waits for others (default 1000)"),
			func(c *model.Config, a config.Args) *int { return &packetCableOf(c, a).BatchTime }),
		address(inPacketCable, "local-address ipv4", "Own address that stands in its records (default: that of billing)", config.IPv4{},
			func(c *model.Config, a config.Args) *netip.Addr { return &packetCableOf(c, a).LocalAddress }),
		ldrCheck(inPacketCable,
			func(c *model.Config, a config.Args) *model.TimeOfDay { return packetCableOf(c, a).LongCheck },
			func(c *model.Config, a config.Args, at *model.TimeOfDay) { packetCableOf(c, a).LongCheck = at }),
		deactMode(inPacketCable, func(c *model.Config, a config.Args) *model.DeactMode { return &packetCableOf(c, a).DeactMode }),
		attach,
	}
}

// deactMode declares what becomes of calls in progress.
func deactMode(mode config.Mode, of func(*model.Config, config.Args) *model.DeactMode) config.Command {
	return choice(mode, "deact-mode", "What becomes of calls in progress when the instance is deactivated (default abort)", model.DeactModeNames[:], of)
}

func findPacketCable(c *model.Config, a config.Args) (int, bool) {
	return slices.BinarySearchFunc(c.SBC.Billing.PacketCable, a.Int("INDEX"),
		func(m model.PacketCableMethod, index int) int { return cmp.Compare(m.Index, index) })
}

// packetCableOf is the instance in whose mode a line stands.
func packetCableOf(c *model.Config, a config.Args) *model.PacketCableMethod {
	i, _ := findPacketCable(c, a)
	return &c.SBC.Billing.PacketCable[i]
}

func setPacketCable(c *model.Config, a config.Args) error {
	i, found := findPacketCable(c, a)
	if !found {
		c.SBC.Billing.PacketCable = slices.Insert(c.SBC.Billing.PacketCable, i, model.PacketCableMethod{Index: a.Int("INDEX")})
	}
	c.SBC.Billing.PacketCable[i].Client = a.Text("CLIENT")
	return nil
}

func removePacketCable(c *model.Config, a config.Args) error {
	i, found := findPacketCable(c, a)
	if !found {
		return config.BadArgument("INDEX", "there is no packetcable-em instance %d", a.Int("INDEX"))
	}
	c.SBC.Billing.PacketCable = slices.Delete(c.SBC.Billing.PacketCable, i, i+1)
	return nil
}

// checkPacketCable holds that a RADIUS client exists before it is used, that it
// serves one instance only, and that the method is on (seed 003).
func checkPacketCable(c *model.Config, a config.Args) error {
	name := a.Text("CLIENT")
	if clientIndex(c, name) < 0 {
		return config.BadArgument("CLIENT", "there is no RADIUS client %s; define it with radius accounting %s", name, name)
	}
	for _, m := range c.SBC.Billing.PacketCable {
		if m.Client == name && m.Index != a.Int("INDEX") {
			return config.BadArgument("CLIENT", "RADIUS client %s serves instance %d already", name, m.Index)
		}
	}
	if !c.SBC.Billing.MethodPacketCable {
		return config.BadArgument("INDEX", "the instance needs its method: add method %s", methodPacketCable)
	}
	return nil
}
