package servergroup

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// loopback gives a pinger for an element over the real network.
func loopback(t *testing.T, transport model.Transport, local string, d Dialer) *pinger {
	t.Helper()
	e := newElement(Key{Network: "net", Transport: transport, Host: "127.0.0.1"}, func() time.Duration { return 0 })
	p := &pinger{
		element: e,
		probe:   probe{local4: netip.MustParseAddrPort(local), local6: netip.MustParseAddrPort("[::1]:0"), timeout: patience},
		options: &Options{Dial: d.Dial},
	}
	t.Cleanup(p.hangUp)
	return p
}

func placeOf(transport model.Transport, address net.Addr) hop.Place {
	return hop.Place{Transport: transport, Address: netip.MustParseAddrPort(address.String())}
}

// reply is the answer to a request that our own parser has found right.
func reply(request []byte, transport string, status int) ([]byte, error) {
	var m message.Message
	if err := m.Parse(request); err != nil {
		return nil, fmt.Errorf("parse %q: %w", request, err)
	}
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("validate %q: %w", request, err)
	}
	if m.Method != message.Options || !strings.EqualFold(string(m.Get(m.Via.Transport)), transport) {
		return nil, fmt.Errorf("got %q; want OPTIONS by %s", request, transport)
	}
	parsed, err := sip.ParseMessage(request)
	if err != nil {
		return nil, err
	}
	return []byte(sip.NewResponseFromRequest(parsed.(*sip.Request), status, "", nil).String()), nil
}

// freeAddress is an address of ours that nobody uses while the test runs: one of
// the loopback network made of a port that is held until then.
func freeAddress(t *testing.T) string {
	t.Helper()
	held, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { held.Close() })
	port := held.LocalAddr().(*net.UDPAddr).Port
	return fmt.Sprintf("127.%d.%d.4:5060", port>>8, port&0xff)
}

// TestPingUDP: pings of several elements come from one port, and each hears its
// own.
func TestPingUDP(t *testing.T) {
	local := freeAddress(t)
	for _, address := range []string{"127.0.0.1:0", "127.0.0.2:0", "[::1]:0"} {
		server, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address)))
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		p := loopback(t, model.UDP, local, Dialer{})
		status := 200
		for range 3 { // over one socket
			status++
			served := make(chan error, 1)
			go func() {
				buffer := make([]byte, 2048)
				n, from, err := server.ReadFromUDPAddrPort(buffer)
				if err != nil {
					served <- err
					return
				}
				if want := netip.MustParseAddrPort(local); want.Addr().Is4() == from.Addr().Is4() && from != want {
					err = fmt.Errorf("a ping comes from %v; want %v", from, want)
				}
				answer, replyErr := reply(buffer[:n], "UDP", status)
				strange := strings.Replace(string(answer), "z9hG4bK", "z9hG4bKx", 1)
				provisional, _ := reply(buffer[:n], "UDP", 100)
				for _, text := range []string{"garbage", strange, string(provisional), string(answer)} {
					server.WriteToUDPAddrPort([]byte(text), from)
				}
				served <- errors.Join(err, replyErr)
			}()
			a, err := p.ask(t.Context(), placeOf(model.UDP, server.LocalAddr()))
			if err != nil || a.status != status {
				t.Errorf("ask %v = %+v, %v; want %d", server.LocalAddr(), a, err, status)
			}
			if err := <-served; err != nil {
				t.Error(err)
			}
		}
	}
}

// TestPingRefusedUDP: ICMP says at once that nobody is there, and does not stand
// in the way of a server that comes.
func TestPingRefusedUDP(t *testing.T) {
	place := hop.Place{Transport: model.UDP, Address: netip.MustParseAddrPort(freeAddress(t))}
	p := loopback(t, model.UDP, "127.0.0.1:0", Dialer{})
	for range 2 {
		if _, err := p.ask(t.Context(), place); !errors.Is(err, syscall.ECONNREFUSED) || isOurs(err) {
			t.Errorf("ask a closed port = %v; want connection refused", err)
		}
	}
	// An ICMP error that came after the end of a ping waits in the socket.
	p.line.conn.Write([]byte("\r\n\r\n"))
	server, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(place.Address))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go serveUDP(server, 200, "")
	if a, err := p.ask(t.Context(), place); err != nil || a.status != 200 {
		t.Errorf("ask the server that came = %+v, %v; want 200", a, err)
	}
}

// serveUDP answers requests until the socket is closed.
func serveUDP(server *net.UDPConn, status int, reason string) {
	buffer := make([]byte, 2048)
	for {
		n, from, err := server.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		if answer, err := reply(buffer[:n], "UDP", status); err == nil {
			code := fmt.Sprintf("%d ", status)
			server.WriteToUDPAddrPort([]byte(strings.Replace(string(answer), code, code+reason, 1)), from)
		}
	}
}

// serveStream answers requests on connections, after closing each at once that
// has answered so many; the answer comes in two parts and behind a request.
func serveStream(listener net.Listener, transport string, each int) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return nil
		}
		buffer := make([]byte, 2048)
		for range each {
			n, err := conn.Read(buffer)
			if err != nil {
				break // it is the pinger that hangs up
			}
			answer, err := reply(buffer[:n], transport, 200)
			if err != nil {
				return err
			}
			half := len(answer) / 2
			conn.Write(append([]byte("\r\n\r\nOPTIONS sip:us SIP/2.0\r\nContent-Length: 0\r\n\r\n"), answer[:half]...))
			conn.Write(answer[half:])
		}
		conn.Close()
	}
}

// TestPingStreams: a connection is kept, one that the other side has closed is
// no failure, and one that we have closed does not keep the port that pings
// come from.
func TestPingStreams(t *testing.T) {
	certificate, trusted := selfSigned(t)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	secure, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	dialer := Dialer{TLS: func(network string) *tls.Config {
		if network != "net" {
			t.Errorf("TLS of network %q; want net", network)
		}
		return &tls.Config{RootCAs: trusted}
	}}
	for _, test := range []struct {
		transport model.Transport
		listener  net.Listener
	}{{model.TCP, plain}, {model.TLS, secure}} {
		served := make(chan error, 1)
		go func() { served <- serveStream(test.listener, test.transport.Via(), 2) }()
		p := loopback(t, test.transport, freeAddress(t), dialer)
		lines := map[net.Conn]bool{}
		for i := range 7 {
			a, err := p.ask(t.Context(), placeOf(test.transport, test.listener.Addr()))
			if err != nil || a.status != 200 {
				t.Fatalf("%v: ask %d = %+v, %v; want 200", test.transport, i, a, err)
			}
			lines[p.line.conn] = true
			if i == 4 {
				p.hangUp()
			}
		}
		if len(lines) != 4 {
			t.Errorf("%v: 7 pings over %d connections that take 2 each, one hung up after its first; want 4", test.transport, len(lines))
		}
		p.hangUp()
		test.listener.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if _, err := p.ask(t.Context(), placeOf(test.transport, test.listener.Addr())); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v: ask nobody = %v; want connection refused", test.transport, err)
		}
	}
}

// TestPingTLSUntrusted: an element whose certificate is not trusted is not up.
func TestPingTLSUntrusted(t *testing.T) {
	certificate, _ := selfSigned(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go serveStream(listener, "TLS", 1)
	p := loopback(t, model.TLS, "127.0.0.1:0", Dialer{})
	var unknown x509.UnknownAuthorityError
	if _, err := p.ask(t.Context(), placeOf(model.TLS, listener.Addr())); !errors.As(err, &unknown) {
		t.Errorf("ask = %v; want an unknown authority", err)
	}
}

// selfSigned is a certificate of 127.0.0.1 and who trusts it.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestPingEnds: the end of the context ends a ping that waits.
func TestPingEnds(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	p := loopback(t, model.TCP, "127.0.0.1:0", Dialer{})
	p.probe.timeout = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := p.ask(ctx, placeOf(model.TCP, silent.Addr()))
		ended <- err
	}()
	if _, err := silent.Accept(); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("ask = nil; want the end of its context")
		}
	case <-time.After(patience):
		t.Error("ask does not end with its context")
	}
}

// FuzzAnswer: whatever an element sends, over either kind of transport, is read
// without harm, and only an answer to this ping counts.
func FuzzAnswer(f *testing.F) {
	const branch = "z9hG4bK.ping"
	ok := "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5999;branch=" + branch + "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
	f.Add([]byte(ok))
	f.Add([]byte(strings.Replace(ok, "200 OK\r\n", "503 No\r\nRetry-After: 30 (soon);duration=3\r\n", 1)))
	f.Add([]byte(strings.Replace(ok, branch, "z9hG4bK.other", 1)))
	f.Add([]byte("OPTIONS sip:us SIP/2.0\r\n\r\n" + ok))
	f.Add([]byte("\r\n\r\n"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		for _, stream := range []*sip.ParserStream{nil, sip.NewParser().NewSIPStream()} {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				for part := range slices.Chunk(sent, 1000) {
					if _, err := theirs.Write(part); err != nil {
						return
					}
				}
			}()
			l := &line{conn: ours, stream: stream}
			a, err := l.read(branch)
			ours.Close()
			if err == nil && (a.status < 200 || a.status > 699 || a.retryAfter < 0 || !strings.Contains(string(sent), branch)) {
				t.Errorf("read(%q) = %+v; want no answer", sent, a)
			}
		}
	})
}
