package config

import "causeway/appliance/model"

// Setting declares a line of global mode that sets one value, and its undoing: the
// words, and one argument. What of gives is the value, zero for the default; that
// is not printed.
func Setting[V comparable](words, help string, arg Argument, byDefault V, of func(*model.Config) *V) Command {
	var zero V
	return Command{
		Mode: Global, Syntax: words + " " + arg.Name, No: words + " [" + arg.Name + "]", Help: help, Args: []Argument{arg},
		Apply: func(c *model.Config, a Args) error {
			if *of(c) = a[arg.Name].(V); *of(c) == byDefault {
				*of(c) = zero
			}
			return nil
		},
		Negate: func(c *model.Config, _ Args) error { *of(c) = zero; return nil },
		Render: func(c *model.Config, _ Args) []Args { return When(*of(c) != zero, Args{arg.Name: *of(c)}) },
	}
}
