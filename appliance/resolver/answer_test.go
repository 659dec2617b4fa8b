package resolver

import (
	"fmt"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// reply builds a reply to the question for the A records of www.example.com.
func reply(t testing.TB, edit func(*dns.Msg), answers ...string) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)
	m.Response = true
	m.Answer = records(t, answers...)
	if edit != nil {
		edit(m)
	}
	return m
}

var wwwA = dns.Question{Name: "www.example.com.", Qtype: dns.TypeA, Qclass: dns.ClassINET}

func TestReadAnswer(t *testing.T) {
	soaRR := func(zone string, ttl, minimum uint32) func(*dns.Msg) {
		return func(m *dns.Msg) {
			m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ttl}, Minttl: minimum}}
		}
	}
	tests := []struct {
		name string
		m    *dns.Msg
		want string // "addresses, aliases, ttl", or an error
	}{
		{"address", reply(t, nil, "www.example.com. 300 IN A 192.0.2.1"), "[192.0.2.1], 0, 5m0s"},
		{"name in another case", reply(t, nil, "WWW.Example.COM. 300 IN A 192.0.2.1"), "[192.0.2.1], 0, 5m0s"},
		{"smallest TTL", reply(t, nil, "www.example.com. 300 IN A 192.0.2.1", "www.example.com. 30 IN A 192.0.2.2"), "[192.0.2.1 192.0.2.2], 0, 30s"},
		{"TTL of the alias", reply(t, nil, "w.example.com. 300 IN A 192.0.2.1", "www.example.com. 9 IN CNAME w.example.com."), "[192.0.2.1], 1, 9s"},
		{"TTL of a year", reply(t, nil, "www.example.com. 31536000 IN A 192.0.2.1"), "[192.0.2.1], 0, 24h0m0s"},
		{"TTL out of range", reply(t, nil, "www.example.com. 4294967295 IN A 192.0.2.1"), "[192.0.2.1], 0, 0s"},
		{"another host's address", reply(t, nil, "evil.example.com. 300 IN A 192.0.2.1"), "[], 0, 0s"},
		{"another host's address beside", reply(t, nil, "www.example.com. 300 IN A 192.0.2.1", "evil.example.com. 1 IN A 192.0.2.66"), "[192.0.2.1], 0, 5m0s"},
		{"another type", reply(t, nil, "www.example.com. 300 IN AAAA 2001:db8::1"), "[], 0, 0s"},
		{"another class", reply(t, nil, "www.example.com. 300 CH A 192.0.2.1"), "[], 0, 0s"},
		{"alias to itself", reply(t, nil, "www.example.com. 300 IN CNAME www.example.com."), errChain.Error()},
		{"aliases in a circle", reply(t, nil, "www.example.com. 3 IN CNAME w.example.com.", "w.example.com. 3 IN CNAME www.example.com."), errChain.Error()},
		{"nothing, for the SOA's minimum", reply(t, soaRR("example.com.", 3600, 60)), "[], 0, 1m0s"},
		{"nothing, for the SOA's TTL", reply(t, soaRR("example.com.", 30, 60)), "[], 0, 30s"},
		{"nothing, for a week", reply(t, soaRR("example.com.", 604800, 604800)), "[], 0, 15m0s"},
		{"nothing, with another zone's SOA", reply(t, soaRR("example.net.", 3600, 60)), "[], 0, 0s"},
		{"nothing behind an alias", reply(t, soaRR("example.net.", 3600, 60), "www.example.com. 50 IN CNAME w.example.net."), "[], 1, 50s"},
		{"a referral to other servers", reply(t, func(m *dns.Msg) { m.Ns = records(t, "com. 172800 IN NS ns.example.net.") }), errReferral.Error()},
		{"an alias and a referral", reply(t, func(m *dns.Msg) { m.Ns = records(t, "net. 172800 IN NS ns.example.net.") }, "www.example.com. 50 IN CNAME w.example.net."), errReferral.Error()},
		{"nothing, with SOA and NS", reply(t, func(m *dns.Msg) { m.Ns = records(t, "example.com. 300 IN NS ns.example.net.", soaText) }), "[], 0, 1m0s"},
		{"an address, with NS", reply(t, func(m *dns.Msg) { m.Ns = records(t, "example.com. 300 IN NS ns.example.net.") }, "www.example.com. 300 IN A 192.0.2.1"), "[192.0.2.1], 0, 5m0s"},
		{"NXDOMAIN", reply(t, func(m *dns.Msg) { m.Rcode = dns.RcodeNameError; soaRR("com.", 30, 60)(m) }), "[], 0, 30s"},
		{"SERVFAIL", reply(t, func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure }), "it answers SERVFAIL"},
		{"an unknown code", reply(t, func(m *dns.Msg) { m.Rcode = 3000 }), "it answers the code 3000"},
		{"truncated", reply(t, func(m *dns.Msg) { m.Truncated = true }), errTruncated.Error()},
	}
	for _, test := range tests {
		got, err := readAnswer(wwwA, test.m)
		text := fmt.Sprintf("%v, %d, %s", got.addresses(), len(got.aliases), got.ttl)
		if err != nil {
			text = err.Error()
		}
		if text != test.want {
			t.Errorf("readAnswer(%s) = %s; want %s", test.name, text, test.want)
		}
	}
}

// FuzzReply has a server reply with any octets to a question. Whatever comes of
// it, the reply to our client can be packed, names nobody else's records, is
// kept within bounds, and changes nothing for other names.
func FuzzReply(f *testing.F) {
	for _, m := range []*dns.Msg{
		reply(f, nil, "www.example.com. 300 IN A 192.0.2.1"),
		reply(f, nil, "www.example.com. 300 IN CNAME w.example.com.", "w.example.com. 1 IN A 192.0.2.1"),
		reply(f, nil, "www.example.com. 300 IN AAAA 2001:db8::1", "bank.example.com. 300 IN A 192.0.2.66"),
		reply(f, func(m *dns.Msg) {
			m.Rcode = dns.RcodeNameError
			m.Ns = records(f, soaText)
		}),
		reply(f, func(m *dns.Msg) { m.Truncated = true }),
		reply(f, func(m *dns.Msg) { m.Rcode, m.Question = dns.RcodeFormatError, nil }),
	} {
		packed, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
		f.Add(packed[:len(packed)-2])
	}
	query := new(dns.Msg).SetQuestion(wwwA.Name, wwwA.Qtype)
	query.Id = 0x4143
	f.Fuzz(func(t *testing.T, packet []byte) {
		if len(packet) >= 3 { // so that most are taken for the reply
			packet[0], packet[1], packet[2] = 0x41, 0x43, packet[2]|0x80
		}
		r := newServers(t).newResolver(first)
		other := dns.Question{Name: "bank.example.com.", Qtype: dns.TypeA, Qclass: dns.ClassINET}
		r.cache.put(other, answer{records: records(t, "bank.example.com. 300 IN A 192.0.2.7"), ttl: longestTTL}, time.Now())
		if m := readReply(query, packet); m != nil {
			got, err := readAnswer(wwwA, m)
			r.keep(wwwA, got, err)
			if got.ttl < 0 || got.ttl > longestTTL || len(got.records) == 0 && got.ttl > longestNegativeTTL {
				t.Errorf("ttl = %s; want 0 to %s", got.ttl, longestTTL)
			}
		}
		if len(r.cache.entries) > 2 || r.cache.octets > len(packet)*16+512 {
			t.Errorf("%d answers of %d octets are kept of a reply of %d", len(r.cache.entries), r.cache.octets, len(packet))
		}
		for _, question := range []dns.Question{wwwA, other} {
			m := r.respond(t.Context(), new(dns.Msg).SetQuestion(question.Name, question.Qtype))
			m.Truncate(dns.MaxMsgSize)
			if _, err := m.Pack(); err != nil {
				t.Errorf("the reply about %s cannot be packed: %v", question.Name, err)
			}
			if question == other && replyText(m) != "NOERROR; bank.example.com. 300 IN A 192.0.2.7" {
				t.Errorf("the reply to another question is %s", replyText(m))
			}
			for _, record := range m.Answer {
				if record.Header().Rrtype != question.Qtype && record.Header().Rrtype != dns.TypeCNAME {
					t.Errorf("the reply about %s holds %v", question.Name, record)
				}
			}
		}
	})
}
