package routing

import (
	"causeway/appliance/config"
	"causeway/appliance/model"
)

// junction is a route group or a lookup policy: what other routes lead to.
type junction struct {
	kind model.DestinationKind // ToGroup or ToPolicy
	name string
}

// refuseCircle refuses a junction, named by an argument of a line, from which
// routes lead back to it.
func refuseCircle(c *model.Config, argument string, from junction) error {
	seen := make(map[junction]bool)
	for ahead := []junction{from}; len(ahead) > 0; {
		at := ahead[len(ahead)-1]
		ahead = ahead[:len(ahead)-1]
		for _, d := range destinationsAt(c, at) {
			next := junction{d.Kind, d.Name}
			switch {
			case next.name == "": // it ends there
			case next == from:
				return config.BadArgument(argument, "%s leads back to itself: %s names it", from.name, at.name)
			case !seen[next]:
				seen[next] = true
				ahead = append(ahead, next)
			}
		}
	}
	return nil
}

// destinationsAt gives where the routes of a junction lead.
func destinationsAt(c *model.Config, at junction) []model.Destination {
	var all []model.Destination
	if at.kind == model.ToGroup {
		if g := routeGroups.find(c, at.name); g != nil {
			for _, e := range g.Elements {
				all = append(all, e.Destination)
			}
		}
		return all
	}
	if p := lookupPolicies.find(c, at.name); p != nil {
		for _, step := range p.Steps {
			if t := routeTables.find(c, step.Table); t != nil {
				for _, r := range t.Routes {
					all = append(all, r.Destination)
				}
			}
		}
	}
	return all
}
