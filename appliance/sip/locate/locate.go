// Package locate finds the places of a SIP server from its name (RFC 3263):
// which transports it speaks, and its addresses in the order to try them.
//
// In come queries from the call path, which are answered from memory or not at
// all: an answer that is not there is looked up in the background, and whoever
// asked is called when it is. Answers in use are looked up again before their
// time is over, so that a call waits for a name only once; while the DNS fails,
// old ones serve for a day. Out go the places, drawn anew by their weights for
// every call (RFC 2782), and "show sip dns".
package locate

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// Bounds of what strangers can make the box do by naming hosts.
const (
	cacheSize = 10_000 // queries that are kept
	queueSize = 256    // queries that wait for a worker
	workers   = 16     // look-ups at a time
)

// patience is how long Await may take at most.
const patience = 5 * time.Second

// Resolver looks names up. Every look-up gives the time for which its outcome
// holds, also beside model.ErrNoSuchName; any other error means that nobody
// can say. *resolver.Client is one.
type Resolver interface {
	LookupHost(ctx context.Context, name string) ([]netip.Addr, time.Duration, error)
	LookupSRV(ctx context.Context, name string) ([]model.SRV, time.Duration, error)
	LookupNAPTR(ctx context.Context, name string) ([]model.NAPTR, time.Duration, error)
}

// Options are what a Locator is made of. The functions are called in the
// background by many threads; after what they say has changed, call Renew.
type Options struct {
	Resolver Resolver
	// DNS says which kinds of records are looked up.
	DNS func() model.SIPDNS
	// Speaks says whether requests can be sent over t to addresses of IPv6, or
	// of IPv4.
	Speaks func(t model.Transport, ipv6 bool) bool
}

// Locator is the sip.Locator of the box. Its methods are safe for concurrent
// use; Run does its work.
type Locator struct {
	options Options
	entries sync.Map // of query → *entry: what Locate reads

	mu      sync.Mutex // guards all below: the call path takes it only to wait
	kept    cache
	flights map[hop.Query]*flight
	late    []func() // who need not wait for a flight
	counts  Counts
	// generation is how often Renew was called.
	generation int

	queue chan *flight
	over  chan struct{} // holds a value while late holds any
}

// flight is a look-up under way, or in the queue.
type flight struct {
	query      hop.Query
	asked      time.Time
	generation int
	waiters    []func()
}

// Counts count since the process started.
type Counts struct {
	Lookups int64 `json:"lookups"` // of a query, however many questions it took
	Failed  int64 `json:"failed"`  // of these: without any place
	Refused int64 `json:"refused"` // queries that failed because too many were under way
}

// New makes a locator that knows nothing yet.
func New(o Options) *Locator {
	return &Locator{
		options: o,
		flights: make(map[hop.Query]*flight),
		queue:   make(chan *flight, queueSize),
		over:    make(chan struct{}, 1),
	}
}

// Locate appends the places of a host in the order to try them (RFC 3263
// §4.2, §4.3). It neither blocks nor allocates, unless to is too small, the
// host has capitals or is a faulty address. known is false when they are not in
// memory: then Await finds them. A host that could not be found is known and
// has no places.
func (l *Locator) Locate(q hop.Query, to []hop.Place) (places []hop.Place, known bool) {
	q = normal(q)
	if address, numeric := literal(q.Host); numeric {
		if address.IsValid() {
			t := implied(q)
			to = append(to, hop.Place{Transport: t, Address: netip.AddrPortFrom(address, port(q, t))})
		}
		return to, true
	}
	e := l.find(q)
	if e == nil {
		return to, false
	}
	if !e.used.Load() { // most calls leave the cache line alone
		e.used.Store(true)
	}
	return e.answer.Load().appendPlaces(to, rand.IntN), true
}

// Await has done called once Locate knows the query: after 5 s at the latest,
// by another goroutine and never by Await itself. Where too many queries are
// under way, that is at once, and the host has no places for some seconds.
func (l *Locator) Await(q hop.Query, done func()) {
	q = normal(q)
	_, numeric := literal(q.Host)
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.flights[q]; f != nil {
		f.waiters = append(f.waiters, done)
		return
	}
	if numeric || l.find(q) != nil {
		l.callSoon(done)
		return
	}
	q.Host = strings.Clone(q.Host) // the caller's may be a part of the message
	if !l.start(q, done) {
		l.counts.Refused++
		l.keep(q, &answer{err: errBusy, stored: time.Now(), life: failureLife})
		l.callSoon(done)
	}
}

// start queues the look-up of a query that is not under way, with l.mu held,
// and says whether there was room.
func (l *Locator) start(q hop.Query, waiters ...func()) bool {
	f := &flight{q, time.Now(), l.generation, waiters}
	select {
	case l.queue <- f:
		l.flights[q] = f
		return true
	default:
		return false
	}
}

// callSoon leaves done to Run, with l.mu held: the caller may hold locks that
// done takes.
func (l *Locator) callSoon(done func()) {
	l.late = append(l.late, done)
	select {
	case l.over <- struct{}{}:
	default:
	}
}

// Run looks up and keeps the cache until ctx ends. Whoever waits then is
// called.
func (l *Locator) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for range workers {
		running.Go(func() { l.work(ctx) })
	}
	running.Go(func() { l.sweep(ctx) })
	running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-l.over:
				l.callLate()
			}
		}
	})
	running.Wait()
	for len(l.queue) > 0 {
		l.fly(ctx, <-l.queue)
	}
	l.callLate()
	return nil
}

// work is one worker's life.
func (l *Locator) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-l.queue:
			l.fly(ctx, f)
		}
	}
}

// fly looks one query up and calls those who wait.
func (l *Locator) fly(ctx context.Context, f *flight) {
	ctx, cancel := context.WithDeadline(ctx, f.asked.Add(patience))
	defer cancel()
	found := l.look(ctx, f.query)
	l.mu.Lock()
	l.counts.Lookups++
	if found.failed() {
		l.counts.Failed++
	}
	l.keep(f.query, found)
	if f.generation != l.generation { // it may have gone by what is not true any more
		l.find(f.query).renew = time.Time{}
	}
	delete(l.flights, f.query)
	waiters := f.waiters
	l.mu.Unlock()
	for _, done := range waiters {
		done()
	}
}

// callLate calls those whom callSoon left.
func (l *Locator) callLate() {
	l.mu.Lock()
	late := l.late
	l.late = nil
	l.mu.Unlock()
	for _, done := range late {
		done()
	}
}

// normal is the one form of a query that is looked up and kept.
func normal(q hop.Query) hop.Query {
	q.Host = strings.ToLower(strings.TrimSuffix(q.Host, "."))
	if !q.Fixed {
		q.Transport = model.UDP
	} else if q.Secure { // RFC 3261 §26.2.2: over TLS, whatever the transport
		q.Transport = secured[q.Transport]
	}
	return q
}

// secured is what a transport is under sips; none can be secured that is no
// stream.
var secured = [...]model.Transport{model.UDP: model.TLS, model.TCP: model.TLS, model.TLS: model.TLS, model.WS: model.WSS, model.WSS: model.WSS}

// implied is the transport where neither the query nor the DNS chooses
// (RFC 3263 §4.1).
func implied(q hop.Query) model.Transport {
	switch {
	case q.Fixed:
		return q.Transport
	case q.Secure:
		return model.TLS
	}
	return model.UDP
}

// port is the port of the query, or else that of the transport.
func port(q hop.Query, t model.Transport) uint16 {
	if q.Port == 0 {
		return t.DefaultPort()
	}
	return q.Port
}

// literal says whether a host is meant as an address, with or without the
// brackets of IPv6. One that is none gives an invalid address: no name has
// that form. It looks first, since ParseAddr allocates when it fails.
func literal(host string) (address netip.Addr, numeric bool) {
	if strings.IndexByte(host, ':') >= 0 {
		if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
			host = host[1 : len(host)-1]
		}
	} else if strings.Trim(host, "0123456789.") != "" {
		return netip.Addr{}, false
	}
	address, err := netip.ParseAddr(host)
	if err != nil || address.Zone() != "" {
		return netip.Addr{}, true
	}
	return address.Unmap(), true
}
