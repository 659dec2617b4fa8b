package network

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// namespace makes a network namespace that lives as long as the test, and a
// handle in it.
func namespace(t *testing.T) (netns.NsHandle, *netlink.Handle) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	if err := netns.Set(home); err != nil {
		t.Fatal(err)
	}
	handle, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(handle.Close)
	return ns, handle
}

// plug gives the box the NIC of a LAN, with a cable to the namespace of peers.
func plug(t *testing.T, box *netlink.Handle, peers netns.NsHandle, peersHandle *netlink.Handle, lan model.LANName) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = interfaceName(lan)
	far := "peer" + interfaceName(lan)
	if err := box.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: far, PeerNamespace: netlink.NsFd(int(peers))}); err != nil {
		t.Fatal(err)
	}
	link, err := peersHandle.LinkByName(far)
	if err != nil {
		t.Fatal(err)
	}
	if err := peersHandle.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until met gives an empty string.
func eventually(t *testing.T, what string, met func() string) {
	t.Helper()
	var missing string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if missing = met(); missing == "" {
			return
		}
	}
	t.Errorf("%s: %s", what, missing)
}

// TestNetlink runs the reconciler on the real kernel, in namespaces of its own.
func TestNetlink(t *testing.T) {
	boxNamespace, box := namespace(t)
	peers, peersHandle := namespace(t)
	kernel := &Netlink{box, boxNamespace}
	reconciler := NewReconciler(kernel, quiet())
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- reconciler.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	}()

	asConfigured := func(config *model.Config) func() string {
		return func() string {
			actual, err := kernel.Read()
			if err != nil {
				return err.Error()
			}
			for _, change := range difference(plan(config), actual) {
				return "still to do: " + change.what
			}
			for _, s := range reconciler.Status() {
				if s.Problem != "" || s.Link != "up" || s.MAC == "" {
					return s.LAN + " is " + s.Link + ": " + s.Problem
				}
			}
			return ""
		}
	}

	config := twoLANs()
	config.Routes = append(config.Routes, model.IPRoute{
		Destination: prefix("0.0.0.0/0"), Gateway: addr("192.168.42.254"), LAN: model.LAN1, Metric: 20,
	})
	reconciler.Apply(config)
	eventually(t, "without NICs", func() string {
		for _, s := range reconciler.Status() {
			if s.Link != "missing" || s.Problem == "" {
				return s.LAN + " is " + s.Link
			}
		}
		return ""
	})
	plug(t, box, peers, peersHandle, model.LAN1)
	plug(t, box, peers, peersHandle, model.LAN2)
	eventually(t, "NICs that come late", asConfigured(config))

	t.Run("answers leave by their LAN", func(t *testing.T) {
		lan1, _ := box.LinkByName("lan1")
		lan2, _ := box.LinkByName("lan2")
		for _, test := range []struct {
			source, destination string
			want                int
		}{
			{"192.168.42.1", "203.0.113.9", lan1.Attrs().Index},
			{"192.168.43.1", "203.0.113.9", lan2.Attrs().Index},
			{"192.168.43.1", "198.51.100.9", lan2.Attrs().Index}, // LAN1's static route is not LAN2's
			{"192.168.42.1", "192.168.42.9", lan1.Attrs().Index},
			{"192.168.43.1", "192.168.43.9", lan2.Attrs().Index},
			{"", "203.0.113.9", lan2.Attrs().Index}, // the default route of smaller metric
			{"", "198.51.100.9", lan1.Attrs().Index},
		} {
			routes, err := box.RouteGetWithOptions(net.ParseIP(test.destination), &netlink.RouteGetOptions{SrcAddr: net.ParseIP(test.source)})
			if err != nil || len(routes) != 1 || routes[0].LinkIndex != test.want {
				t.Errorf("route from %q to %s = %v, %v; want interface %d", test.source, test.destination, routes, err, test.want)
			}
		}
	})

	t.Run("what others change comes back", func(t *testing.T) {
		lan1, _ := box.LinkByName("lan1")
		foreign := &netlink.Route{LinkIndex: lan1.Attrs().Index, Dst: netOf(prefix("203.0.113.0/24")), Gw: net.ParseIP("192.168.42.77"), Protocol: unix.RTPROT_STATIC}
		for _, step := range []struct {
			name string
			do   func() error
		}{
			{"an address removed", func() error {
				return box.AddrDel(lan1, &netlink.Addr{IPNet: netOf(prefix("192.168.42.1/24"))})
			}},
			{"the link set down", func() error { return box.LinkSetDown(lan1) }},
			{"an address added", func() error { return box.AddrAdd(lan1, &netlink.Addr{IPNet: netOf(prefix("192.0.2.1/24"))}) }},
			{"a rule removed", func() error { return box.RuleDel(rule(Rule{model.LAN1, addr("192.168.42.1")})) }},
			{"a foreign route added", func() error { return box.RouteAdd(foreign) }},
		} {
			if err := step.do(); err != nil {
				t.Errorf("%s: %v", step.name, err)
			}
			eventually(t, step.name, asConfigured(config))
		}
		kept, err := box.RouteListFiltered(netlink.FAMILY_V4, foreign, netlink.RT_FILTER_DST)
		if err != nil || len(kept) != 1 {
			t.Errorf("the foreign route after it all = %v, %v; want it untouched", kept, err)
		}
	})

	t.Run("a foreign route in the way is reported", func(t *testing.T) {
		lan1, _ := box.LinkByName("lan1")
		err := box.RouteAdd(&netlink.Route{LinkIndex: lan1.Attrs().Index, Dst: netOf(prefix("233.252.0.0/24")), Gw: net.ParseIP("192.168.42.77"), Protocol: unix.RTPROT_STATIC, Priority: 1})
		if err != nil {
			t.Fatal(err)
		}
		blocked := *config
		blocked.Routes = append(slices.Clone(config.Routes), model.IPRoute{Destination: prefix("233.252.0.0/24"), Gateway: addr("192.168.42.254"), LAN: model.LAN1, Metric: 1})
		reconciler.Apply(&blocked)
		eventually(t, "Problem", func() string {
			const want = "add route 233.252.0.0/24 via 192.168.42.254: file exists"
			if got := reconciler.Status()[model.LAN1].Problem; got != want {
				return "got " + got + "; want " + want
			}
			return ""
		})
		reconciler.Apply(config)
		eventually(t, "back", asConfigured(config))
	})

	t.Run("another configuration", func(t *testing.T) {
		other := twoLANs()
		other.LANs[model.LAN1].Address = prefix("192.168.42.77/25")
		other.LANs[model.LAN2].Address = prefix("2001:db8:43::1/64")
		other.Routes = []model.IPRoute{
			{Destination: prefix("0.0.0.0/0"), Gateway: addr("192.168.42.126"), LAN: model.LAN1, Metric: 1},
			{Destination: netip.PrefixFrom(netip.IPv6Unspecified(), 0), Gateway: addr("2001:db8:43::fe"), LAN: model.LAN2, Metric: 255},
		}
		reconciler.Apply(other)
		eventually(t, "IPv6 on LAN2", asConfigured(other))
		reconciler.Apply(config)
		eventually(t, "and back", asConfigured(config))
	})
}
