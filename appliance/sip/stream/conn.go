package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// How far a connection is, as it is shown.
const (
	stateConnecting = "connecting"
	stateHandshake  = "handshake"
	stateOpen       = "open"
)

// Conn is one connection, to be had from Pool.Conn or Options.Receive. Its
// methods never block. It stays usable after its end: messages then fail.
type Conn struct {
	pool     *Pool
	listener *Listener
	remote   netip.AddrPort
	outbound bool
	domain   string        // asked for when we opened it
	opened   time.Duration // on the pool's clock

	ended    atomic.Bool
	identity atomic.Pointer[identity] // of the peer, by its certificate; nil: none was verified

	// Of the pool's clock, in ns; 0: it does not apply.
	active  atomic.Int64 // last octet in either direction
	begun   atomic.Int64 // the first octet of a message that is not complete
	stalled atomic.Int64 // the kernel takes no more

	messagesIn, messagesOut, octetsIn, octetsOut atomic.Int64

	aliased atomic.Bool    // an alias was asked for
	alias   netip.AddrPort // guarded by pool.mu

	// The layers, set by who makes the connection.
	wire      *wire
	secure    *tls.Conn       // nil: not over TLS
	websocket *websocket.Conn // nil: not a WebSocket

	reading // of the goroutine that reads

	mu      sync.Mutex // guards what follows
	local   netip.AddrPort
	state   string
	cancel  context.CancelFunc // of connecting; nil: we did not open it, or it has not begun
	closer  io.Closer          // what may be closed at any time; nil: not connected yet
	queue   *buffer            // what nobody writes yet; nil: nothing
	sending *buffer            // what is being written
	unheard *buffer            // written since the peer was last heard; only where we opened it
	heard   bool               // the peer has sent something
	reset   bool               // the peer knows nothing of the connection any more
	writing bool               // someone writes, waits for the kernel, or makes the connection
	closed  bool               // nobody begins to write any more
	buried  bool               // and what was not written is reported
}

func newConn(p *Pool, l *Listener, remote netip.AddrPort) *Conn {
	c := &Conn{
		pool:     p,
		listener: l,
		remote:   remote,
		opened:   p.now(),
		local:    netip.AddrPortFrom(l.address.Addr(), 0),
		state:    stateConnecting,
		writing:  true,
	}
	c.active.Store(int64(c.opened))
	return c
}

// Listener is where it was accepted, or whose address we opened it from.
func (c *Conn) Listener() *Listener { return c.listener }

// Transport is TCP, TLS, WS or WSS.
func (c *Conn) Transport() model.Transport { return c.listener.transport }

// Remote is the address of the peer's socket.
func (c *Conn) Remote() netip.AddrPort { return c.remote }

// Outbound says that we opened it.
func (c *Conn) Outbound() bool { return c.outbound }

// Ended says that it carries no more messages: a response goes over another
// connection then (RFC 3261 §18.2.2).
func (c *Conn) Ended() bool { return c.ended.Load() }

// Local is the address of our socket; its port is 0 while it connects.
func (c *Conn) Local() netip.AddrPort {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.local
}

// dial makes a connection that we open, and reads it to its end.
func (c *Conn) dial() {
	timeout := c.listener.options.Load().connectTimeout()
	ctx, cancel := context.WithTimeout(c.pool.ctx, timeout)
	defer cancel()
	c.mu.Lock()
	c.cancel = cancel
	c.mu.Unlock()
	conn, err := c.listener.dialer().DialContext(ctx, "tcp", c.remote.String())
	if err != nil {
		c.pool.counters.add(connectFailed)
		c.pool.options.Log.Debug("no connection", "transport", c.Transport(), "to", c.remote, "error", err)
		c.fail(err)
		return
	}
	c.run(conn.(*net.TCPConn))
}

// run makes a connection of a socket, and reads it to its end.
func (c *Conn) run(conn *net.TCPConn) {
	defer conn.Close()
	if err := c.establish(conn); err != nil {
		c.pool.counters.add(handshakeFailed)
		c.pool.options.Log.Debug("no handshake", "transport", c.Transport(), "with", c.remote, "error", err)
		c.fail(err)
		return
	}
	c.release()
	c.Flush()
	err := c.read()
	if c.parting {
		c.linger()
	}
	c.end(err)
}

// establish does the handshakes of the transport.
func (c *Conn) establish(conn *net.TCPConn) (err error) {
	if c.wire, err = newWire(conn, &c.pool.buffers); err != nil {
		return err
	}
	if !c.reach(stateHandshake, c.wire) {
		return errClosed
	}
	if !c.outbound {
		options := connectionOptions(c.remote.Addr().Is6(), c.listener.options.Load().DSCP)
		if err := setOptions(c.wire.raw, options); err != nil {
			return err
		}
	}
	conn.SetDeadline(time.Now().Add(handshakeTimeout))
	if c.Transport().Secure() {
		if err := c.startTLS(); err != nil {
			return err
		}
	}
	if isWebSocket(c.Transport()) {
		if err := c.startWebSocket(); err != nil {
			return err
		}
	}
	conn.SetDeadline(time.Time{})
	c.wire.establish()
	closer := io.Closer(c.wire)
	if c.secure != nil {
		closer = c.secure // it tells the peer
	}
	if !c.reach(stateOpen, closer) {
		return errClosed
	}
	return nil
}

// reach notes that the connection got that far, and how to close it from now
// on. It is false if it is closed already; then closer is.
func (c *Conn) reach(state string, closer io.Closer) bool {
	c.mu.Lock()
	c.state, c.closer = state, closer
	c.local = addrPort(c.wire.LocalAddr())
	closed := c.closed
	c.mu.Unlock()
	if closed {
		closer.Close()
	}
	return !closed
}

// fail ends the connection, by who writes to it or makes it.
func (c *Conn) fail(err error) {
	c.end(err)
	c.release()
}

// end closes the connection, for the reason err. Messages that wait fail: now,
// or when who writes has seen the end.
func (c *Conn) end(err error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	c.reset = errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ETIMEDOUT)
	c.ended.Store(true)
	writing, closer, cancel, open := c.writing, c.closer, c.cancel, c.state == stateOpen
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	if closer != nil {
		closer.Close()
	}
	c.pool.mu.Lock()
	c.pool.forget(c)
	c.pool.mu.Unlock()
	if open {
		c.pool.options.Log.Debug("connection ended", "transport", c.Transport(), "peer", c.remote, "reason", err)
	}
	if !writing {
		c.bury()
	}
}

// Alias has requests to port of the peer's address take this connection, as
// the Via parameter "alias" of its requests asks for (RFC 5923 §5): those to
// whom its certificate names, which we must have verified (§9). Only the first
// port of a connection counts.
func (c *Conn) Alias(port uint16) {
	identity := c.identity.Load()
	if identity == nil || c.outbound || c.aliased.Load() || c.aliased.Swap(true) {
		return
	}
	p := c.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns[c] {
		c.alias = netip.AddrPortFrom(c.remote.Addr(), port)
		p.table.add(c.alias, c, identity.speaksFor("", c.remote.Addr()) == nil)
	}
}

// overdue says whether its time is over, and why.
func (c *Conn) overdue(now, idle time.Duration) (why counter, err error) {
	since := func(at *atomic.Int64) time.Duration {
		if at := time.Duration(at.Load()); at != 0 {
			return now - at
		}
		return 0
	}
	switch {
	case since(&c.begun) > messageTimeout:
		return endedSlowWriter, errSlowWriter
	case since(&c.stalled) > writeTimeout:
		return endedSlowReader, errSlowReader
	case since(&c.active) > idle:
		return endedIdle, errIdle
	}
	return 0, nil
}

// show fills in what operators see.
func (c *Conn) show(s *model.SIPConnection, now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*s = model.SIPConnection{
		Network:     c.listener.options.Load().Network,
		Transport:   c.Transport().String(),
		Local:       c.local.String(),
		Remote:      c.remote.String(),
		Outbound:    c.outbound,
		State:       c.state,
		Since:       c.pool.start.Add(c.opened),
		Idle:        now - time.Duration(c.active.Load()),
		MessagesIn:  c.messagesIn.Load(),
		MessagesOut: c.messagesOut.Load(),
		OctetsIn:    c.octetsIn.Load(),
		OctetsOut:   c.octetsOut.Load(),
	}
	for _, b := range []*buffer{c.sending, c.queue} {
		if b != nil {
			s.Queued += len(b.octets)
		}
	}
	if c.state == stateOpen && c.secure != nil {
		s.TLS = tls.VersionName(c.secure.ConnectionState().Version)
	}
	if identity := c.identity.Load(); identity != nil {
		s.Peer = strings.Join(identity.names, ", ")
	}
}
