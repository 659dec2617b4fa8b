// Package radius sends accounting requests to the servers of one RADIUS
// accounting client (RFC 2866), over UDP or over TLS (RFC 6614). One server is
// in use; when it is silent the next one takes over.
//
// In come records, an Account call each; it comes back once a server has
// acknowledged the record. Out go the transport's state (Up, Changed) and the
// counters of RADIUS-ACC-CLIENT-MIB (Status). Nothing is stored here: a record
// that no server took is the caller's to keep and to send again. Delivery is at
// least once: a server may have stored a record whose answer was lost.
package radius

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"causeway/appliance/model"
)

// What the configuration leaves open (seed 003).
const (
	defaultConcurrent = 250
	defaultInterval   = 1200 // ms
	defaultTries      = 6
)

// Options are what a client is made with.
type Options struct {
	Client model.RADIUSClient
	// Keys gives the opened secret of a server by its name; empty: none is set,
	// and PacketCable's own serves. Not used for servers over TLS.
	Keys func(server string) string
	// Local is the address that packets come from; not valid: the kernel chooses.
	Local netip.Addr
	// NASAddress says in the requests who sends; not valid: the client's name does.
	NASAddress netip.Addr
	// TLS gives the certificates of both ends for a new connection over TLS.
	// Where it names no server the server's address must be in its
	// certificate. Not used without servers over TLS.
	TLS func() (*tls.Config, error)
	Log *slog.Logger // the servers' and the transport's changes; never nil
	// Dial opens a socket ("udp") or a connection ("tcp") from the local address;
	// nil: the network's.
	Dial func(ctx context.Context, network string, local netip.Addr, to netip.AddrPort) (net.Conn, error)
}

// Client is a RADIUS accounting client. Its configuration does not change;
// with another one it is closed and made anew.
type Client struct {
	options  Options
	tries    int
	interval time.Duration
	nas      []byte
	servers  []*server // by rank, equals in the order of their definition

	exchanges chan *exchange // those that are free: "concurrent-requests" of them
	life      context.Context
	end       context.CancelFunc
	done      <-chan struct{} // closed with life
	running   sync.WaitGroup

	mu      sync.Mutex // guards what follows, and each server's condition
	current *server    // asked first; nil: there are no servers
	down    bool
	upSince time.Time
	used    time.Time // when a server was last chosen for a request
	refused record    // the last one that no server took: it serves as a probe
	changed chan struct{}
}

// Errors of Account.
var (
	ErrDown    = errors.New("no RADIUS server answers")
	ErrTooLong = errors.New("record too long for one RADIUS request")
	ErrClosed  = errors.New("RADIUS client closed")
)

// New makes a client. Run must be called, and frees what it holds.
func New(o Options) *Client {
	if o.Dial == nil {
		o.Dial = dial
	}
	c := &Client{
		options:   o,
		tries:     cmp.Or(o.Client.Tries, defaultTries),
		interval:  time.Duration(cmp.Or(o.Client.Interval, defaultInterval)) * time.Millisecond,
		nas:       nasAttribute(o.NASAddress, o.Client.Name),
		exchanges: make(chan *exchange, cmp.Or(o.Client.Concurrent, defaultConcurrent)),
		changed:   make(chan struct{}),
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.done = c.life.Done()
	for range cap(c.exchanges) {
		c.exchanges <- newExchange()
	}
	for _, s := range o.Client.Servers {
		c.servers = append(c.servers, newServer(c, s))
	}
	slices.SortStableFunc(c.servers, func(a, b *server) int { return cmp.Compare(a.rank, b.rank) })
	if c.down = len(c.servers) == 0; !c.down {
		c.current = c.servers[0]
	}
	return c
}

func dial(ctx context.Context, network string, local netip.Addr, to netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	if from := netip.AddrPortFrom(local, 0); local.IsValid() && network == "udp" {
		d.LocalAddr = net.UDPAddrFromAddrPort(from)
	} else if local.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(from)
	}
	return d.DialContext(ctx, network, to.String())
}

// Account delivers one record: attributes are encoded RADIUS attributes, up to
// MaxAttributes octets, which may be reused afterwards; session stands as
// Acct-Session-Id in front of them. It waits for its turn among
// "concurrent-requests" and comes back with nil once a server acknowledged the
// record, with ErrDown once all servers were silent or while they are, with
// ErrTooLong for a record that never fits, or with ErrClosed or ctx's error.
func (c *Client) Account(ctx context.Context, session string, attributes []byte) error {
	if len(session) > MaxSession || len(attributes) > MaxAttributes {
		return fmt.Errorf("session identifier of %d, attributes of %d octets: %w", len(session), len(attributes), ErrTooLong)
	}
	var e *exchange
	select {
	case e = <-c.exchanges:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
		return ErrClosed
	}
	defer func() { c.exchanges <- e }()

	r := record{session: session, attributes: attributes}
	var tried []*server
	for {
		s, err := c.choose(&tried, &r)
		if err != nil {
			return err
		}
		began := time.Now()
		if err = s.ask(ctx, e, &r, c.tries, c.interval); err == nil {
			c.acknowledged(s)
			return nil
		}
		if !errors.Is(err, errSilent) {
			return err
		}
		c.silent(s, began)
		tried = append(tried, s)
	}
}

// Up says whether the transport is up: a server answers, or may.
func (c *Client) Up() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.down
}

// Changed is closed when the transport goes up or down the next time. Take it
// before asking Up.
func (c *Client) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// Run probes silent servers until ctx ends, then closes all sockets. Account
// calls that are under way end with ErrClosed.
func (c *Client) Run(ctx context.Context) error {
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			c.preferBetter(now)
			c.probeAll(now)
		case <-ctx.Done():
			c.end()
			for _, s := range c.servers {
				s.shut()
			}
			c.running.Wait()
			return ctx.Err()
		}
	}
}

// Status is the client as it stands, its servers in the order in which they
// take over.
func (c *Client) Status() model.RADIUSClientStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := model.RADIUSClientStatus{
		Name:     c.options.Client.Name,
		Up:       !c.down,
		UnderWay: cap(c.exchanges) - len(c.exchanges),
	}
	for _, s := range c.servers {
		status.Servers = append(status.Servers, s.status())
	}
	return status
}
