package network

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"causeway/appliance/model"
)

var byValue = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

func TestPlan(t *testing.T) {
	anywhere, none := prefix("0.0.0.0/0"), netip.Addr{}
	client := model.NewLAN(lan1)
	client.DHCP.Mode = model.DHCPClient
	lease := model.Lease{Port: lan1, Address: prefix("192.168.42.77/24"), Router: addr("192.168.42.254")}
	shut := configured(lan1, "192.168.42.1/24")
	shut.Shutdown, shut.NAT = true, true
	outside := configured(lan2, "192.168.43.1/24")
	outside.NAT = true
	for _, test := range []struct {
		name   string
		config *model.Config
		leases []model.Lease
		routes []Route
		rules  []Rule
		leased string
	}{
		{name: "nothing", config: &model.Config{}},
		{
			name: "two LANs", config: twoLANs(),
			routes: []Route{
				{lan1, 254, prefix("192.168.42.0/24"), none, 1}, {lan1, 10000, prefix("192.168.42.0/24"), none, 1},
				{lan2, 254, prefix("192.168.43.0/24"), none, 1}, {lan2, 20000, prefix("192.168.43.0/24"), none, 1},
				{lan2, 254, anywhere, addr("192.168.43.254"), 1}, {lan2, 20000, anywhere, addr("192.168.43.254"), 1},
				{lan1, 254, prefix("198.51.100.0/24"), addr("192.168.42.254"), 10},
				{lan1, 10000, prefix("198.51.100.0/24"), addr("192.168.42.254"), 10},
			},
			rules: []Rule{{prefix("192.168.42.1/32"), 10000, 10000}, {prefix("192.168.43.1/32"), 20000, 20000}},
		}, {
			name: "IPv6 on a VLAN, with a router's link-local address",
			config: &model.Config{
				LANs:   []model.LAN{configured(vlan100, "2001:db8:100::1/64")},
				Routes: []model.IPRoute{{Destination: prefix("::/0"), Gateway: addr("fe80::1"), Port: vlan100, Metric: 1}},
			},
			routes: []Route{
				{vlan100, 254, prefix("2001:db8:100::/64"), none, 1}, {vlan100, 10100, prefix("2001:db8:100::/64"), none, 1},
				{vlan100, 254, prefix("::/0"), addr("fe80::1"), 1}, {vlan100, 10100, prefix("::/0"), addr("fe80::1"), 1},
			},
			rules: []Rule{{prefix("2001:db8:100::1/128"), 10100, 10100}},
		}, {
			name: "a port that is shut down, and the VLAN on it",
			config: &model.Config{
				LANs: []model.LAN{shut, configured(vlan100, "192.168.100.1/24")},
				Routes: []model.IPRoute{
					{Destination: anywhere, Gateway: addr("192.168.42.254"), Port: lan1, Metric: 1},
					{Destination: anywhere, Gateway: addr("192.168.100.254"), Port: vlan100, Metric: 2},
				},
			},
		}, {
			name: "a client without a lease",
			config: &model.Config{
				LANs:   []model.LAN{client},
				Routes: []model.IPRoute{{Destination: prefix("198.51.100.0/24"), Gateway: addr("192.168.42.9"), Port: lan1, Metric: 1}},
			},
		}, {
			name:   "a client with a lease, a route through it, and a better default route",
			config: &model.Config{LANs: []model.LAN{client, configured(lan2, "192.168.43.1/24")}, Routes: twoLANs().Routes},
			leases: []model.Lease{lease}, leased: "LAN1",
			routes: []Route{
				{lan1, 254, prefix("192.168.42.0/24"), none, 1}, {lan1, 10000, prefix("192.168.42.0/24"), none, 1},
				{lan2, 254, prefix("192.168.43.0/24"), none, 1}, {lan2, 20000, prefix("192.168.43.0/24"), none, 1},
				{lan2, 254, anywhere, addr("192.168.43.254"), 1}, {lan2, 20000, anywhere, addr("192.168.43.254"), 1},
				{lan1, 254, prefix("198.51.100.0/24"), addr("192.168.42.254"), 10},
				{lan1, 10000, prefix("198.51.100.0/24"), addr("192.168.42.254"), 10},
				{lan1, 254, anywhere, addr("192.168.42.254"), 254}, {lan1, 10000, anywhere, addr("192.168.42.254"), 254},
			},
			rules: []Rule{{prefix("192.168.42.77/32"), 10000, 10000}, {prefix("192.168.43.1/32"), 20000, 20000}},
		}, {
			name: "a lease's default route where the configuration has one of its metric, and a lease of no client",
			config: &model.Config{
				LANs:   []model.LAN{client, outside},
				Routes: []model.IPRoute{{Destination: anywhere, Gateway: addr("192.168.43.254"), Port: lan2, Metric: 254}},
			},
			leases: []model.Lease{lease, {Port: lan2, Address: prefix("192.168.44.7/24")}}, leased: "LAN1",
			routes: []Route{
				{lan1, 254, prefix("192.168.42.0/24"), none, 1}, {lan1, 10000, prefix("192.168.42.0/24"), none, 1},
				{lan2, 254, prefix("192.168.43.0/24"), none, 1}, {lan2, 20000, prefix("192.168.43.0/24"), none, 1},
				{lan2, 254, anywhere, addr("192.168.43.254"), 254}, {lan2, 20000, anywhere, addr("192.168.43.254"), 254},
				{lan1, 10000, anywhere, addr("192.168.42.254"), 254},
			},
			rules: []Rule{{prefix("192.168.42.77/32"), 10000, 10000}, {prefix("192.168.43.1/32"), 20000, 20000}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := NewReconciler(nil, quiet())
			r.ApplyLeases(test.leases)
			r.Apply(test.config)
			got, leased := r.desired, ""
			if diff := cmp.Diff(test.routes, got.Routes, byValue); diff != "" {
				t.Errorf("routes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.rules, got.Rules, byValue); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
			for _, port := range got.ports() {
				if i := got.Interfaces[port]; i.Leased {
					leased += port.String()
				} else if !i.Up && len(i.Addresses) > 0 {
					t.Errorf("%v is shut down and has %v", port, i.Addresses)
				}
			}
			if leased != test.leased {
				t.Errorf("ports with a leased address: %q; want %q", leased, test.leased)
			}
		})
	}
	for _, test := range []struct {
		lan  model.LAN
		want string
	}{{outside, "1"}, {shut, "0"}, {client, "0"}} {
		if got := plan(&model.Config{LANs: []model.LAN{test.lan}}, nil).Parameters[forwarding]; got != test.want {
			t.Errorf("forwarding with %+v = %s; want %s", test.lan, got, test.want)
		}
	}
}

func TestTables(t *testing.T) {
	tables := map[int]model.Port{}
	for lan := range model.LANCount {
		for vlan := range 4095 {
			port := model.Port{LAN: lan, VLAN: vlan}
			table := tableOf(port)
			if other, twice := tables[table]; twice || table <= 255 || table >= 32766 {
				t.Fatalf("tableOf(%v) = %d; want one of its own before the main table's rule (also of %v)", port, table, other)
			}
			tables[table] = port
			if got, ok := portOf(table); got != port || !ok {
				t.Fatalf("portOf(%d) = %v, %t; want %v", table, got, ok, port)
			}
		}
	}
	for _, table := range []int{0, 101, 102, 254, 9999, 14095, 24095, 30000} {
		if got, ok := portOf(table); ok {
			t.Errorf("portOf(%d) = %v; want none", table, got)
		}
	}
}

// TestDifferenceConverges: from any state to any configuration, every change
// allowed by the kernel, and then nothing is left.
func TestDifferenceConverges(t *testing.T) {
	config := rapid.Custom(func(t *rapid.T) *model.Config {
		c := &model.Config{}
		for _, port := range []model.Port{lan1, vlan100, {LAN: model.LAN1, VLAN: 200}, lan2, {LAN: model.LAN2, VLAN: 100}} {
			if !rapid.Bool().Draw(t, "is configured") {
				continue
			}
			lan := model.NewLAN(port)
			lan.Shutdown = rapid.IntRange(0, 3).Draw(t, "shutdown") == 0
			lan.NAT = rapid.Bool().Draw(t, "NAT")
			lan.MTU = rapid.SampledFrom([]int{1400, 1500}).Draw(t, "MTU")
			if parent := c.LAN(model.Port{LAN: port.LAN}); parent != nil {
				lan.MTU = min(lan.MTU, parent.MTU)
			}
			if rapid.Bool().Draw(t, "has address") {
				host := netip.AddrFrom4([4]byte{192, 168, byte(42 + port.LAN), byte(port.VLAN) + rapid.ByteMax(3).Draw(t, "host")})
				lan.Address = netip.PrefixFrom(host, rapid.IntRange(24, 32).Draw(t, "bits"))
			}
			if rapid.Bool().Draw(t, "has IPv6") {
				lan.Address6 = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, byte(port.LAN), byte(port.VLAN), 15: rapid.ByteRange(1, 3).Draw(t, "host")}), 64)
			}
			c.LANs = append(c.LANs, lan)
		}
		for _, metric := range rapid.SliceOfNDistinct(rapid.IntRange(1, 4), 0, 4, rapid.ID).Draw(t, "metrics") {
			c.Routes = append(c.Routes, model.IPRoute{
				Destination: prefix("0.0.0.0/0"), Gateway: netip.AddrFrom4([4]byte{192, 168, 42, rapid.Byte().Draw(t, "gateway")}), Metric: metric,
				Port: rapid.SampledFrom([]model.Port{lan1, vlan100, lan2}).Draw(t, "port"),
			})
		}
		return c
	})
	rapid.Check(t, func(t *rapid.T) {
		k := newFakeKernel(rapid.SampledFrom([][]model.LANName{nil, {model.LAN1}, {model.LAN2}, {model.LAN1, model.LAN2}}).Draw(t, "present")...)
		k.others(func(s *State) {
			s.Strays = []VLAN{{vlan100, "vlan100"}}
			s.Rules = []Rule{{prefix("192.168.42.1/32"), 101, 101}} // of an older version
		})
		for range rapid.IntRange(1, 3).Draw(t, "configurations") {
			desired := plan(config.Draw(t, "config"), nil)
			for repair := 0; ; repair++ {
				actual, _ := k.Read()
				left := difference(desired, actual)
				if len(left) == 0 {
					break
				}
				if repair == repairs {
					t.Fatalf("%d changes left, first %v", len(left), left[0].attempt)
				}
				for _, change := range left {
					// An address or route may have gone with its link.
					if err := change.do(k); err != nil && change.what[:6] != "remove" {
						t.Fatalf("%v: %v", change.attempt, err)
					}
				}
			}
			actual, _ := k.Read()
			for _, r := range actual.Routes {
				if _, present := actual.Interfaces[r.Port]; !present {
					t.Fatalf("%s stands without its NIC", r)
				}
			}
			if wrong := len(actual.Strays) + len(actual.Rules) - len(desired.Rules); wrong > 0 {
				t.Fatalf("%d rules and interfaces too many: %v, %v", wrong, actual.Rules, actual.Strays)
			}
		}
	})
}
