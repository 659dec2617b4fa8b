package grammar_test

import (
	"net/netip"
	"strings"
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
		Access:   model.Access{Web: model.Web{On: true}},
		LANs: []model.LAN{
			lan(model.LAN1, "192.168.42.1/24"),
			lan(model.LAN2, "192.168.43.1/24"),
		},
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

// TestPastedSession: lines as they are printed with the prompts around them
// lead through the modes that the prompts name.
func TestPastedSession(t *testing.T) {
	const session = `Router# configure terminal
Router(config)# sbc border
Router(config-sbc)# sbe
Router(config-sbc-sbe)# radius accounting first
Router(config-sbc-sbe-acc)# server one
Router(config-sbc-sbe-acc-ser)# exit
Router/Admin(config-sbc-sbe-acc)# exit
Router(config-sbc-sbe)# billing
Router(config-sbc-sbe-billing)# method packetcable-em
Router(config-sbc-sbe-billing)# method xml
Router(config-sbc-sbe-billing)# packetcable-em 3 transport radius first
Router(config-sbc-sbe-billing-packetcable-em)# exit
Router(config-sbc-sbe-billing)# xml 1
Router(config-sbc-sbe-billing-xml)#
Router(config-sbc-sbe-billing-xml)# exit
Router(config-sbc-sbe-billing)# exit
Router(config-sbc-sbe)# cac-policy-set 1
Router(config-sbc-sbe-cacpolicy)# cac-table t1
Router(config-sbc-sbe-cacpolicy-cactable)# entry 1
Router(config-sbc-sbe-cacpolicy-cactable-entry)# end
Router#
`
	const want = `sbc border
 sbe
  cac-policy-set 1
   cac-table t1
    entry 1
     exit
    exit
   exit
  radius accounting first
   server one
    exit
   exit
  billing
   method packetcable-em
   method xml
   packetcable-em 3 transport radius first
    exit
   xml 1
    exit
   exit
  exit
 exit
`
	g := grammar.All()
	c, err := g.Parse(session)
	if err != nil {
		t.Fatalf("Parse = %v; want no error", err)
	}
	if diff := cmp.Diff(want, g.Render(c)); diff != "" {
		t.Errorf("Render differs (-want +got):\n%s", diff)
	}
	c, path := &model.Config{}, []string(nil)
	for line := range strings.Lines(session) {
		at, _ := g.ModeOf(path)
		if _, named, ok := strings.Cut(line, "("); ok && !strings.HasPrefix(named, string(at)+")") {
			t.Errorf("%q is typed in mode %s", line, at)
		}
		next, fault := g.Edit(c, path, line)
		if fault != nil {
			t.Fatalf("Edit(%q, %q) = %v; want no error", path, line, fault)
		}
		path = next
	}
	if diff := cmp.Diff(want, g.Render(c)); diff != "" {
		t.Errorf("Render after Edit differs (-want +got):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	g := grammar.All()
	f.Add(grammar.BuiltIn())
	f.Add("hostname a\nlan lan2\n ip address 192.0.2.1 255.255.255.0\nip route 0.0.0.0 0.0.0.0 192.0.2.2 LAN2 7\nend\n")
	f.Add("no hostname\nno ip name-server 192.0.2.1\nsip network a\nno sip network a\nno sip listen a udp ::1 1\r\n")
	f.Add("sip network a\nsip listen a udp 2001:db8::1 5060\nsip next-hop a udp 2001:db8::2 5060 a\nno sip next-hop a\n")
	f.Add("ip name-server 192.0.2.1 192.0.2.2\nntp server ntp.example.com\nno ntp server\n! comment\n\texit\nexit")
	f.Add("sbc a\nsbe\nbilling\nldr-check 22:30\ncache path usb0:/c/\ncache alarm minor 1 critical 3 major 2\nmethod xml\nxml 1\nldr-check 7 05\ncdr path usb0:c")
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

// FuzzLoad: whatever is loaded is valid, and prints to a text that Parse takes
// for the same and that loads to the same.
func FuzzLoad(f *testing.F) {
	g := grammar.All()
	f.Add(grammar.BuiltIn())
	f.Add(strings.ReplaceAll(grammar.BuiltIn(), "LAN2", "LAN3"))
	f.Add("lan LAN1\n ip address 10.0.0.1 255.0.0.0\nlan LAN2\n ip address 10.0.0.2 255.0.0.0\nip route 11.0.0.0 255.0.0.0 10.0.0.3 LAN2\n")
	f.Add("sip network a\n vlan 7\n exit\nsip listen a udp 192.0.2.1 5060\n!? sip network b\n!? sip listen b udp 192.0.2.1 5060\n")
	f.Add("sbc x\n sbe\n  billing\n   packetcable-em 1 transport radius none\n    batch-size 7\n    exit\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, aside, _ := g.Load(text)
		if err := g.Validate(c); err != nil {
			t.Fatalf("Validate(Load(%q)) = %v; want no error", text, err)
		}
		printed := g.Print(c, aside)
		parsed, err := g.Parse(printed)
		if err != nil || g.Render(parsed) != g.Render(c) {
			t.Fatalf("Parse(%q) = %v, %v; want what Load made of %q", printed, parsed, err, text)
		}
		again, stillAside, _ := g.Load(printed)
		if twice := g.Print(again, stillAside); twice != printed {
			t.Fatalf("%q loads and prints to %q; want the same text", printed, twice)
		}
	})
}

// lan is a port that has nothing but an address.
func lan(name model.LANName, address string) model.LAN {
	l := model.NewLAN(model.Port{LAN: name})
	l.Address = netip.MustParsePrefix(address)
	return l
}
