package routing

import (
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/routing/normalization"
	"causeway/appliance/sip/hop"
)

// Plan is the routing of one configuration. It never changes but for its
// counters; any number of threads use it.
type Plan struct {
	router     *Router
	zone       *time.Location // of the box
	networks   []model.SIPNetwork
	sbc        *model.SBC
	neighbours map[string]*neighbours // of each network
	stranger   model.Adjacency        // of a network that is not configured
	own        map[netip.AddrPort]bool
	aliases    [][]byte

	nextHops     map[string]*nextHop // of the networks that have one
	triggers     [model.TriggerKinds][]trigger
	tables       map[string]*table
	policies     map[string]*lookupPolicy
	groups       map[string]*routeGroup
	destinations []*destination

	servers    Groups
	configured []model.ServerGroup // what servers were made of
	normalizer *normalization.Engine
	privacy    bool
	counters   map[string]*atomic.Int64
}

// nextHop is where requests of a network go that no routing trigger takes.
type nextHop struct {
	target hop.Target
	hits   *atomic.Int64
}

// tableNames are the names of all tables, sorted.
func (p *Plan) tableNames() []string { return slices.Sorted(maps.Keys(p.tables)) }

// Use puts the plan in force.
func (p *Plan) Use() {
	p.servers.Use()
	p.router.current.Store(p)
}

// Route decides about a request outside dialogs. d is empty; its Targets have
// capacity for 16, or grow.
func (p *Plan) Route(in *hop.Incoming, d *hop.Decision) {
	w := p.begin(in, nil)
	w.d = d
	w.route()
	w.end()
}

// Rewrites says whether some message may change at a stage.
func (p *Plan) Rewrites(stage model.TriggerKind) bool {
	return stage != model.TriggerRouting && len(p.triggers[stage]) > 0 ||
		stage == model.TriggerPostNormalization && p.privacy
}

// Rewrite appends the message to b as the policy of a normalisation stage
// changes it, and gives that; nil when nothing changes. out is nil before
// routing, and of responses.
func (p *Plan) Rewrite(b []byte, stage model.TriggerKind, in *hop.Incoming, out *hop.Target) []byte {
	if !p.Rewrites(stage) {
		return nil
	}
	w := p.begin(in, out)
	defer w.end()
	return w.rewrite(b, stage)
}
