package dhcp

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// ClientOptions are what a Client uses.
type ClientOptions struct {
	Dir     string               // where leases are kept over a restart: gone with the boot, like /run/control
	Kernel  Kernel               // nil: Linux
	Boot    func() time.Duration // CLOCK_BOOTTIME
	Changed func([]model.Lease)  // told of all leases in force, in the order of their ports, when they change; one call at a time
	Log     *slog.Logger

	jitter func(time.Duration) time.Duration // from 0 to that; nil: at random
}

// Client gets an address for each port in mode client. A restart of the
// process changes nothing on the wire: leases are read back from Dir. It
// releases an address only when an operator says so.
type Client struct {
	o     ClientOptions
	ports *ports[*lessee]

	publishing sync.Mutex // held while Changed is told
	published  []model.Lease

	mu      sync.Mutex
	config  *model.Config
	lessees map[model.Port]*lessee
}

// NewClient makes a client that does nothing until Run runs and a
// configuration was applied.
func NewClient(o ClientOptions) *Client {
	if o.Kernel == nil {
		o.Kernel = Linux{}
	}
	if o.jitter == nil {
		o.jitter = func(d time.Duration) time.Duration { return rand.N(d) }
	}
	c := &Client{o: o, config: &model.Config{}, lessees: map[model.Port]*lessee{}}
	c.ports = newPorts(o.Kernel, o.Log, func(ctx context.Context, _ model.Port, p *lessee, link Link) error {
		return p.serve(ctx, link)
	})
	return c
}

// Apply makes config the one to obey. The leases that were kept of an earlier
// life of the process are in force when it returns.
func (c *Client) Apply(config *model.Config) {
	wanted := map[model.Port]*lessee{}
	var again []model.Port
	c.mu.Lock()
	c.config = config
	for _, lan := range config.LANs {
		if lan.DHCP.Mode != model.DHCPClient || lan.Shutdown {
			continue
		}
		if wanted[lan.Port] = c.lessees[lan.Port]; wanted[lan.Port] == nil {
			wanted[lan.Port] = newLessee(c, lan.Port)
		}
	}
	for port, p := range c.lessees {
		if wanted[port] == nil {
			p.set(kept{}, "the port is no DHCP client any more")
		}
	}
	c.lessees = wanted
	for port, p := range c.lessees {
		if p.lease == nil {
			continue
		}
		if err := c.collision(port, p.lease.Address); err != nil {
			p.set(kept{}, err.Error())
			again = append(again, port)
		}
	}
	c.mu.Unlock()
	c.publish()
	c.ports.want(wanted)
	for _, port := range again {
		c.ports.restart(port)
	}
}

// Run gets and keeps addresses until ctx ends, which gives nil, or the
// kernel's notifications fail.
func (c *Client) Run(ctx context.Context) error { return c.ports.run(ctx) }

// collision says which port has addresses of that network already: the kernel
// could not tell on which of the two a host is. c.mu is held.
func (c *Client) collision(port model.Port, address netip.Prefix) error {
	for _, lan := range c.config.LANs {
		if lan.Port != port && lan.Address.IsValid() && lan.Address.Overlaps(address) {
			return fmt.Errorf("its network %v overlaps %v of %v", address.Masked(), lan.Address.Masked(), lan.Port)
		}
	}
	for other, p := range c.lessees {
		if other != port && p.lease != nil && p.lease.Address.Overlaps(address) {
			return fmt.Errorf("its network %v overlaps %v, the lease of %v", address.Masked(), p.lease.Address.Masked(), other)
		}
	}
	return nil
}

// publish tells Changed what is in force if that is new.
func (c *Client) publish() {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	c.mu.Lock()
	var leases []model.Lease
	for _, p := range c.inOrder() {
		if p.lease != nil {
			leases = append(leases, p.lease.Lease)
		}
	}
	c.mu.Unlock()
	if reflect.DeepEqual(leases, c.published) {
		return
	}
	c.published = leases
	c.o.Changed(slices.Clone(leases))
}

// inOrder gives the ports in order. c.mu is held.
func (c *Client) inOrder() []*lessee {
	var all []*lessee
	for _, p := range c.lessees {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *lessee) int { return a.port.Compare(b.port) })
	return all
}

// Conditions gives the ports without a lease.
func (c *Client) Conditions() []model.Condition {
	c.mu.Lock()
	defer c.mu.Unlock()
	var held []model.Condition
	for _, p := range c.inOrder() {
		if p.lease != nil {
			continue
		}
		text := fmt.Sprintf("%v is %v", p.port, p.state)
		if p.problem != "" {
			text += ": " + p.problem
		}
		held = append(held, model.Condition{Name: alarm.DHCPNoLease, Object: p.port.String(), Text: text})
	}
	return held
}

// LeaseStatus is one port of the answer of control.leases. Times are from now;
// below zero they are not known, or never come.
type LeaseStatus struct {
	Lease    model.Lease   `json:"lease"` // Port is always there
	State    string        `json:"state"`
	Problem  string        `json:"problem"` // why there is none, or what was left out of it
	Held     bool          `json:"held"`    // there is a lease
	Domain   string        `json:"domain"`
	MTU      int           `json:"mtu"` // octets; 0: not said
	Obtained time.Duration `json:"obtained"`
	Renew    time.Duration `json:"renew"`
	Rebind   time.Duration `json:"rebind"`
	Expire   time.Duration `json:"expire"`
}

// Status gives all ports in mode client.
func (c *Client) Status() []LeaseStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.o.Boot()
	left := func(t time.Duration) time.Duration {
		if t == forever {
			return -1
		}
		return max(0, t-now)
	}
	var all []LeaseStatus
	for _, p := range c.inOrder() {
		s := LeaseStatus{Lease: model.Lease{Port: p.port}, State: p.state.String(), Problem: p.problem}
		if l := p.lease; l != nil {
			s.Lease, s.Held, s.Domain, s.MTU = l.Lease, true, l.Domain, l.MTU
			s.Obtained, s.Renew, s.Rebind, s.Expire = now-l.Obtained, left(l.Renew), left(l.Rebind), left(l.Expire)
		}
		all = append(all, s)
	}
	return all
}

// PortQuery names the port of control.dhcp-renew and control.dhcp-release.
type PortQuery struct {
	Port model.Port `json:"port"`
}

// Methods are what control serves of the client.
func (c *Client) Methods() link.Methods {
	return link.Methods{
		"control.leases":       func(context.Context) ([]LeaseStatus, error) { return c.Status(), nil },
		"control.dhcp-renew":   link.ForOperators(c.asking(renew)),
		"control.dhcp-release": link.ForOperators(c.asking(release)),
	}
}

// asking gives the method that asks a port for something.
func (c *Client) asking(what request) func(context.Context, PortQuery) (struct{}, error) {
	return func(_ context.Context, q PortQuery) (struct{}, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		p := c.lessees[q.Port]
		if p == nil {
			return struct{}{}, fmt.Errorf("%v is not a DHCP client", q.Port)
		}
		p.asked = what
		c.ports.restart(q.Port)
		return struct{}{}, nil
	}
}
