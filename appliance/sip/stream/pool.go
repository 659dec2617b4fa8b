package stream

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"causeway/appliance/model"
)

// Defaults of Limits.
const (
	DefaultIdle        = 240 * time.Second
	DefaultConnections = 256
)

// How long a peer may take. They are checked once a second.
const (
	handshakeTimeout = 5 * time.Second  // of TLS and WebSocket, together
	messageTimeout   = 10 * time.Second // from the first octet of a message to its last
	writeTimeout     = 10 * time.Second // to read what waits for it
	sweepInterval    = time.Second
)

// Why a connection ended that neither peer nor kernel broke.
var (
	errClosed     = errors.New("closed")
	errDropped    = errors.New("the listen point is gone")
	errIdle       = errors.New("idle for too long")
	errSlowWriter = errors.New("a message was begun and not finished in time")
	errSlowReader = errors.New("the peer does not read")
	errRoom       = errors.New("too many connections")
)

// Options are what a Pool is made of.
type Options struct {
	// Receive gets each complete message, on the goroutine that reads the
	// connection; payload is valid until it returns. more says that another
	// message is complete already: what is sent may be flushed after that one.
	Receive func(c *Conn, payload []byte, more bool)
	// Failed gets each message that could not be written, in the order they
	// were sent over c, but at once what found the queue full; one at a time on
	// a goroutine of the pool, never within a call of Send, Queue or Flush;
	// payload is valid until it returns. What the kernel took is among them
	// where we opened the connection, nothing has come since, and the peer never
	// sent anything or has reset it: nobody was there, or is any more, though
	// that cannot be told for sure.
	Failed func(c *Conn, payload []byte)
	// Limits are asked for again and again, and must not call the pool; nil:
	// the defaults.
	Limits func() Limits
	// Memory is how many octets may wait for all peers that do not read. 0:
	// 64 MiB.
	Memory int
	Log    *slog.Logger // nil: none
}

// Limits bound what peers may take. The zero value of a number means its
// default.
type Limits struct {
	Idle        time.Duration // without an octet in either direction; DefaultIdle
	Connections int           // in all; DefaultConnections
	PerAddress  int           // accepted from one address; half of Connections
}

// Pool has all connections of a proxy. Its methods may be called by many
// goroutines at once, and never block.
type Pool struct {
	options  Options
	start    time.Time
	buffers  buffers
	table    table
	counters counters
	waiting  atomic.Int64 // octets queued and being written

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu         sync.Mutex // guards what follows, and changes of the table
	closed     bool
	listeners  map[*Listener]bool
	conns      map[*Conn]bool
	perAddress map[netip.Addr]int // of those accepted
	sweeping   bool

	failures failures
}

// New makes a pool that has no listener yet.
func New(o Options) *Pool {
	if o.Limits == nil {
		o.Limits = func() Limits { return Limits{} }
	}
	o.Memory = cmp.Or(o.Memory, 64<<20)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pool{
		options:    o,
		start:      time.Now(),
		listeners:  make(map[*Listener]bool),
		conns:      make(map[*Conn]bool),
		perAddress: make(map[netip.Addr]int),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// now is the pool's clock: monotonic time since it was made, never 0.
func (p *Pool) now() time.Duration { return time.Since(p.start) + 1 }

func (p *Pool) limits() Limits {
	l := p.options.Limits()
	l.Idle = cmp.Or(l.Idle, DefaultIdle)
	l.Connections = cmp.Or(l.Connections, DefaultConnections)
	l.PerAddress = cmp.Or(l.PerAddress, (l.Connections+1)/2)
	return l
}

// Conn gives the connection from l to remote: an open one, whoever opened it,
// or a new one that connects in the background while messages queue up. It
// never gives nil; if there can be none the messages fail.
//
// domain, in lower case, is whom the peer must be by its certificate (RFC 5922),
// for the transports over TLS. Empty means the address: of a new connection the
// certificate must name it, and one that the peer opened from that very
// address and port is good without any.
func (p *Pool) Conn(l *Listener, remote netip.AddrPort, domain string) *Conn {
	if c := p.table.find(l, remote, domain); c != nil {
		return c
	}
	c := newConn(p, l, remote)
	c.outbound, c.domain = true, domain
	p.mu.Lock()
	if other := p.table.find(l, remote, domain); other != nil {
		p.mu.Unlock()
		return other
	}
	victim, err := p.admit(c)
	if err == nil {
		p.running.Go(c.dial)
	}
	p.mu.Unlock()
	if victim != nil {
		victim.end(errRoom)
	}
	if err != nil {
		c.fail(err)
	}
	return c
}

// admit takes c among the connections, with mu held, and gives one to end for
// it. It fails if there is no room.
func (p *Pool) admit(c *Conn) (victim *Conn, err error) {
	limits := p.limits()
	address := c.remote.Addr()
	switch {
	case p.closed:
		return nil, errClosed
	case !c.outbound && p.perAddress[address] >= limits.PerAddress:
		p.counters.add(refusedAddress)
		return nil, errRoom
	case len(p.conns) >= limits.Connections:
		if victim = p.victim(c.outbound); victim == nil {
			p.counters.add(refusedRoom)
			return nil, errRoom
		}
		p.counters.add(evicted)
		p.forget(victim)
	}
	p.conns[c] = true
	if !c.outbound {
		p.perAddress[address]++
	}
	p.table.add(c.remote, c, !c.outbound)
	if !p.sweeping {
		p.sweeping = true
		p.running.Go(p.sweepUntilEmpty)
	}
	return victim, nil
}

// victim gives the connection that makes room for another one, or nil: of
// those accepted that have brought no message, the one idle for longest. For
// a connection that we open, any accepted one will do: calls in progress do
// not end with it.
func (p *Pool) victim(outbound bool) (longest *Conn) {
	for c := range p.conns {
		if c.outbound || !outbound && c.messagesIn.Load() > 0 {
			continue
		}
		if longest == nil || c.active.Load() < longest.active.Load() {
			longest = c
		}
	}
	return longest
}

// forget takes c out of what Conn finds and of what is counted, with mu held.
func (p *Pool) forget(c *Conn) {
	if !p.conns[c] {
		return
	}
	delete(p.conns, c)
	p.table.remove(c)
	if c.outbound {
		return
	}
	address := c.remote.Addr()
	if p.perAddress[address]--; p.perAddress[address] == 0 {
		delete(p.perAddress, address)
	}
}

// sweepUntilEmpty ends connections whose time is over, until there are none.
func (p *Pool) sweepUntilEmpty() {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-ticker.C:
		}
		if !p.sweep(p.now()) {
			return
		}
	}
}

// sweep ends the connections whose time is over now, and says whether there
// are any left.
func (p *Pool) sweep(now time.Duration) bool {
	idle := p.limits().Idle
	p.mu.Lock()
	conns := make([]*Conn, 0, len(p.conns))
	for c := range p.conns {
		conns = append(conns, c)
	}
	p.sweeping = len(conns) > 0
	p.mu.Unlock()
	for _, c := range conns {
		if why, err := c.overdue(now, idle); err != nil {
			p.counters.add(why)
			c.end(err)
		}
	}
	return len(conns) > 0
}

// Connections are all of them, oldest first.
func (p *Pool) Connections() []model.SIPConnection {
	p.mu.Lock()
	conns := make([]*Conn, 0, len(p.conns))
	for c := range p.conns {
		conns = append(conns, c)
	}
	p.mu.Unlock()
	slices.SortFunc(conns, func(a, b *Conn) int { return cmp.Compare(a.opened, b.opened) })
	now, shown := p.now(), make([]model.SIPConnection, len(conns))
	for i, c := range conns {
		c.show(&shown[i], now)
	}
	return shown
}

// Close ends all listeners and connections and waits for their goroutines. It
// must not be called by Receive or Failed.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.cancel()
	var ending []*Conn
	for c := range p.conns {
		ending = append(ending, c)
	}
	for l := range p.listeners {
		l.socket.Close()
	}
	p.mu.Unlock()
	for _, c := range ending {
		c.end(errClosed)
	}
	p.failures.close()
	p.running.Wait()
}
