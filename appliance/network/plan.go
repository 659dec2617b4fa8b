package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// Protocol marks the routes and rules of the appliance (RTA_PROTOCOL of
// rtnetlink(7)). No routing daemon is known to use this number.
const Protocol = 67

// firstTable is LAN1's routing table; LAN2's is the next. Each holds the
// routes through its LAN only. The priority of a table's rule is its number.
const firstTable = 101

// tableOf gives the number of a LAN's own routing table.
func tableOf(lan model.LANName) int { return firstTable + int(lan) }

// interfaceName gives the kernel's name of a LAN, which init has set.
func interfaceName(lan model.LANName) string { return strings.ToLower(lan.String()) }

// State is what the kernel has, or what it should have. In a desired state
// only the addresses of the LANs count.
type State struct {
	LANs   [model.LANCount]Interface
	Routes []Route
	Rules  []Rule
}

// Interface is a LAN's network interface.
type Interface struct {
	Present   bool
	Up        bool // set up by us
	Carrier   bool // the cable has a peer
	MAC       string
	Addresses []netip.Prefix // all but the link-local ones
}

// Route is a route of Protocol through a LAN.
type Route struct {
	LAN         model.LANName
	Table       int
	Destination netip.Prefix // masked
	Gateway     netip.Addr   // invalid: the destination is on the link
	Metric      int          // 1–255
}

func (r Route) String() string {
	text := fmt.Sprintf("route %s", r.Destination)
	if r.Gateway.IsValid() {
		text += fmt.Sprintf(" via %s", r.Gateway)
	}
	if r.Metric != 1 {
		text += fmt.Sprintf(" metric %d", r.Metric)
	}
	if r.Table != unix.RT_TABLE_MAIN {
		text += fmt.Sprintf(" table %d", r.Table)
	}
	return text
}

// Rule sends what comes from an address of the box to a LAN's own table.
type Rule struct {
	LAN    model.LANName
	Source netip.Addr
}

func (r Rule) String() string {
	return fmt.Sprintf("rule from %s table %d", r.Source, tableOf(r.LAN))
}

// plan gives the state that a configuration asks for. A static route stands
// in the main table, for what the box begins, and in its LAN's own, for
// answers; with no route there, an answer follows the main table.
func plan(config *model.Config) State {
	var desired State
	add := func(r Route) {
		if !slices.Contains(desired.Routes, r) {
			desired.Routes = append(desired.Routes, r)
		}
	}
	for lan := range model.LANCount {
		configured := config.LAN(model.Port{LAN: lan})
		if configured == nil || !configured.Address.IsValid() {
			continue
		}
		address := configured.Address
		desired.LANs[lan].Addresses = []netip.Prefix{address}
		desired.Rules = append(desired.Rules, Rule{lan, address.Addr()})
		if !address.IsSingleIP() {
			add(Route{LAN: lan, Table: tableOf(lan), Destination: address.Masked(), Metric: 1})
		}
	}
	for _, r := range config.Routes {
		route := Route{r.Port.LAN, unix.RT_TABLE_MAIN, r.Destination.Masked(), r.Gateway, max(r.Metric, 1)}
		add(route)
		route.Table = tableOf(r.Port.LAN)
		add(route)
	}
	return desired
}

// change is one difference between desired and actual, and how to end it.
type change struct {
	lan  model.LANName
	what string
	do   func(Kernel) error
}

// difference gives the changes that lead from actual to desired, in the order
// in which they work: links before addresses before routes, and what goes
// before what comes, since two routes of one destination and metric exclude
// each other and an address cannot be its own secondary. Nothing is wanted of
// a LAN whose interface is missing.
func difference(desired, actual State) []change {
	var changes []change
	add := func(lan model.LANName, do func(Kernel) error, format string, of ...any) {
		changes = append(changes, change{lan, fmt.Sprintf(format, of...), do})
	}
	for lan, have := range actual.LANs {
		lan := model.LANName(lan)
		if !have.Present {
			continue
		}
		if !have.Up {
			add(lan, func(k Kernel) error { return k.SetUp(lan) }, "set the link up")
		}
		want := desired.LANs[lan].Addresses
		for _, address := range without(have.Addresses, want) {
			add(lan, func(k Kernel) error { return k.RemoveAddress(lan, address) }, "remove address %s", address)
		}
		for _, address := range without(want, have.Addresses) {
			add(lan, func(k Kernel) error { return k.AddAddress(lan, address) }, "add address %s", address)
		}
	}
	absent := func(lan model.LANName) bool { return !actual.LANs[lan].Present }
	routes := slices.DeleteFunc(slices.Clone(desired.Routes), func(r Route) bool { return absent(r.LAN) })
	rules := slices.DeleteFunc(slices.Clone(desired.Rules), func(r Rule) bool { return absent(r.LAN) })
	for _, rule := range without(actual.Rules, rules) {
		add(rule.LAN, func(k Kernel) error { return k.RemoveRule(rule) }, "remove %s", rule)
	}
	for _, route := range without(actual.Routes, routes) {
		add(route.LAN, func(k Kernel) error { return k.RemoveRoute(route) }, "remove %s", route)
	}
	for _, route := range without(routes, actual.Routes) {
		add(route.LAN, func(k Kernel) error { return k.AddRoute(route) }, "add %s", route)
	}
	for _, rule := range without(rules, actual.Rules) {
		add(rule.LAN, func(k Kernel) error { return k.AddRule(rule) }, "add %s", rule)
	}
	return changes
}

// without gives the elements of list that are not in other.
func without[T comparable](list, other []T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(t T) bool { return slices.Contains(other, t) })
}

// status gives the interface as show commands print it. Its Problem is what
// no change can mend.
func (i Interface) status(lan model.LANName) model.InterfaceStatus {
	s := model.InterfaceStatus{LAN: lan.String(), MAC: i.MAC, Link: "down"}
	switch {
	case !i.Present:
		s.Link, s.Problem = "missing", "no NIC for "+lan.String()
	case i.Up && i.Carrier:
		s.Link = "up"
	case i.Up:
		s.Problem = "no carrier"
	}
	addresses := make([]string, len(i.Addresses))
	for n, address := range i.Addresses {
		addresses[n] = address.String()
	}
	s.Address = strings.Join(addresses, ", ")
	return s
}
