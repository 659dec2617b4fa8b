package logging

import (
	"errors"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// TestSilentHost: a datagram to a host of our own network that is switched off
// breaks the connection, so that what was sent does not count as received.
func TestSilentHost(t *testing.T) {
	for network, at := range map[string]struct{ own, target string }{
		"IPv4": {"198.51.100.1/24", "198.51.100.7:514"},
		"IPv6": {"2001:db8::1/64", "[2001:db8::7]:514"},
	} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			home, err := netns.Get()
			if err != nil {
				t.Fatal(err)
			}
			defer home.Close()
			alone, err := netns.New()
			if err != nil {
				t.Fatal(err)
			}
			defer alone.Close()
			defer func() {
				if err := netns.Set(home); err != nil {
					t.Error(err)
				}
			}()
			connectPort(t, at.own)
			conn, err := dial(t.Context(), "udp", at.target)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			conn.SetReadDeadline(time.Now().Add(limit))
			if err := drain(conn); !errors.Is(err, unix.EHOSTUNREACH) {
				t.Errorf("a datagram to a host that is off: %v; want %v", err, unix.EHOSTUNREACH)
			}
		})
	}
}

// connectPort gives the namespace of this thread a port with the address, and
// nobody at the other end of its cable.
func connectPort(t *testing.T, own string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "lan1"
	ports := netlink.Veth{LinkAttrs: attrs, PeerName: "far", PeerHardwareAddr: net.HardwareAddr{0, 0, 0x5e, 0, 0x53, 2}}
	if err := netlink.LinkAdd(&ports); err != nil {
		t.Fatal(err)
	}
	address, err := netlink.ParseAddr(own)
	if err != nil {
		t.Fatal(err)
	}
	address.Flags = unix.IFA_F_NODAD
	for _, name := range []string{"lo", "lan1", "far"} { // over lo the kernel tells itself
		port, err := netlink.LinkByName(name)
		if err == nil && name == "lan1" {
			err = netlink.AddrAdd(port, address)
		}
		if err == nil {
			err = netlink.LinkSetUp(port)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
