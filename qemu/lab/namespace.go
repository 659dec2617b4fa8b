package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Namespace is a network of its own with loopback up. It has no name in the
// file system: it is gone with its last process, so nothing is left behind
// however this one ends. `nsenter --net=/proc/PID/fd/FD` enters it.
type Namespace struct {
	handle netns.NsHandle
	links  *netlink.Handle
}

// NewNamespace makes an empty network. It needs CAP_SYS_ADMIN.
func NewNamespace() (*Namespace, error) {
	n := &Namespace{handle: netns.None()}
	err := onOwnThread(func() (err error) {
		n.handle, err = netns.New()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	if n.links, err = netlink.NewHandleAt(n.handle, unix.NETLINK_ROUTE); err != nil {
		n.handle.Close()
		return nil, fmt.Errorf("open a network namespace: %w", err)
	}
	if err := n.up("lo"); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// Here is the network that this process is in.
func Here() (*Namespace, error) {
	handle, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("find the network namespace: %w", err)
	}
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		handle.Close()
		return nil, fmt.Errorf("open the network namespace: %w", err)
	}
	return &Namespace{handle, links}, nil
}

// onOwnThread runs f on a thread whose network namespace f may change; the
// thread comes back to where it was.
func onOwnThread(f func() error) error {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	err = f()
	if back := netns.Set(home); back != nil {
		// The thread stays locked and dies with its goroutine.
		return errors.Join(err, fmt.Errorf("leave the namespace: %w", back))
	}
	runtime.UnlockOSThread()
	return err
}

// Do runs f inside: sockets it opens and processes it starts belong there.
// Goroutines that f starts do not.
func (n *Namespace) Do(f func() error) error {
	return onOwnThread(func() error {
		if err := netns.Set(n.handle); err != nil {
			return fmt.Errorf("enter the namespace: %w", err)
		}
		return f()
	})
}

// Handle is what opens netlink sockets inside. It is closed with the namespace.
func (n *Namespace) Handle() netns.NsHandle { return n.handle }

// Links is the kernel's network inside. It is closed with the namespace.
func (n *Namespace) Links() *netlink.Handle { return n.links }

// Start starts the command inside.
func (n *Namespace) Start(command *exec.Cmd) error { return n.Do(command.Start) }

// ListenUDP opens a UDP socket inside. Port 0 takes a free one.
func (n *Namespace) ListenUDP(local netip.AddrPort) (conn *net.UDPConn, err error) {
	err = n.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
		return err
	})
	return conn, err
}

// OpenTap makes a TAP device inside with that address of ours and gives its
// descriptor for QEMU. The device lives until all copies of it are closed.
func (n *Namespace) OpenTap(name string, address netip.Prefix) (tap *os.File, err error) {
	err = n.Do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		tap = os.NewFile(uintptr(fd), "tap "+name)
		request, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	})
	if err == nil {
		err = n.address(name, address)
	}
	if err != nil {
		if tap != nil {
			tap.Close()
		}
		return nil, fmt.Errorf("make TAP device %s: %w", name, err)
	}
	return tap, nil
}

// Connect lays a cable between two namespaces: a pair of Ethernet devices
// with these names and addresses.
func Connect(a *Namespace, nameA string, addressA netip.Prefix, b *Namespace, nameB string, addressB netip.Prefix) error {
	pair := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: nameA},
		PeerName:      nameB,
		PeerNamespace: netlink.NsFd(b.handle),
	}
	if err := a.links.LinkAdd(pair); err != nil {
		return fmt.Errorf("connect %s with %s: %w", nameA, nameB, err)
	}
	return errors.Join(a.address(nameA, addressA), b.address(nameB, addressB))
}

// Address gives the device one more address. One of IPv6 can be used at once:
// the lab has no address twice.
func (n *Namespace) Address(device string, address netip.Prefix) error {
	link, err := n.links.LinkByName(device)
	if err != nil {
		return fmt.Errorf("find %s: %w", device, err)
	}
	ipNet := &net.IPNet{
		IP:   address.Addr().AsSlice(),
		Mask: net.CIDRMask(address.Bits(), address.Addr().BitLen()),
	}
	flags := 0
	if address.Addr().Is6() {
		flags = unix.IFA_F_NODAD
	}
	if err := n.links.AddrAdd(link, &netlink.Addr{IPNet: ipNet, Flags: flags}); err != nil {
		return fmt.Errorf("give %s the address %s: %w", device, address, err)
	}
	return nil
}

// Route has the namespace send what is for that network to a gateway.
func (n *Namespace) Route(network netip.Prefix, gateway netip.Addr) error {
	route := &netlink.Route{
		Dst: &net.IPNet{IP: network.Addr().AsSlice(), Mask: net.CIDRMask(network.Bits(), network.Addr().BitLen())},
		Gw:  gateway.AsSlice(),
	}
	if err := n.links.RouteAdd(route); err != nil {
		return fmt.Errorf("add the route to %s: %w", network, err)
	}
	return nil
}

// address gives the device its address and brings it up.
func (n *Namespace) address(device string, address netip.Prefix) error {
	if err := n.Address(device, address); err != nil {
		return err
	}
	// Ask for a neighbour that does not answer 20 times a second, not once: a
	// box that boots is to be seen when it answers.
	retry := fmt.Sprintf("/proc/sys/net/ipv4/neigh/%s/retrans_time_ms", device)
	if err := n.Do(func() error { return os.WriteFile(retry, []byte("50"), 0o644) }); err != nil {
		return fmt.Errorf("set %s: %w", device, err)
	}
	return n.up(device)
}

func (n *Namespace) up(device string) error {
	link, err := n.links.LinkByName(device)
	if err != nil {
		return fmt.Errorf("find %s: %w", device, err)
	}
	if err := n.links.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring %s up: %w", device, err)
	}
	return nil
}

// Close lets go of the namespace. The kernel removes it when no process and
// no socket is in it any more.
func (n *Namespace) Close() error {
	n.links.Close()
	return n.handle.Close()
}
