package network

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

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
		one, two = configured(lan1, "192.168.42.1/24"), configured(lan2, "192.168.43.1/24")
		both     = []model.LAN{one, two}
		anywhere = prefix("0.0.0.0/0")
		route    = model.IPRoute{Destination: anywhere, Gateway: addr("192.168.43.2"), Port: lan2, Metric: 1}
		second   = model.IPRoute{Destination: anywhere, Gateway: addr("192.168.43.3"), Port: lan2, Metric: 5}
		route6   = model.IPRoute{Destination: prefix("::/0"), Gateway: addr("2001:db8:43::2"), Port: lan2, Metric: 1}
		local6   = model.IPRoute{Destination: prefix("2001:db8:99::/48"), Gateway: addr("fe80::1"), Port: lan2, Metric: 7}
	)
	with := func(lan model.LAN, change func(*model.LAN)) model.LAN { change(&lan); return lan }
	withMetric := func(r model.IPRoute, metric int) model.IPRoute { r.Metric = metric; return r }
	dual := with(two, func(l *model.LAN) { l.Address6 = prefix("2001:db8:43::1/64") })
	for _, test := range []struct {
		name, text string
		want       model.Config
	}{
		{"host name", "hostname Box-1\n", model.Config{HostName: "Box-1"}},
		{"no host name", "hostname box\nno hostname\n", model.Config{}},
		{"addresses", lanLines, model.Config{LANs: both}},
		{"no address", lanLines + "no ip address\n", model.Config{LANs: []model.LAN{one, model.NewLAN(lan2)}}},
		{"no port", lanLines + "no lan LAN1\n", model.Config{LANs: []model.LAN{two}}},
		{"VLANs in order", "lan LAN2\nlan lan1.100\nlan LAN1.20\nlan LAN1\n", model.Config{
			LANs: []model.LAN{model.NewLAN(lan1), model.NewLAN(model.Port{LAN: model.LAN1, VLAN: 20}), model.NewLAN(vlan100), model.NewLAN(lan2)}}},
		{"all of a port", "lan LAN2\nip address 192.168.43.1 255.255.255.0\nipv6 address 2001:db8:43::1/64\nmtu 1400\nspeed 100\nduplex full\nshutdown\nnat\ndscp 46\n",
			model.Config{LANs: []model.LAN{with(dual, func(l *model.LAN) {
				l.MTU, l.Speed, l.Duplex, l.Shutdown, l.NAT, l.DSCP = 1400, 100, "full", true, true, 46
			})}}},
		{"nothing of it", "lan LAN2\nip address 192.168.43.1 255.255.255.0\nipv6 address 2001:db8:43::1/64\nmtu 1400\nspeed 100\nduplex full\nshutdown\nnat\ndscp 46\n" +
			"no ip address\nno ipv6 address\nno mtu\nspeed auto\nduplex auto\nno shutdown\nno nat\nno dscp\n", model.Config{LANs: []model.LAN{model.NewLAN(lan2)}}},
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
			"no ip route 0.0.0.0 0.0.0.0\n", model.Config{LANs: both}},
		{"routes of IPv6, and those of IPv4 before them", lanLines + "ipv6 address 2001:db8:43::1/64\n" +
			"ipv6 route 2001:db8:99::/48 fe80::1 LAN2 7\nip route 0.0.0.0 0.0.0.0 192.168.43.2 LAN2\nipv6 route ::/0 2001:db8:43::2 LAN2\nip route 0.0.0.0 0.0.0.0 192.168.43.3 LAN2 5\n",
			model.Config{LANs: []model.LAN{one, dual}, Routes: []model.IPRoute{route, second, local6, route6}}},
		{"a route of IPv6 removed", lanLines + "ipv6 address 2001:db8:43::1/64\n" +
			"ipv6 route 2001:db8:99::/48 fe80::1 LAN2 7\nipv6 route ::/0 2001:db8:43::2 LAN2\nno ipv6 route 2001:db8:99::/48\n",
			model.Config{LANs: []model.LAN{one, dual}, Routes: []model.IPRoute{route6}}},
		{"point-to-point LAN", "lan LAN1\nip address 192.0.2.0 255.255.255.254\nipv6 address 2001:db8::/127\n",
			model.Config{LANs: []model.LAN{configured(lan1, "192.0.2.0/31", "2001:db8::/127")}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parse(t, test.text)
			if err != nil {
				t.Fatalf("Parse = %v; want no error", err)
			}
			if diff := cmp.Diff(&test.want, got, byValue, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
		})
	}
}

// TestClient: that a port is a DHCP client is of another subject's commands.
func TestClient(t *testing.T) {
	g, err := config.New(Commands())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ text, want string }{
		{"lan LAN1\nexit\nip route 0.0.0.0 0.0.0.0 192.0.2.254 LAN1", ""},
		{"lan LAN1\nexit\nip route 0.0.0.0 0.0.0.0 224.0.0.1 LAN1",
			`"ip route 0.0.0.0 0.0.0.0 224.0.0.1 LAN1": 224.0.0.1 is a multicast address`},
		{"lan LAN1\nip address 192.168.42.1 255.255.255.0",
			`"ip address 192.168.42.1 255.255.255.0": LAN1 is a DHCP client: its address comes from a server`},
	} {
		c := &model.Config{}
		var path []string
		for line := range strings.Lines(test.text) {
			next, fault := g.Edit(c, path, line)
			if fault != nil {
				t.Fatalf("Edit(%q) = %v", line, fault)
			}
			path = next
		}
		c.LAN(lan1).DHCP.Mode = model.DHCPClient
		got := ""
		if err := g.Validate(c); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("Validate of %q with a DHCP client = %s; want %s", test.text, got, test.want)
		}
	}
}

// vlans is the lines of so many VLANs.
func vlans(count int) string {
	var text strings.Builder
	for n := range count {
		fmt.Fprintf(&text, "lan LAN1.%d\n", n+1)
	}
	return text.String()
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
			`line 1: "ip route 10.0.0.0 255.0.0.0 192.168.43.2 LAN2": LAN2 is not configured`},
		{lanLines + "ip route 10.0.0.0 255.0.0.0 192.168.43.2 LAN2 7\nip ro 10.0.0.0 255.0.0.0 192.168.43.3 l 7",
			`line 6: "ip ro 10.0.0.0 255.0.0.0 192.168.43.3 l 7": L is neither LAN1 nor LAN2, nor a VLAN on one such as LAN1.100`},
		{lanLines + "ip route 10.0.0.0 255.0.0.0 192.168.43.2 LAN2 7\nip ro 10.0.0.0 255.0.0.0 192.168.43.3 lan2 7",
			`line 5: "ip route 10.0.0.0 255.0.0.0 192.168.43.2 LAN2 7": another route to this network has the metric 7 too (and 1 more)`},
		{lanLines + "ip route 192.168.42.0 255.255.255.0 192.168.43.2 LAN2",
			`line 5: "ip route 192.168.42.0 255.255.255.0 192.168.43.2 LAN2": LAN1 is on this network itself; another way to it needs a metric of 2 or more`},
		{lanLines + "ipv6 route ::/0 2001:db8::1 LAN2", `line 5: "ipv6 route ::/0 2001:db8::1 LAN2": LAN2 has no IPv6 address`},
		{lanLines + "ipv6 address 2001:db8:43::1/64\nipv6 route ::/0 2001:db8::1 LAN2",
			`line 6: "ipv6 route ::/0 2001:db8::1 LAN2": 2001:db8::1 is not on the network 2001:db8:43::/64 of LAN2`},
		{lanLines + "ipv6 route ::/0 192.168.43.2 LAN2", `line 5: "ipv6 route ::/0 192.168.43.2 LAN2": 192.168.43.2 is not an IPv6 address`},
		{"lan LAN1\nipv6 address 2001:db8::/64", `line 2: "ipv6 address 2001:db8::/64": 2001:db8:: is the address of the network itself`},
		{"lan LAN1\nipv6 address fe80::1/64", `line 2: "ipv6 address fe80::1/64": fe80::1 is a link-local address; the port has one by itself`},
		{"lan LAN1\nipv6 address ff02::1/64", `line 2: "ipv6 address ff02::1/64": ff02::1 is a multicast address`},
		{"lan LAN1\nipv6 address ::/128", `line 2: "ipv6 address ::/128": :: is a reserved address`},
		{"lan LAN1\nipv6 address 2001:db8::1/0", `line 2: "ipv6 address 2001:db8::1/0": /0 is not the prefix of a LAN`},
		{"lan LAN1\nmtu 1279\nipv6 address 2001:db8::1/64",
			`line 3: "ipv6 address 2001:db8::1/64": IPv6 needs an MTU of 1280 or more; that of LAN1 is 1279`},
		{"lan LAN1\nipv6 address 2001:db8::1/64\nlan LAN1.7\nipv6 address 2001:db8::2/48",
			`line 2: "ipv6 address 2001:db8::1/64": the network 2001:db8::/64 overlaps 2001:db8::/48 of LAN1.7 (and 1 more)`},
		{"lan LAN1\nmtu 1400\nlan LAN1.7", `line 3: "lan LAN1.7": the MTU of LAN1.7 is 1500, and that of LAN1 only 1400`},
		{"lan LAN1.7\nspeed 100", `line 2: "speed 100": a VLAN has the speed and duplex of its port`},
		{"lan LAN1\nduplex half\nspeed 1000", `line 2: "duplex half": half duplex is for 10 and 100 Mbit/s; the speed of LAN1 is 1000`},
		{"no lan LAN1.7", `line 1: "no lan LAN1.7": LAN1.7 is not configured`},
		{vlans(33), `line 33: "lan LAN1.33": there can be no more than 32 VLANs`},
		{"no ipv6 route ::/0", `line 1: "no ipv6 route ::/0": there is no such route`},
		{"no ip route 10.0.0.0 255.0.0.0", `line 1: "no ip route 10.0.0.0 255.0.0.0": there is no such route`},
	} {
		if _, err := parse(t, test.text); err == nil || err.Error() != test.want {
			t.Errorf("Parse(%q) = %v; want %s", test.text, err, test.want)
		}
	}
}
