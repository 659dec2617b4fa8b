package web

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"causeway/appliance/model"
)

// firstCall is what a box needs before a call goes through it, in the order in
// which it is set, and how far the candidate is.
type firstCall struct{}

// milestone is one of them.
type milestone struct {
	title, path, why string
	// have says what the candidate has of it; empty: nothing. It is nil where that
	// is not of the candidate.
	have func(c *model.Config) string
	must bool // without it no call goes through
}

var milestones = []milestone{
	{"LAN1 and LAN2", "/configure/lan", "The addresses of the box, one on the side of the telephone system and one on the side of the carrier.", haveAddresses, true},
	{"Default route", "/configure/routes", "The router to whatever is not on LAN1 or LAN2. Without one the box reaches its own networks alone.", haveDefaultRoute, false},
	{"Name and time", "/configure/time", "Records, logs and certificates need the right time.", haveTime, false},
	{"DNS", "/configure/dns", "Needed as soon as anything is named by a host name.", haveDNS, false},
	{"SIP networks", "/configure/networks", "A network for each side, each with a listen point at the address of its LAN.", haveNetworks, true},
	{"Where calls go", "/configure/networks#part-next-hops", "The simplest is a next hop of each network. Server groups, route tables and triggers do the same with several servers, by number and by time.", haveRoutes, true},
	{"Calls per second", "/administration/license", "How many the licence is asked for. A new box calls for 90 days of evaluation.", haveLicense, true},
	{"Look at it, and commit", candidatePath, "Until then nothing is in force.", nil, false},
	{"Test route", "/troubleshoot/test-route", "Goes the way of a call, says where it would lead, and sends nothing.", nil, false},
}

func (firstCall) name() string { return "first-call" }

func (firstCall) permits(rights model.Rights) error { return permitsConfigure(rights) }

// shownMilestone is a milestone as it is shown.
type shownMilestone struct {
	Title, Path, Why string
	Asked            bool // of the candidate
	Have             string
	Missing          bool
}

func (firstCall) show(ctx context.Context, v *visit) (view, error) {
	c, err := v.candidate(ctx)
	if err != nil {
		return view{}, err
	}
	var list []shownMilestone
	for _, s := range milestones {
		one := shownMilestone{Title: s.title, Path: s.path, Why: s.why, Asked: s.have != nil && v.seesAll()}
		if one.Asked {
			one.Have = s.have(c)
			one.Missing = s.must && one.Have == ""
		}
		list = append(list, one)
	}
	return view{template: "firstcall", data: list}, nil
}

func haveAddresses(c *model.Config) string {
	var all []string
	for _, l := range c.LANs {
		switch {
		case l.Shutdown:
			continue
		case l.DHCP.Mode == model.DHCPClient:
			all = append(all, l.Port.String()+" by DHCP")
		case l.Address.IsValid():
			all = append(all, l.Port.String()+" "+l.Address.String())
		case l.Address6.IsValid():
			all = append(all, l.Port.String()+" "+l.Address6.String())
		}
	}
	return strings.Join(all, ", ")
}

func haveDefaultRoute(c *model.Config) string {
	var all []string
	for _, r := range c.Routes {
		if r.Destination.Bits() == 0 {
			all = append(all, fmt.Sprintf("%v on %v", r.Gateway, r.Port))
		}
	}
	for _, l := range c.LANs {
		if l.DHCP.Mode == model.DHCPClient && !l.Shutdown {
			all = append(all, fmt.Sprintf("by DHCP on %v", l.Port))
		}
	}
	return strings.Join(all, ", ")
}

func haveTime(c *model.Config) string {
	servers := "time servers automatic"
	switch {
	case c.Time.Disabled:
		servers = "no time servers"
	case len(c.TimeServers) > 0:
		servers = strings.Join(c.TimeServers, ", ")
	}
	return fmt.Sprintf("%s, %s, %s", cmp.Or(c.HostName, "no name"), cmp.Or(c.Time.Zone.Name, "UTC"), servers)
}

func haveDNS(c *model.Config) string {
	if len(c.NameServers) == 0 {
		return "automatic: servers of DHCP, else 8.8.8.8"
	}
	var all []string
	for _, s := range c.NameServers {
		all = append(all, s.String())
	}
	return strings.Join(all, ", ")
}

func haveNetworks(c *model.Config) string {
	var all []string
	for _, n := range c.SIP.Networks {
		for _, l := range n.Listens {
			all = append(all, fmt.Sprintf("%s: %v %v", n.Name, l.Transport, l.Address))
		}
	}
	return strings.Join(all, ", ")
}

func haveRoutes(c *model.Config) string {
	var all []string
	for _, n := range c.SIP.Networks {
		if n.NextHop.Address.IsValid() {
			all = append(all, fmt.Sprintf("%s to %v", n.Name, n.NextHop.Address))
		}
	}
	switch n := len(c.SIP.Routing.Triggers[model.TriggerRouting]); n {
	case 0:
	case 1:
		all = append(all, "1 routing trigger")
	default:
		all = append(all, fmt.Sprintf("%d routing triggers", n))
	}
	return strings.Join(all, ", ")
}

func haveLicense(c *model.Config) string {
	if c.License.Off {
		return ""
	}
	return fmt.Sprintf("%d calls per second", cmp.Or(c.License.CPS, model.DefaultLicenseCPS))
}
