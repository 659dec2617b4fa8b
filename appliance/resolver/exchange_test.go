package resolver

import (
	"testing"

	"github.com/miekg/dns"
)

// TestReadReply: what is no reply to the query is passed over, so that whoever
// forges packets has to guess all of it.
func TestReadReply(t *testing.T) {
	query := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)
	query.Id = 1000
	for _, test := range []struct {
		name string
		edit func(*dns.Msg)
		cut  int // octets at the end
		want bool
	}{
		{name: "reply", want: true},
		{name: "name in another case", edit: func(m *dns.Msg) { m.Question[0].Name = "WWW.example.com." }, want: true},
		{name: "another id", edit: func(m *dns.Msg) { m.Id++ }},
		{name: "a query", edit: func(m *dns.Msg) { m.Response = false }},
		{name: "another operation", edit: func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }},
		{name: "no question", edit: func(m *dns.Msg) { m.Question = nil }},
		{name: "no question, not understood", edit: func(m *dns.Msg) { m.Question, m.Rcode = nil, dns.RcodeFormatError }, want: true},
		{name: "two questions", edit: func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }},
		{name: "another name", edit: func(m *dns.Msg) { m.Question[0].Name = "w.example.com." }},
		{name: "another type", edit: func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA }},
		{name: "another class", edit: func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }},
		{name: "cut off", cut: 3},
		{name: "cut off and saying so", edit: func(m *dns.Msg) { m.Truncated = true }, cut: 3, want: true},
		{name: "half a header", edit: func(m *dns.Msg) { m.Truncated = true }, cut: 1 << 16},
	} {
		m := reply(t, nil, wwwText)
		m.Id = query.Id
		if test.edit != nil {
			test.edit(m)
		}
		packet, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		got := readReply(query, packet[:max(len(packet)-test.cut, 7)])
		if (got != nil) != test.want {
			t.Errorf("readReply(%s) = %v; want taken: %v", test.name, got, test.want)
		}
	}
}
