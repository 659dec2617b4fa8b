// Package com is the link of the box to COM, the remote management (COM-1…22).
// The box dials; COM never does. One link at a time, and one try.
//
// In come the configuration (model.COM), who the box is (Identity), and over the
// link what COM wants; that goes to the gate, which decides. Out go heartbeats
// and what the companions of a session say: the subscription, the outbox, the
// test of the line. Without a link everything works on; what its loss means is
// the subscription's.
//
// A try is an address, a TCP connection, perhaps through an HTTP proxy, TLS with
// certificates on both sides, a WebSocket, streams in it (package mux), and JSON-RPC
// in the first of them: hello and welcome make the session. What does not come off
// is tried again on the other port, later and later, and never with less: no
// older TLS, no certificate left unchecked, nothing in clear.
package com

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"reflect"
	"sync"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/line"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// Options are what a Link works with.
type Options struct {
	Serial   string // file of the serial number of the box: model.SerialFile
	Identity Identity
	Gate     Gate
	Lookup   func(ctx context.Context, name string) ([]netip.Addr, error) // also of an address
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the time that COM's certificate is held against.
	Now func() time.Time
	// Synchronised says that the clock follows a time server: before that no
	// certificate can be judged, and the link waits (COM-20).
	Synchronised func() bool
	Uptime       func() time.Duration // CLOCK_BOOTTIME, which sessions are numbered by
	// Hello is who the box is. Versions, nonce, serial number, customer ID and
	// services the link fills in.
	Hello func() wire.Hello
	// Heartbeat is how the box does. The link numbers it.
	Heartbeat      func(context.Context) wire.Heartbeat
	LicenseChanged func()             // COM has said so; must not block
	Line           func() line.Status // what was measured; nil: nothing is
	// Companions run beside every session, from its welcome to its end.
	Companions []Companion
	Log        *slog.Logger
}

// Identity is who the box is to COM, and whom it trusts there.
type Identity interface {
	// Certificates are those that the box may show, first the one to begin with.
	Certificates() ([]Certificate, error)
	// Request gives a certificate request (PKCS #10, DER) for a common name.
	Request(name string) ([]byte, error)
	// Import puts a certificate in force, the last of Certificates from then on;
	// text is PEM.
	Import(text []byte) error
	// Roots are the authorities that COM's certificate must lead to, and what
	// they are called; nil: there is none.
	Roots() (roots *x509.CertPool, name string, err error)
}

// Certificate is one that the box can show.
type Certificate struct {
	Name string // for Status.Identity
	*tls.Certificate
}

// Gate decides about what COM wants. Its methods may be called from any
// goroutine. ctx ends with the session.
type Gate interface {
	// Call answers a call. A *gate.Error has its code.
	Call(ctx context.Context, s gate.Session, method string, params json.RawMessage) (result any, err error)
	// Stream answers the header of a stream and serves it. Closing is the
	// link's.
	Stream(ctx context.Context, s gate.Session, h wire.Header, stream io.ReadWriteCloser)
}

// Peer is COM, for companions of a session.
type Peer interface {
	// Call calls a method of COM; a refusal is a *gate.Error. Without a deadline of
	// its own it waits for a minute.
	Call(ctx context.Context, method string, params, result any) error
	Notify(ctx context.Context, method string, params any) error
	// Ping measures a round trip of the line.
	Ping(ctx context.Context) (time.Duration, error)
}

// Companion is something that goes on beside a session, as long as ctx lasts.
// An error is logged; the session goes on.
type Companion func(ctx context.Context, s gate.Session, p Peer) error

// Link is the link. Its methods may be called from any goroutine.
type Link struct {
	options Options
	random  func() float64 // from 0 to 1
	kick    chan struct{}  // holds one: look again, without waiting

	mu      sync.Mutex
	config  model.COM
	applied bool
	drop    context.CancelCauseFunc // ends what is under way; nil: nothing was yet
	turn    int                     // which certificate is shown
	number  uint64                  // of the newest session
	enrols  time.Duration           // uptime from which on COM may issue a certificate again
	status  Status
}

// New makes a link. It dials when Run runs and Apply has given it a reason.
func New(o Options) *Link {
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	l := &Link{options: o, random: rand.Float64, kick: make(chan struct{}, 1)}
	l.status.State, l.status.Counters = Unset, map[string]int64{}
	return l
}

// Apply takes the configuration in force. A change that a session is made of
// ends it: the next one begins at once. Where there is none, any change may bring
// what it lacked: an address, a route, a name server.
func (l *Link) Apply(c *model.Config) {
	l.mu.Lock()
	same := l.applied && reflect.DeepEqual(ofSession(l.config), ofSession(c.COM))
	if !same {
		l.status.Suspect, l.status.Refused = "", ""
	}
	l.config, l.applied = c.COM, true
	up := l.status.State.Up()
	l.mu.Unlock()
	if !same || !up {
		l.Redial("the configuration has changed")
	}
}

// ofSession is what a session is made of. A service that is switched off ends
// with the session, whatever it was doing.
func ofSession(c model.COM) model.COM {
	c.Domain, c.FileStore, c.GraceEnd, c.Group, c.Operators = "", "", "", "", nil
	return c
}

// Redial ends the session, if there is one, and dials at once.
func (l *Link) Redial(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.drop != nil {
		l.drop(intended(reason))
	}
	select {
	case l.kick <- struct{}{}:
	default: // it will look anyway
	}
}

// intended is why a session is over, without anything having gone wrong.
type intended string

func (e intended) Error() string { return string(e) }

// lookEvery is how often it is looked whether what is missing is there.
const lookEvery = 5 * time.Second

// Run keeps the link up until ctx ends.
func (l *Link) Run(ctx context.Context) error {
	steps := ladder{random: l.random}
	for ctx.Err() == nil {
		if l.rest(ctx, l.step(ctx, &steps)) {
			steps.reset()
		}
	}
	return nil
}

// step looks how things stand, and dials if it may; a session is held to its end.
// It gives the wait until the next one.
func (l *Link) step(ctx context.Context, steps *ladder) time.Duration {
	trying, end := context.WithCancelCause(ctx)
	defer end(nil)
	config := l.take(end)
	if state := l.ready(config); state != Dialling {
		l.stand(state)
		*steps = ladder{random: l.random}
		return lookEvery
	}
	l.begin()
	o := l.try(trying, end, config, steps.port())
	wait := steps.after(o)
	if ctx.Err() == nil { // else it is control that ends
		l.count(o, wait)
	}
	return wait
}

// take gives the configuration to go by. Redial ends what is done with it from
// then on; what it did before is done.
func (l *Link) take(end context.CancelCauseFunc) model.COM {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.kick:
	default:
	}
	l.drop = end
	return l.config
}

// rest waits, and says whether it was kicked.
func (l *Link) rest(ctx context.Context, wait time.Duration) (kicked bool) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-l.kick:
		return true
	}
	return false
}

// ready says whether the link may dial: its state is Dialling then.
func (l *Link) ready(c model.COM) State {
	switch {
	case c.CustomerID == "" || c.Server == "":
		return Unset
	case c.Off:
		return Off
	case c.Secondary:
		return Secondary
	case !l.options.Synchronised():
		return Clockless
	}
	if roots, _, err := l.options.Identity.Roots(); roots == nil || err != nil {
		return Untrusted
	}
	return Dialling
}
