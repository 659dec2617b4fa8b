package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"text/tabwriter"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Wanted is the answer of control.routes: the routes that the configuration
// asks for.
type Wanted struct {
	Routes []Route `json:"routes"`
}

// Methods are what control serves of the reconciler.
func (r *Reconciler) Methods() link.Methods {
	return link.Methods{
		"control.routes": func(context.Context) (Wanted, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return Wanted{slices.Clone(r.desired.Routes)}, nil
		},
	}
}

// kernelRoute is a route of the kernel, whoever made it, or one that should be.
type kernelRoute struct {
	Route
	absent   bool
	device   string // of another interface than the LANs'; else empty
	protocol netlink.RouteProtocol
}

// routingTable is one that the appliance uses, and how show ip route heads it.
type routingTable struct {
	number  int
	heading string
}

func routingTables() []routingTable {
	all := []routingTable{{unix.RT_TABLE_MAIN, "Main table: what the appliance begins"}}
	for lan := range model.LANCount {
		number := tableOf(lan)
		all = append(all, routingTable{number, fmt.Sprintf("Table %d: what comes from the address of %v", number, lan)})
	}
	return all
}

func (o observer) showRoutes(ctx context.Context, s exec.Session, _ config.Args) error {
	routes, err := o.kernel.allRoutes()
	if err != nil {
		return err
	}
	var wanted Wanted
	if err := s.Call(ctx, "control", "control.routes", nil, &wanted); err != nil {
		fmt.Fprintf(s, "%% %v\n%% What is configured and absent is not known\n", err)
	}
	for _, r := range wanted.Routes {
		there := func(k kernelRoute) bool { return k.device == "" && k.Route == r }
		if !slices.ContainsFunc(routes, there) {
			routes = append(routes, kernelRoute{Route: r, absent: true})
		}
	}
	fmt.Fprintln(s, "C connected, S configured, K other; * default, ! absent from the kernel")
	for _, t := range routingTables() {
		elsewhere := func(k kernelRoute) bool { return k.Table != t.number }
		if err := t.print(s, slices.DeleteFunc(slices.Clone(routes), elsewhere)); err != nil {
			return err
		}
	}
	return nil
}

func (t *routingTable) print(s exec.Session, routes []kernelRoute) error {
	fmt.Fprintf(s, "\n%s\n", t.heading)
	if len(routes) == 0 {
		fmt.Fprintln(s, "no routes")
		return nil
	}
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tDestination\tGateway\tPort\tMetric")
	for _, r := range routes {
		gateway, port := "connected", r.device
		if r.Gateway.IsValid() {
			gateway = r.Gateway.String()
		}
		if port == "" {
			port = r.LAN.String()
		}
		fmt.Fprintf(table, "%s\t%v\t%s\t%s\t%d\n", r.code(), r.Destination, gateway, port, r.Metric)
	}
	return table.Flush()
}

// code is the letter of where a route comes from, and its marks.
func (r kernelRoute) code() string {
	code := "K"
	switch {
	case r.absent, r.protocol == Protocol:
		code = "S"
	case r.protocol == unix.RTPROT_KERNEL:
		code = "C"
	}
	if r.Destination.Bits() == 0 {
		code += "*"
	}
	if r.absent {
		code += "!"
	}
	return code
}

// allRoutes gives the routes of all tables that lead to a network, without
// those that the kernel keeps for its own addresses, multicast and links.
func (n *Netlink) allRoutes() ([]kernelRoute, error) {
	found, err := retried(func() ([]netlink.Route, error) {
		every := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
		return n.handle.RouteListFiltered(netlink.FAMILY_ALL, every, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	names, err := n.interfaceNames()
	if err != nil {
		return nil, err
	}
	var routes []kernelRoute
	for _, r := range found {
		if r.Dst == nil || r.Type != unix.RTN_UNICAST || r.Table == unix.RT_TABLE_LOCAL || r.Dst.IP.IsLinkLocalUnicast() {
			continue
		}
		gateway, _ := netip.AddrFromSlice(r.Gw)
		route := kernelRoute{
			Route:    Route{Table: r.Table, Destination: prefixOf(r.Dst), Gateway: gateway.Unmap(), Metric: r.Priority},
			protocol: r.Protocol,
		}
		route.LAN, route.device = names.lan(r.LinkIndex)
		routes = append(routes, route)
	}
	return routes, nil
}

// retried lists something of the kernel again when it changed meanwhile.
func retried[T any](list func() (T, error)) (found T, err error) {
	for range dumpTries {
		if found, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return found, err
}

// interfaceNames are the kernel's names of the interfaces by their numbers.
type interfaceNames map[int]string

func (n *Netlink) interfaceNames() (interfaceNames, error) {
	links, err := retried(n.handle.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	names := make(interfaceNames, len(links))
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	return names, nil
}

// lan gives the LAN whose interface has the number, or another's name.
func (names interfaceNames) lan(index int) (lan model.LANName, other string) {
	for lan := range model.LANCount {
		if names[index] == interfaceName(lan) {
			return lan, ""
		}
	}
	if names[index] == "" {
		return 0, "?" // it went away meanwhile
	}
	return 0, names[index]
}

// neighbourStates names the kernel's states of a neighbour (rtnetlink(7)).
var neighbourStates = map[int]string{
	netlink.NUD_INCOMPLETE: "no answer yet",
	netlink.NUD_REACHABLE:  "reachable",
	netlink.NUD_STALE:      "not used lately",
	netlink.NUD_DELAY:      "being checked",
	netlink.NUD_PROBE:      "being checked",
	netlink.NUD_FAILED:     "no answer",
	netlink.NUD_PERMANENT:  "permanent",
	netlink.NUD_NOARP:      "needs none",
}

func (o observer) showNeighbours(_ context.Context, s exec.Session, _ config.Args) error {
	neighbours, err := retried(func() ([]netlink.Neigh, error) { return o.kernel.handle.NeighList(0, netlink.FAMILY_V4) })
	if err != nil {
		return fmt.Errorf("read neighbours: %w", err)
	}
	names, err := o.kernel.interfaceNames()
	if err != nil {
		return err
	}
	slices.SortFunc(neighbours, func(a, b netlink.Neigh) int { return slices.Compare(a.IP.To4(), b.IP.To4()) })
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Address\tEthernet address\tPort\tState")
	for _, n := range neighbours {
		if n.State == netlink.NUD_NOARP {
			continue // broadcast, multicast, loopback
		}
		ethernet := "-"
		if len(n.HardwareAddr) > 0 {
			ethernet = n.HardwareAddr.String()
		}
		lan, port := names.lan(n.LinkIndex)
		if port == "" {
			port = lan.String()
		}
		fmt.Fprintf(table, "%v\t%s\t%s\t%s\n", n.IP, ethernet, port, neighbourStates[n.State])
	}
	return table.Flush()
}
