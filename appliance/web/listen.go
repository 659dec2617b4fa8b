package web

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"causeway/appliance/entrance"
	"causeway/appliance/model"
)

// What connections may take of control: each some 60 KiB.
const (
	guestsMost   = 48
	ofSourceMost = 16 // a browser opens six
)

// Limits of time. What is long, an upload or a download, has its own (stillTime).
const (
	headerTime = 20 * time.Second // for a handshake, and for a header
	formTime   = time.Minute      // for a request
	answerTime = 2 * time.Minute  // from the header of a request to the end of its answer
	idleTime   = time.Minute      // between requests
	leaveTime  = 20 * time.Second // for the answers under way when a port is closed
)

// Apply makes access the desired state. Run brings it about.
func (s *Server) Apply(access model.Access) { s.entrance.Want(access.WebAt, access.Web.TCPPort()) }

// Run serves until ctx ends, and then ends all sessions.
func (s *Server) Run(ctx context.Context) error {
	s.sessions.start()
	defer s.sessions.endAll()
	return s.entrance.Run(ctx)
}

// tls is how browsers reach the box: ECDHE and AEAD alone (RFC 9325 §4.2).
func (s *Server) tls() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{ // of TLS 1.2
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.Certificate() },
	}
}

// http makes what serves the connections of one listener.
func (s *Server) http(ctx context.Context) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       formTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    headerOctets,
		Protocols:         &protocols,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug), // who misbehaves fills no log

		DisableGeneralOptionsHandler: true, // OPTIONS * is refused as others are
	}
}

// serve serves a listener until that is closed, and lets the answers that are under
// way end: one of them may be to the form that has closed it.
func (s *Server) serve(ctx context.Context, l net.Listener) {
	server := s.http(ctx)
	defer server.Close()
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(tls.NewListener(&welcome{l, s.guests}, s.tls())); ctx.Err() == nil {
		s.Log.Debug("the pages are not served at a port any more", "error", err)
		leaving, cancel := context.WithTimeout(ctx, leaveTime)
		defer cancel()
		server.Shutdown(leaving)
	}
}

// ServeConn serves a connection that has come through another door than the ports of
// the configuration, until its end or that of ctx: TLS and HTTP, like the others.
// peer takes the place of its address in the origin of who logs in: "web " and that.
// Those that come so count as one source.
func (s *Server) ServeConn(ctx context.Context, wire net.Conn, peer string) error {
	leave := s.guests.enter(netip.Prefix{}, func() { wire.Close() })
	if leave == nil {
		wire.Close()
		return errors.New("too many connections to the pages")
	}
	over := make(chan struct{})
	g := &guest{Conn: wire, from: from(peer), leave: sync.OnceFunc(func() {
		leave()
		close(over)
	})}
	defer g.Close()
	server := s.http(ctx)
	defer server.Close()
	defer context.AfterFunc(ctx, func() { server.Close() })()
	only := make(chan net.Conn, 1)
	only <- g
	if err := server.Serve(tls.NewListener(&one{only, over, wire.LocalAddr()}, s.tls())); !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// guests counts connections, or what else somebody takes of the box.
type guests struct {
	most, ofSource int

	mu  sync.Mutex
	all int
	of  map[netip.Prefix][]*seat // oldest first
}

// seat is what one guest takes.
type seat struct{ end func() } // nil: it goes by itself soon

func newGuests(most, ofSource int) *guests {
	return &guests{most: most, ofSource: ofSource, of: map[netip.Prefix][]*seat{}}
}

// enter makes room for one more from a source, who calls leave at his end; a nil one
// means that there is no room. Where all is taken, the source that has the most loses
// its oldest guest to one that has less, so that nobody keeps the others out: end is
// called for him.
func (g *guests) enter(source netip.Prefix, end func()) (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.of[source]) >= g.ofSource {
		return nil
	}
	if g.all >= g.most {
		largest := source
		for one, seats := range g.of {
			if len(seats) > len(g.of[largest]) {
				largest = one
			}
		}
		if len(g.of[largest]) <= len(g.of[source])+1 || g.of[largest][0].end == nil {
			return nil
		}
		oldest := g.of[largest][0]
		g.remove(largest, oldest)
		go oldest.end()
	}
	his := &seat{end}
	g.all++
	g.of[source] = append(g.of[source], his)
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.remove(source, his)
	}
}

// remove takes a seat away, if it is still there. mu is held.
func (g *guests) remove(source netip.Prefix, his *seat) {
	i := slices.Index(g.of[source], his)
	if i < 0 {
		return
	}
	g.all--
	if g.of[source] = slices.Delete(g.of[source], i, i+1); len(g.of[source]) == 0 {
		delete(g.of, source)
	}
}

// welcome is a listener that closes the connections there is no room for.
type welcome struct {
	net.Listener
	guests *guests
}

// Accept implements net.Listener.
func (w *welcome) Accept() (net.Conn, error) {
	for {
		wire, err := w.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if leave := w.guests.enter(entrance.Source(entrance.Peer(wire).Addr()), func() { wire.Close() }); leave != nil {
			return &guest{Conn: wire, from: wire.RemoteAddr(), leave: leave}, nil
		}
		wire.Close()
	}
}

// guest is a connection that says who it is from, and tells of its end.
type guest struct {
	net.Conn
	from  net.Addr
	leave func()
}

// RemoteAddr implements net.Conn.
func (g *guest) RemoteAddr() net.Addr { return g.from }

// Close implements net.Conn.
func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}

// from is somebody who has come through another door.
type from string

func (from) Network() string  { return "door" }
func (f from) String() string { return string(f) }

// one is a listener with a single connection, which is over when that is.
type one struct {
	conn chan net.Conn
	over chan struct{}
	addr net.Addr
}

// Accept implements net.Listener.
func (l *one) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. The connection is the server's.
func (l *one) Close() error { return nil }

// Addr implements net.Listener.
func (l *one) Addr() net.Addr { return l.addr }

// addressOf is who a request is from; the zero value, if he came through another door.
func addressOf(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	return peer.Addr().Unmap()
}

// peerOf is the same in the words of an origin.
func peerOf(r *http.Request) string {
	if address := addressOf(r); address.IsValid() {
		return address.String()
	}
	return r.RemoteAddr
}
