package routing

import (
	"net/netip"
	"slices"
)

// subnets finds the longest of the networks that an address is in.
type subnets[V any] struct {
	lengths [2][]int // that occur, of IPv4 and of IPv6, longest first
	values  map[netip.Prefix]V
}

// add gives a network its value.
func (s *subnets[V]) add(network netip.Prefix, value V) {
	if s.values == nil {
		s.values = make(map[netip.Prefix]V)
	}
	network = network.Masked()
	s.values[network] = value
	lengths := &s.lengths[family(network.Addr())]
	if !slices.Contains(*lengths, network.Bits()) {
		*lengths = append(*lengths, network.Bits())
		slices.SortFunc(*lengths, func(a, b int) int { return b - a })
	}
}

// longest gives the value of the longest network that holds the address and
// whose value is accepted, and the length of that network; -1: there is none.
func (s *subnets[V]) longest(address netip.Addr, accept func(V) bool) (value V, length int) {
	address = address.Unmap().WithZone("")
	if !address.IsValid() {
		return value, -1
	}
	for _, bits := range s.lengths[family(address)] {
		network, _ := address.Prefix(bits)
		if value, found := s.values[network]; found && accept(value) {
			return value, bits
		}
	}
	return value, -1
}

// family is 0 for IPv4, 1 for IPv6.
func family(address netip.Addr) int {
	if address.Is4() {
		return 0
	}
	return 1
}

// parseSubnet reads a network, or an address as the network of it alone.
func parseSubnet(text string) (netip.Prefix, error) {
	if network, err := netip.ParsePrefix(text); err == nil && !network.Addr().Is4In6() {
		return network.Masked(), nil
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, errNoSubnet
	}
	address = address.Unmap().WithZone("")
	return netip.PrefixFrom(address, address.BitLen()), nil
}
