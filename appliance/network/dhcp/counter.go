package dhcp

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// counter is a desk and the link that it serves: what is decided there is
// done here.
type counter struct {
	desk     desk
	link     Link
	listener Listener
	room     chan struct{} // holds one for each probe that runs
	probing  sync.WaitGroup
}

// act does what a message leads to. A probe runs beside what comes meanwhile.
func (c *counter) act(ctx context.Context, m *dhcpv4.DHCPv4, a answer) {
	switch {
	case a.reply == nil:
	case !a.probe.IsValid():
		c.send(a)
	default:
		select {
		case c.room <- struct{}{}:
			c.probing.Go(func() {
				defer func() { <-c.room }()
				c.probe(ctx, m, a)
			})
		default: // a storm: the host asks again
			c.withdraw(a)
		}
	}
}

// probesTried is how many addresses are probed for one DISCOVER; then the host
// asks again.
const probesTried = 3

// probe asks for the address on the link and sends the offer, or that of
// another address if a host has this one.
func (c *counter) probe(ctx context.Context, m *dhcpv4.DHCPv4, a answer) {
	for range probesTried {
		holder, err := c.desk.server.o.Kernel.Probe(ctx, c.link, a.probe)
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				c.desk.server.o.Log.Warn("an address of a DHCP pool could not be probed", "lan", c.desk.port, "error", err)
			}
			break
		}
		c.desk.server.mu.Lock()
		a = c.desk.settle(m, a, holder)
		c.desk.server.mu.Unlock()
		if a.reply == nil {
			return
		}
		if !a.probe.IsValid() {
			c.send(a)
			return
		}
	}
	c.withdraw(a)
}

// withdraw takes back an offer that is not sent.
func (c *counter) withdraw(a answer) {
	s := c.desk.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.table.byAddress[a.probe]; b != nil && b.probing {
		b.probing, b.until = false, s.o.Boot()
	}
}

func (c *counter) send(a answer) {
	if err := c.listener.Send(a.reply, c.desk.self.Addr(), a.to, a.mac); err != nil {
		c.desk.server.o.Log.Debug("DHCP answer not sent", "lan", c.desk.port, "error", err)
	}
}

// bucket limits a rate: burst at once, then perSecond. The zero value with a
// clock is full.
type bucket struct {
	now  func() time.Duration
	full time.Duration // when it is full again
}

// take reports whether one more is within the rate.
func (b *bucket) take() bool {
	const each = time.Second / perSecond
	now := b.now()
	full := max(b.full, now) + each
	if full-now > burst*each {
		return false
	}
	b.full = full
	return true
}
