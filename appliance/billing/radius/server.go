package radius

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"causeway/appliance/model"
)

const (
	// maxLines is how many lines lead to one server: 16 × 256 identifiers serve
	// the 4,000 requests that a client may have under way.
	maxLines = 16
	// dialTimeout bounds the connection and the handshake of TLS.
	dialTimeout = 4 * time.Second

	portUDP = 1813 // RFC 2866 §3
	portTLS = 2083 // RFC 6614 §2.1
)

// Secrets that are not configured.
const (
	// secretTLS is the one of RADIUS over TLS, which proves itself otherwise (RFC
	// 6614 §2.3).
	secretTLS = "radsec"
	// secretPacketCable is PacketCable's own where none is set: IPsec protects there.
	secretPacketCable = "0000000000000000"
)

// server is one server of a client.
type server struct {
	client  *Client
	name    string
	address netip.AddrPort
	rank    int  // "priority"
	secure  bool // over TLS
	secret  []byte
	counters

	mu      sync.Mutex // guards what follows
	lines   []*line
	opening *opening // nil: no line is being opened
	closed  bool     // no line is opened any more

	condition // guarded by client.mu
}

// counters are those of RADIUS-ACC-CLIENT-MIB (RFC 4670).
type counters struct {
	roundTrip         atomic.Int64 // nanoseconds
	requests          atomic.Int64
	retransmissions   atomic.Int64
	responses         atomic.Int64
	malformed         atomic.Int64
	badAuthenticators atomic.Int64
	pending           atomic.Int64
	timeouts          atomic.Int64
	unknownTypes      atomic.Int64
	dropped           atomic.Int64
}

// opening is a line being opened. Who needs it waits for done.
type opening struct {
	done chan struct{}
	line *line // once it is done; nil: there is an err
	err  error
}

func newServer(c *Client, s model.RADIUSServer) *server {
	port, secret := portUDP, secretPacketCable
	if s.TLS {
		port, secret = portTLS, secretTLS
	} else if c.options.Keys != nil {
		secret = cmp.Or(c.options.Keys(s.Name), secret)
	}
	return &server{
		client:  c,
		name:    s.Name,
		address: netip.AddrPortFrom(s.Address, uint16(cmp.Or(s.Port, port))),
		rank:    cmp.Or(s.Priority, 1),
		secure:  s.TLS,
		secret:  []byte(secret),
	}
}

// Errors of one request to one server.
var (
	errSilent        = errors.New("no answer")
	errNoIdentifiers = errors.New("all identifiers are taken")
)

// ask asks the server until it answers: as many tries as given, an interval
// apart, all of them the same octets from the same port. A try that fails at
// once, because the server refuses or nothing can be sent, takes its interval
// all the same. Over TLS a request is sent again only on a new connection (RFC
// 6613 §2.6.1). The error is errSilent, ErrClosed or ctx's.
func (s *server) ask(ctx context.Context, e *exchange, r *record, tries int, interval time.Duration) (err error) {
	e.probe = r.probe
	for range tries {
		e.timer.Reset(interval)
		if err := s.transmit(ctx, e, r); err != nil && ctx.Err() == nil {
			s.note(err)
		}
		if err = s.await(ctx, e); !errors.Is(err, errSilent) {
			break
		}
	}
	e.timer.Stop()
	if e.line != nil {
		if e.line.abandon(e) {
			err = nil
		} else {
			s.lost(e)
		}
		e.line = nil
	}
	return err
}

// lost counts a packet that was not answered.
func (s *server) lost(e *exchange) {
	if !e.probe {
		s.timeouts.Add(1)
	}
}

// transmit makes the packet and sends it, or sends it again.
func (s *server) transmit(ctx context.Context, e *exchange, r *record) error {
	if e.line != nil {
		if !s.secure {
			s.lost(e)
			s.retransmissions.Add(1)
			e.line.send(e)
		}
		return nil
	}
	l, id, err := s.lease(ctx)
	if err != nil {
		return err
	}
	e.id = id
	if e.probe {
		e.packet = appendStatusServer(e.packet[:0], id, s.client.nas, s.secret)
	} else {
		e.packet = appendRequest(e.packet[:0], id, r, s.client.nas, time.Now(), s.secret)
	}
	if !l.expect(e) {
		return net.ErrClosed
	}
	e.line = l
	if !e.probe {
		s.requests.Add(1)
	}
	l.send(e)
	return nil
}

// await waits for the result of a try, to the end of its interval.
func (s *server) await(ctx context.Context, e *exchange) error {
	for {
		select {
		case answered := <-e.result:
			e.line = nil
			if answered {
				if !e.probe {
					s.roundTrip.Store(int64(time.Since(e.sent)))
				}
				return nil
			}
			s.lost(e)
		case <-e.timer.C:
			return errSilent
		case <-ctx.Done():
			return ctx.Err()
		case <-s.client.done:
			return ErrClosed
		}
	}
}

// lease takes a free identifier on a line to the server, a new line if the
// others have none.
func (s *server) lease(ctx context.Context) (*line, byte, error) {
	for {
		s.mu.Lock()
		for _, l := range s.lines {
			if id, ok := l.take(time.Now()); ok {
				s.mu.Unlock()
				return l, id, nil
			}
		}
		o := s.opening
		if o == nil && len(s.lines) == maxLines {
			l, id, err := s.leaseResting()
			s.mu.Unlock()
			return l, id, err
		}
		if o == nil && !s.closed {
			o = &opening{done: make(chan struct{})}
			s.opening = o
			s.client.running.Go(func() { s.open(o) })
		}
		s.mu.Unlock()
		if o == nil {
			return nil, 0, errNoIdentifiers
		}
		select {
		case <-o.done:
			if o.err != nil {
				return nil, 0, o.err
			}
			// From this very line, even if it is gone again: a server that ends
			// connections at once is not to be called without pause.
			if id, ok := o.line.take(time.Now()); ok {
				return o.line, id, nil
			}
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// leaseResting takes, where no line can be opened any more, the identifier that
// has rested for the longest time: requests are not held up for those given up.
// The server's lock is held.
func (s *server) leaseResting() (*line, byte, error) {
	var found *line
	var since time.Time
	for _, l := range s.lines {
		if _, until, ok := l.longestRested(); ok && (found == nil || until.Before(since)) {
			found, since = l, until
		}
	}
	if found != nil {
		if id, ok := found.take(since); ok {
			return found, id, nil
		}
	}
	return nil, 0, errNoIdentifiers
}

// open opens a line and reads from it until it is closed.
func (s *server) open(o *opening) {
	conn, err := s.dial()
	s.mu.Lock()
	if err == nil && s.closed {
		conn.Close()
		err = net.ErrClosed
	}
	if o.err = err; err == nil {
		o.line = &line{server: s, conn: conn, heard: time.Now()}
		s.lines = append(s.lines, o.line)
	}
	s.opening = nil
	s.mu.Unlock()
	close(o.done)
	if err == nil {
		o.line.read()
	}
}

func (s *server) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(s.client.life, dialTimeout)
	defer cancel()
	network := "udp"
	if s.secure {
		network = "tcp"
	}
	conn, err := s.client.options.Dial(ctx, network, s.client.options.Local, s.address)
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", s.address, err)
	}
	if s.secure {
		return s.handshake(ctx, conn)
	}
	if u, ok := conn.(*net.UDPConn); ok {
		u.SetReadBuffer(receiveBuffer) // the kernel gives what it may
	}
	return conn, nil
}

// handshake makes conn one of TLS 1.2 or newer. Both ends show certificates
// (RFC 6614 §2.3).
func (s *server) handshake(ctx context.Context, conn net.Conn) (net.Conn, error) {
	config, err := s.client.options.TLS()
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", s.address, err)
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.ServerName = cmp.Or(config.ServerName, s.address.Addr().String())
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", s.address, err)
	}
	return secured, nil
}

// forget takes a line that is gone off the list.
func (s *server) forget(gone *line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = slices.DeleteFunc(s.lines, func(l *line) bool { return l == gone })
}

// closeLines closes the lines that have heard nothing since then; the next
// request opens a new one.
func (s *server) closeLines(since time.Time) {
	for _, l := range s.list() {
		if l.quietSince(since) {
			l.close()
		}
	}
}

func (s *server) list() []*line {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

// shut closes all lines for good.
func (s *server) shut() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, l := range s.list() {
		l.close()
	}
}

// status is the server as it stands. The client's lock is held.
func (s *server) status() model.RADIUSServerStatus {
	return model.RADIUSServerStatus{
		Name:              s.name,
		Address:           s.address.String(),
		Priority:          s.rank,
		TLS:               s.secure,
		Up:                !s.dead,
		Current:           s == s.client.current,
		Problem:           s.problem,
		RoundTripTime:     time.Duration(s.roundTrip.Load()),
		Requests:          s.requests.Load(),
		Retransmissions:   s.retransmissions.Load(),
		Responses:         s.responses.Load(),
		MalformedAnswers:  s.malformed.Load(),
		BadAuthenticators: s.badAuthenticators.Load(),
		Pending:           s.pending.Load(),
		Timeouts:          s.timeouts.Load(),
		UnknownTypes:      s.unknownTypes.Load(),
		Dropped:           s.dropped.Load(),
	}
}
