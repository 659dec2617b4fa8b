package resolver

import (
	"fmt"
	"testing"

	"github.com/miekg/dns"
)

// reply builds a reply to the question for the A records of www.example.com.
func reply(t testing.TB, edit func(*dns.Msg), answers ...string) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)
	m.Response = true
	for _, text := range answers {
		record, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		m.Answer = append(m.Answer, record)
	}
	if edit != nil {
		edit(m)
	}
	return m
}

var wwwA = dns.Question{Name: "www.example.com.", Qtype: dns.TypeA, Qclass: dns.ClassINET}

func TestReadReply(t *testing.T) {
	soaRR := func(ttl, minimum uint32) func(*dns.Msg) {
		return func(m *dns.Msg) {
			m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: "example.com.", Rrtype: dns.TypeSOA, Ttl: ttl}, Minttl: minimum}}
		}
	}
	tests := []struct {
		name string
		m    *dns.Msg
		want string // "addresses ttl", or an error
	}{
		{"address", reply(t, nil, "www.example.com. 300 IN A 192.0.2.1"), "[192.0.2.1] 5m0s"},
		{"name in another case", reply(t, nil, "WWW.Example.COM. 300 IN A 192.0.2.1"), "[192.0.2.1] 5m0s"},
		{"smallest TTL", reply(t, nil, "www.example.com. 300 IN A 192.0.2.1", "www.example.com. 30 IN A 192.0.2.2"), "[192.0.2.1 192.0.2.2] 30s"},
		{"TTL of the alias", reply(t, nil, "w.example.com. 300 IN A 192.0.2.1", "www.example.com. 9 IN CNAME w.example.com."), "[192.0.2.1] 9s"},
		{"TTL of a year", reply(t, nil, "www.example.com. 31536000 IN A 192.0.2.1"), "[192.0.2.1] 24h0m0s"},
		{"TTL out of range", reply(t, nil, "www.example.com. 4294967295 IN A 192.0.2.1"), "[192.0.2.1] 0s"},
		{"another host's address", reply(t, nil, "evil.example.com. 300 IN A 192.0.2.1"), "[] 0s"},
		{"another type", reply(t, nil, "www.example.com. 300 IN AAAA 2001:db8::1"), "[] 0s"},
		{"alias to itself", reply(t, nil, "www.example.com. 300 IN CNAME www.example.com."), "[] 0s"},
		{"aliases in a circle", reply(t, nil, "www.example.com. 3 IN CNAME w.example.com.", "w.example.com. 3 IN CNAME www.example.com."), "[] 0s"},
		{"nothing, for the SOA's minimum", reply(t, soaRR(3600, 60)), "[] 1m0s"},
		{"nothing, for the SOA's TTL", reply(t, soaRR(30, 60)), "[] 30s"},
		{"nothing, for a week", reply(t, soaRR(604800, 604800)), "[] 15m0s"},
		{"NXDOMAIN", reply(t, func(m *dns.Msg) { m.Rcode = dns.RcodeNameError; soaRR(30, 60)(m) }), "[] 30s"},
		{"SERVFAIL", reply(t, func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure }), "it answers SERVFAIL"},
		{"truncated", reply(t, func(m *dns.Msg) { m.Truncated = true }), errTruncated.Error()},
		{"a question", reply(t, func(m *dns.Msg) { m.Response = false }), errOtherQuestion.Error()},
		{"no question", reply(t, func(m *dns.Msg) { m.Question = nil }), errOtherQuestion.Error()},
		{"another name", reply(t, func(m *dns.Msg) { m.Question[0].Name = "w.example.com." }), errOtherQuestion.Error()},
		{"another question type", reply(t, func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA }), errOtherQuestion.Error()},
	}
	for _, test := range tests {
		got, err := readReply(wwwA, test.m)
		text := fmt.Sprint(got.addresses, " ", got.ttl)
		if err != nil {
			text = err.Error()
		}
		if text != test.want {
			t.Errorf("readReply(%s) = %s; want %s", test.name, text, test.want)
		}
	}
}

func FuzzReadReply(f *testing.F) {
	for _, m := range []*dns.Msg{
		reply(f, nil, "www.example.com. 300 IN A 192.0.2.1"),
		reply(f, nil, "www.example.com. 300 IN CNAME w.example.com.", "w.example.com. 1 IN A 192.0.2.1"),
		reply(f, nil, "www.example.com. 300 IN AAAA 2001:db8::1"),
		reply(f, func(m *dns.Msg) {
			m.Rcode = dns.RcodeNameError
			m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: "."}}}
		}),
	} {
		packed, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
		f.Add(packed[:len(packed)-2])
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		var m dns.Msg
		if m.Unpack(packet) != nil {
			return
		}
		got, err := readReply(wwwA, &m)
		if err != nil && (got.addresses != nil || got.ttl != 0) {
			t.Errorf("readReply = %v beside the error %v", got, err)
		}
		if got.ttl < 0 || got.ttl > longestTTL || (got.addresses == nil && got.ttl > longestNegativeTTL) {
			t.Errorf("ttl = %s; want 0 to %s", got.ttl, longestTTL)
		}
		for _, address := range got.addresses {
			if !address.Is4() {
				t.Errorf("address %s for a question of type A", address)
			}
		}
	})
}
