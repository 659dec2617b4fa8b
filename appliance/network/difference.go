package network

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"causeway/appliance/model"
)

// change is one difference between desired and actual, and how to end it.
type change struct {
	attempt
	do         func(Kernel) error
	disturbing bool // it interrupts the link
}

// changes are differences in the order in which they are to be ended.
type changes []change

func (c *changes) add(o Object) {
	*c = append(*c, change{attempt{o.port(), fmt.Sprintf("add %v", o)}, func(k Kernel) error { return k.Add(o) }, false})
}

func (c *changes) remove(o Object) {
	*c = append(*c, change{attempt{o.port(), fmt.Sprintf("remove %v", o)}, func(k Kernel) error { return k.Remove(o) }, false})
}

func (c *changes) set(s Setting) {
	_, disturbing := s.(PortMode)
	*c = append(*c, change{attempt{s.port(), fmt.Sprintf("set %v", s)}, func(k Kernel) error { return k.Set(s) }, disturbing})
}

// difference gives the changes that lead from actual to desired, in the order
// in which they work: what goes before what comes; parameters before the
// addresses that are to follow them; links before addresses before routes
// before the rules that lead to them. A route that comes takes the place of
// another at once, and one of another metric goes only then, so that calls that
// go on notice nothing. Nothing is wanted
// of a port whose interface is missing.
func difference(desired, actual State) []change {
	var c changes
	c.takeAway(desired, actual)
	for _, p := range parameters(desired.ports(), false) { // for their order
		value, exists := actual.Parameters[p.Name]
		if p.Value = desired.Parameters[p.Name]; exists && value != p.Value {
			c.set(p)
		}
	}
	for _, port := range desired.ports() {
		have, present := actual.Interfaces[port]
		if present {
			c.adjust(port, desired.Interfaces[port], have)
		} else if _, possible := actual.Interfaces[model.Port{LAN: port.LAN}]; possible {
			c.add(VLAN{port, port.Interface()}) // the next look finds what else it needs
		}
	}
	for _, r := range without(desired.Routes, actual.Routes) {
		if _, present := actual.Interfaces[r.Port]; present {
			c.add(r)
		}
	}
	coming := placesTaken(desired, actual)
	for _, r := range without(actual.Routes, desired.Routes) {
		if coming[r.anyMetric()] && !coming[r.place()] {
			c.remove(r)
		}
	}
	for _, r := range without(desired.Rules, actual.Rules) {
		if _, present := actual.Interfaces[r.port()]; present {
			c.add(r)
		}
	}
	return c
}

// takeAway takes the rules, routes, addresses and VLANs that are not wanted.
func (c *changes) takeAway(desired, actual State) {
	missing := func(port model.Port) bool { _, present := actual.Interfaces[port]; return !present }
	wanted := slices.DeleteFunc(slices.Clone(desired.Rules), func(r Rule) bool { return missing(r.port()) })
	for _, r := range without(actual.Rules, wanted) {
		c.remove(r)
	}
	coming := placesTaken(desired, actual)
	for _, r := range without(actual.Routes, desired.Routes) {
		if !coming[r.anyMetric()] {
			c.remove(r)
		}
	}
	for _, stray := range actual.Strays {
		c.remove(stray)
	}
	for _, port := range actual.ports() {
		wanted, known := desired.Interfaces[port]
		for _, address := range without(actual.Interfaces[port].Addresses, wanted.Addresses) {
			c.remove(Address{port, address})
		}
		if !known {
			c.remove(VLAN{port, port.Interface()})
		}
	}
}

// placesTaken are the places of the desired routes that can be had, each also as
// that of any metric.
func placesTaken(desired, actual State) map[place]bool {
	places := map[place]bool{}
	for _, r := range desired.Routes {
		if _, present := actual.Interfaces[r.Port]; present {
			places[r.place()], places[r.anyMetric()] = true, true
		}
	}
	return places
}

// adjust brings the settings and addresses of a port about.
func (c *changes) adjust(port model.Port, want, have Interface) {
	if port.VLAN == 0 && !have.Ethernet.obeys(want.Mode) {
		c.set(PortMode{port, want.Mode})
	}
	if have.MTU != want.MTU {
		c.set(MTU{port, want.MTU})
	}
	if have.Up != want.Up {
		c.set(Link{port, want.Up})
	}
	for _, address := range without(want.Addresses, have.Addresses) {
		c.add(Address{port, address})
	}
	is6 := func(address netip.Prefix) bool { return address.Addr().Is6() }
	if have.Up && have.Carrier && !have.LinkLocal && slices.ContainsFunc(want.Addresses, is6) {
		if address, ok := linkLocalOf(have.MAC); ok {
			c.add(Address{port, address})
		}
	}
}

// linkLocalOf gives the address that the kernel gives an interface when its
// link comes up, and not again when somebody takes it away (RFC 4291 appendix A).
// Neighbour discovery and the groups of IPv6 need it.
func linkLocalOf(mac string) (address netip.Prefix, ok bool) {
	m, err := net.ParseMAC(mac)
	if err != nil || len(m) != 6 {
		return netip.Prefix{}, false
	}
	id := [16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}
	return netip.PrefixFrom(netip.AddrFrom16(id), 64), true
}

// without gives the elements of list that are not in other.
func without[T comparable](list, other []T) []T {
	in := make(map[T]bool, len(other))
	for _, element := range other {
		in[element] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(element T) bool { return in[element] })
}
