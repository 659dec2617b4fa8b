package network

import (
	"net/netip"
	"slices"
	"testing"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

const lanLines = "lan LAN1\nip address 192.168.42.1 255.255.255.0\nlan LAN2\nip address 192.168.43.1 255.255.255.0\n"

func parse(t *testing.T, text string) (*model.Config, error) {
	t.Helper()
	g, err := config.New(Commands())
	if err != nil {
		t.Fatal(err)
	}
	return g.Parse(text)
}

func TestCommands(t *testing.T) {
	var (
		lan1     = netip.MustParsePrefix("192.168.42.1/24")
		lan2     = netip.MustParsePrefix("192.168.43.1/24")
		gateway  = netip.MustParseAddr("192.168.43.2")
		gateway2 = netip.MustParseAddr("192.168.43.3")
		anywhere = netip.MustParsePrefix("0.0.0.0/0")
		route    = model.IPRoute{Destination: anywhere, Gateway: gateway, LAN: model.LAN2, Metric: 1}
	)
	withMetric := func(r model.IPRoute, metric int) model.IPRoute { r.Metric = metric; return r }
	second := model.IPRoute{Destination: anywhere, Gateway: gateway2, LAN: model.LAN2, Metric: 5}
	both := [model.LANCount]model.LAN{{Address: lan1}, {Address: lan2}}
	for _, test := range []struct {
		name, text string
		want       model.Config
	}{
		{"host name", "hostname Box-1\n", model.Config{HostName: "Box-1"}},
		{"no host name", "hostname box\nno hostname\n", model.Config{}},
		{"addresses", lanLines, model.Config{LANs: both}},
		{"no address", lanLines + "no ip address\n", model.Config{LANs: [model.LANCount]model.LAN{{Address: lan1}, {}}}},
		{"default route", lanLines + "ip route 0.0.0.0 0.0.0.0 192.168.43.2 LAN2\n",
			model.Config{LANs: both, Routes: []model.IPRoute{route}}},
		{"route before its LAN", "ip route 0.0.0.0 0.0.0.0 192.168.43.2 LAN2\n" + lanLines,
			model.Config{LANs: both, Routes: []model.IPRoute{route}}},
		{"metric replaced", lanLines + "ip route 0.0.0.0 0.0.0.0 192.168.43.2 LAN2\nip route 0.0.0.0 0.0.0.0 192.168.43.2 LAN2 9\n",
			model.Config{LANs: both, Routes: []model.IPRoute{withMetric(route, 9)}}},
		{"one of two routes removed", lanLines + "ip route 0.0.0.0 0.0.0.0 192.168.43.2 LAN2\nip route 0.0.0.0 0.0.0.0 192.168.43.3 LAN2 5\n" +
			"no ip route 0.0.0.0 0.0.0.0 192.168.43.2 LAN2\n", model.Config{LANs: both, Routes: []model.IPRoute{second}}},
		{"one of two routes removed, whatever its port", lanLines + "ip route 0.0.0.0 0.0.0.0 192.168.43.2 LAN2\nip route 0.0.0.0 0.0.0.0 192.168.43.3 LAN2 5\n" +
			"no ip route 0.0.0.0 0.0.0.0 192.168.43.2\n", model.Config{LANs: both, Routes: []model.IPRoute{second}}},
		{"all routes to a network removed", lanLines + "ip route 0.0.0.0 0.0.0.0 192.168.43.2 LAN2\nip route 0.0.0.0 0.0.0.0 192.168.43.3 LAN2 5\n" +
			"no ip route 0.0.0.0 0.0.0.0\n", model.Config{LANs: both, Routes: []model.IPRoute{}}},
		{"point-to-point LAN", "lan LAN1\nip address 192.0.2.0 255.255.255.254\n",
			model.Config{LANs: [model.LANCount]model.LAN{{Address: netip.MustParsePrefix("192.0.2.0/31")}, {}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parse(t, test.text)
			if err != nil {
				t.Fatalf("Parse = %v; want no error", err)
			}
			if got.HostName != test.want.HostName || got.LANs != test.want.LANs || !slices.Equal(got.Routes, test.want.Routes) {
				t.Errorf("Parse = %+v; want %+v", *got, test.want)
			}
		})
	}
}

func TestCommandsRefuse(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"lan LAN1\nip address 192.168.42.0 255.255.255.0",
			`line 2: "ip address 192.168.42.0 255.255.255.0": 192.168.42.0 is the address of the network itself`},
		{"lan LAN1\nip address 192.168.43.255 255.255.254.0",
			`line 2: "ip address 192.168.43.255 255.255.254.0": 192.168.43.255 is the broadcast address of its network`},
		{"lan LAN1\nip address 224.0.0.1 255.255.255.0",
			`line 2: "ip address 224.0.0.1 255.255.255.0": 224.0.0.1 is a multicast address`},
		{"lan LAN1\nip address 127.0.0.1 255.0.0.0",
			`line 2: "ip address 127.0.0.1 255.0.0.0": 127.0.0.1 is a loopback address`},
		{"lan LAN1\nip address 255.255.255.255 255.255.255.255",
			`line 2: "ip address 255.255.255.255 255.255.255.255": 255.255.255.255 is a reserved address`},
		{"lan LAN1\nip address 192.0.2.1 0.0.0.0",
			`line 2: "ip address 192.0.2.1 0.0.0.0": 0.0.0.0 is not the mask of a LAN`},
		{"lan LAN1\nip address 192.168.43.9 255.255.0.0\nlan LAN2\nip address 192.168.43.1 255.255.255.0",
			`line 2: "ip address 192.168.43.9 255.255.0.0": the network 192.168.0.0/16 overlaps 192.168.43.0/24 of LAN2 (and 1 more)`},
		{lanLines + "ip route 10.1.0.0 255.0.0.0 192.168.43.2 LAN2",
			`line 5: "ip route 10.1.0.0 255.0.0.0 192.168.43.2 LAN2": 10.1.0.0 has bits outside the mask; the network is 10.0.0.0`},
		{lanLines + "ip route 10.0.0.0 255.0.0.0 192.168.43.2 LAN1",
			`line 5: "ip route 10.0.0.0 255.0.0.0 192.168.43.2 LAN1": 192.168.43.2 is not on the network 192.168.42.0/24 of LAN1`},
		{lanLines + "ip route 10.0.0.0 255.0.0.0 192.168.43.1 LAN2",
			`line 5: "ip route 10.0.0.0 255.0.0.0 192.168.43.1 LAN2": 192.168.43.1 is the appliance itself`},
		{lanLines + "ip route 10.0.0.0 255.0.0.0 192.168.43.255 LAN2",
			`line 5: "ip route 10.0.0.0 255.0.0.0 192.168.43.255 LAN2": 192.168.43.255 is the broadcast address of its network`},
		{"ip route 10.0.0.0 255.0.0.0 192.168.43.2 LAN2",
			`line 1: "ip route 10.0.0.0 255.0.0.0 192.168.43.2 LAN2": LAN2 has no address`},
		{lanLines + "ip route 10.0.0.0 255.0.0.0 192.168.43.2 LAN2 7\nip ro 10.0.0.0 255.0.0.0 192.168.43.3 l 7",
			`line 6: "ip ro 10.0.0.0 255.0.0.0 192.168.43.3 l 7": l is ambiguous: LAN1, LAN2`},
		{lanLines + "ip route 10.0.0.0 255.0.0.0 192.168.43.2 LAN2 7\nip ro 10.0.0.0 255.0.0.0 192.168.43.3 lan2 7",
			`line 5: "ip route 10.0.0.0 255.0.0.0 192.168.43.2 LAN2 7": another route to this network has the metric 7 too (and 1 more)`},
		{"no ip route 10.0.0.0 255.0.0.0", `line 1: "no ip route 10.0.0.0 255.0.0.0": there is no such route`},
	} {
		if _, err := parse(t, test.text); err == nil || err.Error() != test.want {
			t.Errorf("Parse(%q) = %v; want %s", test.text, err, test.want)
		}
	}
}
