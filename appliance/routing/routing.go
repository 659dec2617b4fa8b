package routing

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// Options are what a Router is made of.
type Options struct {
	// Servers compiles the server groups; adjacency finds that of an element
	// with a fixed address.
	Servers func(c *model.Config, adjacency Adjacency) (Groups, error)
	// OpenFile opens a route file: "harddisk:routes.txt".
	OpenFile func(path string) (io.ReadCloser, error)
	// Now is the clock of time policies; time.Now when nil.
	Now func() time.Time
	// Random gives a number from 0 to below n, to any thread; rand.IntN when
	// nil.
	Random func(n int) int
}

// Adjacency finds the adjacency of an address, as Plan.Adjacency does.
type Adjacency = func(network string, t model.Transport, to netip.Addr) *model.Adjacency

// Router makes plans of configurations, and knows the one in force.
type Router struct {
	options Options
	current atomic.Pointer[Plan] // nil before the first Use
	walks   sync.Pool            // of *walk
}

// New makes a router without a plan.
func New(o Options) (*Router, error) {
	if o.Servers == nil || o.OpenFile == nil {
		return nil, errors.New("new router: no server groups or files")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.IntN
	}
	return &Router{options: o, walks: sync.Pool{New: func() any { return new(walk) }}}, nil
}

// Conditions are what the plan in force cannot do as it is configured.
func (r *Router) Conditions() []model.Condition {
	p := r.current.Load()
	if p == nil {
		return nil
	}
	var all []model.Condition
	for _, name := range p.tableNames() {
		if t := p.tables[name]; t.problem != nil {
			all = append(all, model.Condition{Name: alarm.RouteFile, Object: name, Text: t.problem.Error()})
		}
	}
	return all
}
