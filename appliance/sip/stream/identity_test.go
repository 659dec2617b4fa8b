package stream

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
)

// authority issues certificates.
type authority struct {
	*testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{T: t}
	own := a.issue(func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid = true, true
		c.KeyUsage = x509.KeyUsageCertSign
		c.Subject = pkix.Name{CommonName: "authority"}
	})
	a.certificate, a.key = own.Leaf, own.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// issue makes a certificate, good for an hour, that change has made what is
// wanted; the first one signs itself.
func (a *authority) issue(change func(*x509.Certificate)) *tls.Certificate {
	a.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	change(template)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.Fatal(err)
	}
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (a *authority) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// always gives one identity.
func always(certificate *tls.Certificate, roots *x509.CertPool) func() (Identity, error) {
	return func() (Identity, error) { return Identity{certificate, roots}, nil }
}

// sipURI names a SIP domain in a certificate.
func sipURI(text string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.URIs = []*url.URL{mustURL(text)} }
}

func mustURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}

func TestNames(t *testing.T) {
	for _, test := range []struct {
		name      string
		uris, dns []string
		ip        string
		want      []string
	}{
		{"sip URI", []string{"sip:Example.com"}, nil, "", []string{"example.com"}},
		{"several", []string{"sip:example.com", "SIP:example.net;transport=tls"}, nil, "", []string{"example.com", "example.net"}},
		{"a user is no domain", []string{"sip:alice@example.com"}, nil, "", nil},
		{"sips and others are none", []string{"sips:example.com", "https://example.com"}, nil, "", nil},
		{"DNS name", nil, []string{"Proxy.example.com"}, "", []string{"proxy.example.com"}},
		{"DNS names count only without sip URI", []string{"sip:example.com"}, []string{"proxy.example.com"}, "", []string{"example.com"}},
		{"and with a URI that does not", []string{"sip:alice@example.com"}, []string{"proxy.example.com"}, "", []string{"proxy.example.com"}},
		{"no wildcards", nil, []string{"*.example.com"}, "", nil},
		{"address", nil, nil, "192.0.2.1", []string{"192.0.2.1"}},
		{"IPv6 address", nil, nil, "2001:db8::1", []string{"2001:db8::1"}},
	} {
		c := &x509.Certificate{DNSNames: test.dns}
		for _, u := range test.uris {
			c.URIs = append(c.URIs, mustURL(u))
		}
		if test.ip != "" {
			c.IPAddresses = []net.IP{net.ParseIP(test.ip)}
		}
		if got := namesOf(c); !slices.Equal(got, test.want) {
			t.Errorf("%s: namesOf() = %q; want %q", test.name, got, test.want)
		}
	}
}

func TestIdentify(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	usage := func(known []x509.ExtKeyUsage, unknown ...asn1.ObjectIdentifier) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage, c.UnknownExtKeyUsage = known, unknown }
	}
	for _, test := range []struct {
		name string
		from *authority
		with func(*x509.Certificate)
		good bool
	}{
		{"plain", ours, usage(nil), true},
		{"for servers", ours, usage([]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}), true},
		{"for clients", ours, usage([]x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}), true},
		{"for SIP", ours, usage(nil, sipDomainUsage), true},
		{"for mail", ours, usage([]x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}), false},
		{"of another authority", theirs, usage(nil), false},
		{"expired", ours, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, false},
		{"not yet good", ours, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, false},
	} {
		chain := []*x509.Certificate{test.from.issue(test.with).Leaf}
		if _, err := identify(chain, ours.roots()); (err == nil) != test.good {
			t.Errorf("%s: identify() = %v; want good: %v", test.name, err, test.good)
		}
		if _, err := identify(chain, nil); err == nil {
			t.Errorf("%s: good though nobody is trusted", test.name)
		}
	}
	if _, err := identify(nil, ours.roots()); err == nil {
		t.Error("good without a certificate")
	}
}

// TestTLS: the handshake between two of us, one of which opens the connection
// for a domain.
func TestTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	server, client := ca.issue(sipURI("sip:server.example.com")), ca.issue(sipURI("sip:client.example.com"))
	expired := ca.issue(func(c *x509.Certificate) {
		sipURI("sip:server.example.com")(c)
		c.NotAfter = time.Now().Add(-time.Minute)
	})
	address := ca.issue(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	for _, test := range []struct {
		name           string
		server, client *tls.Certificate
		trust          *authority // of the client
		verify         bool       // of clients
		domain         string
		good           bool
	}{
		{"server alone", server, nil, ca, false, "server.example.com", true},
		{"mutual", server, client, ca, true, "server.example.com", true},
		{"client has none", server, nil, ca, true, "server.example.com", false},
		{"client's is of another authority", server, other.issue(sipURI("sip:client.example.com")), ca, true, "server.example.com", false},
		{"client's is expired", server, expired, ca, true, "server.example.com", false},
		{"server is another domain", server, client, ca, true, "example.com", false},
		{"server's is of another authority", server, client, other, true, "server.example.com", false},
		{"server's is expired", expired, client, ca, true, "server.example.com", false},
		{"server has none", nil, client, ca, true, "server.example.com", false},
		{"by address", address, client, ca, true, "", true},
		{"by address, which the certificate does not name", server, client, ca, true, "", false},
	} {
		for _, transport := range []model.Transport{model.TLS, model.WSS} {
			t.Run(test.name+"/"+transport.String(), func(t *testing.T) {
				r := newRig(t)
				to := r.serve(transport, ListenOptions{Identity: always(test.server, ca.roots()), VerifyClients: test.verify})
				from := r.serve(transport, ListenOptions{Identity: always(test.client, test.trust.roots())})
				out := r.Conn(from, to.Address(), test.domain)
				out.Send([]byte(request("hello", "")))
				if !test.good {
					if got := r.next(r.failed); got.conn != out {
						t.Error("another message failed")
					}
					return
				}
				in := r.next(r.received).conn
				in.Send([]byte(request("back", "")))
				if got := r.next(r.received); got.conn != out || got.payload != request("back", "") {
					t.Errorf("got %q", got.payload)
				}
				if got := len(in.Peer()) > 0; got != test.verify {
					t.Errorf("the client is known: %v", in.Peer())
				}
				if len(out.Peer()) != 1 {
					t.Errorf("the server is known as %q", out.Peer())
				}
				r.until("both count what they sent", func() bool { return in.octetsOut.Load() > 0 && out.octetsOut.Load() > 0 })
				for _, c := range r.Connections() {
					if c.TLS != "TLS 1.3" || c.MessagesIn != 1 || c.MessagesOut != 1 || c.OctetsOut == 0 {
						t.Errorf("shown: %+v", c)
					}
				}
			})
		}
	}
}

// TestAlias: requests back to a domain take the connection that the domain has
// opened, if its certificate says who it is (RFC 5923).
func TestAlias(t *testing.T) {
	ca := newAuthority(t)
	for _, verify := range []bool{true, false} {
		t.Run(fmt.Sprintf("mutual %v", verify), func(t *testing.T) {
			r := newRig(t)
			own := func(name string) func() (Identity, error) {
				return always(ca.issue(sipURI("sip:"+name+".example.com")), ca.roots())
			}
			l := r.serve(model.TLS, ListenOptions{Identity: own("a"), VerifyClients: verify})
			peer := r.serve(model.TLS, ListenOptions{Identity: own("b")})
			r.Conn(peer, l.Address(), "a.example.com").Send([]byte(request("hello", "")))
			in := r.next(r.received).conn
			for range 2 {
				in.Alias(5061)
			}
			in.Alias(5062)
			if r.table.find(l, netip.AddrPortFrom(in.Remote().Addr(), 5062), "b.example.com") != nil {
				t.Error("a second port is an alias")
			}
			back := netip.AddrPortFrom(in.Remote().Addr(), 5061)
			if got := r.table.find(l, back, "b.example.com") == in; got != verify {
				t.Errorf("requests to b.example.com take it: %v", got)
			}
			for _, domain := range []string{"c.example.com", ""} {
				if r.table.find(l, back, domain) != nil {
					t.Errorf("requests to %q take it", domain)
				}
			}
			if r.table.find(l, in.Remote(), "") != in {
				t.Error("requests to the very socket do not take it")
			}
			l.Drop()
			r.until("both sides have ended", func() bool { return len(r.Connections()) == 0 })
			if r.table.find(l, back, "b.example.com") != nil {
				t.Error("the alias outlives the connection")
			}
		})
	}
}

// TestOpenSSL: a peer that is none of ours, with TLS 1.2 and 1.3, a large
// message and a ping.
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("no openssl here: the peer is Go's TLS")
	}
	ca := newAuthority(t)
	dir := t.TempDir()
	certificate := ca.issue(sipURI("sip:client.example.com"))
	writePEM(t, filepath.Join(dir, "client.pem"), certificate)
	for _, version := range []string{"1.2", "1.3"} {
		t.Run(version, func(t *testing.T) {
			r := newRig(t)
			l := r.serve(model.TLS, ListenOptions{Identity: always(ca.issue(sipURI("sip:server.example.com")), ca.roots()), VerifyClients: true})
			var in io.WriteCloser
			var out io.Reader
			if openssl != "" {
				command := exec.Command(openssl, "s_client", "-quiet", "-tls"+strings.ReplaceAll(version, ".", "_"), "-connect", l.Address().String(),
					"-cert", filepath.Join(dir, "client.pem"), "-key", filepath.Join(dir, "client.pem"))
				in, _ = command.StdinPipe()
				out, _ = command.StdoutPipe()
				if err := command.Start(); err != nil {
					t.Fatal(err)
				}
				defer command.Wait()
				defer command.Process.Kill() // the end of its input does not end it
			} else {
				config := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*certificate}, MaxVersion: tls.VersionTLS12}
				if version == "1.3" {
					config.MaxVersion = tls.VersionTLS13
				}
				conn, err := tls.Dial("tcp", l.Address().String(), config)
				if err != nil {
					t.Fatal(err)
				}
				in, out = conn, conn
			}
			defer in.Close()
			large := request("large", strings.Repeat("x", 50000))
			r.write(in, large+ping)
			got := r.next(r.received)
			if got.payload != large {
				t.Errorf("received %d octets; want %d", len(got.payload), len(large))
			}
			reader := bufio.NewReader(out)
			r.expect(reader, pong)
			got.conn.Send([]byte(large))
			r.expect(reader, large)
			if shown := r.only(); shown.TLS != "TLS "+version || shown.Peer != "client.example.com" {
				t.Errorf("shown: %s, %q", shown.TLS, shown.Peer)
			}
		})
	}
}

func writePEM(t *testing.T, name string, c *tls.Certificate) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTLSPeerStopsReading: memory is bounded over TLS as well, and whoever
// reads late gets everything.
func TestTLSPeerStopsReading(t *testing.T) {
	ca := newAuthority(t)
	r := newRig(t)
	l := r.serve(model.TLS, ListenOptions{Identity: always(ca.issue(sipURI("sip:server.example.com")), ca.roots())})
	peer := tls.Client(r.dialTCP(l), &tls.Config{InsecureSkipVerify: true})
	r.write(peer, request("a", ""))
	c := r.next(r.received).conn
	var want strings.Builder
	for {
		message := fmt.Sprintf("%8d%4000s", want.Len(), "")
		c.Send([]byte(message))
		if r.count(queueFull) > 0 {
			break
		}
		want.WriteString(message)
	}
	if got := c.wire.unsent() + r.only().Queued; got > maxBacklog+2*maxQueue {
		t.Errorf("%d octets are kept", got)
	}
	r.expect(peer, want.String())
	r.until("nothing waits", func() bool { return r.only().Queued == 0 })
	c.Send([]byte("and on"))
	r.expect(peer, "and on")
}
