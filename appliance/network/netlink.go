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

// Netlink is the Kernel of this machine, through rtnetlink(7). It needs
// CAP_NET_ADMIN.
type Netlink struct {
	handle    *netlink.Handle
	namespace netns.NsHandle
}

// NewNetlink gives the kernel of the network namespace that the process runs
// in. It opens a socket for each question, so it cannot be half broken.
func NewNetlink() *Netlink { return &Netlink{&netlink.Handle{}, netns.None()} }

// dumpTries is how often Read starts again because something changed while
// the kernel listed it.
const dumpTries = 5

// Read gives what the kernel has.
func (n *Netlink) Read() (state State, err error) {
	for range dumpTries {
		if state, err = n.read(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return state, err
}

func (n *Netlink) read() (State, error) {
	var state State
	index := map[int]model.LANName{}
	for lan := range model.LANCount {
		link, err := n.handle.LinkByName(interfaceName(lan))
		var notFound netlink.LinkNotFoundError
		if errors.As(err, &notFound) {
			continue
		}
		if err != nil {
			return State{}, fmt.Errorf("read interface %s: %w", interfaceName(lan), err)
		}
		index[link.Attrs().Index] = lan
		if state.LANs[lan], err = n.readInterface(link); err != nil {
			return State{}, err
		}
	}
	var err error
	if state.Routes, err = n.readRoutes(index); err != nil {
		return State{}, err
	}
	state.Rules, err = n.readRules()
	return state, err
}

func (n *Netlink) readInterface(link netlink.Link) (Interface, error) {
	attrs := link.Attrs()
	found := Interface{
		Present: true,
		Up:      attrs.RawFlags&unix.IFF_UP != 0,
		Carrier: attrs.RawFlags&unix.IFF_RUNNING != 0,
		MAC:     attrs.HardwareAddr.String(),
	}
	addresses, err := n.handle.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return found, fmt.Errorf("read the addresses of %s: %w", attrs.Name, err)
	}
	for _, address := range addresses {
		if prefix := prefixOf(address.IPNet); !prefix.Addr().IsLinkLocalUnicast() {
			found.Addresses = append(found.Addresses, prefix)
		}
	}
	return found, nil
}

// readRoutes gives the routes of Protocol in all tables. One through another
// interface is not the appliance's, whatever its number.
func (n *Netlink) readRoutes(index map[int]model.LANName) ([]Route, error) {
	mine := &netlink.Route{Protocol: Protocol, Table: unix.RT_TABLE_UNSPEC}
	found, err := n.handle.RouteListFiltered(netlink.FAMILY_ALL, mine, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	var routes []Route
	for _, r := range found {
		lan, ours := index[r.LinkIndex]
		if !ours || r.Dst == nil {
			continue
		}
		gateway, _ := netip.AddrFromSlice(r.Gw)
		routes = append(routes, Route{lan, r.Table, prefixOf(r.Dst), gateway.Unmap(), r.Priority})
	}
	return routes, nil
}

func (n *Netlink) readRules() ([]Rule, error) {
	found, err := n.handle.RuleList(netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	var rules []Rule
	for _, r := range found {
		lan := model.LANName(r.Table - firstTable)
		if r.Protocol == Protocol && r.Src != nil && lan < model.LANCount {
			rules = append(rules, Rule{lan, prefixOf(r.Src).Addr()})
		}
	}
	return rules, nil
}

// SetUp sets a LAN's link up.
func (n *Netlink) SetUp(lan model.LANName) error {
	link, err := n.handle.LinkByName(interfaceName(lan))
	if err != nil {
		return err
	}
	return n.handle.LinkSetUp(link)
}

// AddAddress gives a LAN an address.
func (n *Netlink) AddAddress(lan model.LANName, address netip.Prefix) error {
	link, err := n.handle.LinkByName(interfaceName(lan))
	if err != nil {
		return err
	}
	return n.handle.AddrAdd(link, &netlink.Addr{IPNet: netOf(address)})
}

// RemoveAddress takes an address from a LAN.
func (n *Netlink) RemoveAddress(lan model.LANName, address netip.Prefix) error {
	link, err := n.handle.LinkByName(interfaceName(lan))
	if err != nil {
		return err
	}
	return n.handle.AddrDel(link, &netlink.Addr{IPNet: netOf(address)})
}

// AddRoute adds a route, and fails where another of the same destination and
// metric stands in its table: that one is not ours.
func (n *Netlink) AddRoute(r Route) error {
	route, err := n.route(r)
	if err != nil {
		return err
	}
	return n.handle.RouteAdd(route)
}

// RemoveRoute removes a route of Protocol.
func (n *Netlink) RemoveRoute(r Route) error {
	route, err := n.route(r)
	if err != nil {
		return err
	}
	return n.handle.RouteDel(route)
}

func (n *Netlink) route(r Route) (*netlink.Route, error) {
	link, err := n.handle.LinkByName(interfaceName(r.LAN))
	if err != nil {
		return nil, err
	}
	route := &netlink.Route{
		LinkIndex: link.Attrs().Index,
		Protocol:  Protocol,
		Table:     r.Table,
		Dst:       netOf(r.Destination),
		Priority:  r.Metric,
		Scope:     netlink.SCOPE_LINK,
	}
	if r.Gateway.IsValid() {
		route.Gw, route.Scope = r.Gateway.AsSlice(), netlink.SCOPE_UNIVERSE
	}
	return route, nil
}

// AddRule adds a policy rule.
func (n *Netlink) AddRule(r Rule) error { return n.handle.RuleAdd(rule(r)) }

// RemoveRule removes a policy rule of Protocol.
func (n *Netlink) RemoveRule(r Rule) error { return n.handle.RuleDel(rule(r)) }

func rule(r Rule) *netlink.Rule {
	rule := netlink.NewRule()
	rule.Src = netOf(netip.PrefixFrom(r.Source, r.Source.BitLen()))
	rule.Table = tableOf(r.LAN)
	rule.Priority = rule.Table
	rule.Protocol = Protocol
	return rule
}

// Watch tells of every change of links, addresses, routes and rules.
func (n *Netlink) Watch(ctx context.Context, changed func()) error {
	socket, err := nl.SubscribeAt(n.namespace, netns.None(), unix.NETLINK_ROUTE,
		unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE)
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

// prefixOf is n in our form; n comes from the kernel and is canonical.
func prefixOf(n *net.IPNet) netip.Prefix {
	address, _ := netip.AddrFromSlice(n.IP)
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(address.Unmap(), ones)
}

func netOf(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
}
