package dhcp

import (
	"context"
	"log/slog"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"causeway/appliance/model"
)

// request is what an operator asked of a port.
type request uint8

const (
	none request = iota
	renew
	release
)

// lessee is a port in mode client.
type lessee struct {
	client *Client
	port   model.Port
	log    *slog.Logger

	// Of the goroutine that serves the port.
	link      Link
	wire      Wire
	offer     lease          // what is being requested, then probed
	note      string         // what of it is left out
	refusal   string         // why the last answer could not be taken; empty: it could
	began     time.Duration  // of this try for an address, or for more time
	discovery *dhcpv4.DHCPv4 // the DISCOVER that the offer answers
	sent      time.Duration  // the first message of the last exchange
	failures  int            // tries that came to nothing after an offer
	doubtful  bool           // the link may be another than the lease is of

	// Guarded by client.mu; written by that goroutine and by Client.
	state   state
	asked   request
	lease   *lease // in force; nil: none
	problem string
}

// newLessee begins with what is kept of the port.
func newLessee(c *Client, port model.Port) *lessee {
	p := &lessee{client: c, port: port, log: c.o.Log.With("lan", port)}
	k, err := recall(c.o.Dir, port, c.o.Boot())
	if err != nil {
		p.log.Warn("a kept DHCP lease is not used", "error", err)
	}
	p.lease = k.Lease
	if k.Released {
		p.state = released
	}
	return p
}

// serve goes from state to state until ctx ends: the link changed, an operator
// asked for something, or the port is not a client any more.
func (p *lessee) serve(ctx context.Context, link Link) error {
	if link.Carrier {
		wire, err := p.client.o.Kernel.Wire(link)
		if err != nil {
			return err
		}
		p.wire = wire
		defer wire.Close()
	}
	for next := p.begin(link); ctx.Err() == nil; {
		p.client.mu.Lock()
		p.state = next
		p.client.mu.Unlock()
		p.log.Debug("DHCP client", "state", next)
		var err error
		if next, err = states[next].do(p, ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// begin says where to begin on a link: after a change of it a lease is
// verified (RFC 2131 §3.2), after a mere restart it is not.
func (p *lessee) begin(link Link) state {
	p.doubtful = p.doubtful || p.link.Index != 0 && p.link != link
	p.link = link
	p.client.mu.Lock()
	asked, held, state := p.asked, p.lease, p.state
	p.asked = none
	p.client.mu.Unlock()
	if held != nil && link.Index != 0 && held.Owner != link.MAC {
		p.drop("the port has another MAC address now")
		held = nil
	}
	p.began = p.now()
	switch {
	case asked == release:
		p.giveBack(held)
		return released
	case state == released && asked != renew:
		return released
	case state == released:
		p.drop("")
	}
	switch {
	case !link.Carrier:
		return down
	case held == nil:
		p.failures = 0
		return selecting
	case p.doubtful:
		return rebooting
	case asked == renew:
		return renewing
	}
	return bound
}

func (p *lessee) now() time.Duration { return p.client.o.Boot() }

// held is the lease in force, or nil.
func (p *lessee) held() *lease {
	p.client.mu.Lock()
	defer p.client.mu.Unlock()
	return p.lease
}

// report says what is the matter, in show commands and once in the log.
func (p *lessee) report(problem string) {
	p.client.mu.Lock()
	fresh := p.problem != problem
	p.problem = problem
	p.client.mu.Unlock()
	if fresh && problem != "" {
		p.log.Warn("DHCP client", "problem", problem)
	}
}

// drop ends the lease, if there is one.
func (p *lessee) drop(why string) { p.change(kept{}, why) }

// change puts in force what is now kept of the port.
func (p *lessee) change(now kept, problem string) {
	p.began = p.now()
	p.client.mu.Lock()
	p.set(now, problem)
	p.client.mu.Unlock()
	p.client.publish()
}

// take puts a lease in force. The error says that it collides with another port.
func (p *lessee) take(l lease) error {
	p.client.mu.Lock()
	if err := p.client.collision(p.port, l.Address); err != nil {
		p.client.mu.Unlock()
		return err
	}
	p.doubtful = false
	p.set(kept{Lease: &l}, p.note)
	p.client.mu.Unlock()
	p.client.publish()
	return nil
}

// set changes what is in force and keeps it over a restart of the process,
// unless the port is not a client any more. client.mu is held.
func (p *lessee) set(now kept, problem string) {
	if p.client.lessees[p.port] != p {
		return
	}
	switch l := now.Lease; {
	case l == nil && p.lease != nil:
		p.log.Warn("DHCP lease ended", "address", p.lease.Address, "reason", problem)
	case l != nil && (p.lease == nil || p.lease.Address != l.Address):
		p.log.Info("DHCP lease", "address", l.Address, "router", l.Router, "server", l.Server, "note", problem)
	}
	p.lease, p.problem = now.Lease, problem
	if err := keep(p.client.o.Dir, p.port, now); err != nil {
		p.log.Warn("a restart would ask for the address again", "error", err)
	}
}

// giveBack releases the address (§4.4.6); nobody answers to that.
func (p *lessee) giveBack(held *lease) {
	if held != nil && p.link.Carrier {
		m, err := p.message(dhcpv4.MessageTypeRelease,
			dhcpv4.WithClientIP(held.Address.Addr().AsSlice()),
			dhcpv4.WithOption(dhcpv4.OptServerIdentifier(held.Server.AsSlice())))
		if err == nil {
			err = p.wire.Send(m, held.Address.Addr(), Station{held.Server, held.Via})
		}
		if err != nil {
			p.log.Warn("the server was not told that its address is free", "error", err)
		}
	}
	p.change(kept{Released: true}, "an operator released it")
}
