// Package gateway has the links to boxes: TLS with the certificates of both
// sides, WebSocket, streams in it, and JSON-RPC. It knows nothing of customers
// and keeps nothing on disk: who may come in, and what a box is answered, it
// asks over the bus, and what is for a box comes from there. There may be many
// gateways.
//
// A link costs the goroutines of yamux and jrpc2, two each, and no others: one
// for all links looks after them.
package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd/bus"
	"causeway/qemu/lab/comd/store"
)

// Options are what a gateway is made with.
type Options struct {
	Name        string // on the bus, its own
	Bus         bus.Bus
	Certificate tls.Certificate   // that it shows
	COM         *x509.CertPool    // the authority of COM's certificates of boxes
	Licence     *x509.CertPool    // that of the licence server's; nil: none are taken
	Now         func() time.Time  // for dates
	Heartbeat   time.Duration     // that boxes are asked for
	Wrong       WrongCertificates // for faults
	Log         *log.Logger
	// Heard is called with each heartbeat; nil: nothing is.
	Heard func(serial string, beat wire.Heartbeat)
}

// Gateway has links. Its methods may be called at any time.
type Gateway struct {
	options Options
	stop    []func() // what it serves on the bus

	faults faults

	mu     sync.Mutex
	closed bool
	fresh  map[*link]struct{} // have not said hello
	links  map[string]*link   // have been welcomed, by serial number
	gone   []store.State      // are to be told of
}

// Times of a link.
const (
	greeting = 10 * time.Second // until hello, and for the handshakes
	missed   = 3                // heartbeats in a row that end a link
	// slowestBeat is how far apart a box may have its heartbeats, whatever it is
	// asked for (com heartbeat). How far they are shows from the second one on.
	slowestBeat = 300 * time.Second
	farewell    = 10 * time.Second // from a goaway until the link is cut
	folding     = time.Minute      // between two states of a box that are told
	tending     = time.Second
)

// New makes a gateway that serves on the bus. Run looks after the links.
func New(options Options) *Gateway {
	g := &Gateway{options: options, fresh: map[*link]struct{}{}, links: map[string]*link{}, faults: faults{signed: map[string]bus.Call{}}}
	name := options.Name
	g.stop = []func(){
		options.Bus.Serve(bus.Subject(name, bus.VerbCall), bus.Handle(g.call)),
		options.Bus.Serve(bus.Subject(name, bus.VerbTell), bus.Handle(g.tell)),
		options.Bus.Serve(bus.Subject(name, bus.VerbLink), bus.Handle(g.state)),
		options.Bus.Serve(bus.Subject(name, bus.VerbDrop), bus.Handle(g.drop)),
		options.Bus.ServeStreams(bus.Subject(name, bus.VerbStream), g.stream),
	}
	return g
}

// TLS is what a listener needs for boxes (COM-9). TLS 1.3 is for those with com
// tls max 1.3; the others offer no more than 1.2.
func (g *Gateway) TLS() *tls.Config {
	return &tls.Config{
		GetCertificate: g.certificate,
		MinVersion:     tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		ClientAuth:             tls.RequireAnyClientCert,
		VerifyConnection:       g.verify,
		SessionTicketsDisabled: true, // each link shows its certificates
	}
}

// Listener makes what boxes connect to of a TCP listener: TLS, and little in
// the kernel's buffers, so that what is urgent does not wait behind them.
func (g *Gateway) Listener(tcp net.Listener) net.Listener {
	return tls.NewListener(shallow{tcp}, g.TLS())
}

// shallow is a listener whose connections buffer little.
type shallow struct{ net.Listener }

func (l shallow) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		_ = mux.Tune(conn) // fails on one that has gone, which shows anyway
	}
	return conn, err
}

// Server answers boxes on Listeners.
func (g *Gateway) Server() *http.Server {
	paths := http.NewServeMux()
	paths.HandleFunc("GET "+wire.Path, g.accept)
	return &http.Server{Handler: paths, ReadHeaderTimeout: greeting, MaxHeaderBytes: 16 << 10, ErrorLog: g.options.Log}
}

// Run looks after the links until the context ends.
func (g *Gateway) Run(ctx context.Context) {
	ticker := time.NewTicker(tending)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			g.tend(ctx)
		}
	}
}

// tend ends the links that have been silent and tells what has changed: at once
// that a link is there or gone, each minute what its heartbeats say.
func (g *Gateway) tend(ctx context.Context) {
	now := time.Now()
	g.mu.Lock()
	var over []*link
	for l := range g.fresh {
		if now.Sub(l.since) > greeting {
			over = append(over, l)
		}
	}
	changed := g.gone
	g.gone = nil
	for _, l := range g.links {
		switch silent, due := l.look(now); {
		case silent:
			over = append(over, l)
		case due != nil:
			changed = append(changed, *due)
		}
	}
	g.mu.Unlock()
	for _, l := range over {
		l.cut()
	}
	g.report(ctx, changed)
}

// report tells how boxes are. What cannot be told is tried again.
func (g *Gateway) report(ctx context.Context, changed []store.State) {
	if len(changed) == 0 {
		return
	}
	if err := g.options.Bus.Request(ctx, bus.SubjectStates, changed, nil); err != nil {
		g.options.Log.Printf("report %d boxes: %v", len(changed), err)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.gone = append(slices.DeleteFunc(changed, func(s store.State) bool { return s.Up }), g.gone...)
	}
}

// Links says how many boxes have been welcomed.
func (g *Gateway) Links() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.links)
}

// errGone says that a box has no link here.
var errGone = &bus.Error{Code: wire.CodeUnsupported, Message: "the box is not connected"}

// link finds that of a box.
func (g *Gateway) link(serial string) (*link, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l := g.links[serial]; l != nil {
		return l, nil
	}
	return nil, errGone
}

// Close ends all links, after Run has ended. Boxes are asked to come back after
// a time by chance, up to spread, so that they do not come all at once.
func (g *Gateway) Close(ctx context.Context, spread time.Duration, reason string) error {
	for _, stop := range g.stop {
		stop()
	}
	g.mu.Lock()
	g.closed = true
	var all []*link
	for l := range g.fresh {
		all = append(all, l)
	}
	for _, l := range g.links {
		all = append(all, l)
	}
	g.mu.Unlock()
	var farewells sync.WaitGroup
	for _, l := range all {
		farewells.Go(func() {
			l.goAway(ctx, wire.GoAway{ReconnectAfter: within(spread), Reason: reason})
			l.cut()
		})
	}
	farewells.Wait()
	g.mu.Lock()
	gone := g.gone
	g.gone = nil
	g.mu.Unlock()
	g.report(ctx, gone)
	if err := ctx.Err(); err != nil {
		return errors.Join(errors.New("not every box was told"), err)
	}
	return nil
}
