package routing

import (
	"cmp"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The bounds of what can be configured.
const (
	networksMax    = 64
	listensMax     = 64 // of one network
	aliasesMax     = 64
	groupsMax      = 256 // of servers; of routes as many
	elementsMax    = 1024
	waysMax        = 64 // of a route group
	tablesMax      = 256
	routesMax      = 10000 // of all tables, beside their files
	keyMax         = 128   // octets of a key
	policiesMax    = 256   // of each kind
	conditionsMax  = 256
	sequencesMax   = 256 // of a policy or a condition; and triggers of a stage
	testsMax       = 32  // of a sequence
	adjacenciesMax = 1024
	remotesMax     = 64 // of an adjacency
)

// Commands declares the commands of this subject, in CUSP's words.
func Commands() []config.Command {
	return slices.Concat(
		networkCommands(),
		listenCommands(),
		sipCommands(),
		dnsCommands(),
		serverGroupCommands(),
		pingCommands(),
		timeCommands(),
		routeGroupCommands(),
		routeTableCommands(),
		lookupCommands(),
		normalizationCommands(),
		conditionCommands(),
		triggerCommands(),
		foreignCommands(),
	)
}

// sequence is the place of a line among others.
var sequence = config.Argument{Name: "SEQUENCE", Type: config.Integer{Min: 1, Max: 65535}, Help: "Place in the order"}

// networkArg names a SIP network, existing or not.
func networkArg(name, help string) config.Argument {
	return config.Argument{Name: name, Type: config.Name{}, Help: help}
}

// nameArg names something of routing, existing or not. CUSP's server groups
// are often called like a host.
func nameArg(name, help string) config.Argument {
	return config.Argument{Name: name, Type: config.Name{Max: 64}, Help: help}
}

// transportArg names one of the transports.
func transportArg(help string, transports ...model.Transport) config.Argument {
	var words config.Choice
	for _, t := range transports {
		words = append(words, t.String())
	}
	return config.Argument{Name: "TRANSPORT", Type: words, Help: help}
}

// transportOf is the value of a TRANSPORT.
func transportOf(a config.Args) model.Transport {
	t, _ := model.ParseTransport(a.Text("TRANSPORT")) // a Choice of their names
	return t
}

// text is the value of an argument that some forms of a line do not have.
func text(a config.Args, name string) string {
	if !a.Has(name) {
		return ""
	}
	return a.Text(name)
}

// switchOn declares a setting that is off until its words are typed.
func switchOn(mode config.Mode, words, help string, field func(*model.Config, config.Args) *bool) config.Command {
	return config.Command{
		Mode: mode, Syntax: words, No: words, Help: help,
		Apply:  func(c *model.Config, a config.Args) error { *field(c, a) = true; return nil },
		Negate: func(c *model.Config, a config.Args) error { *field(c, a) = false; return nil },
		Render: func(c *model.Config, in config.Args) []config.Args { return onlyIf(*field(c, in)) },
	}
}

// switchOff declares a setting that is on until "no" and its words are typed;
// field is true while it is off.
func switchOff(mode config.Mode, words, help, helpNo string, field func(*model.Config, config.Args) *bool) []config.Command {
	return []config.Command{
		{
			Mode: mode, Syntax: words, Help: help + " (default)",
			Apply: func(c *model.Config, a config.Args) error { *field(c, a) = false; return nil },
		},
		{
			Mode: mode, Syntax: "no " + words, Help: helpNo,
			Apply:  func(c *model.Config, a config.Args) error { *field(c, a) = true; return nil },
			Render: func(c *model.Config, in config.Args) []config.Args { return onlyIf(*field(c, in)) },
		},
	}
}

// onlyIf is one line without arguments, or none.
func onlyIf(there bool) []config.Args {
	return config.When(there, config.Args{})
}

// number declares a number that has its default while it is 0.
func number(mode config.Mode, words, help string, arg config.Argument, field func(*model.Config, config.Args) *int) config.Command {
	return config.Command{
		Mode: mode, Syntax: words + " " + arg.Name, No: words + " [" + arg.Name + "]", Help: help,
		Args:   []config.Argument{arg},
		Apply:  func(c *model.Config, a config.Args) error { *field(c, a) = a.Int(arg.Name); return nil },
		Negate: func(c *model.Config, a config.Args) error { *field(c, a) = 0; return nil },
		Render: func(c *model.Config, in config.Args) []config.Args {
			return config.When(*field(c, in) != 0, config.Args{arg.Name: *field(c, in)})
		},
	}
}

// integer declares a whole number.
func integer(name string, least, most int, help string) config.Argument {
	return config.Argument{Name: name, Type: config.Integer{Min: least, Max: most}, Help: help}
}

// collection is the configured things of one kind, each with a name.
type collection[T any] struct {
	what     string // in errors: "route table"
	plural   string
	argument string // of the lines that name one
	most     int
	all      func(*model.Config) *[]T
	name     func(*T) *string
}

// find gives the one with that name, or nil.
func (k collection[T]) find(c *model.Config, name string) *T {
	all := *k.all(c)
	for i := range all {
		if *k.name(&all[i]) == name {
			return &all[i]
		}
	}
	return nil
}

// in gives the one in whose mode a line stands.
func (k collection[T]) in(c *model.Config, a config.Args) *T { return k.find(c, a.Text(k.argument)) }

// put gives the one that the line names, made if need be.
func (k collection[T]) put(c *model.Config, a config.Args) (*T, error) {
	if t := k.in(c, a); t != nil {
		return t, nil
	}
	all := k.all(c)
	if len(*all) == k.most {
		return nil, config.BadArgument(k.argument, "there can be no more than %d %s", k.most, k.plural)
	}
	var t T
	*k.name(&t) = a.Text(k.argument)
	*all = append(*all, t)
	return &(*all)[len(*all)-1], nil
}

// remove takes the one that the line names out.
func (k collection[T]) remove(c *model.Config, a config.Args) error {
	if err := k.known(c, k.argument, a.Text(k.argument)); err != nil {
		return err
	}
	all := k.all(c)
	*all = slices.DeleteFunc(*all, func(t T) bool { return *k.name(&t) == a.Text(k.argument) })
	return nil
}

// known refuses a name, given by an argument, that nothing has.
func (k collection[T]) known(c *model.Config, argument, name string) error {
	if k.find(c, name) == nil {
		return config.BadArgument(argument, "there is no %s %s", k.what, name)
	}
	return nil
}

// opener declares the line that makes one and opens its mode.
func (k collection[T]) opener(mode config.Mode, words, ends, help string, opens config.Mode) config.Command {
	return config.Command{
		Mode: mode, Syntax: words + " " + k.argument, No: words + " " + k.argument, Opens: opens, Ends: ends,
		Args:   []config.Argument{nameArg(k.argument, "Name of the "+k.what)},
		Help:   help,
		Apply:  func(c *model.Config, a config.Args) error { _, err := k.put(c, a); return err },
		Negate: k.remove,
		Render: func(c *model.Config, _ config.Args) []config.Args {
			var lines []config.Args
			for i := range *k.all(c) {
				lines = append(lines, config.Args{k.argument: *k.name(&(*k.all(c))[i])})
			}
			return lines
		},
	}
}

// ordered is a list by rising sequence number.
type ordered[T any] struct {
	all    func(*model.Config, config.Args) *[]T
	number func(*T) *int
}

// search gives the index that the number has, or would have.
func (o ordered[T]) search(all []T, number int) (i int, found bool) {
	return slices.BinarySearchFunc(all, number, func(t T, number int) int { return cmp.Compare(*o.number(&t), number) })
}

// in gives the one in whose mode a line stands.
func (o ordered[T]) in(c *model.Config, a config.Args) *T {
	all := *o.all(c, a)
	i, _ := o.search(all, a.Int("SEQUENCE"))
	return &all[i]
}

// put gives the one with the line's number, made if need be.
func (o ordered[T]) put(c *model.Config, a config.Args) (*T, error) {
	all := o.all(c, a)
	i, found := o.search(*all, a.Int("SEQUENCE"))
	if found {
		return &(*all)[i], nil
	}
	if len(*all) == sequencesMax {
		return nil, config.BadArgument("SEQUENCE", "there can be no more than %d sequences", sequencesMax)
	}
	var t T
	*o.number(&t) = a.Int("SEQUENCE")
	*all = slices.Insert(*all, i, t)
	return &(*all)[i], nil
}

// remove takes the one with the line's number out.
func (o ordered[T]) remove(c *model.Config, a config.Args) error {
	all := o.all(c, a)
	i, found := o.search(*all, a.Int("SEQUENCE"))
	if !found {
		return config.BadArgument("SEQUENCE", "there is no sequence %d", a.Int("SEQUENCE"))
	}
	*all = slices.Delete(*all, i, i+1)
	return nil
}

// opener declares the line that makes one and opens its mode.
func (o ordered[T]) opener(mode config.Mode, help string, opens config.Mode) config.Command {
	return config.Command{
		Mode: mode, Syntax: "sequence SEQUENCE", No: "sequence SEQUENCE", Opens: opens, Ends: "end sequence",
		Args:   []config.Argument{sequence},
		Help:   help,
		Apply:  func(c *model.Config, a config.Args) error { _, err := o.put(c, a); return err },
		Negate: o.remove,
		Render: func(c *model.Config, in config.Args) []config.Args {
			var lines []config.Args
			for i := range *o.all(c, in) {
				lines = append(lines, config.Args{"SEQUENCE": *o.number(&(*o.all(c, in))[i])})
			}
			return lines
		},
	}
}
