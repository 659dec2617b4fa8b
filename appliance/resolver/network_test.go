package resolver

import (
	"context"
	"fmt"
	"log/slog"
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

// servers is a network in memory with name servers in it, so that tests with
// synctest have no need of time.
type servers struct {
	t       testing.TB
	started time.Time

	mu    sync.Mutex
	known map[string]server // by address
	asked []string          // "0s 192.0.2.1 udp www.example.com. A"
}

// server answers a query, after delay; nil: it does not. A server without reply
// cannot be reached at all.
type server struct {
	delay time.Duration
	reply func(network string, query *dns.Msg) *dns.Msg
}

// The addresses of most tests.
const (
	first  = "192.0.2.1"
	second = "192.0.2.2"
	third  = "192.0.2.3"
)

func newServers(t testing.TB) *servers {
	return &servers{t: t, started: time.Now(), known: map[string]server{}}
}

func (s *servers) set(address string, server server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[address] = server
}

// datagrams makes the stream of net.Pipe, which keeps what is written in one
// go together, look like UDP.
type datagrams struct{ net.Conn }

func (datagrams) ReadFrom([]byte) (int, net.Addr, error) { panic("not for a connected socket") }
func (datagrams) WriteTo([]byte, net.Addr) (int, error)  { panic("not for a connected socket") }

func (s *servers) dial(_ context.Context, network, address string) (net.Conn, error) {
	to := netip.MustParseAddrPort(address)
	s.mu.Lock()
	server := s.known[to.Addr().String()]
	s.mu.Unlock()
	if to.Port() != 53 || server.reply == nil {
		return nil, fmt.Errorf("dial %s %s: unreachable", network, address)
	}
	near, far := net.Pipe()
	if network == "udp" {
		near, far = datagrams{near}, datagrams{far}
	}
	go func() { // until near is closed
		defer far.Close()
		conn := &dns.Conn{Conn: far, UDPSize: 4096}
		for {
			query, err := conn.ReadMsg()
			if err != nil {
				return
			}
			question := query.Question[0]
			s.mu.Lock()
			s.asked = append(s.asked, fmt.Sprintf("%s %s %s %s %s", time.Since(s.started), to.Addr(), network, question.Name, dns.TypeToString[question.Qtype]))
			s.mu.Unlock()
			time.Sleep(server.delay)
			if reply := server.reply(network, query); reply != nil {
				_ = conn.WriteMsg(reply) // who asked may be gone
			}
		}
	}()
	return near, nil
}

// takeAsked gives the queries since the last call.
func (s *servers) takeAsked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// newResolver makes a resolver that asks these servers; it serves nowhere.
func (s *servers) newResolver(addresses ...string) *Resolver {
	r := New(Options{Listen: []netip.AddrPort{}, Dial: s.dial, Log: slog.New(slog.DiscardHandler)})
	var config model.Config
	for _, address := range addresses {
		config.NameServers = append(config.NameServers, netip.MustParseAddr(address))
	}
	r.Apply(&config)
	return r
}

// records reads master file form.
func records(t testing.TB, texts ...string) (list []dns.RR) {
	t.Helper()
	for _, text := range texts {
		record, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, record)
	}
	return list
}

// soaText is the zone of most tests; its absent names may be kept for 60 s.
const soaText = "example.com. 3600 IN SOA ns.example.com. admin.example.com. 1 7200 900 86400 60"

// zone is a server that has these records and the SOA above, and follows
// aliases. Over UDP it truncates what does not fit.
func zone(t testing.TB, texts ...string) server {
	t.Helper()
	all, soa := records(t, texts...), records(t, soaText)
	return server{reply: func(network string, query *dns.Msg) *dns.Msg {
		reply := new(dns.Msg).SetReply(query)
		reply.Rcode = dns.RcodeNameError
		question := query.Question[0]
		found := false
		for name := question.Name; name != ""; {
			next := ""
			for _, record := range all {
				if !strings.EqualFold(record.Header().Name, name) {
					continue
				}
				reply.Rcode = dns.RcodeSuccess
				alias, isAlias := record.(*dns.CNAME)
				switch {
				case record.Header().Rrtype == question.Qtype:
					found = true
					reply.Answer = append(reply.Answer, dns.Copy(record))
				case isAlias:
					next = alias.Target
					reply.Answer = append(reply.Answer, dns.Copy(record))
				}
			}
			name = next
		}
		if !found {
			reply.Ns = []dns.RR{dns.Copy(soa[0])}
		}
		if network == "udp" {
			size := uint16(dns.MinMsgSize)
			if edns := query.IsEdns0(); edns != nil {
				size = edns.UDPSize()
			}
			reply.Truncate(int(size))
		}
		return reply
	}}
}

// silent takes queries and says nothing.
var silent = server{reply: func(string, *dns.Msg) *dns.Msg { return nil }}

// refusing answers with a response code.
func refusing(rcode int) server {
	return server{reply: func(_ string, query *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(query, rcode) }}
}

// slow is a server that takes its time.
func slow(s server, delay time.Duration) server {
	s.delay = delay
	return s
}

// ask asks the resolver as a process of the box does and gives the reply in a
// line: response code, then the records with their TTLs.
func ask(t testing.TB, r *Resolver, name string, qtype uint16) string {
	t.Helper()
	return replyText(r.respond(t.Context(), new(dns.Msg).SetQuestion(name, qtype)))
}

func replyText(reply *dns.Msg) string {
	text := []string{dns.RcodeToString[reply.Rcode]}
	for _, record := range slices.Concat(reply.Answer, reply.Ns) {
		text = append(text, strings.ReplaceAll(record.String(), "\t", " "))
	}
	return strings.Join(text, "; ")
}
