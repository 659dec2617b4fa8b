package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// DefaultConnectTimeout is how long a connection that we open may take until
// the peer has answered.
const DefaultConnectTimeout = time.Second

// ListenOptions are what a commit may change of a listener. They hold for
// connections that are made from then on.
type ListenOptions struct {
	Network        string // its name, for show
	Refuse         bool   // only connections that we open
	DSCP           int    // 0–63
	ConnectTimeout time.Duration
	// Identity is asked for at every handshake of TLS, since certificates
	// change. Without one no connection over TLS comes about.
	Identity func() (Identity, error)
	// VerifyClients wants a certificate that we trust of who connects.
	VerifyClients bool
}

func (o *ListenOptions) connectTimeout() time.Duration {
	return cmp.Or(o.ConnectTimeout, DefaultConnectTimeout)
}

// Listener is one listen point: it accepts connections, and those that we open
// leave from its address.
type Listener struct {
	pool      *Pool
	transport model.Transport
	address   netip.AddrPort
	socket    *net.TCPListener
	options   atomic.Pointer[ListenOptions]
	accepting bool // guarded by pool.mu
}

// Listen binds an address, which need not be there yet (IP_FREEBIND). Nothing
// is accepted before Serve.
func (p *Pool) Listen(t model.Transport, address netip.AddrPort) (*Listener, error) {
	if !t.Stream() {
		return nil, fmt.Errorf("listen on %s %s: not a stream transport", t, address)
	}
	config := net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) error {
		return setOptions(raw, listenOptions(address.Addr().Is6()))
	}}
	config.SetMultipathTCP(false)
	socket, err := config.Listen(context.Background(), "tcp", address.String())
	if err != nil {
		return nil, fmt.Errorf("listen on %s %s: %w", t, address, err)
	}
	l := &Listener{pool: p, transport: t, address: addrPort(socket.Addr()), socket: socket.(*net.TCPListener)}
	l.options.Store(&ListenOptions{})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		socket.Close()
		return nil, fmt.Errorf("listen on %s %s: %w", t, address, errClosed)
	}
	p.listeners[l] = true
	return l, nil
}

// Transport is TCP, TLS, WS or WSS.
func (l *Listener) Transport() model.Transport { return l.transport }

// Address is where it listens.
func (l *Listener) Address() netip.AddrPort { return l.address }

// Serve puts options in force, for handshakes and connections from now on, and
// begins to accept, if it has not yet.
func (l *Listener) Serve(o ListenOptions) {
	l.options.Store(&o)
	p := l.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if !l.accepting && p.listeners[l] && !p.closed {
		l.accepting = true
		p.running.Go(l.accept)
	}
}

// Close ends accepting. Connections stay until they are idle, so that
// transactions end where they began; Drop ends them too.
func (l *Listener) Close() {
	l.pool.mu.Lock()
	delete(l.pool.listeners, l)
	l.pool.mu.Unlock()
	l.socket.Close()
}

// Drop ends all connections of the listener.
func (l *Listener) Drop() {
	p := l.pool
	p.mu.Lock()
	var ending []*Conn
	for c := range p.conns {
		if c.listener == l {
			ending = append(ending, c)
		}
	}
	p.mu.Unlock()
	for _, c := range ending {
		c.end(errDropped)
	}
}

// The shortest and longest rest after an accept that found no file descriptor
// or memory.
const (
	minAcceptRest = 5 * time.Millisecond
	maxAcceptRest = time.Second
)

// accept accepts until the socket is closed.
func (l *Listener) accept() {
	rest := minAcceptRest
	for {
		conn, err := l.socket.AcceptTCP()
		switch {
		case err == nil:
			rest = minAcceptRest
			l.take(conn)
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, unix.ECONNABORTED):
		default:
			l.pool.counters.add(acceptFailed)
			if rest == minAcceptRest {
				l.pool.options.Log.Warn("no connections are accepted", "transport", l.transport, "on", l.address, "error", err)
			}
			select {
			case <-l.pool.ctx.Done():
				return
			case <-time.After(rest):
			}
			rest = min(2*rest, maxAcceptRest)
		}
	}
}

// take makes a connection of a socket, or closes it.
func (l *Listener) take(conn *net.TCPConn) {
	p, o := l.pool, l.options.Load()
	c := newConn(p, l, addrPort(conn.RemoteAddr()))
	var victim *Conn
	err := errRoom
	if o.Refuse {
		p.counters.add(refusedNetwork)
	} else {
		p.mu.Lock()
		if victim, err = p.admit(c); err == nil {
			p.counters.add(accepted)
			p.running.Go(func() { c.run(conn) })
		}
		p.mu.Unlock()
	}
	if victim != nil {
		victim.end(errRoom)
	}
	if err != nil {
		conn.SetLinger(0) // a reset says it at once, and leaves nothing in the kernel
		conn.Close()
	}
}

// dialer opens connections from the listener's address.
func (l *Listener) dialer() *net.Dialer {
	o := l.options.Load()
	ipv6 := l.address.Addr().Is6()
	d := &net.Dialer{
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(l.address.Addr(), 0)),
		KeepAlive: -1,
		Control: func(_, _ string, raw syscall.RawConn) error {
			return setOptions(raw, connectionOptions(ipv6, o.DSCP))
		},
	}
	d.SetMultipathTCP(false)
	return d
}

func addrPort(a net.Addr) netip.AddrPort {
	address := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(address.Addr().Unmap(), address.Port())
}

// option is one socket option.
type option struct{ level, name, value int }

func setOptions(raw syscall.RawConn, options []option) error {
	var err error
	if controlErr := raw.Control(func(fd uintptr) {
		for _, o := range options {
			if err = unix.SetsockoptInt(int(fd), o.level, o.name, o.value); err != nil {
				return
			}
		}
	}); controlErr != nil {
		return controlErr
	}
	return err
}

// listenOptions let an address be bound before it is there.
func listenOptions(ipv6 bool) []option {
	if ipv6 {
		return []option{{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1}, {unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1}}
	}
	return []option{{unix.IPPROTO_IP, unix.IP_FREEBIND, 1}}
}

// connectionOptions mark what is sent (RFC 2474 §3) and end a connection whose
// peer has vanished: it does not acknowledge what was sent.
func connectionOptions(ipv6 bool, dscp int) []option {
	mark := option{unix.IPPROTO_IP, unix.IP_TOS, dscp << 2}
	if ipv6 {
		mark = option{unix.IPPROTO_IPV6, unix.IPV6_TCLASS, dscp << 2}
	}
	return []option{mark, {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(writeTimeout / time.Millisecond)}}
}
