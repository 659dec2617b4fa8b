package billing

import (
	"net/netip"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The modes of billing, and the one that they hang in.
const (
	inSBE         config.Mode = "config-sbc-sbe"
	inClient      config.Mode = "config-sbc-sbe-acc"
	inServer      config.Mode = "config-sbc-sbe-acc-ser"
	inBilling     config.Mode = "config-sbc-sbe-billing"
	inPacketCable config.Mode = "config-sbc-sbe-billing-packetcable-em"
	inXML         config.Mode = "config-sbc-sbe-billing-xml"
)

// Commands declares the modes of billing and of the RADIUS clients that it
// sends with.
func Commands() []config.Command {
	all := slices.Concat(radiusCommands(), billingCommands(), cacheCommands(), packetCableCommands(), xmlCommands(), []config.Command{activation()})
	for i := range all {
		all[i].Locked = lockOf(&all[i])
	}
	return all
}

// toggle declares a line without arguments that is there or not.
func toggle(mode config.Mode, words, help string, of func(*model.Config, config.Args) *bool) config.Command {
	return config.Command{
		Mode: mode, Syntax: words, No: words, Help: help,
		Apply:  func(c *model.Config, a config.Args) error { *of(c, a) = true; return nil },
		Negate: func(c *model.Config, a config.Args) error { *of(c, a) = false; return nil },
		Render: func(c *model.Config, in config.Args) []config.Args { return config.When(*of(c, in), config.Args{}) },
	}
}

// setting declares a line with one value, which is zero when it is not set.
func setting[V comparable](mode config.Mode, words string, arg config.Argument, of func(*model.Config, config.Args) *V) config.Command {
	var zero V
	return config.Command{
		Mode: mode, Syntax: words + " " + arg.Name, No: words + " [" + arg.Name + "]", Args: []config.Argument{arg}, Help: arg.Help,
		Apply:  func(c *model.Config, a config.Args) error { *of(c, a) = a[arg.Name].(V); return nil },
		Negate: func(c *model.Config, a config.Args) error { *of(c, a) = zero; return nil },
		Render: func(c *model.Config, in config.Args) []config.Args {
			return config.When(*of(c, in) != zero, config.Args{arg.Name: *of(c, in)})
		},
	}
}

// number is an argument from least to most.
func number(name string, least, most int, help string) config.Argument {
	return config.Argument{Name: name, Type: config.Integer{Min: least, Max: most}, Help: help}
}

// choice declares a line with one of a few words, by value; that of zero is the
// default, and empty where there is none.
func choice[V ~uint8](mode config.Mode, words, help string, names []string, of func(*model.Config, config.Args) *V) config.Command {
	typed := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" })
	return config.Command{
		Mode: mode, Syntax: words + " WORD", No: words + " [WORD]", Help: help,
		Args: []config.Argument{{Name: "WORD", Type: config.Choice(typed), Help: help}},
		Apply: func(c *model.Config, a config.Args) error {
			*of(c, a) = V(slices.Index(names, a.Text("WORD")))
			return nil
		},
		Negate: func(c *model.Config, a config.Args) error { *of(c, a) = 0; return nil },
		Render: func(c *model.Config, in config.Args) []config.Args {
			return config.When(*of(c, in) != 0, config.Args{"WORD": names[*of(c, in)]})
		},
	}
}

// either declares a line with one of two words, the first of which is the default.
func either(mode config.Mode, words, help string, names config.Choice, of func(*model.Config, config.Args) *bool) config.Command {
	return config.Command{
		Mode: mode, Syntax: words + " WORD", No: words + " [WORD]", Help: help,
		Args:   []config.Argument{{Name: "WORD", Type: names, Help: help}},
		Apply:  func(c *model.Config, a config.Args) error { *of(c, a) = a.Text("WORD") == names[1]; return nil },
		Negate: func(c *model.Config, a config.Args) error { *of(c, a) = false; return nil },
		Render: func(c *model.Config, in config.Args) []config.Args {
			return config.When(*of(c, in), config.Args{"WORD": names[1]})
		},
	}
}

// address declares a line with an address of a host in a family.
func address(mode config.Mode, words, help string, family config.Type, of func(*model.Config, config.Args) *netip.Addr) config.Command {
	line := setting(mode, words, config.Argument{Name: "ADDRESS", Type: family, Help: help}, of)
	line.Apply = func(c *model.Config, a config.Args) error {
		addr := a.Addr("ADDRESS")
		if addr.IsUnspecified() || addr.IsMulticast() {
			return config.BadArgument("ADDRESS", "%v is not the address of a host", addr)
		}
		*of(c, a) = addr
		return nil
	}
	line.Render = func(c *model.Config, in config.Args) []config.Args {
		_, v4 := family.(config.IPv4)
		return config.When(of(c, in).IsValid() && of(c, in).Is4() == v4, config.Args{"ADDRESS": *of(c, in)})
	}
	return line
}

// ldrCheck declares when calls of more than 24 hours are reported. The two
// notations are both the seed's: "22 30" and "22:30".
func ldrCheck(mode config.Mode, of func(*model.Config, config.Args) *model.TimeOfDay, set func(*model.Config, config.Args, *model.TimeOfDay)) config.Command {
	return config.Command{
		Mode: mode, Syntax: "ldr-check HOUR [MINUTE]", No: "ldr-check [HOUR [MINUTE]]",
		Args: []config.Argument{
			{Name: "HOUR", Type: hour{}, Help: "Hour, or hour and minute with a colon, by the box's own time"},
			{Name: "MINUTE", Type: minute{}, Help: "Minute"},
		},
		Help: "When calls of more than 24 hours are reported (default midnight)",
		Apply: func(c *model.Config, a config.Args) error {
			at := a["HOUR"].(model.TimeOfDay)
			if a.Has("MINUTE") {
				if at.Minute != 0 {
					return config.BadArgument("MINUTE", "the minute is in %02d:%02d already", at.Hour, at.Minute)
				}
				at.Minute = a.Int("MINUTE")
			}
			set(c, a, &at)
			return nil
		},
		Negate: func(c *model.Config, a config.Args) error { set(c, a, nil); return nil },
		Render: func(c *model.Config, in config.Args) []config.Args {
			at := of(c, in)
			if at == nil {
				return nil
			}
			return []config.Args{{"HOUR": model.TimeOfDay{Hour: at.Hour}, "MINUTE": at.Minute}}
		},
	}
}
