package routing

import (
	"errors"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// SBCCommands declares the modes that the session border controller's commands
// hang in, and the adjacencies; billing and admission declare the rest of what
// is in them.
func SBCCommands() []config.Command {
	name := []config.Argument{{Name: "SBC", Type: config.Name{}, Help: "Name of the session border controller"}}
	return append([]config.Command{
		{
			Mode: config.Global, Syntax: "sbc SBC", No: "sbc SBC", Opens: "config-sbc",
			Args: name,
			Help: "Configure the session border controller; a box has one",
			Apply: func(c *model.Config, a config.Args) error {
				if c.SBC.Name != "" && c.SBC.Name != a.Text("SBC") {
					return config.BadArgument("SBC", "there is the SBC %s already; a box has one", c.SBC.Name)
				}
				c.SBC.Name = a.Text("SBC")
				return nil
			},
			Negate: func(c *model.Config, a config.Args) error {
				if c.SBC.Name != a.Text("SBC") {
					return config.BadArgument("SBC", "there is no SBC %s", a.Text("SBC"))
				}
				if err := mayGo(c); err != nil {
					return err
				}
				c.SBC = model.SBC{}
				return nil
			},
			Render: func(c *model.Config, _ config.Args) []config.Args {
				return config.When(c.SBC.Name != "", config.Args{"SBC": c.SBC.Name})
			},
		},
		{
			Mode: "config-sbc", Syntax: "sbe", No: "sbe", Opens: "config-sbc-sbe",
			Help:  "Configure the signalling border element",
			Apply: func(c *model.Config, _ config.Args) error { c.SBC.SBE = true; return nil },
			Negate: func(c *model.Config, _ config.Args) error {
				if err := mayGo(c); err != nil {
					return err
				}
				c.SBC = model.SBC{Name: c.SBC.Name}
				return nil
			},
			Render: func(c *model.Config, _ config.Args) []config.Args {
				return config.When(c.SBC.SBE, config.Args{})
			},
		},
	}, adjacencyCommands()...)
}

// mayGo refuses to delete billing that is active or has methods with what is
// around it (seed 003).
func mayGo(c *model.Config) error {
	if b := &c.SBC.Billing; b.Active || b.MethodPacketCable || b.MethodXML {
		return errors.New("billing is active or has methods: remove it first (no billing)")
	}
	return nil
}
