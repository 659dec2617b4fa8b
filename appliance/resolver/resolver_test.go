package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"causeway/appliance/model"
)

// nameServers runs DNS servers on one port of several loopback addresses. Each
// answers with its handler, and counts what it was asked per transport.
type nameServers struct {
	port      uint16
	addresses []netip.Addr

	mu    sync.Mutex
	asked []string // "127.0.0.1 udp www.example.com. A"
}

// patience is the time-out of one try where a server is silent, long enough for
// the other to answer on a busy machine; elsewhere the time-out never counts.
const patience = 2 * time.Second

// silence answers nothing.
func silence(dns.ResponseWriter, *dns.Msg) {}

// startServers starts a server for each handler, over UDP and TCP.
func startServers(t *testing.T, handlers ...dns.HandlerFunc) *nameServers {
	t.Helper()
	s := &nameServers{}
	for i, handler := range handlers {
		address := netip.AddrFrom4([4]byte{127, 0, 0, byte(i + 1)})
		at := netip.AddrPortFrom(address, s.port)
		packets, err := net.ListenPacket("udp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		at = netip.MustParseAddrPort(packets.LocalAddr().String())
		s.port = at.Port()
		listener, err := net.Listen("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		s.addresses = append(s.addresses, address)
		for _, server := range []*dns.Server{{PacketConn: packets}, {Listener: listener}} {
			network := "tcp"
			if server.PacketConn != nil {
				network = "udp"
			}
			server.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
				s.mu.Lock()
				s.asked = append(s.asked, fmt.Sprintf("%s %s %s %s", address, network, query.Question[0].Name, dns.TypeToString[query.Question[0].Qtype]))
				s.mu.Unlock()
				handler(w, query)
			})
			started := make(chan struct{})
			server.NotifyStartedFunc = func() { close(started) }
			ended := make(chan error, 1)
			go func() { ended <- server.ActivateAndServe() }()
			<-started
			t.Cleanup(func() {
				if err := server.Shutdown(); err != nil {
					t.Error(err)
				}
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		}
	}
	return s
}

// takeAsked gives the questions of type A since the last call.
func (s *nameServers) takeAsked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := slices.DeleteFunc(s.asked, func(q string) bool { return !strings.HasSuffix(q, " A") })
	s.asked = nil
	return asked
}

// zone answers from records in master file form, with the SOA where there is
// nothing, and truncates over UDP what does not fit.
func zone(t *testing.T, records ...string) dns.HandlerFunc {
	t.Helper()
	var all []dns.RR
	for _, text := range records {
		record, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, record)
	}
	return func(w dns.ResponseWriter, query *dns.Msg) {
		reply := new(dns.Msg).SetReply(query)
		reply.Rcode = dns.RcodeNameError
		question := query.Question[0]
		for name := question.Name; name != ""; {
			next := ""
			for _, record := range all {
				if record.Header().Name != name {
					continue
				}
				reply.Rcode = dns.RcodeSuccess
				if alias, ok := record.(*dns.CNAME); ok {
					next = alias.Target
					reply.Answer = append(reply.Answer, record)
				} else if record.Header().Rrtype == question.Qtype {
					reply.Answer = append(reply.Answer, record)
				}
			}
			name = next
		}
		if len(reply.Answer) == 0 {
			for _, record := range all {
				if record.Header().Rrtype == dns.TypeSOA {
					reply.Ns = append(reply.Ns, record)
				}
			}
		}
		if w.RemoteAddr().Network() == "udp" {
			reply.Truncate(dns.MinMsgSize)
		}
		_ = w.WriteMsg(reply)
	}
}

// refuse answers with an error code.
func refuse(rcode int) dns.HandlerFunc {
	return func(w dns.ResponseWriter, query *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetRcode(query, rcode)) }
}

const soa = "example.com. 3600 IN SOA ns.example.com. admin.example.com. 1 7200 900 86400 60"

func texts(addresses []netip.Addr) string { return fmt.Sprint(addresses) }

func TestLookupHost(t *testing.T) {
	var many []string
	for i := range 60 { // 60 × 16 octets do not fit into 512
		many = append(many, fmt.Sprintf("many.example.com. 300 IN A 192.0.2.%d", i))
	}
	full := zone(t, append(many, soa,
		"www.example.com. 300 IN A 192.0.2.1",
		"www.example.com. 300 IN AAAA 2001:db8::1",
		"six.example.com. 300 IN AAAA 2001:db8::6",
		"alias.example.com. 300 IN CNAME second.example.com.",
		"second.example.com. 300 IN CNAME www.example.com.",
		"loop.example.com. 300 IN TXT \"none\"",
	)...)
	tests := []struct {
		name     string
		servers  []dns.HandlerFunc
		host     string
		want     string
		err      error
		errWords string
		asked    []string // the questions for A, in order
	}{
		{name: "both families", servers: []dns.HandlerFunc{full}, host: "WWW.example.com", want: "[192.0.2.1 2001:db8::1]",
			asked: []string{"127.0.0.1 udp www.example.com. A"}},
		{name: "IPv6 only", servers: []dns.HandlerFunc{full}, host: "six.example.com.", want: "[2001:db8::6]",
			asked: []string{"127.0.0.1 udp six.example.com. A"}},
		{name: "through aliases", servers: []dns.HandlerFunc{full}, host: "alias.example.com", want: "[192.0.2.1 2001:db8::1]",
			asked: []string{"127.0.0.1 udp alias.example.com. A"}},
		{name: "IPv4 literal", servers: []dns.HandlerFunc{full}, host: "198.51.100.7", want: "[198.51.100.7]"},
		{name: "IPv6 literal", host: "2001:db8::7", want: "[2001:db8::7]"},
		{name: "truncated", servers: []dns.HandlerFunc{full}, host: "many.example.com", want: "60 addresses",
			asked: []string{"127.0.0.1 udp many.example.com. A", "127.0.0.1 tcp many.example.com. A"}},
		{name: "does not exist", servers: []dns.HandlerFunc{full, silence}, host: "absent.example.com", err: ErrNotFound,
			asked: []string{"127.0.0.1 udp absent.example.com. A"}},
		{name: "has no address", servers: []dns.HandlerFunc{full}, host: "loop.example.com", err: ErrNotFound,
			asked: []string{"127.0.0.1 udp loop.example.com. A"}},
		{name: "no server", host: "www.example.com", err: ErrNoServer},
		{name: "no name", servers: []dns.HandlerFunc{full}, host: "", err: ErrNotAName},
		{name: "bad name", servers: []dns.HandlerFunc{full}, host: "a..b", err: ErrNotAName},
		{name: "SERVFAIL, next", servers: []dns.HandlerFunc{refuse(dns.RcodeServerFailure), refuse(dns.RcodeRefused), full}, host: "www.example.com",
			want:  "[192.0.2.1 2001:db8::1]",
			asked: []string{"127.0.0.1 udp www.example.com. A", "127.0.0.2 udp www.example.com. A", "127.0.0.3 udp www.example.com. A"}},
		{name: "silence, next", servers: []dns.HandlerFunc{silence, full}, host: "www.example.com", want: "[192.0.2.1 2001:db8::1]",
			asked: []string{"127.0.0.1 udp www.example.com. A", "127.0.0.2 udp www.example.com. A"}},
		{name: "SERVFAIL everywhere", servers: []dns.HandlerFunc{refuse(dns.RcodeServerFailure)}, host: "www.example.com",
			errWords: "name server 127.0.0.1: it answers SERVFAIL",
			asked:    []string{"127.0.0.1 udp www.example.com. A", "127.0.0.1 udp www.example.com. A"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			servers := startServers(t, test.servers...)
			r := &Resolver{Port: servers.port, Timeout: patience}
			r.Apply(&model.Config{NameServers: servers.addresses})
			addresses, err := r.LookupHost(t.Context(), test.host)
			got := texts(addresses)
			if len(addresses) > 9 {
				got = fmt.Sprintf("%d addresses", len(addresses))
			}
			switch {
			case test.want != "" && (err != nil || got != test.want):
				t.Errorf("LookupHost(%q) = %s, %v; want %s", test.host, got, err, test.want)
			case test.err != nil && !errors.Is(err, test.err):
				t.Errorf("LookupHost(%q) = %s, %v; want error %v", test.host, got, err, test.err)
			case test.errWords != "" && (err == nil || !strings.Contains(err.Error(), test.errWords)):
				t.Errorf("LookupHost(%q) = %s, %v; want error %q", test.host, got, err, test.errWords)
			}
			if asked := servers.takeAsked(); !slices.Equal(asked, test.asked) {
				t.Errorf("LookupHost(%q) asked %q; want %q", test.host, asked, test.asked)
			}
		})
	}
}

// TestCache moves the clock of the cache by hand.
func TestCache(t *testing.T) {
	servers := startServers(t, zone(t, soa, "www.example.com. 300 IN A 192.0.2.1", "once.example.com. 0 IN A 192.0.2.2"))
	now := time.Unix(1e9, 0)
	r := &Resolver{Port: servers.port, Timeout: time.Minute, Now: func() time.Time { return now }}
	r.Apply(&model.Config{NameServers: servers.addresses})
	steps := []struct {
		after time.Duration
		host  string
		asks  bool
	}{
		{0, "www.example.com", true},
		{299 * time.Second, "www.example.com", false},
		{time.Second, "www.example.com", true}, // its 300 s are over
		{0, "once.example.com", true},
		{0, "once.example.com", true}, // TTL 0 is not kept
		{0, "absent.example.com", true},
		{59 * time.Second, "absent.example.com", false}, // the SOA's minimum
		{time.Second, "absent.example.com", true},
	}
	for i, step := range steps {
		now = now.Add(step.after)
		_, err := r.LookupHost(t.Context(), step.host)
		if (err != nil) != (step.host == "absent.example.com") {
			t.Errorf("step %d: LookupHost(%s): %v", i, step.host, err)
		}
		if asked := servers.takeAsked(); len(asked) > 0 != step.asks {
			t.Errorf("step %d: LookupHost(%s) asked %q; want asked: %v", i, step.host, asked, step.asks)
		}
	}
	r.Apply(&model.Config{NameServers: []netip.Addr{servers.addresses[0], netip.MustParseAddr("127.0.0.9")}})
	if _, err := r.LookupHost(t.Context(), "www.example.com"); err != nil || len(servers.takeAsked()) == 0 {
		t.Errorf("after other name servers were configured the old answer was used (%v)", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	var c cache
	now := time.Unix(1e9, 0)
	for i := range 3 * cacheSize {
		ttl := time.Second
		if i%2 == 0 {
			ttl = time.Hour
		}
		question := dns.Question{Name: fmt.Sprintf("h%d.example.com.", i), Qtype: dns.TypeA, Qclass: dns.ClassINET}
		c.put(question, answer{ttl: ttl}, now)
		if _, ok := c.get(question, now); !ok {
			t.Fatalf("answer %d is not kept", i)
		}
		now = now.Add(time.Millisecond)
	}
	if len(c.entries) > cacheSize {
		t.Errorf("%d answers kept; want at most %d", len(c.entries), cacheSize)
	}
}

// TestSilentServerIsAvoided: after one time-out, the server is asked last
// until avoidTime is over.
func TestSilentServerIsAvoided(t *testing.T) {
	servers := startServers(t, silence, zone(t, soa))
	now := time.Unix(1e9, 0)
	r := &Resolver{Port: servers.port, Timeout: patience, Now: func() time.Time { return now }}
	r.Apply(&model.Config{NameServers: servers.addresses})
	if got := r.Status(); got != "not asked yet" {
		t.Errorf("Status() = %q; want %q", got, "not asked yet")
	}
	first := []string{"127.0.0.1 udp %s. A", "127.0.0.2 udp %s. A"}
	for i, step := range []struct {
		after time.Duration
		asked []string
	}{
		{0, first}, {avoidTime - 1, first[1:]}, {1, first},
	} {
		now = now.Add(step.after)
		host := fmt.Sprintf("h%d.example.com", i)
		if _, err := r.LookupHost(t.Context(), host); !errors.Is(err, ErrNotFound) {
			t.Errorf("LookupHost(%s) = %v; want %v", host, err, ErrNotFound)
		}
		want := strings.Split(strings.ReplaceAll(strings.Join(step.asked, "|"), "%s", host), "|")
		if asked := servers.takeAsked(); !slices.Equal(asked, want) {
			t.Errorf("LookupHost(%s) asked %q; want %q", host, asked, want)
		}
	}
	if got := r.Status(); got != "127.0.0.2 answers" {
		t.Errorf("Status() = %q; want %q", got, "127.0.0.2 answers")
	}
}

// TestLookupEndsWithContext asks a silent server, with a time-out that is far
// away, and gives up by itself.
func TestLookupEndsWithContext(t *testing.T) {
	asked := make(chan struct{}, 2)
	servers := startServers(t, func(dns.ResponseWriter, *dns.Msg) { asked <- struct{}{} })
	r := &Resolver{Port: servers.port, Timeout: time.Hour}
	r.Apply(&model.Config{NameServers: servers.addresses})

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.LookupHost(ctx, "www.example.com"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("LookupHost until a deadline = %v; want %v", err, context.DeadlineExceeded)
	}
	ctx, cancel = context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, err := r.LookupHost(ctx, "www.example.com"); !errors.Is(err, context.Canceled) {
		t.Errorf("LookupHost until cancelled = %v; want %v", err, context.Canceled)
	}
	if got := r.Status(); got != "not asked yet" {
		t.Errorf("Status() = %q; an abandoned question is no fault of the server's", got)
	}
}
