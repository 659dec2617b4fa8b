package routing

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"causeway/appliance/model"
)

const twoNetworks = "sip network in\nsip network out\nsip listen in udp 192.0.2.1 5060\nsip listen out udp 198.51.100.1 5060\n"

func TestCommands(t *testing.T) {
	g := grammar(t)
	listen := func(s string) []model.SIPListen {
		return []model.SIPListen{{Address: netip.MustParseAddrPort(s)}}
	}
	in := model.SIPNetwork{Name: "in", Listens: listen("192.0.2.1:5060")}
	out := model.SIPNetwork{Name: "out", Listens: listen("198.51.100.1:5060")}
	routed := in
	routed.NextHop = model.SIPNextHop{Address: netip.MustParseAddrPort("198.51.100.2:5080"), Network: "out"}
	for _, test := range []struct {
		name, text string
		want       []model.SIPNetwork
	}{
		{"network without anything", "sip network in", []model.SIPNetwork{{Name: "in"}}},
		{"network opened again", "sip network in\nexit\nsip network in", []model.SIPNetwork{{Name: "in"}}},
		{"names differ by case", "sip network in\nsip network IN", []model.SIPNetwork{{Name: "in"}, {Name: "IN"}}},
		{"listens", twoNetworks, []model.SIPNetwork{in, out}},
		{"the same listen twice", twoNetworks + "sip listen in udp 192.0.2.1 5060", []model.SIPNetwork{in, out}},
		{"next hop", twoNetworks + "sip next-hop in udp 198.51.100.2 5080 out", []model.SIPNetwork{routed, out}},
		{"next hop replaced", twoNetworks + "sip next-hop in udp 198.51.100.9 5060 out\nsip next in udp 198.51.100.2 5080 out",
			[]model.SIPNetwork{routed, out}},
		{"next hop before its network", "sip network in\nsip listen in udp 192.0.2.1 5060\nsip next-hop in udp 198.51.100.2 5080 out\n" +
			"sip network out\nsip listen out udp 198.51.100.1 5060", []model.SIPNetwork{routed, out}},
		{"no next hop", twoNetworks + "sip next-hop in udp 198.51.100.2 5080 out\nno sip next-hop in", []model.SIPNetwork{in, out}},
		{"no listen", "sip network in\nsip listen in udp 192.0.2.1 5060\nno sip listen in udp 192.0.2.1 5060",
			[]model.SIPNetwork{{Name: "in", Listens: []model.SIPListen{}}}},
		{"no network", twoNetworks + "no sip network in", []model.SIPNetwork{out}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := g.Parse(test.text)
			if err != nil {
				t.Fatalf("Parse = %v; want no error", err)
			}
			if !reflect.DeepEqual(c.SIP.Networks, test.want) {
				t.Errorf("Parse = %+v; want %+v", c.SIP.Networks, test.want)
			}
		})
	}
}

func TestCommandsRefuse(t *testing.T) {
	g := grammar(t)
	for _, test := range []struct{ text, want string }{
		{"sip listen in udp 192.0.2.1 5060",
			`line 1: "sip listen in udp 192.0.2.1 5060": there is no SIP network in; define it first with sip network in`},
		{"sip network in\nsip listen in udp 0.0.0.0 5060",
			`line 2: "sip listen in udp 0.0.0.0 5060": 0.0.0.0 is not the address of a host`},
		{twoNetworks + "sip listen out udp 192.0.2.1 5060",
			`line 3: "sip listen in udp 192.0.2.1 5060": network out listens on 192.0.2.1:5060 (udp) already (and 1 more)`},
		{twoNetworks + "sip next-hop in udp 198.51.100.2 5060 nowhere",
			`line 5: "sip next-hop in udp 198.51.100.2 5060 nowhere": there is no SIP network nowhere`},
		{twoNetworks + "sip next-hop in udp 198.51.100.1 5060 out",
			`line 5: "sip next-hop in udp 198.51.100.1 5060 out": 198.51.100.1:5060 is our own listen address in network out: requests would loop`},
		{twoNetworks + "sip next-hop in udp 2001:db8::2 5060 out",
			`line 5: "sip next-hop in udp 2001:db8::2 5060 out": network out listens on no address from which 2001:db8::2 can be reached over udp`},
		{twoNetworks + "sip next-hop in udp 198.51.100.2 5060 out\nno sip network out",
			`line 5: "sip next-hop in udp 198.51.100.2 5060 out": there is no SIP network out`},
		{"no sip network in", `line 1: "no sip network in": there is no SIP network in; define it first with sip network in`},
		{twoNetworks + "no sip listen in udp 192.0.2.1 5061",
			`line 5: "no sip listen in udp 192.0.2.1 5061": network in does not listen there`},
	} {
		if _, err := g.Parse(test.text); err == nil || err.Error() != test.want {
			t.Errorf("Parse(%q) = %v; want %s", test.text, err, test.want)
		}
	}
}

// TestElementShutdown: whether a server is shut down is said apart from its
// preference and share, and goes with the server.
func TestElementShutdown(t *testing.T) {
	g, c := grammar(t), &model.Config{}
	path := []string(nil)
	for _, step := range []struct {
		line string
		want []model.ServerElement
	}{
		{"sip network net", nil},
		{"server-group sip group g net", nil},
		{"element ip-address gw 0 udp q-value 0.5", []model.ServerElement{{Host: "gw", Q: 500, Weight: 10}}},
		{"element ip-address gw 0 udp shutdown", []model.ServerElement{{Host: "gw", Q: 500, Weight: 10, Shutdown: true}}},
		{"element ip-address gw 0 udp weight 7", []model.ServerElement{{Host: "gw", Q: 1000, Weight: 7, Shutdown: true}}},
		{"no element ip-address gw 0 udp shutdown", []model.ServerElement{{Host: "gw", Q: 1000, Weight: 7}}},
		{"element ip-address gw 0 udp shut", []model.ServerElement{{Host: "gw", Q: 1000, Weight: 7, Shutdown: true}}},
		{"no element ip-address gw 0 udp", nil},
		{"element ip-address gw 0 udp", []model.ServerElement{{Host: "gw", Q: 1000, Weight: 10}}},
	} {
		next, fault := g.Edit(c, path, step.line)
		if fault != nil {
			t.Fatalf("Edit(%q) = %v; want no error", step.line, fault)
		}
		path = next
		var got []model.ServerElement
		if groups := c.SIP.Routing.Groups; len(groups) > 0 {
			got = groups[0].Elements
		}
		if !slices.Equal(got, step.want) {
			t.Errorf("after %q the elements are %+v; want %+v", step.line, got, step.want)
		}
	}
}
