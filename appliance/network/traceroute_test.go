package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// inside runs f in the namespace, with the sockets it opens.
func inside(t *testing.T, ns netns.NsHandle, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	if err := netns.Set(ns); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := netns.Set(home); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}

// sysctl sets a parameter of the namespace.
func sysctl(t *testing.T, ns netns.NsHandle, name, value string) {
	t.Helper()
	inside(t, ns, func() {
		if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	})
}

// cable connects two namespaces, each end up and with its addresses.
func cable(t *testing.T, a *netlink.Handle, nameA string, b netns.NsHandle, bHandle *netlink.Handle, nameB string, addressesA, addressesB []string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = nameA
	attrs.HardwareAddr = net.HardwareAddr{0, 0, 0x5e, 0, 0x53, 1}
	peer := net.HardwareAddr{0, 0, 0x5e, 0, 0x53, 2}
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: nameB, PeerNamespace: netlink.NsFd(int(b)), PeerHardwareAddr: peer}
	if err := a.LinkAdd(pair); err != nil {
		t.Fatal(err)
	}
	for _, end := range []struct {
		handle    *netlink.Handle
		name      string
		addresses []string
	}{{a, nameA, addressesA}, {bHandle, nameB, addressesB}} {
		link, err := end.handle.LinkByName(end.name)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range end.addresses {
			address, err := netlink.ParseAddr(text)
			if err != nil {
				t.Fatal(err)
			}
			address.Flags = unix.IFA_F_NODAD
			if err := end.handle.AddrAdd(link, address); err != nil {
				t.Fatal(err)
			}
		}
		if err := end.handle.LinkSetUp(link); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWay pings and traces a host behind a router, on the real kernel, in
// namespaces: box lan1 - router - host.
func TestWay(t *testing.T) {
	boxNamespace, box := namespace(t)
	router, routerHandle := namespace(t)
	host, hostHandle := namespace(t)
	cable(t, box, "lan1", router, routerHandle, "r1",
		[]string{"198.51.100.1/24", "2001:db8:1::1/64"}, []string{"198.51.100.2/24", "2001:db8:1::2/64"})
	cable(t, hostHandle, "h1", router, routerHandle, "r2",
		[]string{"203.0.113.9/24", "2001:db8:2::9/64"}, []string{"203.0.113.2/24", "2001:db8:2::2/64"})
	sysctl(t, router, "net/ipv4/ip_forward", "1")
	sysctl(t, router, "net/ipv6/conf/all/forwarding", "1")

	for _, ns := range []netns.NsHandle{router, host} { // the kernel's own measure is one message a second
		sysctl(t, ns, "net/ipv4/icmp_ratelimit", "0")
		sysctl(t, ns, "net/ipv6/icmp/ratelimit", "0")
	}

	kernel := &Netlink{box, boxNamespace}
	far := Route{Port: lan1, Table: unix.RT_TABLE_MAIN, Destination: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("198.51.100.2"), Metric: 1}
	far6 := far
	far6.Destination, far6.Gateway = netip.MustParsePrefix("::/0"), netip.MustParseAddr("2001:db8:1::2")
	answers := far
	answers.Table = tableOf(lan1)
	back := func(gateway string) {
		link, err := hostHandle.LinkByName("h1")
		if err != nil {
			t.Fatal(err)
		}
		to := net.ParseIP(gateway)
		length := 32
		if to.To4() == nil {
			length = 128
		}
		everything := &net.IPNet{IP: make(net.IP, length/8), Mask: net.CIDRMask(0, length)}
		if err := hostHandle.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: everything, Gw: to}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []Route{far, far6, answers} {
		if err := kernel.Add(r); err != nil {
			t.Fatalf("Add(%v): %v", r, err)
		}
	}
	back("203.0.113.2")
	back("2001:db8:2::2")

	o := observer{kernel: kernel, echo: echo, probe: probe}
	to := func(target string) way { return way{target: netip.MustParseAddr(target)} }
	// First, since the router has one measure for this and for what follows.
	t.Run("unreachable", func(t *testing.T) {
		inside(t, boxNamespace, func() {
			found, err := probe(t.Context(), probeRequest{to("10.0.0.1"), 40000, 5, time.Minute}) // the router has no way there
			if err != nil || found.arrived || found.mark != " !N" || found.address != netip.MustParseAddr("198.51.100.2") {
				t.Errorf("probe of a network that nobody knows = %+v, %v; want !N of the router", found, err)
			}
		})
	})
	t.Run("echo without right", func(t *testing.T) {
		inside(t, boxNamespace, func() {
			_, err := echo(t.Context(), echoRequest{to("198.51.100.2"), 100, time.Minute})
			if !errors.Is(err, os.ErrPermission) {
				t.Errorf("echo outside of ping_group_range: %v; want it not permitted", err)
			}
		})
	})
	sysctl(t, boxNamespace, "net/ipv4/ping_group_range", "0 0")
	t.Run("echo", func(t *testing.T) {
		for _, r := range []echoRequest{
			{to("198.51.100.2"), 72, time.Minute}, {to("203.0.113.9"), 1500, time.Minute}, {to("203.0.113.9"), 9000, time.Minute},
			{to("2001:db8:2::9"), 72, time.Minute}, {to("2001:db8:2::9"), 1500, time.Minute},
			{way{netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("198.51.100.1")}, 100, time.Minute},
			{way{netip.MustParseAddr("2001:db8:2::9"), netip.MustParseAddr("2001:db8:1::1")}, 100, time.Minute},
		} {
			inside(t, boxNamespace, func() {
				if took, err := echo(t.Context(), r); err != nil || took <= 0 {
					t.Errorf("echo(%+v) = %v, %v; want an answer", r, took, err)
				}
			})
		}
		inside(t, boxNamespace, func() {
			if took, err := echo(t.Context(), echoRequest{to("198.51.100.77"), 100, time.Second}); err != errNoEcho {
				t.Errorf("echo to nobody = %v, %v; want %v", took, err, errNoEcho)
			}
			foreign := way{netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("192.0.2.1")}
			if took, err := echo(t.Context(), echoRequest{foreign, 100, time.Second}); err == nil || err == errNoEcho {
				t.Errorf("echo from an address that is not ours = %v, %v; want an error", took, err)
			}
		})
	})
	t.Run("traceroute", func(t *testing.T) {
		for target, want := range map[string][]string{
			"203.0.113.9":                     {"  1 198.51.100.2 ", "  2 203.0.113.9 "},
			"2001:db8:2::9":                   {"  1 2001:db8:1::2 ", "  2 2001:db8:2::9 "},
			"203.0.113.9 source 198.51.100.1": {"  1 198.51.100.2 ", "  2 203.0.113.9 "},
		} {
			inside(t, boxNamespace, func() {
				var s exectest.Session
				got := s.Type(t.Context(), t, o.commands(), "traceroute "+target)
				lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
				if len(lines) != 3 || !strings.HasPrefix(lines[1], want[0]) || !strings.HasPrefix(lines[2], want[1]) ||
					strings.Count(got, " ms") != 6 {
					t.Errorf("traceroute %s printed\n%s\nwant lines %q of three times each", target, got, want)
				}
			})
		}
	})
	t.Run("probe", func(t *testing.T) {
		listener := listenIn(t, host, "203.0.113.9:40000")
		defer listener.Close()
		answered := make(chan error, 1)
		go func() { answered <- reflect(listener) }()
		inside(t, boxNamespace, func() {
			found, err := probe(t.Context(), probeRequest{to("203.0.113.9"), 40000, 5, time.Minute})
			if err != nil || !found.arrived || found.address != netip.MustParseAddr("203.0.113.9") {
				t.Errorf("probe of a port that answers = %+v, %v; want it to arrive", found, err)
			}
		})
		if err := <-answered; err != nil {
			t.Error(err)
		}
		inside(t, boxNamespace, func() {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if found, err := probe(ctx, probeRequest{to("203.0.113.9"), 40001, 5, time.Hour}); err == nil {
				t.Errorf("probe after Ctrl-C = %+v; want an error at once", found)
			}
		})
	})
	t.Run("show", func(t *testing.T) {
		absent := Route{Port: lan2, Table: unix.RT_TABLE_MAIN, Destination: netip.MustParsePrefix("192.0.2.0/24"), Gateway: netip.MustParseAddr("192.168.43.254"), Metric: 5}
		s := exectest.Session{Answers: map[string]any{
			"control.routes": Wanted{[]Route{far, answers, absent}},
			"control.status": model.ControlStatus{Interfaces: []model.InterfaceStatus{{LAN: "LAN1", DHCP: true}, {LAN: "LAN2"}}},
		}}
		got := transcript(t.Context(), t, o, &s, "show ip interface brief", "show ip route", "show ipv6 route")
		s.Answers = nil
		exectest.Golden(t, "show-ip", got+transcript(t.Context(), t, o, &s, "show ip interface brief", "show ip route"))
		neighbours6 := s.Type(t.Context(), t, o.commands(), "show ipv6 neighbors")
		if want := "2001:db8:1::2"; !strings.Contains(neighbours6, want) || strings.Contains(neighbours6, "198.51") {
			t.Errorf("show ipv6 neighbors printed\n%s\nwant %q in it and no IPv4", neighbours6, want)
		}
		arp := s.Type(t.Context(), t, o.commands(), "show arp")
		for _, want := range []string{"198.51.100.2   00:00:5e:00:53:02  LAN1  ", "198.51.100.77  -                  LAN1  "} {
			if !strings.Contains(arp, want) {
				t.Errorf("show arp printed\n%s\nwant %q in it", arp, want)
			}
		}
	})
}

func listenIn(t *testing.T, ns netns.NsHandle, at string) (conn *net.UDPConn) {
	t.Helper()
	inside(t, ns, func() {
		var err error
		if conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at))); err != nil {
			t.Fatal(err)
		}
	})
	return conn
}

// reflect sends one datagram back.
func reflect(conn *net.UDPConn) error {
	data := make([]byte, 100)
	n, from, err := conn.ReadFromUDP(data)
	if err != nil {
		return err
	}
	_, err = conn.WriteToUDP(data[:n], from)
	return err
}

// TestRoutesMethod asks the reconciler over link what it was told.
func TestRoutesMethod(t *testing.T) {
	r := NewReconciler(nil, quiet())
	config := &model.Config{LANs: []model.LAN{configured(lan1, "198.51.100.1/24")}}
	config.Routes = []model.IPRoute{{Destination: prefix("0.0.0.0/0"), Gateway: addr("198.51.100.2"), Port: lan1, Metric: 1}}
	r.Apply(config)
	var s exectest.Session
	s.Serve(t, "control", r.Methods())
	var got Wanted
	if err := s.Call(t.Context(), "control", "control.routes", nil, &got); err != nil {
		t.Fatal(err)
	}
	if want := plan(config, nil).Routes; len(got.Routes) != len(want) || len(want) != 4 || len(without(got.Routes, want)) > 0 {
		t.Errorf("control.routes = %+v; want %+v", got.Routes, want)
	}
}

// extended makes the control message of an ICMP message as the kernel does.
func extended(level, message int32, origin, icmpType, code uint8, sender string, before int) []byte {
	address := netip.MustParseAddr(sender).AsSlice()
	data := make([]byte, unix.CmsgSpace(extendedError+before+len(address)))
	header := (*unix.Cmsghdr)(unsafe.Pointer(&data[0]))
	header.Level, header.Type = level, message
	header.SetLen(unix.CmsgLen(extendedError + before + len(address)))
	body := data[unix.CmsgLen(0):]
	body[4], body[5], body[6] = origin, icmpType, code
	copy(body[extendedError+before:], address)
	return data
}

func TestReadHop(t *testing.T) {
	four := func(origin, icmpType, code uint8) []byte {
		return extended(unix.IPPROTO_IP, unix.IP_RECVERR, origin, icmpType, code, "192.0.2.1", 4)
	}
	six := func(icmpType, code uint8) []byte {
		return extended(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.SO_EE_ORIGIN_ICMP6, icmpType, code, "2001:db8::1", 8)
	}
	router, router6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, test := range []struct {
		name    string
		control []byte
		want    hop
		ok      bool
	}{
		{"time exceeded", four(unix.SO_EE_ORIGIN_ICMP, 11, 0), hop{address: router}, true},
		{"port unreachable", four(unix.SO_EE_ORIGIN_ICMP, 3, 3), hop{address: router, arrived: true}, true},
		{"administratively prohibited", four(unix.SO_EE_ORIGIN_ICMP, 3, 13), hop{address: router, mark: " !A"}, true},
		{"another code", four(unix.SO_EE_ORIGIN_ICMP, 3, 15), hop{address: router, mark: " !15"}, true},
		{"source quench", four(unix.SO_EE_ORIGIN_ICMP, 4, 0), hop{}, false},
		{"of our own kernel", four(unix.SO_EE_ORIGIN_LOCAL, 3, 3), hop{}, false},
		{"IPv6 time exceeded", six(3, 0), hop{address: router6}, true},
		{"IPv6 port unreachable", six(1, 4), hop{address: router6, arrived: true}, true},
		{"IPv6 no route", six(1, 0), hop{address: router6, mark: " !N"}, true},
		{"IPv6 packet too big", six(2, 0), hop{}, false},
		{"nothing", nil, hop{}, false},
		{"cut short", four(unix.SO_EE_ORIGIN_ICMP, 11, 0)[:30], hop{}, false},
	} {
		if got, ok := readHop(test.control); got != test.want || ok != test.ok {
			t.Errorf("%s: readHop = %+v, %t; want %+v, %t", test.name, got, ok, test.want, test.ok)
		}
	}
}

func FuzzReadHop(f *testing.F) {
	f.Add(extended(unix.IPPROTO_IP, unix.IP_RECVERR, unix.SO_EE_ORIGIN_ICMP, 11, 0, "192.0.2.1", 4))
	f.Add(extended(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.SO_EE_ORIGIN_ICMP6, 1, 4, "2001:db8::1", 8))
	f.Fuzz(func(t *testing.T, control []byte) {
		if found, ok := readHop(control); ok && !found.address.IsValid() {
			t.Errorf("readHop(%x) = %+v; want an address", control, found)
		}
	})
}
