package proxy

import (
	"net/netip"

	"causeway/appliance/model"
	"causeway/appliance/sip"
	"causeway/appliance/sip/hop"
)

type tempRouting struct{}

func (tempRouting) Plan(c *model.Config) (sip.Plan, error) {
	p := &tempPlan{hops: map[string]*hop.Target{}, adj: map[string]*model.Adjacency{}}
	for _, n := range c.SIP.Networks {
		p.adj[n.Name] = &model.Adjacency{Name: n.Name}
		if n.NextHop.Address.IsValid() {
			p.hops[n.Name] = &hop.Target{Network: n.NextHop.Network, Address: n.NextHop.Address}
		}
	}
	return p, nil
}

type tempPlan struct {
	hops map[string]*hop.Target
	adj  map[string]*model.Adjacency
}

func (p *tempPlan) Adjacency(n string, _ model.Transport, _ netip.Addr) *model.Adjacency {
	return p.adj[n]
}
func (p *tempPlan) Route(in *hop.Incoming, d *hop.Decision) {
	if t := p.hops[in.Network]; t != nil {
		d.Targets = append(d.Targets, *t)
	}
}
func (p *tempPlan) Rewrites(model.TriggerKind) bool { return false }
func (p *tempPlan) Rewrite([]byte, model.TriggerKind, *hop.Incoming, *hop.Target) []byte {
	return nil
}
func (p *tempPlan) Use() {}
