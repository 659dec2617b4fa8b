// Package resolver turns host names into addresses by asking the configured
// name servers (NET-6, NET-7).
//
// In: the upstream servers of the configuration (Apply). Out: LookupHost, and
// a status line for show commands. It is a stub resolver (RFC 1034 §5.3.1):
// it asks in the configured order, passes over a server that did not answer
// lately, repeats a truncated answer over TCP, and keeps what it learnt for
// the time that the answer allows.
package resolver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"causeway/appliance/model"
)

// What LookupHost fails with besides the errors of the network.
var (
	ErrNotFound = errors.New("no such host")
	ErrNoServer = errors.New("no name server configured")
	ErrNotAName = errors.New("not a host name")
)

// Resolver is ready for use as it is. Its exported fields may be set before
// its first use only. Its methods may be called from any goroutine.
type Resolver struct {
	Port    uint16           // of the name servers; 53 when zero
	Timeout time.Duration    // of one try with one server; 2 s when zero
	Now     func() time.Time // the clock of the cache; time.Now when nil

	mu        sync.Mutex
	upstreams []upstream // in the configured order
	cache     cache
	last      string // what the last exchange came to, for Status
}

// upstream is one name server.
type upstream struct {
	address netip.Addr
	failed  time.Time // when it last did not answer; zero when it did
}

// avoidTime is how long a server that did not answer is asked last.
const avoidTime = 30 * time.Second

// rounds is how often a question goes through all servers before it fails.
const rounds = 2

// Apply makes the name servers of config those to ask from now on. What was
// learnt from others is forgotten.
func (r *Resolver) Apply(config *model.Config) {
	r.mu.Lock()
	defer r.mu.Unlock()
	same := slices.EqualFunc(r.upstreams, config.NameServers, func(u upstream, a netip.Addr) bool { return u.address == a })
	if same {
		return
	}
	r.upstreams, r.cache, r.last = nil, cache{}, ""
	for _, address := range config.NameServers {
		r.upstreams = append(r.upstreams, upstream{address: address})
	}
}

// Status says in a line whether names can be resolved.
func (r *Resolver) Status() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(r.upstreams) == 0:
		return ErrNoServer.Error()
	case r.last == "":
		return "not asked yet"
	}
	return r.last
}

// LookupHost gives the addresses of a host, IPv4 before IPv6. An address
// literal is its own answer. It returns ErrNotFound when a server says that
// the host does not exist or has no address.
func (r *Resolver) LookupHost(ctx context.Context, name string) ([]netip.Addr, error) {
	if literal, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{literal.Unmap()}, nil
	}
	if _, ok := dns.IsDomainName(name); !ok || name == "" {
		return nil, fmt.Errorf("look up %q: %w", name, ErrNotAName)
	}
	types := [...]uint16{dns.TypeA, dns.TypeAAAA}
	var answers [len(types)]answer
	var errs [len(types)]error
	var asking sync.WaitGroup
	for i, qtype := range types {
		asking.Go(func() { answers[i], errs[i] = r.resolve(ctx, dns.CanonicalName(name), qtype) })
	}
	asking.Wait()

	addresses := slices.Concat(answers[0].addresses, answers[1].addresses)
	if len(addresses) > 0 {
		return addresses, nil // even if the other half failed
	}
	return nil, fmt.Errorf("look up %s: %w", name, cmp.Or(errs[0], errs[1], ErrNotFound))
}

// resolve answers one question from the cache or from the first server that
// answers it. An answer without addresses means that there are none.
func (r *Resolver) resolve(ctx context.Context, name string, qtype uint16) (answer, error) {
	question := dns.Question{Name: name, Qtype: qtype, Qclass: dns.ClassINET}
	if known, ok := r.recall(question); ok {
		return known, nil
	}
	err := ErrNoServer
	for range rounds {
		for _, server := range r.order() {
			var got answer
			if got, err = r.ask(ctx, server, question); err == nil {
				r.learn(question, got)
				return got, nil
			}
			if ended(ctx) != nil {
				return answer{}, ended(ctx)
			}
		}
	}
	return answer{}, err
}

// order gives the servers in the order to ask them.
func (r *Resolver) order() []netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	var good, avoided []netip.Addr
	for _, u := range r.upstreams {
		if r.now().Sub(u.failed) < avoidTime {
			avoided = append(avoided, u.address)
		} else {
			good = append(good, u.address)
		}
	}
	return append(good, avoided...)
}

// ask asks one server and notes whether it answers.
func (r *Resolver) ask(ctx context.Context, server netip.Addr, question dns.Question) (answer, error) {
	reply, err := r.exchange(ctx, server, question)
	var got answer
	var failed time.Time
	if err == nil {
		got, err = readReply(question, reply)
	} else if failed = r.now(); ended(ctx) != nil {
		return answer{}, ended(ctx) // no fault of the server's
	}
	if err != nil {
		err = fmt.Errorf("name server %s: %w", server, err)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.IndexFunc(r.upstreams, func(u upstream) bool { return u.address == server }); i >= 0 {
		r.upstreams[i].failed = failed
	}
	if r.last = fmt.Sprintf("%s answers", server); err != nil {
		r.last = err.Error()
	}
	return got, err
}

// exchange sends one question to one server, over UDP and, when the answer
// does not fit, over TCP (RFC 7766 §5).
func (r *Resolver) exchange(ctx context.Context, server netip.Addr, question dns.Question) (*dns.Msg, error) {
	port, timeout := r.Port, r.Timeout
	if port == 0 {
		port = 53
	}
	if timeout == 0 {
		timeout = 2 * time.Second
	}
	query := &dns.Msg{
		MsgHdr:   dns.MsgHdr{Id: dns.Id(), RecursionDesired: true},
		Question: []dns.Question{question},
	}
	at := netip.AddrPortFrom(server, port).String()
	reply, err := exchangeOver(ctx, dns.Client{Net: "udp", Timeout: timeout}, at, query)
	if err == nil && reply.Truncated {
		reply, err = exchangeOver(ctx, dns.Client{Net: "tcp", Timeout: timeout}, at, query)
	}
	return reply, err
}

// exchangeOver is one exchange. It ends with ctx at once, where the client
// alone would wait for its time-out.
func exchangeOver(ctx context.Context, client dns.Client, at string, query *dns.Msg) (*dns.Msg, error) {
	conn, err := client.DialContext(ctx, at)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	reply, _, err := client.ExchangeWithConnContext(ctx, query, conn)
	return reply, err
}

// ended is ctx.Err that also knows a deadline whose timer has not run yet: a
// socket with the same deadline may be first.
func ended(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

func (r *Resolver) recall(question dns.Question) (answer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cache.get(question, r.now())
}

func (r *Resolver) learn(question dns.Question, a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cache.put(question, a, r.now())
}

func (r *Resolver) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}
