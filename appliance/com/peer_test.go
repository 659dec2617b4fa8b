package com

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/handler"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

const (
	serial     = "aB3dE6gH9jK"
	customer   = "C-0001"
	serverName = "com.example.com"
)

// authority issues certificates for a test.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Example Root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = a.sign(template, a.key.Public())
	return a
}

// sign signs a certificate for a key.
func (a *authority) sign(template *x509.Certificate, key crypto.PublicKey) *x509.Certificate {
	a.t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent := a.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// issue makes a key with a certificate.
func (a *authority) issue(template *x509.Certificate) *tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	cert := a.sign(template, key.Public())
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// server is what COM shows.
func (a *authority) server() *tls.Certificate {
	return a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: serverName}, DNSNames: []string{serverName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
}

// client is what a box shows.
func (a *authority) client() *tls.Certificate {
	return a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: serial}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

// files is the Identity of a test.
type files struct {
	mu    sync.Mutex
	own   []Certificate
	roots *x509.CertPool
	key   *ecdsa.PrivateKey // of the last request
}

func (f *files) Certificates() ([]Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.own), nil
}

func (f *files) Roots() (*x509.CertPool, string, error) { return f.roots, "authorities of com", nil }

func (f *files) Request(name string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.key = key
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
}

func (f *files) Import(text []byte) error {
	block, _ := pem.Decode(text)
	if block == nil {
		return errors.New("no PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.own = append(f.own, Certificate{"com", &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: f.key, Leaf: cert}})
	return nil
}

// doorman is the Gate of a test.
type doorman struct {
	call   func(ctx context.Context, method string, params json.RawMessage) (any, error)
	stream func(ctx context.Context, h wire.Header, stream io.ReadWriteCloser)
}

func (d *doorman) Call(ctx context.Context, _ gate.Session, method string, params json.RawMessage) (any, error) {
	if d.call == nil {
		return nil, &gate.Error{Code: wire.CodeDisabled, Message: "off"}
	}
	return d.call(ctx, method, params)
}

func (d *doorman) Stream(ctx context.Context, _ gate.Session, h wire.Header, stream io.ReadWriteCloser) {
	if d.stream == nil {
		mux.WriteAnswer(stream, wire.Answer{Error: &wire.StreamRefusal{Code: wire.CodeDisabled, Message: "off"}})
		return
	}
	d.stream(ctx, h, stream)
}

// com is the other end: a small COM in this process.
type com struct {
	t         *testing.T
	authority *authority
	listener  net.Listener
	protocols []string
	welcome   func(wire.Welcome) wire.Welcome  // changes what is usual
	take      wire.Answer                      // to the first stream
	refuse    error                            // of hello
	answer    func(w http.ResponseWriter) bool // before the WebSocket; it has answered

	dialled  chan string      // what boxes have dialled
	sessions chan *comSession // as they say hello
	hellos   chan wire.Hello  // likewise
	beats    chan wire.Heartbeat
	shown    chan *x509.Certificate // by boxes
}

// comSession is a session as COM has it.
type comSession struct {
	socket  *websocket.Conn
	streams *mux.Session // nil: none
	first   *mux.Stream
	rpc     *jrpc2.Server
	id      string
}

// newCOM starts it; a box dials it by dial.
func newCOM(t *testing.T) *com {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &com{
		t: t, authority: newAuthority(t), listener: listener, protocols: []string{wire.Mux},
		welcome: func(w wire.Welcome) wire.Welcome { return w }, take: wire.Answer{OK: true},
		dialled: make(chan string, 100), sessions: make(chan *comSession, 100), hellos: make(chan wire.Hello, 100),
		beats: make(chan wire.Heartbeat, 1000), shown: make(chan *x509.Certificate, 100),
	}
	return c
}

// serve begins to answer, with these settings of TLS.
func (c *com) serve(security *tls.Config) {
	c.t.Helper()
	if security == nil {
		security = &tls.Config{}
	}
	if len(security.Certificates) == 0 {
		security.Certificates = []tls.Certificate{*c.authority.server()}
	}
	security.ClientAuth = max(security.ClientAuth, tls.RequireAnyClientCert)
	server := &http.Server{Handler: http.HandlerFunc(c.link), TLSConfig: security, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	var serving sync.WaitGroup
	serving.Go(func() { server.ServeTLS(c.listener, "", "") })
	c.t.Cleanup(func() { server.Close(); serving.Wait() })
}

// link answers one box.
func (c *com) link(w http.ResponseWriter, r *http.Request) {
	if c.answer != nil && c.answer(w) {
		return
	}
	if q := r.URL.Query(); r.URL.Path != wire.Path || q.Get("ci") != customer || q.Get("sn") != serial {
		c.t.Errorf("the box asks for %s", r.URL)
	}
	c.shown <- r.TLS.PeerCertificates[0]
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: c.protocols})
	if err != nil {
		c.t.Errorf("accept: %v", err)
		return
	}
	defer socket.CloseNow()
	s := &comSession{socket: socket}
	methods := handler.Map{
		wire.MethodHello: handler.New(func(_ context.Context, h wire.Hello) (wire.Welcome, error) {
			if c.refuse != nil {
				return wire.Welcome{}, c.refuse
			}
			answer := wire.Welcome{Version: 1, Nonce: make([]byte, 16)}
			rand.Read(answer.Nonce)
			answer = c.welcome(answer)
			exported, err := r.TLS.ExportKeyingMaterial(wire.Exporter, nil, 32)
			s.id = wire.SessionID(h.Nonce, answer.Nonce, exported)
			c.hellos <- h
			c.sessions <- s
			return answer, err
		}),
		wire.MethodHeartbeat: handler.New(func(_ context.Context, h wire.Heartbeat) error { c.beats <- h; return nil }),
		wire.MethodEnroll: handler.New(func(_ context.Context, e wire.Enroll) (wire.Enrolled, error) {
			request, err := x509.ParseCertificateRequest(e.Request)
			if err != nil {
				return wire.Enrolled{}, err
			}
			cert := c.authority.sign(&x509.Certificate{Subject: request.Subject, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, request.PublicKey)
			return wire.Enrolled{Certificates: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))}, nil
		}),
	}
	s.rpc = jrpc2.NewServer(methods, &jrpc2.ServerOptions{AllowPush: true, Concurrency: 4})
	if socket.Subprotocol() == wire.RPC {
		s.rpc.Start(mux.Messages(context.Background(), socket)).Wait()
		return
	}
	if s.streams, err = mux.Client(socket); err != nil {
		c.t.Error(err)
		return
	}
	defer s.streams.Close()
	if s.first, err = s.streams.Accept(r.Context()); err != nil {
		return
	}
	if h, err := mux.ReadHeader(s.first); err != nil || h.Service != wire.StreamRPC {
		c.t.Errorf("the first stream begins with %+v, %v", h, err)
		return
	}
	mux.WriteAnswer(s.first, c.take)
	s.rpc.Start(mux.Lines(s.first)).Wait()
	<-s.streams.Done()
}

// dial leads whatever the box dials to this COM.
func (c *com) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c.dialled <- address
	return new(net.Dialer).DialContext(ctx, network, c.listener.Addr().String())
}

// options of a box that trusts this COM and that COM knows.
func (c *com) options() Options {
	file := filepath.Join(c.t.TempDir(), "serial")
	if err := os.WriteFile(file, []byte(serial+"\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(c.authority.cert)
	return Options{
		Serial:         file,
		Identity:       &files{own: []Certificate{{"com", c.authority.client()}}, roots: roots},
		Gate:           &doorman{},
		Lookup:         lookup,
		Dial:           c.dial,
		Now:            time.Now,
		Synchronised:   func() bool { return true },
		Uptime:         func() time.Duration { return time.Hour },
		Hello:          func() wire.Hello { return wire.Hello{HostName: "box", Firmware: "1.0"} },
		Heartbeat:      func(context.Context) wire.Heartbeat { return wire.Heartbeat{Calls: 7} },
		LicenseChanged: func() {},
		Log:            slog.New(slog.DiscardHandler),
	}
}

func lookup(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1")}, nil
}

// configured is the configuration of a box that has a link.
func configured(change ...func(*model.COM)) *model.Config {
	c := &model.Config{COM: model.COM{CustomerID: customer, Server: serverName}}
	for _, change := range change {
		change(&c.COM)
	}
	return c
}

// run runs a link until the test ends.
func run(t *testing.T, o Options, config *model.Config) *Link {
	t.Helper()
	l := New(o)
	l.Apply(config)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { l.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	return l
}

// patience is how long a test waits for what must come.
const patience = time.Minute

// next waits for what comes over a channel.
func next[T any](t *testing.T, c <-chan T, what string) (value T) {
	t.Helper()
	select {
	case value = <-c:
	case <-time.After(patience):
		t.Fatalf("no %s in %v", what, patience)
	}
	return value
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}
