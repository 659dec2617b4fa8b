package resolver

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"causeway/appliance/model"
)

// Client asks the resolver of the box from any of its processes. Its zero value
// is ready for use. Every look-up gives the time for which its outcome holds,
// also beside model.ErrNoSuchName; model.ErrNoAnswer means that nobody says.
type Client struct {
	Server netip.AddrPort                                                       // of the resolver; 127.0.0.1:53 when zero
	Dial   func(ctx context.Context, network, address string) (net.Conn, error) // as in Options
}

// clientTime bounds one look-up: the resolver itself gives up before.
const clientTime = wholeTime + time.Second

// LookupHost gives the addresses of a host as Resolver.LookupHost does.
func (c *Client) LookupHost(ctx context.Context, name string) ([]netip.Addr, time.Duration, error) {
	return lookupHost(name, func(question dns.Question) (answer, error) { return c.ask(ctx, question) })
}

// LookupSRV gives the servers of a service such as "_sip._udp.example.com"
// (RFC 2782), as they come.
func (c *Client) LookupSRV(ctx context.Context, name string) ([]model.SRV, time.Duration, error) {
	return lookup(ctx, c, name, dns.TypeSRV, func(srv *dns.SRV) model.SRV {
		return model.SRV{Priority: srv.Priority, Weight: srv.Weight, Port: srv.Port, Target: withoutDot(srv.Target)}
	})
}

// LookupNAPTR gives the rules of a domain (RFC 3403), as they come.
func (c *Client) LookupNAPTR(ctx context.Context, name string) ([]model.NAPTR, time.Duration, error) {
	return lookup(ctx, c, name, dns.TypeNAPTR, func(n *dns.NAPTR) model.NAPTR {
		return model.NAPTR{
			Order: n.Order, Preference: n.Preference, Flags: n.Flags, Service: n.Service,
			Regexp: n.Regexp, Replacement: withoutDot(n.Replacement),
		}
	})
}

// lookup asks for the records of one type and reads each.
func lookup[R dns.RR, V any](ctx context.Context, c *Client, name string, qtype uint16, read func(R) V) ([]V, time.Duration, error) {
	kind := dns.TypeToString[qtype]
	canonical, err := canonicalName(name)
	if err != nil {
		return nil, 0, fmt.Errorf("look up %s of %q: %w", kind, name, err)
	}
	got, err := c.ask(ctx, dns.Question{Name: canonical, Qtype: qtype, Qclass: dns.ClassINET})
	if err == nil && len(got.records) == 0 {
		err = model.ErrNoSuchName
	}
	if err != nil {
		return nil, got.ttl, fmt.Errorf("look up %s of %s: %w", kind, name, err)
	}
	var list []V
	for _, record := range got.records {
		if record, ok := record.(R); ok {
			list = append(list, read(record))
		}
	}
	return list, got.ttl, nil
}

// ask asks the resolver one question.
func (c *Client) ask(ctx context.Context, question dns.Question) (answer, error) {
	server, dial := c.Server, c.Dial
	if !server.IsValid() {
		server = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53)
	}
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	try, cancel := context.WithTimeoutCause(ctx, clientTime, errSilent)
	defer cancel()
	reply, err := exchange(try, dial, server, question)
	var got answer
	if err == nil {
		got, err = readAnswer(question, reply)
	}
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", cmp.Or(ctx.Err(), model.ErrNoAnswer), err)
	}
	return got, nil
}

// withoutDot is a name as people write it; empty for the root.
func withoutDot(name string) string { return strings.TrimSuffix(name, ".") }
