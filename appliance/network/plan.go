package network

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// leaseMetric is that of the default route of a lease, as IOS has it: every
// default route of the configuration but one of metric 255 goes before it.
const leaseMetric = 254

// leases are those in force, by their ports.
type leases map[model.Port]model.Lease

// planner makes the desired state of a configuration and its leases.
type planner struct {
	config  *model.Config
	leases  leases
	desired State
	taken   map[place]bool // by routes of the desired state
	forward bool
}

// plan gives the state that a configuration and the leases ask for. A route
// stands in the main table, for what the box begins, and in its port's own,
// for answers; with no route there, an answer follows the main table.
func plan(config *model.Config, leases leases) State {
	p := planner{config: config, leases: leases, taken: map[place]bool{}}
	p.desired = State{Interfaces: map[model.Port]Interface{}, Parameters: map[string]string{}}
	for _, lan := range configuredPorts(config) {
		p.addPort(lan)
	}
	for _, r := range config.Routes {
		if p.reaches(r.Port, r.Destination) {
			p.addRoute(Route{r.Port, 0, r.Destination.Masked(), r.Gateway, max(r.Metric, 1)})
		}
	}
	ports := p.desired.ports()
	for _, port := range ports { // the routes of the configuration go first
		if router := leases[port].Router; p.desired.Interfaces[port].Leased && router.IsValid() {
			p.addRoute(Route{port, 0, netip.PrefixFrom(netip.IPv4Unspecified(), 0), router, leaseMetric})
		}
	}
	for _, parameter := range parameters(ports, p.forward) {
		p.desired.Parameters[parameter.Name] = parameter.Value
	}
	return p.desired
}

// configuredPorts gives LAN1 and LAN2, which are always there, and the VLANs
// of the configuration, in order.
func configuredPorts(config *model.Config) []model.LAN {
	list := slices.Clone(config.LANs)
	for name := range model.LANCount {
		if port := (model.Port{LAN: name}); config.LAN(port) == nil {
			list = append(list, model.NewLAN(port))
		}
	}
	slices.SortFunc(list, func(a, b model.LAN) int { return a.Port.Compare(b.Port) })
	return list
}

// addPort plans a port, its rules, and the routes to its networks.
func (p *planner) addPort(lan model.LAN) {
	parent := p.config.LAN(model.Port{LAN: lan.Port.LAN})
	up := !lan.Shutdown && (parent == nil || !parent.Shutdown)
	wanted := Interface{Up: up, MTU: lan.MTU, Mode: Mode{lan.Speed, lan.Duplex}}
	if up {
		p.forward = p.forward || lan.NAT
		for _, address := range []netip.Prefix{lan.Address, lan.Address6} {
			if address.IsValid() {
				wanted.Addresses = append(wanted.Addresses, address)
			}
		}
		if lease, found := p.leases[lan.Port]; found && lan.DHCP.Mode == model.DHCPClient {
			wanted.Addresses, wanted.Leased = append(wanted.Addresses, lease.Address), true
		}
	}
	p.desired.Interfaces[lan.Port] = wanted
	table := tableOf(lan.Port)
	for _, address := range wanted.Addresses {
		source := netip.PrefixFrom(address.Addr(), address.Addr().BitLen())
		p.desired.Rules = append(p.desired.Rules, Rule{source, table, table})
		if !address.IsSingleIP() {
			p.addRoute(Route{Port: lan.Port, Destination: address.Masked(), Metric: 1})
		}
	}
}

// reaches reports whether a port has an address of the destination's family
// now; one that is shut down or waits for a lease has none.
func (p *planner) reaches(port model.Port, destination netip.Prefix) bool {
	return slices.ContainsFunc(p.desired.Interfaces[port].Addresses, func(address netip.Prefix) bool {
		return address.Addr().Is4() == destination.Addr().Is4()
	})
}

// addRoute plans a route in both of its tables, where there is none yet.
func (p *planner) addRoute(r Route) {
	for _, table := range []int{unix.RT_TABLE_MAIN, tableOf(r.Port)} {
		r.Table = table
		if !p.taken[r.place()] {
			p.taken[r.place()] = true
			p.desired.Routes = append(p.desired.Routes, r)
		}
	}
}
