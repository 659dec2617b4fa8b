package routing

import (
	"fmt"
	"net/netip"

	"causeway/appliance/model"
)

// neighbours finds the adjacency of an address in one network.
type neighbours struct {
	unknown model.Adjacency // of whoever matches none: named like the network
	known   subnets[*byTransport]
}

// byTransport is the adjacency for each transport, or nil.
type byTransport [len(model.Transports)]*model.Adjacency

// everywhere are the networks of an adjacency that names none.
var everywhere = []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}

// compileNeighbours makes the neighbours of all networks. One that names its
// transport goes before one that does not, among equals the first.
func compileNeighbours(c *model.Config) (map[string]*neighbours, error) {
	networks := make(map[string]*neighbours, len(c.SIP.Networks))
	for _, n := range c.SIP.Networks {
		networks[n.Name] = &neighbours{unknown: model.Adjacency{Name: n.Name, Network: n.Name}}
	}
	for _, named := range []bool{true, false} {
		for i := range c.SBC.Adjacencies {
			a := &c.SBC.Adjacencies[i]
			n := networks[a.Network]
			if n == nil {
				return nil, fmt.Errorf("adjacency %s: there is no SIP network %q", a.Name, a.Network)
			}
			if named == (a.Transport != "") {
				n.add(a)
			}
		}
	}
	return networks, nil
}

func (n *neighbours) add(a *model.Adjacency) {
	networks := a.Addresses
	if len(networks) == 0 {
		networks = everywhere
	}
	for _, network := range networks {
		network = network.Masked()
		entry := n.known.values[network]
		if entry == nil {
			entry = new(byTransport)
			n.known.add(network, entry)
		}
		for _, t := range model.Transports {
			if entry[t] == nil && (a.Transport == "" || a.Transport == t.String()) {
				entry[t] = a
			}
		}
	}
}

// Adjacency gives the neighbour at an address: of the longest network that
// holds it and of that transport; one named like the SIP network where none is
// configured. It is never nil and allocates nothing.
func (p *Plan) Adjacency(network string, t model.Transport, peer netip.Addr) *model.Adjacency {
	n := p.neighbours[network]
	if n == nil {
		return &p.stranger
	}
	a, _ := n.at(t, peer)
	return a
}

// at gives the neighbour at an address, and the length of the network that
// holds it; -1: it is unknown.
func (n *neighbours) at(t model.Transport, peer netip.Addr) (a *model.Adjacency, length int) {
	entry, length := n.known.longest(peer, func(e *byTransport) bool { return e[t] != nil })
	if length < 0 {
		return &n.unknown, length
	}
	return entry[t], length
}
