package grammar_test

import (
	"net/netip"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// sip draws networks and where their calls go.
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
