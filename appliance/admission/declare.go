package admission

import (
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The words of switches.
const (
	on  = "on"
	off = "off"
)

// either declares a line that chooses one of two words, the first of which is
// the default and not rendered.
func either(words, help, about string, choice config.Choice, field func(*model.Admission) *bool) config.Command {
	return config.Command{
		Mode: config.Global, Syntax: words + " WORD",
		Args: []config.Argument{{Name: "WORD", Type: choice, Help: about}},
		Help: help + " (default " + choice[0] + ")",
		Apply: func(c *model.Config, a config.Args) error {
			*field(&c.Admission) = a.Text("WORD") == choice[1]
			return nil
		},
		Render: func(c *model.Config, _ config.Args) []config.Args {
			return config.When(*field(&c.Admission), config.Args{"WORD": choice[1]})
		},
	}
}

// optional declares a line with one value, which is zero when it is not set.
func optional[T any, V comparable](mode config.Mode, words string, arg config.Argument, of func(*model.Config, config.Args) *T, field func(*T) *V) config.Command {
	var zero V
	return config.Command{
		Mode: mode, Syntax: words + " " + arg.Name, No: words, Args: []config.Argument{arg}, Help: arg.Help,
		Apply:  func(c *model.Config, a config.Args) error { *field(of(c, a)) = a[arg.Name].(V); return nil },
		Negate: func(c *model.Config, a config.Args) error { *field(of(c, a)) = zero; return nil },
		Render: func(c *model.Config, in config.Args) []config.Args {
			value := *field(of(c, in))
			return config.When(value != zero, config.Args{arg.Name: value})
		},
	}
}

// enum declares a line with one of a few words, of which names has those of
// each value; that of zero is empty.
func enum[T any, V ~uint8](mode config.Mode, words, help string, names []string, of func(*model.Config, config.Args) *T, field func(*T) *V) config.Command {
	return config.Command{
		Mode: mode, Syntax: words + " WORD", No: words, Help: help,
		Args: []config.Argument{{Name: "WORD", Type: config.Choice(names[1:]), Help: help}},
		Apply: func(c *model.Config, a config.Args) error {
			*field(of(c, a)) = V(slices.Index(names, a.Text("WORD")))
			return nil
		},
		Negate: func(c *model.Config, a config.Args) error { *field(of(c, a)) = 0; return nil },
		Render: func(c *model.Config, in config.Args) []config.Args {
			value := *field(of(c, in))
			return config.When(value != 0, config.Args{"WORD": names[value]})
		},
	}
}
