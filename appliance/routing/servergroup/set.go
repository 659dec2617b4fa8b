package servergroup

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// Set is the server groups of one configuration. It never changes; what its
// elements know lives on in the registry.
type Set struct {
	registry *Registry
	groups   []group
	names    map[string]int
	elements map[*Element]setting
}

// group is one server group.
type group struct {
	name, network string
	balance       model.Balance // never BalanceGlobal
	members       []member      // by falling q-value
}

// member is an element as one group sees it.
type member struct {
	element  *Element
	q        int     // thousandths
	weight   int     // as configured
	share    float64 // of calls among equal q-values, in any unit
	tier     uint64  // number of higher q-values in the group
	hash     uint64  // of the key
	shutdown bool    // in this group: it takes no new calls of it
	target   hop.Target
}

// setting is what a configuration says about an element.
type setting struct {
	rules rules
	probe probe // zero: it is not pinged
}

// Adjacency finds the adjacency that requests to an address belong to.
type Adjacency func(network string, t model.Transport, to netip.Addr) *model.Adjacency

// Compile makes the groups of a configuration, and changes nothing that runs.
// The targets of elements that are named by host have no adjacency: that
// follows from the address which is found for a call.
func (r *Registry) Compile(c *model.Config, adjacency Adjacency) (*Set, error) {
	routing := &c.SIP.Routing
	s := &Set{registry: r, names: make(map[string]int), elements: make(map[*Element]setting)}
	for i := range routing.Groups {
		configured := &routing.Groups[i]
		network := c.SIP.Network(configured.Network)
		switch _, taken := s.names[configured.Name]; {
		case taken:
			return nil, fmt.Errorf("server group %s: there are two of that name", configured.Name)
		case network == nil:
			return nil, fmt.Errorf("server group %s: there is no SIP network %s", configured.Name, configured.Network)
		case len(configured.Elements) > MaxElements:
			return nil, fmt.Errorf("server group %s: %d elements; there can be no more than %d", configured.Name, len(configured.Elements), MaxElements)
		}
		s.names[configured.Name] = len(s.groups)
		s.groups = append(s.groups, group{
			name: configured.Name, network: configured.Network,
			balance: balanceOf(configured.Balance, routing.Balance),
			members: s.members(configured, adjacency),
		})
		s.configure(configured, network, routing)
	}
	return s, nil
}

// balanceOf is the balance of a group where that of all is global.
func balanceOf(own, global model.Balance) model.Balance {
	return cmp.Or(own, global, model.BalanceCallID)
}

// members makes the members of a group.
func (s *Set) members(g *model.ServerGroup, adjacency Adjacency) []member {
	elements := slices.Clone(g.Elements)
	slices.SortStableFunc(elements, func(a, b model.ServerElement) int { return b.Q - a.Q })
	members := make([]member, len(elements))
	weighty := slices.ContainsFunc(elements, func(e model.ServerElement) bool { return e.Weight > 0 })
	for i, e := range elements {
		key := Key{g.Network, e.Transport, e.Host, e.Port}
		m := member{
			element: s.registry.element(key), q: e.Q, weight: e.Weight, share: float64(e.Weight), hash: mix(hash(key.String())), shutdown: e.Shutdown,
		}
		if !weighty {
			m.share = 1
		}
		if i > 0 {
			m.tier = members[i-1].tier
			if e.Q != members[i-1].q {
				m.tier++
			}
		}
		m.target = hop.Target{
			Network:  g.Network,
			Query:    key.query(),
			Failover: g.FailoverCodes,
			Element:  m.element,
		}
		if address, fixed := key.address(); fixed {
			m.target.Address = address
			m.target.Adjacency = adjacency(g.Network, e.Transport, address.Addr())
		}
		members[i] = m
	}
	return members
}

// configure keeps what the configuration says about the elements of a group. An
// element of several groups is pinged when one of them has it pinged, shut down
// or not: so it is known when it serves again.
func (s *Set) configure(g *model.ServerGroup, network *model.SIPNetwork, routing *model.Routing) {
	members := s.groups[len(s.groups)-1].members
	for i := range members {
		e := members[i].element
		now, several := s.elements[e]
		now.rules.shutdown = members[i].shutdown && (!several || now.rules.shutdown)
		now.rules.retries = retriesOf(routing.Retries, e.key.Transport)
		now.rules.rest = time.Duration(routing.RetryAfter) * time.Millisecond
		if routing.GlobalPing && !g.NoPing && pingable(e.key.Transport) {
			now.probe = probeOf(network, routing.PingOptions)
			now.rules.pingsDown = now.probe.kind != model.PingProactive
		}
		s.elements[e] = now
	}
}

// The failures in a row that make an element down, where none are configured.
const (
	defaultRetriesUDP    = 2
	defaultRetriesStream = 1
)

func retriesOf(tries model.ElementTries, t model.Transport) int {
	switch t {
	case model.UDP:
		return cmp.Or(tries.UDP, defaultRetriesUDP)
	case model.TLS, model.WSS:
		return cmp.Or(tries.TLS, defaultRetriesStream)
	}
	return cmp.Or(tries.TCP, defaultRetriesStream)
}

// Index finds a group by its name.
func (s *Set) Index(name string) (group int, found bool) {
	group, found = s.names[name]
	return group, found
}

// Use puts the set in force: elements go by its rules and are pinged as it
// says. The ones that it does not have are forgotten.
func (s *Set) Use() { s.registry.use(s) }

// address is that of an element which is named by one.
func (k Key) address() (address netip.AddrPort, fixed bool) {
	host, err := netip.ParseAddr(k.Host)
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(host, cmp.Or(uint16(k.Port), k.Transport.DefaultPort())), true
}

func (k Key) query() hop.Query {
	return hop.Query{Host: k.Host, Port: uint16(k.Port), Transport: k.Transport, Fixed: true}
}

// String is the element as show commands and alarms have it:
// "udp 192.0.2.1:5060".
func (k Key) String() string { return k.Transport.String() + " " + k.place() }

// place is "192.0.2.1:5060", or the name with the port that it was given.
func (k Key) place() string {
	if address, fixed := k.address(); fixed {
		return address.String()
	}
	if k.Port == 0 {
		return k.Host
	}
	return fmt.Sprintf("%s:%d", k.Host, k.Port)
}
