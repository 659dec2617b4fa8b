package routing

import (
	"fmt"
	"net/netip"
	"sync/atomic"

	"causeway/appliance/model"
	"causeway/appliance/routing/normalization"
	"causeway/appliance/sip/hop"
)

// compiler makes a plan.
type compiler struct {
	c      *model.Config
	router *Router
	old    *Plan // in force; nil: none is
	plan   *Plan
	known  map[model.Destination]int32 // index in plan.destinations
	times  map[string]*timePolicy
}

// Plan compiles the routing of c and changes nothing that runs. The error names
// what is wrong: the commands' own checks find most of it, files and
// expressions are looked at here.
func (r *Router) Plan(c *model.Config) (*Plan, error) {
	b := &compiler{
		c: c, router: r, old: r.current.Load(),
		known: make(map[model.Destination]int32),
		times: make(map[string]*timePolicy),
		plan: &Plan{
			router: r, networks: c.SIP.Networks, sbc: &c.SBC, own: make(map[netip.AddrPort]bool),
			nextHops: make(map[string]*nextHop), tables: make(map[string]*table),
			policies: make(map[string]*lookupPolicy), groups: make(map[string]*routeGroup),
			configured: c.SIP.Routing.Groups, privacy: c.SIP.Privacy.Service,
			counters: make(map[string]*atomic.Int64),
		},
	}
	for _, step := range []func() error{b.networks, b.others, b.timePolicies, b.names, b.tables, b.fill, b.stages} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return b.plan, nil
}

// networks compiles who is where.
func (c *compiler) networks() (err error) {
	p := c.plan
	if p.neighbours, err = compileNeighbours(c.c); err != nil {
		return err
	}
	for _, alias := range c.c.SIP.Aliases {
		p.aliases = append(p.aliases, []byte(alias))
	}
	for _, n := range c.c.SIP.Networks {
		for _, l := range n.Listens {
			p.own[l.Address] = true
		}
		if !n.NextHop.Address.IsValid() {
			continue
		}
		next := &nextHop{target: hop.Target{Network: n.NextHop.Network}, hits: c.counter("next-hop " + n.Name)}
		next.target.Port = n.NextHop.Address.Port()
		next.target.Fixed = true
		p.aim(&next.target, n.NextHop.Address.Addr())
		p.nextHops[n.Name] = next
	}
	return nil
}

// others has the server groups and normalisations compiled.
func (c *compiler) others() (err error) {
	if c.plan.servers, err = c.router.options.Servers(c.c, c.plan.Adjacency); err != nil {
		return err
	}
	c.plan.normalizer, err = normalization.New(&c.c.SIP)
	return err
}

func (c *compiler) timePolicies() (err error) {
	if c.plan.zone, err = c.c.Time.Zone.Location(); err != nil {
		return err
	}
	for i := range c.c.SIP.Routing.TimePolicies {
		t, err := compileTimePolicy(&c.c.SIP.Routing.TimePolicies[i], c.plan.zone)
		if err != nil {
			return err
		}
		c.times[t.name] = t
	}
	return nil
}

func (c *compiler) timePolicy(name string) (*timePolicy, error) {
	if t := c.times[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("there is no time policy %q", name)
}

// names makes the groups and policies empty, since they may lead to each other.
func (c *compiler) names() error {
	id := int32(0)
	for _, m := range c.c.SIP.Routing.RouteGroups {
		c.plan.groups[m.Name] = &routeGroup{id: id, name: m.Name}
		id++
	}
	for _, m := range c.c.SIP.Routing.Lookups {
		c.plan.policies[m.Name] = &lookupPolicy{id: id, name: m.Name}
		id++
	}
	return nil
}

func (c *compiler) tables() error {
	for i := range c.c.SIP.Routing.Tables {
		t, err := c.table(&c.c.SIP.Routing.Tables[i])
		if err != nil {
			return err
		}
		c.plan.tables[t.name] = t
	}
	return nil
}

// fill fills in the groups and policies.
func (c *compiler) fill() error {
	routing := &c.c.SIP.Routing
	for i := range routing.RouteGroups {
		if err := c.routeGroup(c.plan.groups[routing.RouteGroups[i].Name], &routing.RouteGroups[i]); err != nil {
			return err
		}
	}
	for i := range routing.Lookups {
		if err := c.lookupPolicy(c.plan.policies[routing.Lookups[i].Name], &routing.Lookups[i]); err != nil {
			return err
		}
	}
	return nil
}

// stages compiles the triggers.
func (c *compiler) stages() error {
	routing := &c.c.SIP.Routing
	conditions := make(map[string]*condition)
	for i := range routing.Conditions {
		compiled, err := c.condition(&routing.Conditions[i])
		if err != nil {
			return err
		}
		conditions[compiled.name] = compiled
	}
	for stage, triggers := range routing.Triggers {
		for _, m := range triggers {
			name := fmt.Sprintf("trigger %s sequence %d", model.TriggerKindNames[stage], m.Sequence)
			t := trigger{sequence: m.Sequence, policy: m.Policy, hits: c.counter(name)}
			if t.condition = conditions[m.Condition]; t.condition == nil && m.Condition != "" {
				return fmt.Errorf("%s: there is no trigger condition %q", name, m.Condition)
			}
			switch {
			case m.ByPass:
				t.policy = ""
			case model.TriggerKind(stage) == model.TriggerRouting:
				if t.lookup = c.plan.policies[m.Policy]; t.lookup == nil {
					return fmt.Errorf("%s: there is no lookup policy %q", name, m.Policy)
				}
			}
			c.plan.triggers[stage] = append(c.plan.triggers[stage], t)
		}
	}
	return nil
}

// counter gives the counter of a thing. It goes on counting where the plan in
// force has the same thing.
func (c *compiler) counter(name string) *atomic.Int64 {
	hits := c.plan.counters[name]
	if hits == nil && c.old != nil {
		hits = c.old.counters[name]
	}
	if hits == nil {
		hits = new(atomic.Int64)
	}
	c.plan.counters[name] = hits
	return hits
}
