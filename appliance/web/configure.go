package web

import (
	"cmp"
	"context"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// group is a heading of the page Configure and the pages below it.
type group struct {
	title string
	pages []*page
}

// configureGroups are all pages of the configuration but those of Administration.
func configureGroups() []group {
	return []group{
		{"Network", networkPages()},
		{"SIP", sipPages()},
		{"Routing", routingPages()},
		{"Limits", admissionPages()},
		{"Billing", billingPages()},
		{"Access and log", accessPages()},
	}
}

// configurePages are those of the menu Configure. A page of a mode begins with
// where that is; others lead to it, unless it knows the place itself.
func configurePages() []*page {
	groups := configureGroups()
	all := []*page{{
		path: "/configure", title: "Overview",
		intro: "Changes go to the candidate and do nothing until they are committed.",
		parts: []part{firstCall{}, index{groups}},
	}}
	for _, g := range groups {
		for _, p := range g.pages {
			if p.mode != "" {
				p.hidden = p.place == nil
				p.parts = append([]part{whereabouts{}}, p.parts...)
			}
			all = append(all, p)
		}
	}
	return all
}

// inDNS is where the finding of SIP servers is configured.
func inDNS(*model.Config) []string { return []string{"sip dns-srv"} }

// inSBE is where the signalling border element is configured.
func inSBE(c *model.Config) []string {
	return []string{"sbc " + cmp.Or(c.SBC.Name, "mySbc"), "sbe"}
}

// inBilling is where billing is.
func inBilling(c *model.Config) []string { return append(inSBE(c), "billing") }

// single is a form of commands of which a place has one line at the most.
func single(id, title string, mode config.Mode, lines ...line) commander {
	return settings{id, title, mode, lines}
}

// several is a table of lines, with a form for another one.
func several(id, title string, mode config.Mode, lines ...line) part {
	return listing{id, title, mode, lines}
}

// commander is a part that sets commands of a mode.
type commander interface {
	taker
	commands() (config.Mode, []line)
}

// placed is a part about the same place always, on a page that is about none.
type placed struct {
	commander
	at []string
}

func (p placed) show(ctx context.Context, v *visit) (view, error) {
	there := *v
	there.place = p.at
	return p.commander.show(ctx, &there)
}

func (p placed) take(ctx context.Context, v *visit) (answer, error) {
	there := *v
	there.place = p.at
	v.request.PostForm.Del("at") // the page itself is about no place
	a, err := p.commander.take(ctx, &there)
	a.to = cmp.Or(a.to, v.page.path)
	return a, err
}
