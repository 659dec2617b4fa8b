package stream

import (
	"net/netip"
	"slices"
	"sync/atomic"
)

// stripeCount is how many parts the table has, so that one holds a few
// connections of the thousands there may be.
const stripeCount = 256

// table finds connections by where they lead. Who looks takes no lock; who
// changes it has the pool's.
type table struct {
	stripes [stripeCount]atomic.Pointer[[]entry]
}

// entry is one address that a connection leads to.
type entry struct {
	remote    netip.AddrPort
	byAddress bool // nobody need be named: the peer connected from there, or its certificate has the address
	conn      *Conn
}

// stripe gives the part of the table for an address: FNV-1a of its octets.
func (t *table) stripe(remote netip.AddrPort) *atomic.Pointer[[]entry] {
	hash := uint32(2166136261) ^ uint32(remote.Port())
	for _, octet := range remote.Addr().As16() {
		hash = (hash ^ uint32(octet)) * 16777619
	}
	return &t.stripes[hash%stripeCount]
}

// find gives a connection that Pool.Conn may give for these, or nil.
func (t *table) find(l *Listener, remote netip.AddrPort, domain string) *Conn {
	entries := t.stripe(remote).Load()
	if entries == nil {
		return nil
	}
	for i := range *entries {
		if e := &(*entries)[i]; e.remote == remote && e.conn.listener == l && e.leadsTo(domain) {
			return e.conn
		}
	}
	return nil
}

// leadsTo says whether the peer is who the caller wants.
func (e *entry) leadsTo(domain string) bool {
	c := e.conn
	switch {
	case c.ended.Load():
		return false
	case !c.listener.transport.Secure():
		return true
	case c.outbound && c.domain == domain:
		return true // as soon as it is established, which is not before its certificate is good
	case domain == "":
		return e.byAddress
	}
	identity := c.identity.Load()
	return identity != nil && slices.Contains(identity.names, domain)
}

func (t *table) add(remote netip.AddrPort, c *Conn, byAddress bool) {
	t.change(remote, func(entries []entry) []entry {
		return append(entries, entry{remote, byAddress, c})
	})
}

// remove takes out c with its alias.
func (t *table) remove(c *Conn) {
	drop := func(entries []entry) []entry {
		return slices.DeleteFunc(entries, func(e entry) bool { return e.conn == c })
	}
	t.change(c.remote, drop)
	if alias := c.alias; alias.IsValid() {
		t.change(alias, drop)
	}
}

// change puts another list in the place of that for remote; readers may have
// the old one.
func (t *table) change(remote netip.AddrPort, to func([]entry) []entry) {
	stripe := t.stripe(remote)
	var entries []entry
	if old := stripe.Load(); old != nil {
		entries = slices.Clone(*old)
	}
	entries = to(entries)
	stripe.Store(&entries)
}
