package grammar_test

import (
	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// sbc draws a border controller with all its modes.
func sbc(t *rapid.T) model.SBC {
	s := model.SBC{Name: name.Draw(t, "SBC")}
	if s.SBE = rapid.Bool().Draw(t, "SBE"); !s.SBE {
		return s
	}
	for _, client := range rapid.SliceOfNDistinct(name, 1, 3, rapid.ID).Draw(t, "RADIUS clients") {
		r := model.RADIUSClient{Name: client, Active: rapid.Bool().Draw(t, "activate")}
		for _, server := range rapid.SliceOfNDistinct(name, 0, 3, rapid.ID).Draw(t, "servers") {
			r.Servers = append(r.Servers, model.RADIUSServer{Name: server})
		}
		s.RADIUSClients = append(s.RADIUSClients, r)
	}
	drawCAC(t, &s)
	if s.Billing.Configured = rapid.Bool().Draw(t, "billing"); !s.Billing.Configured {
		return s
	}
	instance := rapid.IntRange(0, 7)
	for i, client := range s.RADIUSClients { // an instance has a client of its own
		s.Billing.PacketCable = append(s.Billing.PacketCable, model.PacketCableMethod{Index: 2*i + rapid.IntRange(0, 1).Draw(t, "index"), Client: client.Name,
			Attached: rapid.Bool().Draw(t, "attach")})
	}
	for _, index := range rapid.SliceOfN(instance, 0, 1).Draw(t, "XML instance") {
		s.Billing.XML = append(s.Billing.XML, model.XMLMethod{Index: index, Attached: rapid.Bool().Draw(t, "attach")})
	}
	s.Billing.MethodPacketCable, s.Billing.MethodXML = rapid.Bool().Draw(t, "method packetcable-em"), rapid.Bool().Draw(t, "method xml")
	s.Billing.Active = rapid.Bool().Draw(t, "activate")
	return s
}
