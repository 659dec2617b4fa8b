package network

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"causeway/appliance/model"
	"causeway/qemu/lab"
)

// namespace makes a network namespace that lives as long as the test, and a
// handle in it.
func namespace(t *testing.T) (netns.NsHandle, *netlink.Handle) {
	t.Helper()
	made, err := lab.NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { made.Close() })
	return made.Handle(), made.Links()
}

// plug gives the box the NIC of a port, with a cable to the namespace of peers.
func plug(t *testing.T, box *netlink.Handle, peers netns.NsHandle, peersHandle *netlink.Handle, port model.Port) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = port.Interface()
	far := "peer" + port.Interface()
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

// box is a reconciler on the real kernel, in a namespace of its own.
type box struct {
	t          *testing.T
	namespace  netns.NsHandle
	links      *netlink.Handle
	kernel     *Netlink
	reconciler *Reconciler
}

// newBox runs a reconciler until the test ends.
func newBox(t *testing.T) *box {
	b := &box{t: t}
	b.namespace, b.links = namespace(t)
	b.kernel = &Netlink{b.links, b.namespace}
	b.reconciler = NewReconciler(b.kernel, quiet())
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		runtime.LockOSThread() // parameters and drivers are those of the thread's namespace; the thread ends with Run
		if err := netns.Set(b.namespace); err != nil {
			ended <- err
			return
		}
		ended <- b.reconciler.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
	return b
}

// link gives the interface of a port.
func (b *box) link(port model.Port) netlink.Link {
	b.t.Helper()
	link, err := b.links.LinkByName(port.Interface())
	if err != nil {
		b.t.Fatal(err)
	}
	return link
}

// read gives what the kernel has.
func (b *box) read() (state State, err error) {
	inside(b.t, b.namespace, func() { state, err = b.kernel.Read() })
	return state, err
}

// write sets a parameter.
func (b *box) write(name, value string) error {
	var err error
	inside(b.t, b.namespace, func() { err = Parameter{Name: name, Value: value}.set() })
	return err
}

// becomes waits until the kernel is what the configuration and leases ask
// for, and no port that is to be used has a problem.
func (b *box) becomes(what string, config *model.Config, leases leases) {
	b.t.Helper()
	eventually(b.t, what, func() string {
		actual, err := b.read()
		if err != nil {
			return err.Error()
		}
		for _, change := range difference(plan(config, leases), actual) {
			return "still to do: " + change.what
		}
		for _, s := range b.reconciler.Status() {
			if !s.Shutdown && (s.Problem != "" || s.Link != "up" || s.MAC == "") {
				return s.LAN + " is " + s.Link + ": " + s.Problem
			}
		}
		return ""
	})
}

// problem waits until a port has the problem.
func (b *box) problem(port model.Port, want string) {
	b.t.Helper()
	eventually(b.t, "problem of "+port.String(), func() string {
		for _, s := range b.reconciler.Status() {
			if s.LAN == port.String() && s.Problem != want {
				return "got " + s.Problem + "; want " + want
			}
		}
		return ""
	})
}

// dualLANs is twoLANs with IPv6 and a second default route.
func dualLANs() *model.Config {
	config := twoLANs()
	config.LANs[0].Address6, config.LANs[1].Address6 = prefix("2001:db8:42::1/64"), prefix("2001:db8:43::1/64")
	config.LANs[0].MTU = 1400
	config.Routes = append(config.Routes,
		model.IPRoute{Destination: prefix("0.0.0.0/0"), Gateway: addr("192.168.42.254"), Port: lan1, Metric: 20},
		model.IPRoute{Destination: prefix("::/0"), Gateway: addr("2001:db8:42::fe"), Port: lan1, Metric: 1},
		model.IPRoute{Destination: prefix("::/0"), Gateway: addr("fe80::1"), Port: lan2, Metric: 255})
	return config
}

// TestNetlink runs the reconciler on the real kernel.
func TestNetlink(t *testing.T) {
	b := newBox(t)
	peers, peersHandle := namespace(t)
	config := dualLANs()
	b.reconciler.Apply(config)
	b.problem(lan1, "no NIC for LAN1")
	b.problem(lan2, "no NIC for LAN2")
	plug(t, b.links, peers, peersHandle, lan1)
	heard := listenARP(t, peers)
	plug(t, b.links, peers, peersHandle, lan2)
	b.becomes("NICs that come late", config, nil)

	t.Run("the LAN is told of the address", func(t *testing.T) {
		mac := b.link(lan1).Attrs().HardwareAddr
		want := announcement([6]byte(mac), [4]byte{192, 168, 42, 1})
		eventually(t, "ARP announcement", func() string {
			if packets := heard(); !bytes.Contains(packets, want) {
				return fmt.Sprintf("heard %x; want %x", packets, want)
			}
			return ""
		})
	})

	t.Run("answers leave by their LAN", func(t *testing.T) {
		one, two := b.link(lan1).Attrs().Index, b.link(lan2).Attrs().Index
		for _, test := range []struct {
			source, destination string
			want                int
		}{
			{"192.168.42.1", "203.0.113.9", one},
			{"192.168.43.1", "203.0.113.9", two},
			{"192.168.43.1", "198.51.100.9", two}, // LAN1's static route is not LAN2's
			{"192.168.42.1", "192.168.42.9", one},
			{"192.168.43.1", "192.168.43.9", two},
			{"", "203.0.113.9", two}, // the default route of smaller metric
			{"", "198.51.100.9", one},
			{"2001:db8:42::1", "2001:db8:99::9", one},
			{"2001:db8:43::1", "2001:db8:99::9", two},
			{"2001:db8:43::1", "2001:db8:43::9", two},
			{"", "2001:db8:99::9", one},
			{"", "2001:db8:43::9", two},
		} {
			routes, err := b.links.RouteGetWithOptions(net.ParseIP(test.destination), &netlink.RouteGetOptions{SrcAddr: net.ParseIP(test.source)})
			if err != nil || len(routes) != 1 || routes[0].LinkIndex != test.want {
				t.Errorf("route from %q to %s = %v, %v; want interface %d", test.source, test.destination, routes, err, test.want)
			}
		}
	})

	t.Run("what others change comes back", func(t *testing.T) {
		one := b.link(lan1)
		address := func(text string) *netlink.Addr { return &netlink.Addr{IPNet: netOf(prefix(text))} }
		anywhere := Route{lan2, unix.RT_TABLE_MAIN, prefix("0.0.0.0/0"), addr("192.168.43.254"), 1}
		connected := Route{lan1, tableOf(lan1), prefix("2001:db8:42::/64"), netip.Addr{}, 1}
		other := anywhere.message(b.link(lan2))
		other.Gw, other.Protocol = net.ParseIP("192.168.43.66"), unix.RTPROT_STATIC
		anywhere6 := Route{lan1, unix.RT_TABLE_MAIN, prefix("::/0"), addr("2001:db8:42::fe"), 1}
		other6 := anywhere6.message(b.link(lan1))
		other6.Gw, other6.Protocol = net.ParseIP("2001:db8:42::66"), unix.RTPROT_STATIC
		foreign := &netlink.Route{LinkIndex: one.Attrs().Index, Dst: netOf(prefix("203.0.113.0/24")), Gw: net.ParseIP("192.168.42.77"), Protocol: unix.RTPROT_STATIC}
		for _, step := range []struct {
			name string
			do   func() error
		}{
			{"an address removed", func() error { return b.links.AddrDel(one, address("192.168.42.1/24")) }},
			{"an IPv6 address removed", func() error { return b.links.AddrDel(one, address("2001:db8:42::1/64")) }},
			{"the IPv6 link-local address removed", func() error {
				mine, _ := linkLocalOf(one.Attrs().HardwareAddr.String())
				return b.links.AddrDel(one, &netlink.Addr{IPNet: netOf(mine)})
			}},
			{"the link set down", func() error { return b.links.LinkSetDown(one) }},
			{"an address added", func() error { return b.links.AddrAdd(one, address("192.0.2.1/24")) }},
			{"a rule removed", func() error { return b.links.RuleDel(Rule{prefix("192.168.42.1/32"), 10000, 10000}.message()) }},
			{"a rule of an older version", func() error { return b.links.RuleAdd(Rule{prefix("192.168.42.1/32"), 101, 101}.message()) }},
			{"the default route removed", func() error { return b.kernel.Remove(anywhere) }},
			{"a connected route removed", func() error { return b.kernel.Remove(connected) }},
			{"the default route altered", func() error { return b.links.RouteReplace(other) }},
			{"the IPv6 default route altered", func() error { return b.links.RouteReplace(other6) }},
			{"the MTU changed", func() error { return b.links.LinkSetMTU(one, 1300) }},
			{"the MTU too small for IPv6", func() error { return b.links.LinkSetMTU(one, 1000) }},
			{"forwarding switched on", func() error { return b.write(forwarding, "1") }},
			{"reverse-path filtering made strict", func() error { return b.write("net/ipv4/conf/lan1/rp_filter", "1") }},
			{"a foreign route added", func() error { return b.links.RouteAdd(foreign) }},
		} {
			if err := step.do(); err != nil {
				t.Errorf("%s: %v", step.name, err)
			}
			b.becomes(step.name, config, nil)
		}
		kept, err := b.links.RouteListFiltered(netlink.FAMILY_V4, foreign, netlink.RT_FILTER_DST)
		if err != nil || len(kept) != 1 {
			t.Errorf("the foreign route after it all = %v, %v; want it untouched", kept, err)
		}
	})

	t.Run("what a driver refuses is a problem of its port", func(t *testing.T) {
		fast := dualLANs()
		fast.LANs[1].Speed = 100
		b.reconciler.Apply(fast)
		b.problem(lan2, "set speed 100: ethtool: operation not supported")
	})

	t.Run("another configuration", func(t *testing.T) {
		other := &model.Config{LANs: []model.LAN{configured(lan1, "192.168.42.77/25"), configured(lan2, "192.168.43.7/24", "2001:db8:43::7/64")}}
		other.LANs[1].NAT = true
		other.Routes = []model.IPRoute{{Destination: prefix("0.0.0.0/0"), Gateway: addr("192.168.42.126"), Port: lan1, Metric: 1}}
		b.reconciler.Apply(other)
		b.becomes("NAT", other, nil)
		shut := dualLANs()
		shut.LANs[0].Shutdown = true
		b.reconciler.Apply(shut)
		b.becomes("LAN1 shut down", shut, nil)
		client := dualLANs()
		client.LANs[0].Address, client.LANs[0].DHCP.Mode = netip.Prefix{}, model.DHCPClient
		lease := model.Lease{Port: lan1, Address: prefix("192.168.42.99/24"), Router: addr("192.168.42.254")}
		b.reconciler.Apply(client)
		b.becomes("LAN1 without a lease", client, nil)
		b.reconciler.ApplyLeases([]model.Lease{lease})
		b.becomes("LAN1 with a lease", client, leases{lan1: lease})
		b.reconciler.Apply(config)
		b.becomes("and back", config, leases{lan1: lease})
	})
}

// listenARP hears what ARP says in a namespace; the function gives all of it.
func listenARP(t *testing.T, ns netns.NsHandle) func() []byte {
	t.Helper()
	var socket int
	inside(t, ns, func() {
		var err error
		if socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(arp)); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { unix.Close(socket) })
	var all []byte
	return func() []byte {
		for packet := make([]byte, 100); ; {
			n, _, err := unix.Recvfrom(socket, packet, 0)
			if err != nil {
				return all
			}
			all = append(all, packet[:n]...)
		}
	}
}

// TestMode sets the speed of a port that plays Ethernet as virtio_net does.
func TestMode(t *testing.T) {
	b := newBox(t)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = lan1.Interface()
	inside(t, b.namespace, func() { // a tap is made in the namespace of the thread
		if err := (&netlink.Handle{}).LinkAdd(&netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TAP}); err != nil {
			t.Fatal(err)
		}
	})
	for _, mode := range []Mode{{100, "full"}, {10, "half"}, {1000, ""}, {}} {
		config := &model.Config{LANs: []model.LAN{model.NewLAN(lan1)}}
		config.LANs[0].Speed, config.LANs[0].Duplex = mode.Speed, mode.Duplex
		b.reconciler.Apply(config)
		eventually(t, mode.String(), func() string {
			state, err := b.read()
			if err != nil {
				return err.Error()
			}
			ethernet := state.Interfaces[lan1].Ethernet
			if ethernet == nil || !ethernet.obeys(mode) || mode.Speed != 0 && ethernet.speed != uint32(mode.Speed) {
				return fmt.Sprintf("%+v", ethernet)
			}
			return ""
		})
	}
}

// TestOverflow: of notifications that come faster than they are taken some are
// lost, and the watch goes on.
func TestOverflow(t *testing.T) {
	ns, links := namespace(t)
	listening, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int64
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		ended <- (&Netlink{links, ns}).Watch(ctx, func() {
			if calls.Add(1) == 1 {
				close(listening)
				<-release
			}
		})
	}()
	<-listening
	const changes = 2000
	rule := Rule{prefix("192.168.42.1/32"), 10000, 10000}.message()
	for range changes / 2 {
		if err := links.RuleAdd(rule); err != nil {
			t.Fatal(err)
		}
		if err := links.RuleDel(rule); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	eventually(t, "the watch after an overflow", func() string {
		if told := calls.Load(); told < 10 { // the kernel tells of the overflow before all else
			return fmt.Sprintf("told %d times", told)
		}
		return ""
	})
	cancel()
	if err := <-ended; err != context.Canceled || calls.Load() >= changes {
		t.Errorf("Watch = %v after %d of %d changes; want it to lose some and go on", err, calls.Load(), changes)
	}
}
