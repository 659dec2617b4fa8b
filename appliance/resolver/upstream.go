package resolver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"causeway/appliance/model"
)

// publicServer is asked where the customer has no name server (NET-6).
var publicServer = netip.AddrFrom4([4]byte{8, 8, 8, 8})

// How servers are asked.
const (
	tryTime    = 2 * time.Second        // one try with one server, TCP included
	hedgeDelay = 800 * time.Millisecond // then the next one is asked, too
	wholeTime  = 5 * time.Second        // all tries for one question
	probePause = 5 * time.Second        // between two probes of a silent server
)

// upstream is one name server and how it does.
type upstream struct {
	address netip.Addr
	origin  string // "configured", "DHCP LAN1", "default"

	asked     int64
	failed    int64         // of these, without a usable answer
	silent    bool          // it cannot be reached or did not answer a probe: it is asked last, and probed
	probed    bool          // a probe is under way
	problem   string        // of the last time; empty: none
	roundTrip time.Duration // smoothed; 0 before the first answer
	answered  time.Time     // last; zero: never
}

// chooseUpstreams gives the servers to ask: those of the configuration, else
// those of the leases, else the public one.
func chooseUpstreams(configured []netip.Addr, leases []model.Lease) []upstream {
	var list []upstream
	add := func(address netip.Addr, origin string) {
		known := slices.ContainsFunc(list, func(u upstream) bool { return u.address == address })
		if len(list) < serversMax && !known {
			list = append(list, upstream{address: address, origin: origin})
		}
	}
	for _, address := range configured {
		add(address, "configured")
	}
	if len(list) == 0 {
		for _, lease := range leases {
			for _, address := range lease.NameServers {
				if isServer(address) {
					add(address, "DHCP "+lease.Port.String())
				}
			}
		}
	}
	if len(list) == 0 {
		add(publicServer, "default")
	}
	return list
}

// isServer reports whether an address can be that of a name server: a host's,
// and not the box itself, which would ask itself.
func isServer(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback()
}

// setUpstreams makes the servers of the configuration and the leases those to
// ask; those that stay keep what is known of them. What others answered
// serves only until the new ones do. mu is held.
func (r *Resolver) setUpstreams() {
	chosen := chooseUpstreams(r.config.NameServers, r.leases)
	if slices.EqualFunc(chosen, r.upstreams, func(a, b upstream) bool { return a.address == b.address && a.origin == b.origin }) {
		return
	}
	for i := range chosen {
		if known := r.upstream(chosen[i].address); known != nil {
			known.origin = chosen[i].origin
			chosen[i] = *known
		}
	}
	r.upstreams = chosen
	r.flights = map[dns.Question]*flight{} // those under way ask the old ones
	r.cache.expire(time.Now())
	r.log.Debug("name servers", "addresses", r.addresses())
	r.checkSoon()
}

// upstream gives the server with that address; nil if it is none of them. mu
// is held.
func (r *Resolver) upstream(address netip.Addr) *upstream {
	for i := range r.upstreams {
		if r.upstreams[i].address == address {
			return &r.upstreams[i]
		}
	}
	return nil
}

// addresses are those of all servers. mu is held.
func (r *Resolver) addresses() []netip.Addr {
	list := make([]netip.Addr, len(r.upstreams))
	for i, u := range r.upstreams {
		list[i] = u.address
	}
	return list
}

// order gives the servers in the order to ask them, silent ones last.
func (r *Resolver) order() []netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	sorted := slices.SortedStableFunc(slices.Values(r.upstreams), func(a, b upstream) int {
		return cmp.Compare(rank(a), rank(b))
	})
	list := make([]netip.Addr, len(sorted))
	for i, u := range sorted {
		list[i] = u.address
	}
	return list
}

// rank is 1 of a silent server and 0 of others.
func rank(u upstream) int {
	if u.silent {
		return 1
	}
	return 0
}

// allSilent reports whether no server answered the last time. mu is held.
func (r *Resolver) allSilent() bool {
	return !slices.ContainsFunc(r.upstreams, func(u upstream) bool { return !u.silent })
}

// forward asks the servers for an answer: the next one when one has failed or
// not answered for hedgeDelay, each a second time as long as nothing is known
// of its first. Tries that are overtaken go on by themselves, so that a server
// that is silent is found out.
func (r *Resolver) forward(ctx context.Context, question dns.Question) (answer, error) {
	type result struct {
		server netip.Addr
		answer answer
		err    error
	}
	servers := r.order()
	queue := slices.Concat(servers, servers)
	results := make(chan result, len(queue))
	end := time.NewTimer(wholeTime)
	defer end.Stop()
	next := time.NewTimer(0)
	defer next.Stop()
	err := error(errSilent)
	for pending := 0; pending > 0 || len(queue) > 0; {
		select {
		case <-next.C:
			if len(queue) == 0 {
				continue
			}
			server := queue[0]
			queue = queue[1:]
			pending++
			r.running.Go(func() {
				got, err := r.ask(ctx, server, question)
				results <- result{server, got, err}
			})
			next.Reset(hedgeDelay)
		case got := <-results:
			if got.err == nil {
				return got.answer, nil
			}
			pending--
			err = got.err
			queue = slices.DeleteFunc(queue, func(server netip.Addr) bool { return server == got.server })
			next.Reset(0)
		case <-end.C:
			return answer{}, fmt.Errorf("%w: %w", model.ErrNoAnswer, err)
		case <-ctx.Done():
			return answer{}, ended(ctx)
		}
	}
	return answer{}, fmt.Errorf("%w: %w", model.ErrNoAnswer, err)
}

// ask asks one server once and notes how it does.
func (r *Resolver) ask(ctx context.Context, server netip.Addr, question dns.Question) (got answer, err error) {
	err = r.try(ctx, server, question, func(reply *dns.Msg) (err error) {
		got, err = readAnswer(question, reply)
		got.server = server
		return err
	})
	return got, err
}

// try has one server reply to a question, and notes how it does; read takes
// the reply or says what is wrong with it.
func (r *Resolver) try(ctx context.Context, server netip.Addr, question dns.Question, read func(*dns.Msg) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, tryTime, errSilent)
	defer cancel()
	start := time.Now()
	reply, err := exchange(limited, r.options.Dial, netip.AddrPortFrom(server, 53), question)
	if err != nil && ctx.Err() != nil {
		return ended(ctx) // no fault of the server's
	}
	if err == nil {
		err = read(reply)
	}
	if err != nil {
		err = fmt.Errorf("name server %s: %w", server, err)
	}
	r.note(server, question, time.Since(start), reply == nil, err)
	return err
}

// note keeps what one try said of a server. One that lets a question wait is
// not silent for that: a packet may be lost, and a name whose own servers are
// dead takes it longer than we wait. A probe tells.
func (r *Resolver) note(server netip.Addr, question dns.Question, took time.Duration, silent bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.upstream(server)
	if u == nil {
		return // not one of ours any more
	}
	u.asked++
	u.probed = u.probed && question != probeQuestion
	u.problem = ""
	if err != nil {
		u.failed++
		u.problem = err.Error()
	}
	switch {
	case silent && !u.silent && question != probeQuestion && errors.Is(err, errSilent):
		r.beginProbe(u)
		return
	case silent && !u.silent:
		r.log.Warn("a name server does not answer", "address", server, "error", err)
	case !silent && u.silent:
		r.log.Info("a name server answers again", "address", server)
		r.checkSoon()
	}
	u.silent = silent
	if silent {
		return
	}
	u.answered = time.Now()
	if u.roundTrip == 0 {
		u.roundTrip = took
	}
	u.roundTrip += (took - u.roundTrip) / 8 // as RFC 6298 §2 smooths
}

// probeQuestion is one that every server has an answer to, if only a refusal:
// the name servers of the root.
var probeQuestion = dns.Question{Name: ".", Qtype: dns.TypeNS, Qclass: dns.ClassINET}

// probe probes silent servers until they answer.
func (r *Resolver) probe(ctx context.Context) {
	for sleep(ctx, probePause) {
		r.mu.Lock()
		for i := range r.upstreams {
			if r.upstreams[i].silent {
				r.beginProbe(&r.upstreams[i])
			}
		}
		r.mu.Unlock()
	}
}

// beginProbe has a server asked whether it is there, if it is not being asked.
// What comes of it is noted. mu is held.
func (r *Resolver) beginProbe(u *upstream) {
	if u.probed || r.lifetime.Err() != nil {
		return
	}
	u.probed = true
	server := u.address
	r.running.Go(func() {
		_ = r.try(r.lifetime, server, probeQuestion, func(*dns.Msg) error { return nil })
	})
}

// sleep waits; it reports whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
