package routing

import (
	"fmt"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

const routeGroupMode = "config-rg"

var routeGroups = collection[model.RouteGroup]{
	what: "route group", plural: "route groups", argument: "ROUTE-GROUP", most: groupsMax,
	all:  func(c *model.Config) *[]model.RouteGroup { return &c.SIP.Routing.RouteGroups },
	name: func(g *model.RouteGroup) *string { return &g.Name },
}

// routeGroupCommands declares route groups.
func routeGroupCommands() []config.Command {
	opener := routeGroups.opener(config.Global, "route group", "end route group", "Configure several ways to the same place", routeGroupMode)
	opener.Check = func(c *model.Config, a config.Args) error {
		return refuseCircle(c, "ROUTE-GROUP", junction{model.ToGroup, a.Text("ROUTE-GROUP")})
	}
	commands := []config.Command{
		opener,
		switchOn(routeGroupMode, "parallel", "Try elements of equal q-value at the same time",
			func(c *model.Config, a config.Args) *bool { return &routeGroups.in(c, a).Parallel }),
	}
	for _, w := range destinations {
		commands = append(commands, wayCommand(w))
	}
	return commands
}

// wayCommand declares the elements that lead there.
func wayCommand(w destinationWords) config.Command {
	syntax := "element " + w.words + " [q-value Q] [weight WEIGHT] [failover-codes CODES...] [time-policy TIMES]"
	return config.Command{
		Mode: routeGroupMode, Syntax: syntax, No: syntax, Rank: "place",
		Args:   append([]config.Argument{qArg, weightArg, codesArg, nameArg("TIMES", "Name of a time policy")}, w.args...),
		Help:   "Add a way " + w.help,
		Apply:  func(c *model.Config, a config.Args) error { return putWay(c, a, w.destination(a)) },
		Negate: func(c *model.Config, a config.Args) error { return removeWay(c, a, w.destination(a)) },
		Check: func(c *model.Config, a config.Args) error {
			if a.Has("TIMES") {
				if err := timePolicies.known(c, "TIMES", a.Text("TIMES")); err != nil {
					return err
				}
			}
			return w.check(c, w.destination(a))
		},
		Render: func(c *model.Config, in config.Args) []config.Args {
			var lines []config.Args
			for place, e := range routeGroups.in(c, in).Elements {
				if e.Kind != w.kind {
					continue
				}
				line := w.line(e.Destination)
				line["place"], line["Q"], line["WEIGHT"], line["CODES"] = place, e.Q, e.Weight, config.CodesValue(e.FailoverCodes)
				if e.TimePolicy != "" {
					line["TIMES"] = e.TimePolicy
				}
				lines = append(lines, line)
			}
			return lines
		},
	}
}

func findWay(g *model.RouteGroup, d model.Destination) int {
	return slices.IndexFunc(g.Elements, func(e model.RouteElement) bool { return e.Destination == d })
}

// putWay adds an element, or changes the one that leads there.
func putWay(c *model.Config, a config.Args, d model.Destination) (err error) {
	e := model.RouteElement{Destination: d, Q: a.Int("Q"), Weight: a.Int("WEIGHT"), TimePolicy: a.Text("TIMES")}
	if a.Has("CODES") {
		if e.FailoverCodes, err = a.Codes("CODES"); err != nil {
			return err
		}
	}
	g := routeGroups.in(c, a)
	switch i := findWay(g, d); {
	case i >= 0:
		g.Elements[i] = e
	case len(g.Elements) == waysMax:
		return fmt.Errorf("route group %s can have no more than %d elements", g.Name, waysMax)
	default:
		g.Elements = append(g.Elements, e)
	}
	return nil
}

func removeWay(c *model.Config, a config.Args, d model.Destination) error {
	g := routeGroups.in(c, a)
	i := findWay(g, d)
	if i < 0 {
		return fmt.Errorf("route group %s has no such element", g.Name)
	}
	g.Elements = slices.Delete(g.Elements, i, i+1)
	return nil
}
