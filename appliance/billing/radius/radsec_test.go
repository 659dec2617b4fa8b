package radius

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"
)

// authority signs the certificates of a test.
type authority struct {
	t           *testing.T
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	pool        *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, pool: x509.NewCertPool()}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.certificate, _ = x509.ParseCertificate(der)
	a.pool.AddCert(a.certificate)
	return a
}

// issue makes a certificate for an address.
func (a *authority) issue(address string) tls.Certificate {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), IPAddresses: []net.IP{net.ParseIP(address)},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// secureToy is a toy behind TLS in memory. Each connection is a socket.
type secureToy struct {
	*toy
	config *tls.Config
	client *tls.Config // of the other end

	mu    sync.Mutex
	conns []net.Conn
	all   sync.WaitGroup
}

// newSecureToy makes a server for RADIUS over TLS, and options that reach it.
func newSecureToy(t *testing.T) (*secureToy, Options) {
	trusted := newAuthority(t)
	_, servers, o := newToys(t, 1)
	s := &secureToy{toy: servers[0], config: &tls.Config{
		Certificates: []tls.Certificate{trusted.issue("192.0.2.1")},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: trusted.pool},
		client: &tls.Config{RootCAs: trusted.pool, Certificates: []tls.Certificate{trusted.issue("192.0.2.100")}}}
	s.key = secretTLS
	o.Client.Servers[0].TLS = true
	o.TLS = func() (*tls.Config, error) { return s.client.Clone(), nil }
	o.Dial = func(_ context.Context, network string, _ netip.Addr, to netip.AddrPort) (net.Conn, error) {
		if network != "tcp" || to.Port() != 2083 {
			t.Errorf("dialled %s to %s; want tcp to port 2083", network, to)
		}
		near, far := net.Pipe()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.conns = append(s.conns, far)
		number := len(s.conns)
		buffered := &bufferedConn{Conn: near, out: make(chan []byte, 1<<10), closed: make(chan struct{})}
		s.all.Go(buffered.copy)
		s.all.Go(func() { s.serve(number, far) })
		return buffered, nil
	}
	t.Cleanup(func() {
		s.cut()
		s.all.Wait()
	})
	return s, o
}

// bufferedConn is an end of a pipe that takes what is written without waiting
// for a reader: in TLS both ends may write at the same time.
type bufferedConn struct {
	net.Conn
	out    chan []byte
	once   sync.Once
	closed chan struct{}
}

func (c *bufferedConn) Write(b []byte) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	case c.out <- bytes.Clone(b):
		return len(b), nil
	}
}

func (c *bufferedConn) copy() {
	for {
		select {
		case <-c.closed:
			return
		case b := <-c.out:
			c.Conn.Write(b)
		}
	}
}

func (c *bufferedConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func (s *secureToy) serve(number int, conn net.Conn) {
	defer conn.Close()
	secured, b := tls.Server(conn, s.config), make([]byte, maxPacket)
	for {
		request, err := readPacket(secured, b)
		if err != nil {
			return
		}
		answers, _ := s.handle(number, request)
		for _, a := range answers {
			secured.Write(a)
		}
	}
}

// cut ends all connections.
func (s *secureToy) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
}

func (s *secureToy) dialled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func acknowledgeTLS(_ int, q []byte) [][]byte {
	return [][]byte{response(q, radius.CodeAccountingResponse, secretTLS)}
}

// TestTLS: requests are pipelined, with identifiers of each connection.
func TestTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := newSecureToy(t)
		o.Client.Concurrent = 300
		var held [][]byte
		s.set(func(n int, q []byte) [][]byte {
			if s.got[n].socket != 1 {
				return acknowledgeTLS(n, q)
			}
			if held = append(held, acknowledgeTLS(n, q)[0]); len(held) < identifiers {
				return nil
			}
			return held
		})
		c := start(t, o)
		var all sync.WaitGroup
		for range 300 {
			all.Go(func() { account(t, c, nil) })
		}
		all.Wait()
		if got := s.dialled(); got != 2 {
			t.Errorf("%d connections; want 2 for 300 requests at a time", got)
		}
		if got := c.Status().Servers[0]; got.Requests != 300 || got.Retransmissions != 0 || !got.TLS {
			t.Errorf("%+v; want 300 requests, no retransmissions", got)
		}
	})
}

// TestTLSConnectionEnds: what waits is sent again on a new connection; on the
// same connection nothing is sent twice.
func TestTLSConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := newSecureToy(t)
		s.set(silence)
		c, began := start(t, o), time.Now()
		time.AfterFunc(3*time.Second, func() {
			s.set(acknowledgeTLS)
			s.cut()
		})
		account(t, c, nil)
		if took := time.Since(began); took != 3600*time.Millisecond {
			t.Errorf("took %v; want 3.6s: the rest of the interval, then a new connection", took)
		}
		got := s.requests(accounting)
		if len(got) != 2 || got[0].socket == got[1].socket {
			t.Errorf("%d requests; want 2, each on a connection of its own", len(got))
		}
	})
}

// TestTLSRefused: no handshake, no records; the operator is told why.
func TestTLSRefused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(s *secureToy, o *Options)
		problem string
	}{
		{"server of another authority", func(s *secureToy, o *Options) { s.client.RootCAs = newAuthority(s.t).pool }, "unknown authority"},
		{"server with another address", func(s *secureToy, o *Options) { s.client.ServerName = "192.0.2.9" }, "192.0.2.9"},
		{"old TLS", func(s *secureToy, o *Options) { s.config.MaxVersion = tls.VersionTLS11 }, "protocol version"},
		{"no certificate of ours", func(s *secureToy, o *Options) { s.client.Certificates = nil }, "certificate"},
		{"no TLS configuration", func(s *secureToy, o *Options) {
			o.TLS = func() (*tls.Config, error) { return nil, errors.New("no authority is trusted") }
		}, "no authority is trusted"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, o := newSecureToy(t)
			tt.change(s, &o)
			c, began := start(t, o), time.Now()
			account(t, c, ErrDown)
			if took := time.Since(began); took != 7200*time.Millisecond {
				t.Errorf("%s: took %v; want 7.2s, however fast it fails", tt.name, took)
			}
			if got := c.Status().Servers[0].Problem; !strings.Contains(got, tt.problem) {
				t.Errorf("%s: problem %q; want one with %q", tt.name, got, tt.problem)
			}
			if got := s.dialled(); got != 6 {
				t.Errorf("%s: %d connections; want 6, one a try", tt.name, got)
			}
		})
	}
}

// TestTLSNonsense: after what is no answer the connection is of no use.
func TestTLSNonsense(t *testing.T) {
	for name, nonsense := range map[string]func(q []byte) []byte{
		"length":        func(q []byte) []byte { return []byte{5, q[1], 0, 19} },
		"authenticator": func(q []byte) []byte { return response(q, radius.CodeAccountingResponse, "other") },
		"code":          func(q []byte) []byte { return response(q, radius.CodeAccessAccept, secretTLS) },
	} {
		synctest.Test(t, func(t *testing.T) {
			s, o := newSecureToy(t)
			s.set(func(n int, q []byte) [][]byte {
				if n == 0 {
					return [][]byte{nonsense(q)}
				}
				return acknowledgeTLS(n, q)
			})
			c := start(t, o)
			account(t, c, nil)
			if got := s.dialled(); got != 2 {
				t.Errorf("%s: %d connections; want a second one", name, got)
			}
		})
	}
}

// TestTLSKeepAlive: an idle connection is tried with Status-Server, and closed
// when that is not answered.
func TestTLSKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := newSecureToy(t)
		c := start(t, o)
		account(t, c, nil)
		time.Sleep(5*time.Minute + time.Second)
		got := s.requests(statusServer)
		if len(got) != 15 || s.dialled() != 1 {
			t.Errorf("%d Status-Server requests, %d connections in 5 minutes; want one every 20 s on one connection", len(got), s.dialled())
		}
		s.set(silence)
		time.Sleep(time.Minute)
		if left := len(c.servers[0].list()); left != 0 || !c.Up() {
			t.Errorf("%d silent connections are still open, up %v", left, c.Up())
		}
		s.set(nil)
		account(t, c, nil)
		if s.dialled() != 2 {
			t.Errorf("%d connections; want a second one", s.dialled())
		}
	})
}

// TestTLSIdleClosed: a server that closes idle connections is all right.
func TestTLSIdleClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := newSecureToy(t)
		c := start(t, o)
		for range 3 {
			account(t, c, nil)
			s.cut()
			synctest.Wait()
			if got := c.Status().Servers[0]; got.Problem != "" || !got.Up {
				t.Errorf("%+v; want no problem", got)
			}
		}
	})
}

// TestTLSDownAndUp: a server whose answers stop is dead, its connection closed.
func TestTLSDownAndUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := newSecureToy(t)
		c := start(t, o)
		s.set(silence)
		account(t, c, ErrDown)
		if left := len(c.servers[0].list()); left != 0 {
			t.Errorf("%d connections without an answer are still open", left)
		}
		s.set(nil)
		time.Sleep(probeInterval)
		synctest.Wait()
		if !c.Up() {
			t.Error("the transport is not up")
		}
		account(t, c, nil)
	})
}
