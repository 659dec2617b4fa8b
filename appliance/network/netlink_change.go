package network

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// Add adds an object.
func (n *Netlink) Add(o Object) error {
	switch o := o.(type) {
	case VLAN:
		return n.addVLAN(o)
	case Address:
		return n.onLink(o.Port, func(link netlink.Link) error {
			address := &netlink.Addr{IPNet: netOf(o.Address)}
			if !linkLocal6(o.Address.Addr()) {
				// The route to its network is ours, so that it comes back
				// when somebody deletes it.
				address.Flags = unix.IFA_F_NOPREFIXROUTE
			}
			return n.handle.AddrAdd(link, address)
		})
	case Route:
		return n.onLink(o.Port, func(link netlink.Link) error { return n.handle.RouteReplace(o.message(link)) })
	case Rule:
		return n.handle.RuleAdd(o.message())
	}
	return fmt.Errorf("add %T: %w", o, unix.EINVAL)
}

// Remove removes an object.
func (n *Netlink) Remove(o Object) error {
	switch o := o.(type) {
	case VLAN:
		link, err := n.handle.LinkByName(o.Name)
		if err != nil {
			return err
		}
		return n.handle.LinkDel(link)
	case Address:
		return n.onLink(o.Port, func(link netlink.Link) error {
			return n.handle.AddrDel(link, &netlink.Addr{IPNet: netOf(o.Address)})
		})
	case Route:
		return n.onLink(o.Port, func(link netlink.Link) error { return n.handle.RouteDel(o.message(link)) })
	case Rule:
		return n.handle.RuleDel(o.message())
	}
	return fmt.Errorf("remove %T: %w", o, unix.EINVAL)
}

// Set changes a setting.
func (n *Netlink) Set(s Setting) error {
	switch s := s.(type) {
	case Link:
		if s.Up {
			return n.onLink(s.Port, n.handle.LinkSetUp)
		}
		return n.onLink(s.Port, n.handle.LinkSetDown)
	case MTU:
		return n.onLink(s.Port, func(link netlink.Link) error { return n.handle.LinkSetMTU(link, s.Octets) })
	case PortMode:
		return setMode(s.Port.Interface(), s.Mode)
	case Parameter:
		return s.set()
	}
	return fmt.Errorf("set %T: %w", s, unix.EINVAL)
}

// onLink does something with the interface of a port.
func (n *Netlink) onLink(port model.Port, do func(netlink.Link) error) error {
	link, err := n.handle.LinkByName(port.Interface())
	if err != nil {
		return err
	}
	return do(link)
}

// addVLAN makes the interface of a VLAN; it has the MAC address of its port.
func (n *Netlink) addVLAN(v VLAN) error {
	return n.onLink(model.Port{LAN: v.Port.LAN}, func(parent netlink.Link) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.ParentIndex = v.Name, parent.Attrs().Index
		return n.handle.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: v.Port.VLAN, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q})
	})
}

func (r Route) message(link netlink.Link) *netlink.Route {
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
	return route
}

func (r Rule) message() *netlink.Rule {
	rule := netlink.NewRule()
	rule.Src, rule.Table, rule.Priority, rule.Protocol = netOf(r.Source), r.Table, r.Priority, Protocol
	return rule
}

// arp is the Ethernet type of ARP as the kernel wants it: in network order.
var arp = binary.NativeEndian.Uint16([]byte{unix.ETH_P_ARP >> 8, unix.ETH_P_ARP & 0xff})

// Announce sends an ARP announcement (RFC 5227 §2.3). The kernel does that
// when a link comes up, but not when an address is added.
func (n *Netlink) Announce(port model.Port, address netip.Addr) error {
	return n.onLink(port, func(link netlink.Link) error {
		mac := link.Attrs().HardwareAddr
		if len(mac) != 6 {
			return unix.EAFNOSUPPORT
		}
		socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open a socket for ARP: %w", err)
		}
		defer unix.Close(socket)
		to := &unix.SockaddrLinklayer{
			Protocol: arp, Ifindex: link.Attrs().Index, Halen: 6, Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		}
		return unix.Sendto(socket, announcement([6]byte(mac), address.As4()), 0, to)
	})
}

// announcement is a request for our own address (RFC 826, RFC 5227 §2.3).
func announcement(mac [6]byte, address [4]byte) []byte {
	packet := []byte{0, 1, 8, 0, 6, 4, 0, 1} // Ethernet, IPv4, lengths of the addresses, request
	packet = append(append(packet, mac[:]...), address[:]...)
	return append(append(packet, 0, 0, 0, 0, 0, 0), address[:]...)
}
