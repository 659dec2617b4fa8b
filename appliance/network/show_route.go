package network

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"text/tabwriter"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/link"
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
	linkDown bool   // it is not used: the cable of its port is out
	device   string // of another interface than the ports'; else empty
	protocol netlink.RouteProtocol
}

// routingTable is one that the appliance uses, and how show ip route heads it.
type routingTable struct {
	number  int
	heading string
}

// tablesOf gives the main table, and those of the ports that some of the
// routes stand in.
func tablesOf(routes []kernelRoute) []routingTable {
	list := []routingTable{{unix.RT_TABLE_MAIN, "Main table: what the appliance begins"}}
	var numbers []int
	for _, r := range routes {
		numbers = append(numbers, r.Table)
	}
	slices.Sort(numbers)
	for _, number := range slices.Compact(numbers) {
		if port, ours := portOf(number); ours {
			list = append(list, routingTable{number, fmt.Sprintf("Table %d: what comes from the addresses of %v", number, port)})
		}
	}
	return list
}

func (o observer) showRoutes(family func(netip.Addr) bool) func(context.Context, exec.Session, config.Args) error {
	return func(ctx context.Context, s exec.Session, _ config.Args) error {
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
		routes = slices.DeleteFunc(routes, func(r kernelRoute) bool { return !family(r.Destination.Addr()) })
		fmt.Fprintln(s, "C connected, S configured, K other; * default, ! not in the kernel, - no link")
		for _, t := range tablesOf(routes) {
			elsewhere := func(k kernelRoute) bool { return k.Table != t.number }
			if err := t.print(s, slices.DeleteFunc(slices.Clone(routes), elsewhere)); err != nil {
				return err
			}
		}
		return nil
	}
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
			port = r.Port.String()
		}
		fmt.Fprintf(table, "%s\t%v\t%s\t%s\t%d\n", r.code(), r.Destination, gateway, port, r.Metric)
	}
	return table.Flush()
}

// code is the letter of where a route comes from, and its marks.
func (r kernelRoute) code() string {
	code, ours := "K", r.absent || r.protocol == Protocol
	switch {
	case r.protocol == unix.RTPROT_KERNEL, ours && !r.Gateway.IsValid():
		code = "C"
	case ours:
		code = "S"
	}
	if r.Destination.Bits() == 0 {
		code += "*"
	}
	if r.absent {
		code += "!"
	}
	if r.linkDown {
		code += "-"
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
		if r.Dst == nil || r.Type != unix.RTN_UNICAST || r.Table == unix.RT_TABLE_LOCAL || linkLocal6(prefixOf(r.Dst).Addr()) {
			continue
		}
		gateway, _ := netip.AddrFromSlice(r.Gw)
		route := kernelRoute{
			Route:    Route{Table: r.Table, Destination: prefixOf(r.Dst), Gateway: gateway.Unmap(), Metric: r.Priority},
			linkDown: r.Flags&unix.RTNH_F_LINKDOWN != 0,
			protocol: r.Protocol,
		}
		route.Port, route.device = names.port(r.LinkIndex)
		routes = append(routes, route)
	}
	return routes, nil
}
