package network

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// Protocol marks the routes and rules of the appliance (RTA_PROTOCOL of
// rtnetlink(7)). No routing daemon is known to use this number.
const Protocol = 67

// tablesOfLAN is how far apart the routing tables of LAN1 and LAN2 are, so
// that each VLAN has one too: LAN1 has 10000, LAN2.100 has 20100. The priority
// of a table's rules is its number, which is less than that of the main
// table's rule (32766, ip-rule(8)).
const tablesOfLAN = 10000

// tableOf gives the number of a port's own routing table.
func tableOf(port model.Port) int { return tablesOfLAN*(int(port.LAN)+1) + port.VLAN }

// portOf gives the port that has the table; without ok none has.
func portOf(table int) (port model.Port, ok bool) {
	port = model.Port{LAN: model.LANName(table/tablesOfLAN - 1), VLAN: table % tablesOfLAN}
	return port, table >= tablesOfLAN && table < tablesOfLAN*(int(model.LANCount)+1) && port.VLAN < 4095
}

// State is what the kernel has, or what it should have.
type State struct {
	Interfaces map[model.Port]Interface // those that exist
	Strays     []VLAN                   // on the ports, and not made by us
	Routes     []Route
	Rules      []Rule
	Parameters map[string]string // by path below /proc/sys; those that exist
}

// ports gives those whose interfaces exist, in order.
func (s *State) ports() []model.Port {
	return slices.SortedFunc(maps.Keys(s.Interfaces), model.Port.Compare)
}

// Interface is the network interface of a port.
type Interface struct {
	Up        bool           // as opposed to shut down
	MTU       int            // octets
	Addresses []netip.Prefix // all but IPv6's link-local ones

	// Of the kernel's state only.
	Carrier   bool // the cable has a peer
	LinkLocal bool // there is a link-local address of IPv6
	MAC       string
	Ethernet  *linkSettings // nil: the driver says nothing

	// Of a desired state only.
	Mode   Mode // of a VLAN the zero value: it has that of its port
	Leased bool // an address comes from a lease
}

// Object is what the kernel has or has not: a VLAN, an Address, a Route or a
// Rule. Two are the same when they are equal.
type Object interface {
	fmt.Stringer
	port() model.Port
}

// Setting is what the kernel always has some value of: a Link, an MTU, a Mode
// or a Parameter.
type Setting interface {
	fmt.Stringer
	port() model.Port
}

// VLAN is the interface of a VLAN on one of the ports (IEEE 802.1Q).
type VLAN struct {
	Port model.Port
	Name string // the kernel's
}

// Address is an address of the appliance.
type Address struct {
	Port    model.Port
	Address netip.Prefix
}

// Route is a route of Protocol through a port.
type Route struct {
	Port        model.Port
	Table       int
	Destination netip.Prefix // masked
	Gateway     netip.Addr   // invalid: the destination is on the link
	Metric      int          // 1–255
}

// Rule sends what comes from an address of the box to a table.
type Rule struct {
	Source   netip.Prefix
	Table    int
	Priority int
}

// Link says whether an interface is up or shut down.
type Link struct {
	Port model.Port
	Up   bool
}

// MTU is the largest packet of an interface.
type MTU struct {
	Port   model.Port
	Octets int
}

// PortMode is the speed and duplex of a port.
type PortMode struct {
	Port model.Port
	Mode Mode
}

// Parameter is one of the kernel's (sysctl(8)). Port is the one that it is
// about, or LAN1.
type Parameter struct {
	Port  model.Port
	Name  string // path below /proc/sys
	Value string
}

func (v VLAN) port() model.Port      { return v.Port }
func (a Address) port() model.Port   { return a.Port }
func (r Route) port() model.Port     { return r.Port }
func (l Link) port() model.Port      { return l.Port }
func (m MTU) port() model.Port       { return m.Port }
func (m PortMode) port() model.Port  { return m.Port }
func (p Parameter) port() model.Port { return p.Port }

// port is the one whose address it is, and LAN1 of a rule that an older
// version of this program left.
func (r Rule) port() model.Port {
	port, ok := portOf(r.Table)
	if !ok {
		return model.Port{}
	}
	return port
}

func (v VLAN) String() string    { return "VLAN interface " + v.Name }
func (a Address) String() string { return "address " + a.Address.String() }

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

func (r Rule) String() string { return fmt.Sprintf("rule from %s table %d", r.Source, r.Table) }

func (l Link) String() string {
	if l.Up {
		return "link up"
	}
	return "link down"
}

func (m MTU) String() string       { return fmt.Sprintf("MTU %d", m.Octets) }
func (m PortMode) String() string  { return m.Mode.String() }
func (p Parameter) String() string { return p.Name + " " + p.Value }

// place is where only one route can be: the kernel puts a second one there in
// the place of the first.
type place struct {
	table       int
	destination netip.Prefix
	metric      int
}

func (r Route) place() place { return place{r.Table, r.Destination, r.Metric} }

// anyMetric stands for all places of the routes to its destination in its
// table.
func (r Route) anyMetric() place { return place{r.Table, r.Destination, -1} }
