package grammar_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

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

// TestParseOfRender is the property that the whole engine stands on.
func TestParseOfRender(t *testing.T) {
	g := grammar.All()
	rapid.Check(t, func(t *rapid.T) {
		want := configs.Draw(t, "config")
		text := g.Render(want)
		got, err := g.Parse(text)
		if err != nil {
			t.Fatalf("Parse of\n%s = %v; want no error", text, err)
		}
		if diff := cmp.Diff(want, got, byValue); diff != "" {
			t.Fatalf("Parse(Render(c)) differs (-c +parsed) for\n%s\n%s", text, diff)
		}
		if err := g.Validate(got); err != nil {
			t.Fatalf("Validate = %v; want no error, as Parse found none", err)
		}
	})
}

// configs draws valid configurations.
var configs = rapid.Custom(func(t *rapid.T) *model.Config {
	c := &model.Config{HostName: label.Draw(t, "host name")}
	for lan := range model.LANCount {
		if rapid.Bool().Draw(t, "LAN has an address") {
			// Different first octets keep the two LANs apart.
			addr := netip.AddrFrom4([4]byte{10 + byte(lan), octet.Draw(t, "b"), octet.Draw(t, "c"), octet.Draw(t, "d")})
			c.LANs[lan].Address = netip.PrefixFrom(addr, rapid.SampledFrom([]int{8, 9, 16, 24, 27, 30, 31, 32}).Draw(t, "mask"))
			if notAHost(c.LANs[lan].Address) {
				c.LANs[lan].Address = netip.PrefixFrom(addr, 32)
			}
			c.Routes = append(c.Routes, routes(t, c.LANs[lan].Address, model.LANName(lan))...)
		}
	}
	c.NameServers = rapid.SliceOfNDistinct(address, 0, 4, rapid.ID).Draw(t, "name servers")
	c.TimeServers = rapid.SliceOfNDistinct(rapid.OneOf(label, rapid.Just("time.example.com"), rapid.Just("2001:db8::123")), 0, 4, rapid.ID).Draw(t, "NTP servers")
	c.SIP = sip(t)
	return c
})

var (
	octet   = rapid.Byte()
	port    = rapid.Uint16Min(1)
	label   = rapid.StringMatching(`[a-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?`)
	name    = rapid.StringMatching(`[A-Za-z0-9._-]{1,32}`)
	address = rapid.OneOf(
		rapid.Custom(func(t *rapid.T) netip.Addr {
			return netip.AddrFrom4([4]byte{192, 0, 2, octet.Draw(t, "host")})
		}),
		rapid.Custom(func(t *rapid.T) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: octet.Draw(t, "host")})
		}),
	)
)

// notAHost repeats in other words what the network refuses for a LAN: all host
// bits zero or one.
func notAHost(p netip.Prefix) bool {
	if p.Bits() >= 31 {
		return false
	}
	last := netip.PrefixFrom(p.Addr().Next(), p.Bits())
	return p.Masked().Addr() == p.Addr() || !p.Contains(last.Addr())
}

// routes draws routes through one other host of the LAN's network.
func routes(t *rapid.T, lan netip.Prefix, name model.LANName) []model.IPRoute {
	gateway := lan.Addr().Next()
	if !lan.Contains(gateway) || notAHost(netip.PrefixFrom(gateway, lan.Bits())) {
		return nil
	}
	var list []model.IPRoute
	for bits := range rapid.IntRange(0, 3).Draw(t, "routes") {
		// Different lengths and ports make different destinations.
		destination := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, 0, 0}), 12+2*bits+int(name)).Masked()
		metric := rapid.IntRange(1, 255).Draw(t, "metric")
		list = append(list, model.IPRoute{Destination: destination, Gateway: gateway, LAN: name, Metric: metric})
	}
	return list
}

func sip(t *rapid.T) model.SIP {
	var s model.SIP
	for _, n := range rapid.SliceOfNDistinct(name, 0, 4, rapid.ID).Draw(t, "networks") {
		s.Networks = append(s.Networks, model.SIPNetwork{Name: n})
	}
	endpoints := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) netip.AddrPort {
		return netip.AddrPortFrom(address.Draw(t, "address"), port.Draw(t, "port"))
	}), 2, 8, rapid.ID).Draw(t, "endpoints")
	if len(s.Networks) == 0 {
		return s
	}
	nextHop := endpoints[0] // the one that nobody listens on
	for _, endpoint := range endpoints[1:] {
		n := rapid.SampledFrom(indexes(s.Networks)).Draw(t, "listening network")
		s.Networks[n].Listens = append(s.Networks[n].Listens, model.SIPListen{Address: endpoint})
	}
	for _, out := range s.Networks {
		for _, l := range out.Listens {
			if l.Address.Addr().Is4() == nextHop.Addr().Is4() {
				in := rapid.SampledFrom(indexes(s.Networks)).Draw(t, "incoming network")
				s.Networks[in].NextHop = model.SIPNextHop{Address: nextHop, Network: out.Name}
			}
		}
	}
	return s
}

func indexes[T any](list []T) []int {
	all := make([]int, len(list))
	for i := range list {
		all[i] = i
	}
	return all
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
