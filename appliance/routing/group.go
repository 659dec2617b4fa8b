package routing

import (
	"fmt"
	"net/netip"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// Groups are the server groups of one configuration.
type Groups interface {
	// Index finds a group by its name.
	Index(name string) (group int, found bool)
	// Choose appends the elements that a request goes to, in the order to try
	// them.
	Choose(group int, in *hop.Incoming, to []hop.Target) []hop.Target
	// Use puts them in force.
	Use()
}

// destination is where a route leads. Routes that lead to the same place share
// one.
type destination struct {
	model.Destination
	target  hop.Target // of ToTarget, but for a server group
	servers int        // server group of ToTarget; -1: it is a host
	refusal string     // Rule when the server group has no element for the call
	group   *routeGroup
	policy  *lookupPolicy
}

// routeGroup is several ways to the same place.
type routeGroup struct {
	id       int32 // among groups and policies
	name     string
	parallel bool
	ways     []way // by falling q-value
}

// way is one element of a route group.
type way struct {
	number      int // in the order of the configuration, from 1
	destination *destination
	q, weight   int
	shared      bool // another one has the same q-value
	failover    []model.CodeRange
	// either are the codes of failover and of the server group that this way
	// leads to: what leads to the next element of that.
	either []model.CodeRange
	time   *timePolicy // nil: always
}

// What leads to the next element where nothing is configured: of a route
// group, and of a server group.
var (
	defaultWayFailover    = []model.CodeRange{{From: 500, To: 500}, {From: 502, To: 599}}
	defaultServerFailover = []model.CodeRange{{From: 503, To: 503}}
)

// destination gives the index of a destination in Plan.destinations.
func (c *compiler) destination(m *model.Destination) (int32, error) {
	if i, known := c.known[*m]; known {
		return i, nil
	}
	d := &destination{Destination: *m, servers: -1}
	var err error
	switch m.Kind {
	case model.ToTarget:
		err = c.target(d)
	case model.ToRequestURI:
		if c.c.SIP.Network(m.Network) == nil {
			err = fmt.Errorf("there is no SIP network %q", m.Network)
		}
	case model.ToGroup:
		if d.group = c.plan.groups[m.Name]; d.group == nil {
			err = fmt.Errorf("there is no route group %q", m.Name)
		}
	case model.ToPolicy:
		if d.policy = c.plan.policies[m.Name]; d.policy == nil {
			err = fmt.Errorf("there is no lookup policy %q", m.Name)
		}
	case model.ToResponse:
		if m.Status < 300 || m.Status > 699 {
			err = fmt.Errorf("response %d is not between 300 and 699", m.Status)
		}
	}
	if err != nil {
		return 0, err
	}
	i := int32(len(c.plan.destinations))
	c.plan.destinations = append(c.plan.destinations, d)
	c.known[d.Destination] = i
	return i, nil
}

// target finds out what a host is: a server group of that name, an address, or
// a name that is located for each call and has no adjacency before.
func (c *compiler) target(d *destination) error {
	if group, found := c.plan.servers.Index(d.Host); found && d.Port == 0 {
		d.servers, d.refusal = group, "server group "+d.Host
		if network := c.serverGroup(d.Host).Network; network != d.Network {
			return fmt.Errorf("server group %s is in network %s", d.Host, network)
		}
		return nil
	}
	if c.c.SIP.Network(d.Network) == nil {
		return fmt.Errorf("there is no SIP network %q", d.Network)
	}
	if _, err := (config.Host{}).Parse(d.Host); err != nil {
		return fmt.Errorf("there is no server group of that name: %w", err)
	}
	transport, fixed := model.ParseTransport(d.Transport)
	if !fixed && d.Transport != "" {
		return fmt.Errorf("there is no transport %q", d.Transport)
	}
	d.target = hop.Target{
		Network: d.Network,
		Query:   hop.Query{Host: d.Host, Port: uint16(d.Port), Transport: transport, Fixed: fixed},
	}
	if address, err := netip.ParseAddr(d.Host); err == nil {
		c.plan.aim(&d.target, address)
	}
	return nil
}

// serverGroup is the group of that name, which is there.
func (c *compiler) serverGroup(name string) *model.ServerGroup {
	groups := c.c.SIP.Routing.Groups
	return &groups[slices.IndexFunc(groups, func(g model.ServerGroup) bool { return g.Name == name })]
}

// aim sets the address of a target, and so its adjacency.
func (p *Plan) aim(t *hop.Target, address netip.Addr) {
	if t.Port == 0 {
		t.Port = t.Transport.DefaultPort()
	}
	t.Address = netip.AddrPortFrom(address.Unmap(), t.Port)
	t.Adjacency = p.Adjacency(t.Network, t.Transport, t.Address.Addr())
}

// routeGroup fills in a route group.
func (c *compiler) routeGroup(g *routeGroup, m *model.RouteGroup) error {
	if len(m.Elements) > waysMax {
		return fmt.Errorf("route group %s: %d elements; there can be no more than %d", m.Name, len(m.Elements), waysMax)
	}
	g.parallel = m.Parallel
	for i := range m.Elements {
		w, err := c.way(&m.Elements[i])
		if err != nil {
			return fmt.Errorf("route group %s element %d: %w", m.Name, i+1, err)
		}
		w.number = i + 1
		g.ways = append(g.ways, w)
	}
	slices.SortStableFunc(g.ways, func(a, b way) int { return b.q - a.q })
	for i := 1; i < len(g.ways); i++ {
		if g.ways[i].q == g.ways[i-1].q {
			g.ways[i-1].shared, g.ways[i].shared = true, true
		}
	}
	return nil
}

func (c *compiler) way(m *model.RouteElement) (way, error) {
	w := way{q: m.Q, weight: m.Weight, failover: m.FailoverCodes}
	if w.failover == nil {
		w.failover = defaultWayFailover
	}
	i, err := c.destination(&m.Destination)
	if err != nil {
		return w, err
	}
	w.destination = c.plan.destinations[i]
	if w.destination.servers >= 0 {
		codes := c.serverGroup(m.Host).FailoverCodes
		if codes == nil {
			codes = defaultServerFailover
		}
		w.either = slices.Concat(w.failover, codes)
	}
	if m.TimePolicy != "" {
		w.time, err = c.timePolicy(m.TimePolicy)
	}
	return w, err
}

// group adds the ways of a route group that are there now: by falling q-value,
// equal ones at the same time or in a random order by weight. It says whether
// that decided anything.
func (w *walk) group(g *routeGroup) (decided bool) {
	if !w.enter(g.id, "route group", g.name) {
		return false
	}
	defer w.leave()
	var space [waysMax]uint8
	last := -1 // q-value of the last way that gave a target
	for _, i := range w.order(g, space[:0]) {
		next := &g.ways[i]
		if w.notes != nil {
			w.noteWay(next, g.parallel)
		}
		if next.time != nil && !next.time.holds(w.minute()) {
			if w.notes != nil {
				w.note("  left out: not the time of %s", next.time.name)
			}
			continue
		}
		first := len(w.d.Targets)
		if w.follow(next.destination) {
			decided = true
		}
		if w.d.Targets = w.d.Targets[:min(len(w.d.Targets), maxTargets)]; len(w.d.Targets) > first {
			w.branch(next, first, g.parallel && next.shared, last == next.q)
			last = next.q
		}
		if w.done() {
			break
		}
	}
	return decided
}

// branch gives the targets from first on, those of one way, their place among
// the others. Several that are tried at the same time have one target each.
func (w *walk) branch(of *way, first int, parallel, follows bool) {
	if parallel {
		w.d.Targets = w.d.Targets[:first+1]
		w.d.Targets[first].Parallel = follows
	}
	last := len(w.d.Targets) - 1
	for i := first; i < last && of.either != nil; i++ {
		w.d.Targets[i].Failover = of.either
	}
	w.d.Targets[last].Failover = of.failover
}

// order appends the indexes of the ways in the order to try them.
func (w *walk) order(g *routeGroup, order []uint8) []uint8 {
	for i := range g.ways {
		order = append(order, uint8(i))
	}
	if g.parallel {
		return order
	}
	for first := 0; first < len(order); {
		end := first + 1
		for end < len(order) && g.ways[end].q == g.ways[first].q {
			end++
		}
		w.shuffle(g, order[first:end])
		first = end
	}
	return order
}

// shuffle orders ways of equal q-value: each place is drawn by weight among
// those that are left; those without weight come last, as they are configured.
func (w *walk) shuffle(g *routeGroup, order []uint8) {
	for len(order) > 1 {
		sum := 0
		for _, i := range order {
			sum += g.ways[i].weight
		}
		if sum == 0 {
			return
		}
		drawn, at := w.plan.router.options.Random(sum), 0
		for drawn >= g.ways[order[at]].weight {
			drawn -= g.ways[order[at]].weight
			at++
		}
		chosen := order[at]
		copy(order[1:at+1], order[:at]) // the others keep their order
		order[0] = chosen
		order = order[1:]
	}
}

// follow adds what a destination leads to, and says whether that decided
// anything.
func (w *walk) follow(d *destination) (decided bool) {
	switch d.Kind {
	case model.ToTarget:
		if d.servers >= 0 {
			return w.servers(d)
		}
		w.add(&d.target)
	case model.ToRequestURI:
		w.requestURI(d.Network)
	case model.ToResponse:
		w.refuse(d.Status, w.table.refusal)
		w.answered = true
	case model.ToGroup:
		return w.group(d.group)
	case model.ToPolicy:
		return w.lookup(d.policy)
	}
	return true
}

// servers adds the elements of a server group.
func (w *walk) servers(d *destination) bool {
	first := len(w.d.Targets)
	w.d.Targets = w.plan.servers.Choose(d.servers, w.in, w.d.Targets)
	if w.notes != nil {
		w.noteServers(d, w.d.Targets[first:])
	}
	if len(w.d.Targets) == first {
		w.refuse(503, d.refusal)
	}
	return true
}
