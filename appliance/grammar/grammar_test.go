package grammar_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"causeway/appliance/grammar"
	"causeway/appliance/model"
)

var byValue = cmp.Options{
	cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}, netip.AddrPort{}),
	cmpopts.EquateEmpty(),
}

func TestBuiltInRendersToItself(t *testing.T) {
	g := grammar.All()
	c, err := g.Parse(grammar.BuiltIn())
	if err != nil {
		t.Fatalf("Parse(BuiltIn()) = %v; want no error", err)
	}
	if diff := cmp.Diff(grammar.BuiltIn(), g.Render(c)); diff != "" {
		t.Errorf("Render(Parse(BuiltIn())) differs (-built-in +rendered):\n%s", diff)
	}
	want := &model.Config{
		HostName: "causeway",
		LANs: [model.LANCount]model.LAN{
			{Address: netip.MustParsePrefix("192.168.42.1/24")},
			{Address: netip.MustParsePrefix("192.168.43.1/24")},
		},
		NameServers: []netip.Addr{netip.MustParseAddr("8.8.8.8")},
		SIP: model.SIP{Networks: []model.SIPNetwork{
			{
				Name:    "lan1",
				Listens: []model.SIPListen{{Address: netip.MustParseAddrPort("192.168.42.1:5060")}},
				NextHop: model.SIPNextHop{Address: netip.MustParseAddrPort("192.168.43.2:5060"), Network: "lan2"},
			},
			{
				Name:    "lan2",
				Listens: []model.SIPListen{{Address: netip.MustParseAddrPort("192.168.43.1:5060")}},
				NextHop: model.SIPNextHop{Address: netip.MustParseAddrPort("192.168.42.2:5060"), Network: "lan1"},
			},
		}},
	}
	if diff := cmp.Diff(want, c, byValue); diff != "" {
		t.Errorf("Parse(BuiltIn()) differs (-want +got):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	g := grammar.All()
	f.Add(grammar.BuiltIn())
	f.Add("hostname a\nlan lan2\n ip address 192.0.2.1 255.255.255.0\nip route 0.0.0.0 0.0.0.0 192.0.2.2 LAN2 7\nend\n")
	f.Add("no hostname\nno ip name-server 192.0.2.1\nsip network a\nno sip network a\nno sip listen a udp ::1 1\r\n")
	f.Add("sip network a\nsip listen a udp 2001:db8::1 5060\nsip next-hop a udp 2001:db8::2 5060 a\nno sip next-hop a\n")
	f.Add("ip name-server 192.0.2.1 192.0.2.2\nntp server ntp.example.com\nno ntp server\n! comment\n\texit\nexit")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := g.Parse(text)
		if err != nil {
			return
		}
		rendered := g.Render(c)
		again, err := g.Parse(rendered)
		if err != nil {
			t.Fatalf("Parse of what Render printed = %v; want no error:\n%s", err, rendered)
		}
		if twice := g.Render(again); twice != rendered {
			t.Fatalf("Render(Parse(%q)) = %q; want the same text", rendered, twice)
		}
	})
}
