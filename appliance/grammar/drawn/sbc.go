package drawn

import (
	"net/netip"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// sbc draws a border controller with all its modes.
func sbc(t *rapid.T) model.SBC {
	s := model.SBC{Name: name.Draw(t, "SBC")}
	if s.SBE = rapid.Bool().Draw(t, "SBE"); !s.SBE {
		return s
	}
	s.AAAAddress = ipv4.Draw(t, "AAA address")
	for _, client := range rapid.SliceOfNDistinct(name, 1, 3, rapid.ID).Draw(t, "RADIUS clients") {
		s.RADIUSClients = append(s.RADIUSClients, radiusClient(t, client, !s.AAAAddress.IsValid()))
	}
	drawCAC(t, &s)
	if s.Billing.Configured = rapid.Bool().Draw(t, "billing"); s.Billing.Configured {
		s.Billing = drawBilling(t, s.RADIUSClients)
	}
	return s
}

// The values that billing is drawn of; zero is what is not set.
var (
	ipv4 = rapid.Custom(func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "none") {
			return netip.Addr{}
		}
		return netip.AddrFrom4([4]byte{192, 0, 2, octet.Draw(t, "host")})
	})
	// secret is one that was not typed, or a stored form.
	secret    = rapid.SampledFrom([]string{"", Sealed, "sealed:A" + sealed[1:]})
	deactMode = rapid.SampledFrom([]model.DeactMode{model.DeactAbort, model.DeactNormal, model.DeactQuiesce})
	timeOfDay = rapid.Custom(func(t *rapid.T) model.TimeOfDay {
		return model.TimeOfDay{Hour: rapid.IntRange(0, 23).Draw(t, "hour"), Minute: rapid.IntRange(0, 59).Draw(t, "minute")}
	})
	ownTime = rapid.Ptr(timeOfDay, true)
)

// optional draws a number that has its default while it is 0.
func optional(t *rapid.T, most int, label string, least ...int) int {
	return rapid.OneOf(rapid.Just(0), rapid.IntRange(append(least, 1)[0], most)).Draw(t, label)
}

func radiusClient(t *rapid.T, name string, v6 bool) model.RADIUSClient {
	r := model.RADIUSClient{
		Name: name, Concurrent: optional(t, 4000, "concurrent-requests"), Interval: optional(t, 10_000, "retry-interval", 10),
		Tries: optional(t, 10, "tries"), Active: rapid.Bool().Draw(t, "activate"),
	}
	servers := rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Za-z0-9._-]{1,80}`), 0, 3, rapid.ID).Draw(t, "servers")
	r.Active = r.Active && len(servers) > 0
	for _, server := range servers {
		s := model.RADIUSServer{
			Name: server, Address: ipv4.Draw(t, "address"), Port: optional(t, 65_535, "port"), Priority: optional(t, 10, "priority"),
			Key: secret.Draw(t, "key"), TLS: rapid.Bool().Draw(t, "TLS"),
		}
		if v6 && rapid.Bool().Draw(t, "IPv6") {
			s.Address = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: octet.Draw(t, "host")})
		}
		if r.Active && !s.Address.IsValid() {
			s.Address = netip.AddrFrom4([4]byte{198, 51, 100, octet.Draw(t, "host")})
		}
		if r.Active && s.Key == "" {
			s.TLS = true
		}
		r.Servers = append(r.Servers, s)
	}
	return r
}

func drawBilling(t *rapid.T, clients []model.RADIUSClient) model.Billing {
	b := model.Billing{
		Configured: true, ElementID: optional(t, 99_999, "element-id"), LocalAddress: ipv4.Draw(t, "local address"),
		LongCheck:    timeOfDay.Draw(t, "ldr-check"),
		EndpointInfo: rapid.SampledFrom([]model.EndpointInfo{model.EndpointNone, model.EndpointAdjacency, model.EndpointAddressing}).Draw(t, "endpoint-info"),
		MediaInfo:    rapid.Bool().Draw(t, "media-info"),
		Cache:        billingCache(t),
	}
	for i, client := range clients { // an instance has a client of its own
		b.PacketCable = append(b.PacketCable, model.PacketCableMethod{
			Index: 2*i + rapid.IntRange(0, 1).Draw(t, "index"), Client: client.Name,
			BatchSize: optional(t, 4000, "batch-size"), BatchTime: optional(t, 60_000, "batch-time", 10),
			LocalAddress: ipv4.Draw(t, "local address"), LongCheck: ownTime.Draw(t, "ldr-check"), DeactMode: deactMode.Draw(t, "deact-mode"),
			Attached: client.Active && rapid.Bool().Draw(t, "attach"),
		})
	}
	if rapid.Bool().Draw(t, "XML") {
		b.XML = []model.XMLMethod{xmlMethod(t)}
	}
	b.MethodPacketCable, b.MethodXML = len(b.PacketCable) > 0, len(b.XML) > 0
	b.Active = rapid.Bool().Draw(t, "activate")
	return b
}

func billingCache(t *rapid.T) model.BillingCache {
	c := model.BillingCache{
		Path:    rapid.SampledFrom([]string{"", "harddisk:", "usb0:billing_cache/", "Harddisk:/a/b/"}).Draw(t, "cache path"),
		MaxSize: optional(t, 4_194_303, "max-size"), OnFailure: rapid.Bool().Draw(t, "on-failure"),
	}
	if rapid.Bool().Draw(t, "alarms") { // those that are drawn lie between the defaults of their neighbours
		c.Minor, c.Major = optional(t, 480_000, "minor"), optional(t, 900_000, "major", 480_001)
		c.Critical = optional(t, 1<<31-1, "critical", 976_562)
	}
	return c
}

func xmlMethod(t *rapid.T) model.XMLMethod {
	x := model.XMLMethod{
		Index:     rapid.IntRange(0, 7).Draw(t, "XML instance"),
		Path:      rapid.SampledFrom([]string{"", "usb0:cdr", "harddisk:/cdr/"}).Draw(t, "cdr path"),
		LongCheck: ownTime.Draw(t, "ldr-check"),
		Minor:     optional(t, 3000, "minor", 2001), Major: optional(t, 2000, "major", 1001), Critical: optional(t, 1000, "critical"),
		Interval: optional(t, 86_400, "flipped-interval", 10), Size: optional(t, 1_048_576, "flipped-size"),
		DeactMode: deactMode.Draw(t, "deact-mode"), Attached: rapid.Bool().Draw(t, "attach"),
	}
	if rapid.Bool().Draw(t, "transfer") {
		x.Transfer = model.CDRTransfer{URL: "sftp://cdr@192.0.2.1:2222/in/", Secret: Sealed, HostKey: "SHA256:" + sealed[:43]}
	}
	return x
}
