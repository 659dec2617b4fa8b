package locate

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"causeway/appliance/model"
	"causeway/appliance/resolver"
	"causeway/appliance/sip/hop"
)

// limit bounds every wait of these tests; none of them takes that long.
const limit = time.Minute

// zones are what the name server of these tests has. That of example.com is
// RFC 3263 §4.1's and §4.2's, with the addresses of RFC 5737 and 3849.
const zones = `
example.com.              300 IN NAPTR 50  50 "s" "SIPS+D2T" "" _sips._tcp.example.com.
example.com.              300 IN NAPTR 90  50 "s" "SIP+D2T"  "" _sip._tcp.example.com.
example.com.              300 IN NAPTR 100 50 "s" "SIP+D2U"  "" _sip._udp.example.com.
_sips._tcp.example.com.   300 IN SRV 0 1 5061 secure.example.com.
_sip._tcp.example.com.    300 IN SRV 0 1 5060 server1.example.com.
_sip._tcp.example.com.    300 IN SRV 1 2 5070 server2.example.com.
_sip._udp.example.com.    300 IN SRV 0 1 5080 server1.example.com.
_sip._ws.example.com.     300 IN SRV 0 1 8080 server1.example.com.
example.com.              300 IN A 192.0.2.99
server1.example.com.      300 IN A 192.0.2.1
server1.example.com.      300 IN A 192.0.2.11
server1.example.com.      300 IN AAAA 2001:db8::1
server2.example.com.      300 IN A 192.0.2.2
secure.example.com.       300 IN A 192.0.2.3

best.example.net.         300 IN NAPTR 10 20 "s" "SIP+D2U"  "" _sip._udp.example.com.
best.example.net.         300 IN NAPTR 10 10 "S" "sip+d2t"  "" _sip._tcp.example.com.
best.example.net.         300 IN NAPTR 20 10 "s" "SIP+D2W"  "" _sip._ws.example.com.
other.example.net.        300 IN NAPTR 10 10 "u" "SIP+D2U"  "!.*!sip:x@example.com!" .
other.example.net.        300 IN NAPTR 10 10 "s" "E2U+sip"  "" _sip._tcp.example.com.
_sip._udp.other.example.net. 300 IN SRV 0 0 5062 server2.example.com.

srv.example.net.          300 IN A 192.0.2.98
_sip._udp.srv.example.net. 300 IN SRV 1 0 5060 server1.example.com.
_sip._tcp.srv.example.net. 300 IN SRV 1 0 5060 server2.example.com.
_sips._tcp.srv.example.net. 300 IN SRV 1 0 5061 secure.example.com.

plain.example.net.        300 IN A 192.0.2.97
plain.example.net.        300 IN AAAA 2001:db8::97

none.example.net.         300 IN A 192.0.2.96
_sip._udp.none.example.net. 300 IN SRV 0 0 0 .
_sip._tcp.none.example.net. 300 IN SRV 0 0 0 .
half.example.net.         300 IN A 192.0.2.95
_sip._udp.half.example.net. 300 IN SRV 0 0 0 .

_sip._udp.gap.example.net. 300 IN SRV 0 0 5060 nowhere.example.net.
_sip._udp.gap.example.net. 300 IN SRV 1 0 5060 broken.example.net.
_sip._udp.gap.example.net. 300 IN SRV 2 0 5060 server2.example.com.

six.example.net.          300 IN AAAA 2001:db8::6
mute.example.net.         300 IN A 192.0.2.94
`

// serveDNS answers from the zones on the loopback until the test ends. Names
// that begin with "broken." are SERVFAIL, and so is all of SRV and NAPTR that
// begins with "mute." or is below it.
func serveDNS(t *testing.T) netip.AddrPort {
	t.Helper()
	var records []dns.RR
	parser := dns.NewZoneParser(strings.NewReader(zones), ".", "")
	for record, ok := parser.Next(); ok; record, ok = parser.Next() {
		records = append(records, record)
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	soa, err := dns.NewRR(". 60 IN SOA ns.example.com. root.example.com. 1 3600 600 86400 60")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		question := query.Question[0]
		reply := new(dns.Msg).SetReply(query)
		named := false
		for _, record := range records {
			if strings.EqualFold(record.Header().Name, question.Name) {
				named = true
				if record.Header().Rrtype == question.Qtype {
					reply.Answer = append(reply.Answer, record)
				}
			}
		}
		addresses := question.Qtype == dns.TypeA || question.Qtype == dns.TypeAAAA
		switch {
		case strings.HasPrefix(question.Name, "broken."), strings.HasSuffix(question.Name, "mute.example.net.") && !addresses:
			reply.Rcode = dns.RcodeServerFailure
		case !named:
			reply.Rcode = dns.RcodeNameError
		}
		if len(reply.Answer) == 0 {
			reply.Ns = append(reply.Ns, soa)
		}
		w.WriteMsg(reply)
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		server.Shutdown()
		<-ended
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// run runs a locator until the test ends.
func run(t testing.TB, l *Locator) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
}

// located asks for a query as the call path does, and gives the places as
// text: "udp 192.0.2.1:5060".
func located(t testing.TB, l *Locator, q hop.Query) []string {
	t.Helper()
	places, known := l.Locate(q, nil)
	if !known {
		done := make(chan struct{})
		l.Await(q, func() { close(done) })
		select {
		case <-done:
		case <-time.After(limit):
			t.Fatalf("Await(%+v) has not called done", q)
		}
		if places, known = l.Locate(q, nil); !known {
			t.Fatalf("Locate(%+v) after Await is not known", q)
		}
	}
	var texts []string
	for _, place := range places {
		texts = append(texts, fmt.Sprint(place.Transport, " ", place.Address))
	}
	return texts
}

// The transports and families of most tests.
func speaksUDPandTCP(t model.Transport, _ bool) bool { return t == model.UDP || t == model.TCP }
func speaksAll(model.Transport, bool) bool           { return true }
func speaksIPv4(t model.Transport, ipv6 bool) bool   { return speaksUDPandTCP(t, ipv6) && !ipv6 }

func TestLocate(t *testing.T) {
	client := &resolver.Client{Server: serveDNS(t)}
	server1 := func(before, port string) []string {
		return []string{before + " 192.0.2.1:" + port, before + " 192.0.2.11:" + port, before + " [2001:db8::1]:" + port}
	}
	for _, tt := range []struct {
		rule   string // of RFC 3263, or whose else
		speaks func(model.Transport, bool) bool
		dns    model.SIPDNS
		query  hop.Query
		want   []string
	}{
		{rule: "4.1 NAPTR: what is preferred of what is spoken", query: hop.Query{Host: "example.com"},
			want: append(server1("tcp", "5060"), "tcp 192.0.2.2:5070")},
		{rule: "4.1 NAPTR: TLS serves a sip URI as well", speaks: speaksAll, query: hop.Query{Host: "example.com"},
			want: []string{"tls 192.0.2.3:5061"}},
		{rule: "4.1 NAPTR: sips wants SIPS", speaks: speaksAll, query: hop.Query{Host: "best.example.net", Secure: true}},
		{rule: "RFC 3403 4.1: all of the lowest order by preference", query: hop.Query{Host: "best.example.net"},
			want: slices.Concat(server1("tcp", "5060"), []string{"tcp 192.0.2.2:5070"}, server1("udp", "5080"))},
		{rule: "4.1 rules of other services say nothing", query: hop.Query{Host: "other.example.net"},
			want: []string{"udp 192.0.2.2:5062"}},
		{rule: "4.1 without NAPTR: SRV of each transport", speaks: speaksAll, query: hop.Query{Host: "srv.example.net"},
			want: append(server1("udp", "5060"), "tcp 192.0.2.2:5060")},
		{rule: "4.1 without NAPTR: sips is TLS", speaks: speaksAll, query: hop.Query{Host: "srv.example.net", Secure: true},
			want: []string{"tls 192.0.2.3:5061"}},
		{rule: "4.1 without SRV: UDP", query: hop.Query{Host: "plain.example.net"},
			want: []string{"udp 192.0.2.97:5060", "udp [2001:db8::97]:5060"}},
		{rule: "4.1 without SRV: sips is TLS", speaks: speaksAll, query: hop.Query{Host: "plain.example.net", Secure: true},
			want: []string{"tls 192.0.2.97:5061", "tls [2001:db8::97]:5061"}},
		{rule: "4.1 a port: no NAPTR, no SRV", query: hop.Query{Host: "example.com", Port: 5090},
			want: []string{"udp 192.0.2.99:5090"}},
		{rule: "4.1 a port and sips", speaks: speaksAll, query: hop.Query{Host: "example.com", Port: 5090, Secure: true},
			want: []string{"tls 192.0.2.99:5090"}},
		{rule: "4.1 a transport: no NAPTR", query: hop.Query{Host: "example.com", Transport: model.UDP, Fixed: true},
			want: server1("udp", "5080")},
		{rule: "4.2 a transport without SRV: addresses", query: hop.Query{Host: "other.example.net", Transport: model.TCP, Fixed: true}},
		{rule: "4.2 a transport without SRV: addresses", query: hop.Query{Host: "plain.example.net", Transport: model.TCP, Fixed: true},
			want: []string{"tcp 192.0.2.97:5060", "tcp [2001:db8::97]:5060"}},
		{rule: "4.2 a transport and a port", query: hop.Query{Host: "example.com", Port: 5091, Transport: model.TCP, Fixed: true},
			want: []string{"tcp 192.0.2.99:5091"}},
		{rule: "RFC 3261 26.2.2: TCP under sips is TLS", speaks: speaksAll,
			query: hop.Query{Host: "example.com", Transport: model.TCP, Fixed: true, Secure: true}, want: []string{"tls 192.0.2.3:5061"}},
		{rule: "RFC 7118: WebSocket", speaks: speaksAll, query: hop.Query{Host: "example.com", Transport: model.WS, Fixed: true},
			want: server1("ws", "8080")},
		{rule: "RFC 2782: a target of . means there is none", query: hop.Query{Host: "none.example.net"}},
		{rule: "RFC 2782: the other transport is offered", query: hop.Query{Host: "half.example.net"},
			want: []string{"tcp 192.0.2.95:5060"}},
		{rule: "4.3 servers without an address are passed over", query: hop.Query{Host: "gap.example.net"},
			want: []string{"udp 192.0.2.2:5060"}},
		{rule: "addresses of families that we have", speaks: speaksIPv4, query: hop.Query{Host: "example.com"},
			want: []string{"tcp 192.0.2.1:5060", "tcp 192.0.2.11:5060", "tcp 192.0.2.2:5070"}},
		{rule: "no address of a family that we have", speaks: speaksIPv4, query: hop.Query{Host: "six.example.net"}},
		{rule: "a transport that we do not speak", query: hop.Query{Host: "example.com", Transport: model.TLS, Fixed: true}},
		{rule: "only TLS is spoken", speaks: func(t model.Transport, _ bool) bool { return t == model.TLS },
			query: hop.Query{Host: "example.com"}, want: []string{"tls 192.0.2.3:5061"}},
		{rule: "no such name", query: hop.Query{Host: "nowhere.example.net"}},
		{rule: "SRV and NAPTR fail, addresses do not", query: hop.Query{Host: "mute.example.net"},
			want: []string{"udp 192.0.2.94:5060"}},
		{rule: "no naptr", dns: model.SIPDNS{NoNAPTR: true}, query: hop.Query{Host: "example.com"},
			want: slices.Concat(server1("udp", "5080"), server1("tcp", "5060"), []string{"tcp 192.0.2.2:5070"})},
		{rule: "no dns-srv", dns: model.SIPDNS{NoSRV: true}, query: hop.Query{Host: "example.com"},
			want: []string{"udp 192.0.2.99:5060"}},
		{rule: "capitals and a dot", query: hop.Query{Host: "EXAMPLE.com.", Transport: model.UDP, Fixed: true},
			want: server1("udp", "5080")},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()
			if tt.speaks == nil {
				tt.speaks = speaksUDPandTCP
			}
			l := New(Options{Resolver: client, DNS: func() model.SIPDNS { return tt.dns }, Speaks: tt.speaks})
			run(t, l)
			if got := located(t, l, tt.query); !slices.Equal(got, tt.want) {
				t.Errorf("Locate(%+v) = %q; want %q", tt.query, got, tt.want)
			}
		})
	}
}

func TestLocateAddress(t *testing.T) {
	l := New(Options{})
	for _, tt := range []struct {
		query hop.Query
		want  string
	}{
		{hop.Query{Host: "192.0.2.1"}, "[{udp 192.0.2.1:5060}]"},
		{hop.Query{Host: "192.0.2.1", Port: 5070}, "[{udp 192.0.2.1:5070}]"},
		{hop.Query{Host: "192.0.2.1", Secure: true}, "[{tls 192.0.2.1:5061}]"},
		{hop.Query{Host: "192.0.2.1", Transport: model.TCP, Fixed: true}, "[{tcp 192.0.2.1:5060}]"},
		{hop.Query{Host: "192.0.2.1", Transport: model.TCP, Fixed: true, Secure: true}, "[{tls 192.0.2.1:5061}]"},
		{hop.Query{Host: "192.0.2.1", Transport: model.TCP}, "[{udp 192.0.2.1:5060}]"},
		{hop.Query{Host: "192.0.2.1", Transport: model.WSS, Fixed: true}, "[{wss 192.0.2.1:443}]"},
		{hop.Query{Host: "[2001:db8::1]"}, "[{udp [2001:db8::1]:5060}]"},
		{hop.Query{Host: "2001:db8::1"}, "[{udp [2001:db8::1]:5060}]"},
		{hop.Query{Host: "::ffff:192.0.2.1"}, "[{udp 192.0.2.1:5060}]"},
		{hop.Query{Host: "192.0.2"}, "[]"},
		{hop.Query{Host: "192.0.2.256"}, "[]"},
		{hop.Query{Host: "fe80::1%eth0"}, "[]"},
		{hop.Query{Host: "[]:"}, "[]"},
		{hop.Query{Host: ""}, "[]"},
	} {
		places, known := l.Locate(tt.query, nil)
		if got := fmt.Sprint(places); got != tt.want || !known {
			t.Errorf("Locate(%+v) = %s, %v; want %s, true", tt.query, got, known, tt.want)
		}
	}
}
