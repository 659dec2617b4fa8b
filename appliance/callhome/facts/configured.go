package facts

import (
	"cmp"
	"slices"

	"causeway/appliance/callhome/message"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// configured fills in what the configuration says.
func configured(f *message.Facts, in change.InForce) {
	f.HostName = in.Config.HostName
	f.Users = len(in.Access.Users)
	f.Devices = devices(in.Config)
}

// networkKinds are what SIP networks are called by their kind.
var networkKinds = [...]string{model.NetworkStandard: "standard", model.NetworkNoICMP: "noicmp", model.NetworkNAT: "nat"}

// devices counts the neighbours that are configured, by their type (CH-17).
func devices(c *model.Config) (list []message.Device) {
	count := make(map[message.Device]int)
	add := func(kind, model string) { count[message.Device{Type: kind, Model: model}]++ }
	for _, a := range c.SBC.Adjacencies {
		add("adjacency", cmp.Or(a.Transport, "any transport"))
	}
	for _, group := range c.SIP.Routing.Groups {
		for _, e := range group.Elements {
			add("server group element", e.Transport.String())
		}
	}
	for _, network := range c.SIP.Networks {
		add("SIP network", networkKinds[network.Kind])
		for _, listen := range network.Listens {
			add("listen point", listen.Transport.String())
		}
		if network.NextHop.Address.IsValid() {
			add("next hop", model.UDP.String())
		}
	}
	for device, n := range count {
		device.Count = n
		list = append(list, device)
	}
	slices.SortFunc(list, func(a, b message.Device) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Model, b.Model))
	})
	return list
}
