package resolver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"causeway/appliance/model"
)

// limit bounds every wait of these tests; none of them takes that long.
const limit = time.Minute

// freeAddress gives an address that nobody uses while the test runs: one of the
// loopback network made of a port that is held until then.
func freeAddress(t *testing.T) netip.AddrPort {
	t.Helper()
	held, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { held.Close() })
	port := held.LocalAddr().(*net.UDPAddr).Port
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(port >> 8), byte(port), 3}), 10053)
}

// run runs a resolver until the test ends.
func run(t *testing.T, r *Resolver) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run = %v; want nil", err)
			}
		case <-time.After(limit):
			t.Error("the resolver still runs after its context ended")
		}
	})
}

// eventually waits until problem says nothing any more.
func eventually(t *testing.T, what string, problem func() string) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		text := problem()
		if text == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s", what, text)
		}
	}
}

// serve runs a resolver on a free address of the loopback and waits for it.
func serve(t *testing.T, servers *servers, config *model.Config) netip.AddrPort {
	t.Helper()
	r := servers.newResolver(first)
	r.options.Listen = []netip.AddrPort{freeAddress(t)}
	config.NameServers = []netip.Addr{netip.MustParseAddr(first)}
	r.Apply(config)
	run(t, r)
	eventually(t, "the resolver serves", func() string { return notServed(r) })
	return r.options.Listen[0]
}

func notServed(r *Resolver) string {
	var problems []string
	served := r.state().Served
	for _, place := range served {
		if place.Problem != "" {
			problems = append(problems, place.Problem)
		}
	}
	if len(served) < 2*len(r.options.Listen) {
		problems = append(problems, "not all are started")
	}
	return strings.Join(problems, "; ")
}

// TestServer asks over real sockets, as any process of the box may.
func TestServer(t *testing.T) {
	servers := newServers(t)
	texts := []string{wwwText}
	for i := range 100 {
		texts = append(texts, fmt.Sprintf("many.example.com. 300 IN A 192.0.2.%d", i))
	}
	servers.set(first, zone(t, texts...))
	at := serve(t, servers, &model.Config{Hosts: []model.Host{{Name: "pbx.example.com", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("2001:db8::9")}}}})
	edns := func(size uint16, version uint8) func(*dns.Msg) {
		return func(m *dns.Msg) {
			m.SetEdns0(size, false)
			m.IsEdns0().SetVersion(version)
		}
	}
	for _, test := range []struct {
		what, network, name string
		qtype               uint16
		edit                func(*dns.Msg)
		want                string // code and what is in the reply
	}{
		{what: "UDP", network: "udp", name: "wWw.example.com.", qtype: dns.TypeA, want: "NOERROR 1 records"},
		{what: "TCP", network: "tcp", name: "www.example.com.", qtype: dns.TypeA, want: "NOERROR 1 records"},
		{what: "no record", network: "udp", name: "www.example.com.", qtype: dns.TypeTXT, want: "NOERROR 0 records SOA"},
		{what: "no name", network: "udp", name: "absent.example.com.", qtype: dns.TypeTXT, want: "NXDOMAIN 0 records SOA"},
		{what: "512 octets", network: "udp", name: "many.example.com.", qtype: dns.TypeA, want: "NOERROR TC"},
		{what: "600 octets", network: "udp", name: "many.example.com.", qtype: dns.TypeA, edit: edns(600, 0), want: "NOERROR TC EDNS"},
		{what: "4096 octets", network: "udp", name: "many.example.com.", qtype: dns.TypeA, edit: edns(4096, 0), want: "NOERROR TC EDNS"},
		{what: "many over TCP", network: "tcp", name: "many.example.com.", qtype: dns.TypeA, edit: edns(512, 0), want: "NOERROR 100 records EDNS"},
		{what: "EDNS of tomorrow (16 is BADVERS, too)", network: "udp", name: "www.example.com.", qtype: dns.TypeA, edit: edns(1232, 1), want: "BADSIG 0 records EDNS"},
		{what: "NOTIFY", network: "udp", name: "www.example.com.", qtype: dns.TypeSOA, edit: func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }, want: "NOTIMP 0 records"},
		{what: "a transfer", network: "tcp", name: "example.com.", qtype: dns.TypeAXFR, want: "NOTIMP 0 records"},
		{what: "another class", network: "udp", name: "version.bind.", qtype: dns.TypeTXT, edit: func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }, want: "REFUSED 0 records"},
		{what: "a static host", network: "udp", name: "pbx.example.com.", qtype: dns.TypeAAAA, want: "NOERROR 1 records"},
		{what: "a static host's name", network: "udp", name: "9.2.0.192.in-addr.arpa.", qtype: dns.TypePTR, want: "NOERROR 1 records"},
		{what: "localhost", network: "udp", name: "a.localhost.", qtype: dns.TypeA, want: "NOERROR 2 records"},
		{what: "localhost's mail", network: "udp", name: "localhost.", qtype: dns.TypeMX, want: "NOERROR 0 records"},
	} {
		query := new(dns.Msg).SetQuestion(test.name, test.qtype)
		if test.edit != nil {
			test.edit(query)
		}
		client := dns.Client{Net: test.network, Timeout: limit, UDPSize: 4096}
		reply, _, err := client.ExchangeContext(t.Context(), query, at.String())
		if err != nil {
			t.Errorf("%s: %v", test.what, err)
			continue
		}
		got := dns.RcodeToString[reply.Rcode]
		if reply.Truncated {
			got += " TC"
		} else {
			got += fmt.Sprintf(" %d records", len(reply.Answer))
		}
		if len(reply.Ns) > 0 {
			got += " SOA"
		}
		if reply.IsEdns0() != nil {
			got += " EDNS"
		}
		if got != test.want {
			t.Errorf("%s: %s %s of %s is %s; want %s", test.what, test.network, dns.TypeToString[test.qtype], test.name, got, test.want)
		}
		reply.Compress = true // as it came
		if size := reply.Len(); test.network == "udp" && size > packetSize {
			t.Errorf("%s: %d octets over UDP; want at most %d", test.what, size, packetSize)
		}
		if reply.Question[0] != query.Question[0] || !reply.RecursionAvailable || reply.Authoritative {
			t.Errorf("%s: the reply is to %v, %+v", test.what, reply.Question, reply.MsgHdr)
		}
	}
	if asked := servers.takeAsked(); slices.ContainsFunc(asked, func(q string) bool { return strings.Contains(q, "pbx") || strings.Contains(q, "localhost") }) {
		t.Errorf("the servers were asked for static hosts: %q", asked)
	}
}

// TestServerIgnoresNonsense sends what is no query and then one that is.
func TestServerIgnoresNonsense(t *testing.T) {
	servers := newServers(t)
	servers.set(first, zone(t, wwwText))
	at := serve(t, servers, &model.Config{})
	conn, err := net.Dial("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	query, err := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	response := bytes.Clone(query)
	response[2] |= 0x80
	for _, packet := range [][]byte{{}, {1}, query[:12], query[:20], response, bytes.Repeat([]byte{0xc0}, 1232), query} {
		if _, err := conn.Write(packet); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, dns.MaxMsgSize)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatalf("no answer after nonsense: %v", err)
		}
		var reply dns.Msg
		if err := reply.Unpack(buffer[:n]); err == nil && len(reply.Answer) == 1 && bytes.Equal(buffer[:2], query[:2]) {
			return
		}
	}
}

// TestClientThatDoesNotRead: who asks over TCP and takes no replies loses the
// connection.
func TestClientThatDoesNotRead(t *testing.T) {
	servers := newServers(t)
	var texts []string
	for i := range 1800 {
		texts = append(texts, fmt.Sprintf("many.example.com. 300 IN A 198.18.%d.%d", i/250, i%250))
	}
	servers.set(first, zone(t, texts...))
	conn := dialTCP(t, serve(t, servers, &model.Config{}).String())
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil { // so that few replies fit
		t.Fatal(err)
	}
	query := new(dns.Msg).SetQuestion("many.example.com.", dns.TypeA)
	for deadline := time.Now().Add(limit); ; {
		if err := conn.SetDeadline(deadline); err != nil {
			t.Fatal(err)
		}
		err := (&dns.Conn{Conn: conn}).WriteMsg(query)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the resolver keeps a connection whose replies are not taken")
		}
		if err != nil {
			return
		}
	}
}

// TestConnectionsAreLimited: beyond the limit they are closed, until one ends.
func TestConnectionsAreLimited(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 2*connectionsMax)
	go func() {
		l := &limited{Listener: listener}
		for {
			conn, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- conn
		}
	}()
	for range connectionsMax {
		dialTCP(t, listener.Addr().String())
	}
	beyond := dialTCP(t, listener.Addr().String())
	if err := beyond.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	if _, err := beyond.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading from connection %d = %v; want it closed", connectionsMax+1, err)
	}
	ended := <-accepted
	ended.Close()
	ended.Close() // counts once
	dialTCP(t, listener.Addr().String())
	for range connectionsMax {
		defer (<-accepted).Close()
	}
	listener.Close()
	if conn, ok := <-accepted; ok {
		t.Errorf("%v was accepted beyond the limit", conn.RemoteAddr())
	}
}

// dialTCP opens a connection that ends with the test.
func dialTCP(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestPortIsTaken: the resolver says so and looks up all the same; when the
// port is free it serves there.
func TestPortIsTaken(t *testing.T) {
	servers := newServers(t)
	servers.set(first, zone(t, wwwText))
	r := servers.newResolver(first)
	at := freeAddress(t)
	r.options.Listen = []netip.AddrPort{at}
	taken, err := net.ListenPacket("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	run(t, r)
	eventually(t, "the port is found taken", func() string {
		if got := notServed(r); !strings.Contains(got, "address already in use") {
			return "problems: " + got
		}
		return ""
	})
	if got, err := r.LookupHost(t.Context(), "www.example.com"); err != nil || fmt.Sprint(got) != "[192.0.2.80]" {
		t.Errorf("LookupHost = %v, %v; want [192.0.2.80]", got, err)
	}
	taken.Close()
	eventually(t, "the freed port is served", func() string { return notServed(r) })
}

// TestClient asks a served resolver for what SIP needs (RFC 3263).
func TestClient(t *testing.T) {
	servers := newServers(t)
	servers.set(first, zone(t, wwwText, "www.example.com. 200 IN AAAA 2001:db8::80",
		"_sip._udp.example.com. 100 IN SRV 10 60 5060 a.example.com.", "_sip._udp.example.com. 100 IN SRV 20 0 5070 b.example.com.",
		"_sip._tcp.example.com. 90 IN SRV 0 0 0 .",
		`example.com. 80 IN NAPTR 50 10 "s" "SIP+D2U" "" _sip._udp.example.com.`,
		"text.example.com. 70 IN TXT x"))
	c := &Client{Server: serve(t, servers, &model.Config{Hosts: []model.Host{{Name: "pbx.example.com", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9")}}}})}
	closed := &Client{Server: freeAddress(t)}
	for _, test := range []struct {
		what string
		look func() (any, time.Duration, error)
		want string
		ttl  time.Duration
		err  error
	}{
		{what: "host", want: "[192.0.2.80 2001:db8::80]", ttl: 200 * time.Second,
			look: func() (any, time.Duration, error) { return c.lookupHost(t, "www.example.com") }},
		{what: "literal", want: "[192.0.2.7]", ttl: longestTTL,
			look: func() (any, time.Duration, error) { return c.lookupHost(t, "192.0.2.7") }},
		{what: "static host without an IPv6 address", want: "[192.0.2.9]", ttl: staticTTL,
			look: func() (any, time.Duration, error) { return c.lookupHost(t, "pbx.example.com") }},
		{what: "absent host", want: "[]", ttl: time.Minute, err: model.ErrNoSuchName,
			look: func() (any, time.Duration, error) { return c.lookupHost(t, "absent.example.com") }},
		{what: "host without address", want: "[]", ttl: time.Minute, err: model.ErrNoSuchName,
			look: func() (any, time.Duration, error) { return c.lookupHost(t, "text.example.com") }},
		{what: "bad name", want: "[]", err: errNotAName,
			look: func() (any, time.Duration, error) { return c.lookupHost(t, "a..b") }},
		{what: "host below localhost", want: "[127.0.0.1 ::1]", ttl: staticTTL,
			look: func() (any, time.Duration, error) { return c.lookupHost(t, "a.localhost") }},
		{what: "SRV", want: "[{10 60 5060 a.example.com} {20 0 5070 b.example.com}]", ttl: 100 * time.Second,
			look: func() (any, time.Duration, error) { return c.lookupSRV(t, "_sip._udp.example.com") }},
		{what: "SRV of a service that is not offered", want: "[{0 0 0 }]", ttl: 90 * time.Second,
			look: func() (any, time.Duration, error) { return c.lookupSRV(t, "_sip._tcp.example.com") }},
		{what: "no SRV", want: "[]", ttl: time.Minute, err: model.ErrNoSuchName,
			look: func() (any, time.Duration, error) { return c.lookupSRV(t, "_sips._tcp.example.com") }},
		{what: "SRV of no name", want: "[]", err: errNotAName,
			look: func() (any, time.Duration, error) { return c.lookupSRV(t, "") }},
		{what: "NAPTR", want: "[{50 10 s SIP+D2U  _sip._udp.example.com}]", ttl: 80 * time.Second,
			look: func() (any, time.Duration, error) {
				list, ttl, err := c.LookupNAPTR(t.Context(), "example.com")
				return list, ttl, err
			}},
		{what: "nobody listens", want: "[]", err: model.ErrNoAnswer,
			look: func() (any, time.Duration, error) { return closed.lookupSRV(t, "_sip._udp.example.com") }},
		{what: "the servers fail", want: "[]", err: model.ErrNoAnswer,
			look: func() (any, time.Duration, error) {
				servers.set(first, refusing(dns.RcodeServerFailure))
				return c.lookupHost(t, "other.example.com")
			}},
	} {
		got, ttl, err := test.look()
		if fmt.Sprint(got) != test.want || !errors.Is(err, test.err) || test.err == nil && err != nil {
			t.Errorf("%s: %v, %v; want %s, error %v", test.what, got, err, test.want, test.err)
		}
		if ttl > test.ttl || ttl < test.ttl-limit || test.ttl > 0 && ttl == 0 {
			t.Errorf("%s: TTL %s; want %s", test.what, ttl, test.ttl)
		}
	}
}

func (c *Client) lookupHost(t *testing.T, name string) (any, time.Duration, error) {
	list, ttl, err := c.LookupHost(t.Context(), name)
	return list, ttl, err
}

func (c *Client) lookupSRV(t *testing.T, name string) (any, time.Duration, error) {
	list, ttl, err := c.LookupSRV(t.Context(), name)
	return list, ttl, err
}

// FuzzQuery has a client send any octets. What can be read as a query is
// answered with what can be packed, within the size that the client takes.
func FuzzQuery(f *testing.F) {
	for _, edit := range []func(*dns.Msg){
		func(*dns.Msg) {},
		func(m *dns.Msg) { m.SetEdns0(1232, true) },
		func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeANY },
		func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) },
		func(m *dns.Msg) { m.Question[0].Name = "3.2.1.in-addr.arpa." },
		func(m *dns.Msg) { m.Question[0].Name = "localhost." },
	} {
		m := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)
		edit(m)
		packed, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
		f.Add(packed[:len(packed)-1])
	}
	servers := newServers(f)
	servers.set(first, zone(f, wwwText))
	r := servers.newResolver(first)
	f.Fuzz(func(t *testing.T, packet []byte) {
		query := new(dns.Msg)
		if query.Unpack(packet) != nil || query.Response {
			return
		}
		reply := r.respond(t.Context(), query)
		reply.Truncate(dns.MinMsgSize)
		packed, err := reply.Pack()
		if err != nil {
			t.Fatalf("the reply to %v cannot be packed: %v", query, err)
		}
		// The client's own question may be longer than what we add to it.
		if len(packed) > max(dns.MinMsgSize, len(packet)) || reply.Id != query.Id || !reply.Response {
			t.Errorf("the reply to %v is %v of %d octets", query, reply, len(packed))
		}
		if len(r.cache.entries) > cacheSize || r.cache.octets > cacheOctets {
			t.Errorf("%d answers of %d octets are kept", len(r.cache.entries), r.cache.octets)
		}
	})
}
