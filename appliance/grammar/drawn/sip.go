package drawn

import (
	"net/netip"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// sip draws networks, where their calls go and what holds for all of them.
func sip(t *rapid.T) model.SIP {
	s := model.SIP{
		Aliases:     rapid.SliceOfNDistinct(label, 0, 3, strings.ToLower).Draw(t, "aliases"),
		MaxForwards: orDefault(1, 255).Draw(t, "Max-Forwards"),
		Compaction:  rapid.Bool().Draw(t, "compaction"),
		TCP:         model.SIPTCP{ConnectionTimeout: orDefault(10, 86400).Draw(t, "timeout"), MaxConnections: orDefault(1, 10000).Draw(t, "connections")},
		DNS:         model.SIPDNS{NoSRV: rapid.Bool().Draw(t, "no SRV"), NoNAPTR: rapid.Bool().Draw(t, "no NAPTR")},
		Recursion:   rapid.Bool().Draw(t, "recursion"),
	}
	if rapid.Bool().Draw(t, "redirects") {
		s.Overload.Redirect = label.Draw(t, "the other proxy")
	} else {
		s.Overload.RetryAfter = rapid.IntRange(0, 3600).Draw(t, "Retry-After")
	}
	for _, n := range rapid.SliceOfNDistinct(name, 0, 4, rapid.ID).Draw(t, "networks") {
		s.Networks = append(s.Networks, sipNetwork(t, n))
	}
	if len(s.Networks) == 0 {
		return s
	}
	endpoints := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) netip.AddrPort {
		return netip.AddrPortFrom(address.Draw(t, "address"), port.Draw(t, "port"))
	}), 3, 8, rapid.ID).Draw(t, "endpoints")
	for _, endpoint := range endpoints[2:] {
		n := rapid.SampledFrom(indexes(s.Networks)).Draw(t, "listening network")
		s.Networks[n].Listens = append(s.Networks[n].Listens, model.SIPListen{Transport: transport.Draw(t, "transport"), Address: endpoint})
	}
	nextHop := endpoints[0] // one that nobody listens on
	for _, out := range s.Networks {
		for _, l := range out.Listens {
			if l.Transport == model.UDP && l.Address.Addr().Is4() == nextHop.Addr().Is4() {
				in := rapid.SampledFrom(indexes(s.Networks)).Draw(t, "incoming network")
				s.Networks[in].NextHop = model.SIPNextHop{Address: nextHop, Network: out.Name}
			}
		}
	}
	s.Privacy = model.SIPPrivacy{Service: rapid.Bool().Draw(t, "privacy"), Trusted: someOf(t, networkNames(&s), "trusted destinations")}
	drawRouting(t, &s, endpoints[1])
	return s
}

// sipNetwork draws a network without listen points.
func sipNetwork(t *rapid.T, name string) model.SIPNetwork {
	n := model.SIPNetwork{
		Name:              name,
		Kind:              rapid.SampledFrom([]model.SIPNetworkKind{model.NetworkStandard, model.NetworkNoICMP, model.NetworkNAT}).Draw(t, "kind"),
		RefuseConnections: rapid.Bool().Draw(t, "refuses connections"),
		HeaderHide:        rapid.Bool().Draw(t, "hides"),
		OverloadControl:   rapid.Bool().Draw(t, "asks"),
		TLSVerify:         rapid.Bool().Draw(t, "verifies"),
		MaxDatagram:       orDefault(576, 65535).Draw(t, "datagram"),
		ConnectTimeout:    orDefault(100, 60000).Draw(t, "connection setup"),
	}
	timer := orDefault(500, 3600000)
	n.Timers = model.SIPTimers{
		T1: orDefault(10, 500).Draw(t, "T1"), T2: timer.Draw(t, "T2"), T4: timer.Draw(t, "T4"),
		TU1: timer.Draw(t, "TU1"), TU2: timer.Draw(t, "TU2"), ClientTn: timer.Draw(t, "clientTn"), ServerTn: timer.Draw(t, "serverTn"), C: timer.Draw(t, "C"),
		InviteClientCount: orDefault(1, 127).Draw(t, "INVITE"), NonInviteClientCount: orDefault(1, 127).Draw(t, "others"),
		InviteServerCount: orDefault(1, 127).Draw(t, "responses"), NonInviteProvisional: orDefault(100, 60000).Draw(t, "provisional"),
	}
	for _, over := range model.Transports {
		if rapid.Bool().Draw(t, "has a Record-Route") {
			n.RecordRoute = append(n.RecordRoute, model.SIPRecordRoute{Transport: over, Host: label.Draw(t, "host"), Port: orDefault(1, 65535).Draw(t, "port")})
		}
	}
	return n
}

// drawAdjacencies draws neighbours, each with addresses of its own.
func drawAdjacencies(t *rapid.T, c *model.Config) {
	if !c.SBC.SBE || len(c.SIP.Networks) == 0 {
		return
	}
	names := rapid.SliceOfNDistinct(name, 0, 3, rapid.ID).Draw(t, "adjacencies")
	slices.Sort(names)
	for i, n := range names {
		a := model.Adjacency{
			Name:    n,
			Network: rapid.SampledFrom(networkNames(&c.SIP)).Draw(t, "network"),
			Account: rapid.OneOf(rapid.Just(""), name).Draw(t, "account"),
			Group:   rapid.OneOf(rapid.Just(""), name).Draw(t, "group"),
		}
		if rapid.Bool().Draw(t, "has a transport") {
			a.Transport = transport.Draw(t, "transport").String()
		}
		if i > 0 || rapid.Bool().Draw(t, "has addresses") {
			v4 := netip.AddrFrom4([4]byte{198, 51, 100, byte(i) << 4})
			v6 := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, byte(i)})
			a.Addresses = []netip.Prefix{netip.PrefixFrom(v4, 28), netip.PrefixFrom(v6, 48)}
		}
		c.SBC.Adjacencies = append(c.SBC.Adjacencies, a)
	}
}

var transport = rapid.SampledFrom(model.Transports[:])

// orDefault draws a number that was set, or 0.
func orDefault(least, most int) *rapid.Generator[int] {
	return rapid.OneOf(rapid.Just(0), rapid.IntRange(least, most))
}

func networkNames(s *model.SIP) []string {
	var names []string
	for _, n := range s.Networks {
		names = append(names, n.Name)
	}
	return names
}

// someOf draws some of a list, in its order.
func someOf[T any](t *rapid.T, list []T, label string) []T {
	var some []T
	for _, v := range list {
		if rapid.Bool().Draw(t, label) {
			some = append(some, v)
		}
	}
	return some
}
