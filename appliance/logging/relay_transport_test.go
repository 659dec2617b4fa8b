package logging

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"maps"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/model"
)

// TestUDP: a host that answers with ICMP only costs no line.
func TestUDP(t *testing.T) {
	b := newBox(t)
	// Nothing counts until who reads ICMP has surely run, on a busy host, too.
	b.pace.probe, b.pace.settle = 500*time.Millisecond, 500*time.Millisecond
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	server, address := logServer("udp", conn.LocalAddr()), conn.LocalAddr().(*net.UDPAddr)
	read := func(want int) {
		t.Helper()
		var text [2048]byte
		conn.SetReadDeadline(time.Now().Add(limit))
		n, err := conn.Read(text[:])
		if err != nil {
			t.Fatal(err)
		}
		if err := strict(string(text[:n])); err != nil || seqOf(string(text[:n])) != want {
			t.Fatalf("datagram %q, %v; want line %d", text[:n], err, want)
		}
	}
	b.kernel.sayMany(200)
	b.start(server)
	for want := range 200 {
		read(want)
	}
	b.settled(serverName(server))

	conn.Close()
	b.kernel.sayMany(100)
	b.problem("connection refused")
	b.kernel.sayMany(100)
	if conn, err = net.ListenUDP("udp", address); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for want := 200; want < 400; want++ {
		read(want)
	}
	b.settled(serverName(server))
	if n := strings.Count(b.log.String(), "is down"); n != 1 {
		t.Errorf("it is told %d times that the server is down; want once:\n%s", n, &b.log)
	}
}

// TestUDPNextAddress: where one address of a server answers with ICMP only, the
// lines go to the next.
func TestUDPNextAddress(t *testing.T) {
	b := newBox(t)
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b.options.Lookup = func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")}, nil
	}
	b.kernel.sayMany(10)
	b.start(logServer("udp", conn.LocalAddr()))
	var text [2048]byte
	conn.SetReadDeadline(time.Now().Add(limit))
	if n, err := conn.Read(text[:]); err != nil || seqOf(string(text[:n])) != 0 {
		t.Errorf("datagram %q, %v; want the first line", text[:n], err)
	}
}

// TestTLS: the server must be who it says it is.
func TestTLS(t *testing.T) {
	_, stranger := certificates(t, "logs.example.net")
	own, client := certificates(t, "logs.example.net")
	other, otherClient := certificates(t, "other.example.net")
	for _, test := range []struct {
		name   string
		server *tls.Config
		client *tls.Config
		want   string // empty: it works
	}{
		{"its own", own, client, ""},
		{"another authority", own, stranger, "certificate signed by unknown authority"},
		{"another name", other, otherClient, "certificate is valid for other.example.net, not logs.example.net"},
		{"no trust anchor", own, nil, "no trust anchor is installed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, plain := newBox(t), listen(t)
			l := tls.NewListener(plain, test.server)
			if test.client != nil {
				b.options.TLS = func(host string) (*tls.Config, error) {
					c := test.client.Clone()
					c.ServerName = host
					return c, nil
				}
			}
			b.kernel.say("secret")
			var closed sync.WaitGroup
			defer closed.Wait()
			if test.want != "" {
				defer plain.Close()
				closed.Go(func() {
					for {
						conn, err := l.Accept()
						if err != nil {
							return
						}
						if text, _ := io.ReadAll(conn); len(text) > 0 {
							t.Errorf("a server that is not trusted gets %q", text)
						}
						conn.Close()
					}
				})
			}
			b.start(logServer("tls", plain.Addr()))
			if test.want != "" {
				b.problem(test.want)
				return
			}
			if got := newStream(t, accept(t, l)).next(); !strings.Contains(got, "msg=secret") {
				t.Errorf("the server gets %s; want the line", got)
			}
		})
	}
}

// certificates makes an authority, a server of that name with its certificate,
// and a client that trusts it.
func certificates(t *testing.T, name string) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, DNSNames: []string{name},
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: pool, ServerName: "logs.example.net"}
}

// datagrams is a connection that notes when how many datagrams are written.
type datagrams struct {
	net.Conn
	start  time.Time
	writes map[time.Duration]int
}

func (d *datagrams) Write(b []byte) (int, error) {
	d.writes[time.Since(d.start)]++
	return len(b), nil
}

// TestDatagramPace: the first datagram goes alone, and the others in bursts
// that a server can take.
func TestDatagramPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.kernel.sayMany(121)
		ours, theirs := net.Pipe()
		defer theirs.Close()
		conn := &datagrams{ours, time.Now(), map[time.Duration]int{}}
		b.options.Dial = func(context.Context, string, string) (net.Conn, error) { return conn, nil }
		b.pace = defaultPace
		b.start(model.LogServer{Host: "logs.example.net", Transport: "udp", Port: 514, Level: debugging})
		time.Sleep(time.Minute)
		b.stop()
		const probe, gap = 500 * time.Millisecond, 50 * time.Millisecond
		want := map[time.Duration]int{0: 1, probe: 50, probe + gap: 50, probe + 2*gap: 20}
		if !maps.Equal(conn.writes, want) {
			t.Errorf("datagrams by time = %v; want %v", conn.writes, want)
		}
	})
}

// TestStalled: a server that reads nothing more does not hold up the end.
func TestStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.kernel.sayMany(10)
		ours, theirs := net.Pipe()
		defer theirs.Close()
		b.options.Dial = func(context.Context, string, string) (net.Conn, error) { return ours, nil }
		b.start(model.LogServer{Host: "logs.example.net", Transport: "tcp", Port: 601, Level: debugging})
		if _, err := theirs.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the rest of the stretch waits to be read
		asked := time.Now()
		b.stop()
		if took := time.Since(asked); took > 0 {
			t.Errorf("the relay ends %v after it was asked to; want at once", took)
		}
	})
}
