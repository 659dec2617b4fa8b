// Package servergroup is CUSP's server groups: sets of interchangeable
// elements that calls are balanced over, with a state for each element that
// calls and pings make.
//
// In come the configuration, how requests to elements went (hop.Element) and
// the answers to OPTIONS; out goes the order in which a call tries the
// elements of a group, and the states for operators and alarms. An element is
// known by (network, transport, host, port): groups that have it share what is
// known, and a commit that keeps it keeps that.
//
// Where to read on: condition.go is the one state machine; choose.go what runs
// for every call; ping.go when elements are pinged and options.go how; show.go
// what operators see.
package servergroup

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"causeway/appliance/sip/hop"
)

// Locator finds the places of a host (sip.Locator).
type Locator interface {
	Locate(q hop.Query, to []hop.Place) (places []hop.Place, known bool)
	Await(q hop.Query, done func())
}

// Dial opens the way of pings from an address of ours to a place. Port 0 of
// local is any. server is the host by its configured name, for certificates.
type Dial func(ctx context.Context, local netip.AddrPort, to hop.Place, network, server string) (net.Conn, error)

// Options are what a Registry is made of.
type Options struct {
	Dial    Dial // Dialer.Dial, but for tests
	Locator Locator
	// OpenCalls counts the open calls of each element; nil: nobody does.
	OpenCalls func() map[hop.Element]int

	patience time.Duration // of a ping that an operator asks for; 0: model.SIPPingPatience
	hostToo  bool          // such a ping may go to this host: a test's servers are there
}

// Registry is the elements that are known, and the set in force.
type Registry struct {
	options Options
	start   time.Time
	current atomic.Pointer[Set]
	changed chan struct{} // the set in force is another one

	mu       sync.Mutex // over elements: commits only
	elements map[Key]*Element
}

// New makes a registry without groups.
func New(o Options) *Registry {
	r := &Registry{options: o, start: time.Now(), changed: make(chan struct{}, 1), elements: make(map[Key]*Element)}
	r.current.Store(&Set{registry: r})
	return r
}

// now is the clock of the registry: monotonic time since it was made.
func (r *Registry) now() time.Duration { return time.Since(r.start) }

// element finds or makes the element of a key.
func (r *Registry) element(k Key) *Element {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.elements[k]
	if e == nil {
		e = newElement(k, r.now)
		r.elements[k] = e
	}
	return e
}

// use puts a set in force.
func (r *Registry) use(s *Set) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.elements)
	for e, setting := range s.elements {
		r.elements[e.key] = e
		e.rules.Store(&setting.rules)
	}
	r.current.Store(s)
	select {
	case r.changed <- struct{}{}:
	default: // Run has not seen the last change yet
	}
}

// Run pings the elements of the set in force until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	type running struct {
		probe probe
		stop  context.CancelFunc
	}
	pinged := make(map[*Element]running)
	var probes sync.WaitGroup
	defer probes.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		wanted := r.current.Load().elements
		for e, now := range pinged {
			if now.probe != wanted[e].probe {
				now.stop()
				delete(pinged, e)
			}
		}
		for e, setting := range wanted {
			if _, runs := pinged[e]; runs || !setting.probe.on() {
				continue
			}
			ctx, stop := context.WithCancel(ctx)
			pinged[e] = running{setting.probe, stop}
			p := pinger{element: e, probe: setting.probe, options: &r.options}
			probes.Go(func() { p.run(ctx) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.changed:
		}
	}
}
