// Package resolver is the DNS of the whole box: a caching forwarder on the
// loopback addresses, where every process asks (NET-6, NET-7, NET-8).
//
// In: the configuration (Apply) and the leases of DHCP (ApplyLeases), which say
// whom to ask and which hosts are known without asking; questions at port 53 of
// 127.0.0.1 and ::1 and through LookupHost. Out: answers, the conditions that
// are worth an alarm, and what show commands print. Client is for the other
// processes.
//
// A question is answered from the static hosts, from the cache, or by the first
// name server that has an answer; the same question of several askers is asked
// once. A server that is silent is asked last and probed until it answers. When
// all are silent, what was known a day ago still serves (RFC 8767). Names that
// COM needs are checked all the time, so a fault shows before it matters.
package resolver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"causeway/appliance/model"
)

// Options is what a Resolver uses.
type Options struct {
	Listen []netip.AddrPort // where it serves; nil: port 53 of 127.0.0.1 and ::1
	// Dial opens a connection to a name server, for "udp" or "tcp"; that of
	// net.Dialer when nil.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Log  *slog.Logger
}

// Resolver answers questions as long as Run runs, and before. Its methods may
// be called from any goroutine.
type Resolver struct {
	options Options
	log     *slog.Logger
	kick    chan struct{} // holds one: the names are to be checked now

	lifetime context.Context // ends with Run: no question outlives it
	end      context.CancelFunc
	running  sync.WaitGroup // questions under way

	mu        sync.Mutex
	config    *model.Config
	leases    []model.Lease
	upstreams []upstream // in the order of the configuration
	static    map[dns.Question]answer
	cache     cache
	flights   map[dns.Question]*flight
	waiting   int // askers that wait for a flight
	checks    []check
	listening map[string]string // by address and transport: why not; empty: it is served
	counts    counts
}

// counts are since control started.
type counts struct {
	questions, static, cached, stale, failed, refused int64
}

// New makes a resolver that knows no configuration. It looks up at once;
// nothing runs by itself, nor is served, until Run runs.
func New(options Options) *Resolver {
	if options.Listen == nil {
		options.Listen = []netip.AddrPort{
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53), netip.AddrPortFrom(netip.IPv6Loopback(), 53),
		}
	}
	if options.Dial == nil {
		options.Dial = new(net.Dialer).DialContext
	}
	r := &Resolver{options: options, log: options.Log, kick: make(chan struct{}, 1), listening: map[string]string{}}
	r.lifetime, r.end = context.WithCancel(context.Background())
	r.Apply(&model.Config{})
	return r
}

// Apply makes what config says hold from now on.
func (r *Resolver) Apply(config *model.Config) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.config = config
	r.static = staticAnswers(config.Hosts)
	r.setUpstreams()
	r.setChecks(config.COM)
}

// ApplyLeases tells of all leases in force. Their name servers are asked when
// the configuration has none.
func (r *Resolver) ApplyLeases(leases []model.Lease) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leases = slices.SortedStableFunc(slices.Values(leases), func(a, b model.Lease) int { return a.Port.Compare(b.Port) })
	r.setUpstreams()
}

// Upstreams are the name servers that are asked.
func (r *Resolver) Upstreams() []netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.addresses()
}

// Run serves, probes and checks until ctx ends; then no question is answered
// any more that somebody else has to be asked.
func (r *Resolver) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	parts.Go(func() {
		<-ctx.Done()
		r.mu.Lock() // so that no flight begins beside the Wait below
		defer r.mu.Unlock()
		r.end()
	})
	for _, at := range r.options.Listen {
		for _, network := range []string{"udp", "tcp"} {
			parts.Go(func() { r.serve(ctx, network, at.String()) })
		}
	}
	parts.Go(func() { r.probe(ctx) })
	parts.Go(func() { r.checkNames(ctx) })
	parts.Wait()
	r.running.Wait()
	return nil
}

// Status says in a line whether names can be resolved.
func (r *Resolver) Status() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range r.upstreams {
		if !u.silent && !u.answered.IsZero() {
			return u.address.String() + " answers"
		}
	}
	if !r.allSilent() {
		return "not asked yet"
	}
	return r.silence()
}

// silence says that no server answers, and why the last one did not. mu is held.
func (r *Resolver) silence() string {
	return fmt.Sprintf("no name server answers; %s", r.upstreams[len(r.upstreams)-1].problem)
}

// LookupHost gives the addresses of a host, IPv4 before IPv6. An address
// literal is its own answer. The error is model.ErrNoSuchName when the host
// does not exist or has no address, and model.ErrNoAnswer when nobody says.
func (r *Resolver) LookupHost(ctx context.Context, name string) ([]netip.Addr, error) {
	addresses, _, err := lookupHost(name, func(question dns.Question) (answer, error) {
		known, err := r.resolve(ctx, question)
		return known.answer, err
	})
	return addresses, err
}

// errNotAName is why nobody is asked.
var errNotAName = errors.New("not a host name")

// canonicalName is a name as replies have it: absolute, in lower case, with the
// same octets escaped. One that differs would not be known again in a reply.
func canonicalName(name string) (string, error) {
	wire := make([]byte, 255) // RFC 1035 §2.3.4
	if _, err := dns.PackDomainName(dns.Fqdn(name), wire, 0, nil, false); err != nil || name == "" {
		return "", errNotAName
	}
	read, _, err := dns.UnpackDomainName(wire, 0)
	return dns.CanonicalName(read), err
}

// lookupHost asks for both kinds of addresses at once. The time is how long the
// answer holds, also that there is none.
func lookupHost(name string, ask func(dns.Question) (answer, error)) ([]netip.Addr, time.Duration, error) {
	if literal, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{literal.Unmap()}, longestTTL, nil
	}
	canonical, err := canonicalName(name)
	if err != nil {
		return nil, 0, fmt.Errorf("look up %q: %w", name, err)
	}
	var answers [len(addressTypes)]answer
	var errs [len(addressTypes)]error
	var asking sync.WaitGroup
	for i, qtype := range addressTypes {
		asking.Go(func() {
			answers[i], errs[i] = ask(dns.Question{Name: canonical, Qtype: qtype, Qclass: dns.ClassINET})
		})
	}
	asking.Wait()

	var addresses []netip.Addr
	ttl, ttlOfNone := longestTTL, longestTTL
	for i, answer := range answers {
		switch found := answer.addresses(); {
		case errs[i] != nil:
			ttl = min(ttl, staleTTL) // soon asked again for this half
		case len(found) == 0:
			ttlOfNone = min(ttlOfNone, answer.ttl)
		default:
			addresses = append(addresses, found...)
			ttl = min(ttl, answer.ttl)
		}
	}
	if len(addresses) > 0 {
		return addresses, ttl, nil // even if the other half failed
	}
	if err := cmp.Or(errs[:]...); err != nil {
		return nil, 0, fmt.Errorf("look up %s: %w", name, err)
	}
	return nil, ttlOfNone, fmt.Errorf("look up %s: %w", name, model.ErrNoSuchName)
}
