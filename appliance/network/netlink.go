package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// Netlink is the Kernel of this machine, through rtnetlink(7), ethtool and
// /proc/sys. It needs CAP_NET_ADMIN, and CAP_NET_RAW to announce.
type Netlink struct {
	handle    *netlink.Handle
	namespace netns.NsHandle
}

// NewNetlink gives the kernel of the network namespace that the process runs
// in. It opens a socket for each question, so it cannot be half broken.
func NewNetlink() *Netlink { return &Netlink{&netlink.Handle{}, netns.None()} }

// dumpTries is how often a list is read again because something changed while
// the kernel made it.
const dumpTries = 5

// retried lists something of the kernel again when it changed meanwhile.
func retried[T any](list func() (T, error)) (found T, err error) {
	for range dumpTries {
		if found, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return found, err
}

// Read gives what the kernel has.
func (n *Netlink) Read() (State, error) {
	state, index, err := n.readPorts()
	if err != nil {
		return State{}, err
	}
	if err := readEthernet(&state); err != nil {
		return State{}, err
	}
	if state.Routes, err = n.readRoutes(index); err != nil {
		return State{}, err
	}
	if state.Rules, err = n.readRules(); err != nil {
		return State{}, err
	}
	state.Parameters, err = readParameters(parameters(state.ports(), false))
	return state, err
}

// readPorts gives the interfaces of the ports with their addresses, which
// anybody may ask for, and their ports by the kernel's numbers.
func (n *Netlink) readPorts() (State, map[int]model.Port, error) {
	links, err := retried(n.handle.LinkList)
	if err != nil {
		return State{}, nil, fmt.Errorf("list interfaces: %w", err)
	}
	addresses, err := retried(func() ([]netlink.Addr, error) { return n.handle.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return State{}, nil, fmt.Errorf("list addresses: %w", err)
	}
	index, strays := portsOf(links)
	state := State{Interfaces: map[model.Port]Interface{}, Strays: strays}
	for _, link := range links {
		attrs := link.Attrs()
		port, ours := index[attrs.Index]
		if !ours {
			continue
		}
		found := Interface{
			Up:      attrs.RawFlags&unix.IFF_UP != 0,
			Carrier: attrs.RawFlags&unix.IFF_RUNNING != 0,
			MTU:     attrs.MTU,
			MAC:     attrs.HardwareAddr.String(),
		}
		for _, address := range addresses {
			switch prefix := prefixOf(address.IPNet); {
			case address.LinkIndex != attrs.Index:
			case linkLocal6(prefix.Addr()):
				found.LinkLocal = true
			default:
				found.Addresses = append(found.Addresses, prefix)
			}
		}
		state.Interfaces[port] = found
	}
	return state, index, nil
}

// portsOf gives the ports by the kernel's numbers of their interfaces, and the
// VLANs on them that somebody else made.
func portsOf(links []netlink.Link) (index map[int]model.Port, strays []VLAN) {
	index = map[int]model.Port{}
	for _, link := range links {
		for name := range model.LANCount {
			if port := (model.Port{LAN: name}); link.Attrs().Name == port.Interface() {
				index[link.Attrs().Index] = port
			}
		}
	}
	for _, link := range links {
		vlan, is := link.(*netlink.Vlan)
		if !is {
			continue
		}
		parent, ours := index[vlan.ParentIndex]
		port := model.Port{LAN: parent.LAN, VLAN: vlan.VlanId}
		switch {
		case !ours:
		case vlan.Name == port.Interface() && vlan.VlanProtocol == netlink.VLAN_PROTOCOL_8021Q:
			index[vlan.Index] = port
		default:
			strays = append(strays, VLAN{port, vlan.Name})
		}
	}
	return index, strays
}

// readEthernet asks the drivers of the ports how they talk.
func readEthernet(state *State) error {
	socket, err := ethtoolSocket()
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	for port, i := range state.Interfaces {
		if port.VLAN == 0 {
			// A driver that does not say is asked to set nothing.
			i.Ethernet, _ = readLinkSettings(socket, port.Interface())
			state.Interfaces[port] = i
		}
	}
	return nil
}

// readRoutes gives the routes of Protocol in all tables. One through another
// interface is not the appliance's, whatever its number.
func (n *Netlink) readRoutes(index map[int]model.Port) ([]Route, error) {
	found, err := retried(func() ([]netlink.Route, error) {
		mine := &netlink.Route{Protocol: Protocol, Table: unix.RT_TABLE_UNSPEC}
		return n.handle.RouteListFiltered(netlink.FAMILY_ALL, mine, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	var routes []Route
	for _, r := range found {
		if port, ours := index[r.LinkIndex]; ours && r.Dst != nil {
			gateway, _ := netip.AddrFromSlice(r.Gw)
			routes = append(routes, Route{port, r.Table, prefixOf(r.Dst), gateway.Unmap(), r.Priority})
		}
	}
	return routes, nil
}

func (n *Netlink) readRules() ([]Rule, error) {
	found, err := retried(func() ([]netlink.Rule, error) { return n.handle.RuleList(netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	var rules []Rule
	for _, r := range found {
		if r.Protocol == Protocol && r.Src != nil {
			rules = append(rules, Rule{prefixOf(r.Src), r.Table, r.Priority})
		}
	}
	return rules, nil
}

// notifications are the kernel's groups of what the Reconciler looks after.
// Reverse-path filtering and forwarding are in those of NETCONF.
var notifications = []uint{
	unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE,
	unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV6_NETCONF,
}

// Watch tells of every change of links, addresses, routes, rules and forwarding.
func (n *Netlink) Watch(ctx context.Context, changed func()) error {
	socket, err := nl.SubscribeAt(n.namespace, netns.None(), unix.NETLINK_ROUTE, notifications...)
	if err != nil {
		return fmt.Errorf("subscribe to network changes: %w", err)
	}
	defer socket.Close()
	stop := context.AfterFunc(ctx, socket.Close)
	defer stop()
	changed() // what came before the subscription
	for {
		_, _, err := socket.Receive()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil, errors.Is(err, unix.ENOBUFS): // overflow: some were lost, which changes nothing here
			changed()
		default:
			return fmt.Errorf("receive network changes: %w", err)
		}
	}
}

// linkLocal6 reports whether the kernel gives a port the address by itself, or
// a route to it. Those of IPv4 (RFC 3927) are configured like any other.
func linkLocal6(address netip.Addr) bool { return address.Is6() && address.IsLinkLocalUnicast() }

// prefixOf is n in our form; n comes from the kernel and is canonical.
func prefixOf(n *net.IPNet) netip.Prefix {
	address, _ := netip.AddrFromSlice(n.IP)
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(address.Unmap(), ones)
}

func netOf(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
}
