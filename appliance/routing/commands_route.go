package routing

import (
	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/storage/files"
)

const routeTableMode = "config-rt"

var routeTables = collection[model.RouteTable]{
	what: "route table", plural: "route tables", argument: "TABLE", most: tablesMax,
	all:  func(c *model.Config) *[]model.RouteTable { return &c.SIP.Routing.Tables },
	name: func(t *model.RouteTable) *string { return &t.Name },
}

// routeTableCommands declares route tables.
func routeTableCommands() []config.Command {
	file := func(c *model.Config, a config.Args) *string { return &routeTables.in(c, a).File }
	commands := []config.Command{
		routeTables.opener(config.Global, "route table", "end route table", "Configure routes by key", routeTableMode),
		{
			Mode: routeTableMode, Syntax: "file PATH", No: "file [PATH]",
			Args:   []config.Argument{{Name: "PATH", Type: files.PathType{}, Help: "The file, with one key line for each route"}},
			Help:   "Take more routes from a file, at commit and at start",
			Apply:  func(c *model.Config, a config.Args) error { *file(c, a) = files.PathOf(a, "PATH").String(); return nil },
			Negate: func(c *model.Config, a config.Args) error { *file(c, a) = ""; return nil },
			Render: func(c *model.Config, in config.Args) []config.Args {
				return config.When(*file(c, in) != "", config.Args{"PATH": *file(c, in)})
			},
		},
	}
	for _, w := range destinations {
		commands = append(commands, routeCommand(w))
	}
	remove := &commands[2] // of any route: the key is enough
	remove.No, remove.Negate = "key KEY", removeRoute
	return commands
}

// routeCommand declares routes that lead there. They are printed in the order
// of the table, which is that of expressions.
func routeCommand(w destinationWords) config.Command {
	form := keyForm(w)
	return config.Command{
		Mode: routeTableMode, Syntax: form.Syntax, Rank: "place", Args: form.Args, Help: form.Help,
		Apply: func(c *model.Config, a config.Args) error { return putRoute(c, a, w.destination(a)) },
		Check: func(c *model.Config, a config.Args) error { return w.check(c, w.destination(a)) },
		Render: func(c *model.Config, in config.Args) []config.Args {
			var lines []config.Args
			for place, r := range routeTables.in(c, in).Routes {
				if r.Kind == w.kind {
					line := w.line(r.Destination)
					line["KEY"], line["place"] = r.Key, place
					lines = append(lines, line)
				}
			}
			return lines
		},
	}
}

// keyForm is the line of a route that leads there, in the configuration and in
// a route file.
func keyForm(w destinationWords) config.Form {
	key := config.Argument{Name: "KEY", Type: config.Word{Max: keyMax}, Help: "Number, prefix, domain, network or expression, as the rule of the lookup says"}
	return config.Form{Syntax: "key KEY " + w.words, Args: append([]config.Argument{key}, w.args...), Help: "Add a route " + w.help}
}

// keyForms are the lines of a route file.
func keyForms() []config.Form {
	var forms []config.Form
	for _, w := range destinations {
		forms = append(forms, keyForm(w))
	}
	return forms
}

// keyRoute is the route that a line in one of keyForms says.
func keyRoute(m config.Match) model.Route {
	return model.Route{Key: m.Args.Text("KEY"), Destination: destinations[m.Form].destination(m.Args)}
}

func putRoute(c *model.Config, a config.Args, d model.Destination) error {
	total := 0
	for i := range c.SIP.Routing.Tables {
		total += len(c.SIP.Routing.Tables[i].Routes)
	}
	t := routeTables.in(c, a)
	if total >= routesMax && !t.Has(a.Text("KEY")) {
		return config.BadArgument("KEY", "there can be no more than %d routes in the configuration; put more into a file", routesMax)
	}
	t.Put(model.Route{Key: a.Text("KEY"), Destination: d})
	return nil
}

func removeRoute(c *model.Config, a config.Args) error {
	if !routeTables.in(c, a).Remove(a.Text("KEY")) {
		return config.BadArgument("KEY", "route table %s has no key %s", a.Text("TABLE"), a.Text("KEY"))
	}
	return nil
}
