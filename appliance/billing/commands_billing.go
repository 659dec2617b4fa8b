package billing

import (
	"errors"
	"fmt"
	"net/netip"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// billingCommands declares the mode of billing and what is in it, but for the
// cache, the instances and its activation.
func billingCommands() []config.Command {
	return []config.Command{
		billingMode,
		setting(inBilling, "element-id", number("NUMBER", 0, 99_999, "Network element that event messages come from (default 0)"),
			func(c *model.Config, _ config.Args) *int { return &c.SBC.Billing.ElementID }),
		choice(inBilling, "cdr endpoint-info", "What records say of the ends of a call", []string{"", "adjacency", "addressing"}, endpointInfo),
		adjacencyInfo,
		toggle(inBilling, "cdr media-info", "Put addresses, direction, codec and bandwidth of media into records",
			func(c *model.Config, _ config.Args) *bool { return &c.SBC.Billing.MediaInfo }),
		ldrCheck(inBilling,
			func(c *model.Config, _ config.Args) *model.TimeOfDay {
				if c.SBC.Billing.LongCheck == (model.TimeOfDay{}) {
					return nil
				}
				return &c.SBC.Billing.LongCheck
			},
			func(c *model.Config, _ config.Args, at *model.TimeOfDay) {
				if at == nil {
					at = &model.TimeOfDay{}
				}
				c.SBC.Billing.LongCheck = *at
			}),
		address(inBilling, "local-address ipv4", "Own address that stands in records (default: control address aaa)", config.IPv4{},
			func(c *model.Config, _ config.Args) *netip.Addr { return &c.SBC.Billing.LocalAddress }),
		method(methodPacketCable, "Bill by PacketCable event messages", "packetcable-em INDEX transport radius CLIENT",
			func(b *model.Billing) (*bool, int) { return &b.MethodPacketCable, len(b.PacketCable) }),
		method(methodXML, "Bill by XML files", "xml INDEX",
			func(b *model.Billing) (*bool, int) { return &b.MethodXML, len(b.XML) }),
	}
}

// The methods.
const (
	methodPacketCable = "packetcable-em"
	methodXML         = "xml"
)

// method declares the line that switches a method on. It needs an instance, and
// goes after its instances only (seed 003). of gives the switch and how many
// instances there are.
func method(name, help, instance string, of func(*model.Billing) (on *bool, instances int)) config.Command {
	command := toggle(inBilling, "method "+name, help+"; needs an instance", func(c *model.Config, _ config.Args) *bool {
		on, _ := of(&c.SBC.Billing)
		return on
	})
	command.Negate = func(c *model.Config, _ config.Args) error {
		on, instances := of(&c.SBC.Billing)
		if instances > 0 {
			return fmt.Errorf("method %s has an instance: remove it first", name)
		}
		*on = false
		return nil
	}
	command.Check = func(c *model.Config, _ config.Args) error {
		if _, instances := of(&c.SBC.Billing); instances == 0 {
			return errors.New("the method has no instance: add " + instance)
		}
		return nil
	}
	return command
}

var billingMode = config.Command{
	Mode: inSBE, Syntax: "billing", No: "billing", Opens: inBilling, Help: "Configure billing",
	Apply: func(c *model.Config, _ config.Args) error { c.SBC.Billing.Configured = true; return nil },
	Negate: func(c *model.Config, _ config.Args) error {
		switch b := &c.SBC.Billing; {
		case b.Active:
			return errors.New("billing is active: deactivate it first (no activate)")
		case hasMethod(b):
			return errors.New("billing has methods: remove them first")
		}
		c.SBC.Billing = model.Billing{}
		return nil
	},
	Render: func(c *model.Config, _ config.Args) []config.Args {
		return config.When(c.SBC.Billing.Configured, config.Args{})
	},
}

// hasMethod reports whether a method is configured, with or without an instance.
func hasMethod(b *model.Billing) bool {
	return b.MethodPacketCable || b.MethodXML || len(b.PacketCable) > 0 || len(b.XML) > 0
}

func endpointInfo(c *model.Config, _ config.Args) *model.EndpointInfo {
	return &c.SBC.Billing.EndpointInfo
}

// adjacencyInfo is what release 2.6.1 of the seed called "cdr endpoint-info
// adjacency": its configurations load.
var adjacencyInfo = config.Command{
	Mode: inBilling, Syntax: "cdr adj-info", No: "cdr adj-info", Help: "The older word for cdr endpoint-info adjacency",
	Apply: func(c *model.Config, _ config.Args) error {
		c.SBC.Billing.EndpointInfo = model.EndpointAdjacency
		return nil
	},
	Negate: func(c *model.Config, _ config.Args) error {
		c.SBC.Billing.EndpointInfo = model.EndpointNone
		return nil
	},
}

// activation declares the last line of its mode: then all that it needs is there.
func activation() config.Command {
	command := toggle(inBilling, "activate", "Put the Billing Manager into service",
		func(c *model.Config, _ config.Args) *bool { return &c.SBC.Billing.Active })
	command.Check = func(c *model.Config, _ config.Args) error {
		if !hasMethod(&c.SBC.Billing) {
			return errors.New("billing has no method: add method " + methodPacketCable + " or method " + methodXML)
		}
		return nil
	}
	return command
}
