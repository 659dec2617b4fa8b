package dhcp

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"causeway/appliance/model"
	"causeway/qemu/lab"
)

// inNamespace is the kernel of a network namespace.
type inNamespace struct {
	Linux
	*lab.Namespace
}

// namespace makes a network namespace that lives as long as the test.
func namespace(t *testing.T) inNamespace {
	t.Helper()
	made, err := lab.NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { made.Close() })
	return inNamespace{Namespace: made}
}

func (k inNamespace) Watch(ctx context.Context, changed func(string, Link)) error {
	return k.Do(func() error { return k.Linux.Watch(ctx, changed) })
}

func (k inNamespace) Wire(link Link) (w Wire, err error) {
	err = k.Do(func() (err error) { w, err = k.Linux.Wire(link); return err })
	return w, err
}

func (k inNamespace) Listen(name string, link Link) (l Listener, err error) {
	err = k.Do(func() (err error) { l, err = k.Linux.Listen(name, link); return err })
	return l, err
}

func (k inNamespace) Probe(ctx context.Context, link Link, address netip.Addr) (holder MAC, err error) {
	err = k.Do(func() (err error) { holder, err = k.Linux.Probe(ctx, link, address); return err })
	return holder, err
}

func (k inNamespace) Announce(link Link, address netip.Addr) error {
	return k.Do(func() error { return k.Linux.Announce(link, address) })
}

// ethernet lays a cable from lan1 of each host to one switch.
func ethernet(t *testing.T, hosts ...inNamespace) {
	t.Helper()
	center := namespace(t)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "switch"
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := center.Links().LinkAdd(bridge); err != nil {
		t.Fatal(err)
	}
	center.up(t, "switch")
	for i, host := range hosts {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "lan1"
		socket := fmt.Sprint("port", i)
		if err := host.Links().LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: socket, PeerNamespace: netlink.NsFd(int(center.Handle()))}); err != nil {
			t.Fatal(err)
		}
		if err := center.Links().LinkSetMaster(center.link(t, socket), center.link(t, "switch")); err != nil {
			t.Fatal(err)
		}
		center.up(t, socket)
		host.up(t, "lan1")
	}
}

func (k inNamespace) link(t *testing.T, name string) netlink.Link {
	t.Helper()
	link, err := k.Links().LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func (k inNamespace) up(t *testing.T, name string) {
	t.Helper()
	if err := k.Links().LinkSetUp(k.link(t, name)); err != nil {
		t.Fatal(err)
	}
}

func (k inNamespace) setAddress(t *testing.T, name string, address netip.Prefix) {
	t.Helper()
	n := &net.IPNet{IP: address.Addr().AsSlice(), Mask: net.CIDRMask(address.Bits(), 32)}
	if err := k.Links().AddrReplace(k.link(t, name), &netlink.Addr{IPNet: n}); err != nil {
		t.Fatal(err)
	}
}

// start runs f until the test ends.
func start(t *testing.T, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
}

// eventually waits until met gives an empty string.
func eventually(t *testing.T, what string, met func() string) {
	t.Helper()
	var missing string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if missing = met(); missing == "" {
			return
		}
	}
	t.Fatalf("%s: %s", what, missing)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// lanServer is a configuration of LAN1 as server of some addresses.
func lanServer(self string, pools ...model.DHCPPool) *model.Config {
	lan := model.NewLAN(model.Port{})
	lan.Address = netip.MustParsePrefix(self)
	lan.DHCP.Mode, lan.DHCP.Pools = model.DHCPServer, pools
	return &model.Config{LANs: []model.LAN{lan}}
}

func lanClient() *model.Config {
	lan := model.NewLAN(model.Port{})
	lan.DHCP.Mode = model.DHCPClient
	return &model.Config{HostName: "box", LANs: []model.LAN{lan}}
}

func pool(start string, count int) model.DHCPPool {
	return model.DHCPPool{Start: netip.MustParsePrefix(start), Count: count}
}

// TestClientAndServer lets our client ask our server over a real kernel.
func TestClientAndServer(t *testing.T) {
	box, host, squatter := namespace(t), namespace(t), namespace(t)
	ethernet(t, box, host, squatter)
	box.setAddress(t, "lan1", netip.MustParsePrefix("192.168.42.1/24"))
	squatter.setAddress(t, "lan1", netip.MustParsePrefix("192.168.42.10/24"))
	server := NewServer(ServerOptions{
		Boot: boot,
		File: filepath.Join(t.TempDir(), "dhcp.db"), Kernel: box, Log: quiet(),
		NameServers: just("192.0.2.53"), TimeServers: just("192.0.2.123"),
	})
	server.Apply(lanServer("192.168.42.1/24", pool("192.168.42.10/24", 3)))
	start(t, server.Run)

	var mu sync.Mutex
	var leases []model.Lease
	dir := t.TempDir()
	newClient := func() *Client {
		c := NewClient(ClientOptions{Dir: dir, Kernel: host, Boot: boot, Log: quiet(), Changed: func(all []model.Lease) {
			mu.Lock()
			defer mu.Unlock()
			leases = all
			for _, l := range all {
				host.setAddress(t, "lan1", l.Address)
			}
		}})
		c.Apply(lanClient())
		return c
	}
	client := newClient()
	start(t, client.Run)
	// The first address of the pool is in use.
	want := model.Lease{
		Address: netip.MustParsePrefix("192.168.42.11/24"), Router: netip.MustParseAddr("192.168.42.1"),
		NameServers: just("192.0.2.53")(), TimeServers: just("192.0.2.123")(), Server: netip.MustParseAddr("192.168.42.1"),
	}
	eventually(t, "a lease", func() string {
		mu.Lock()
		defer mu.Unlock()
		return cmp.Diff([]model.Lease{want}, leases, equalAddresses, equalPrefixes)
	})
	states := func() (words []string) {
		all, err := server.list()
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range all.Bindings {
			words = append(words, fmt.Sprint(b.Address, " ", b.State, " ", b.Host))
		}
		return words
	}
	if diff := cmp.Diff([]string{"192.168.42.10 conflict ", "192.168.42.11 leased box"}, states()); diff != "" {
		t.Errorf("bindings (-want +got):\n%s", diff)
	}

	before := client.Status()[0].Obtained
	if _, err := client.asking(renew)(t.Context(), PortQuery{}); err != nil {
		t.Fatalf("renew: %v", err)
	}
	eventually(t, "renewed by unicast", func() string {
		if s := client.Status()[0]; s.State != "bound" || s.Obtained >= before {
			return fmt.Sprintf("%s since %v", s.State, s.Obtained)
		}
		before++ // time goes on
		return ""
	})

	// What is kept is in force before anything is on the wire.
	if s := newClient().Status()[0]; !s.Held || s.Lease.Address != want.Address {
		t.Errorf("after a restart of the process: %+v; want the lease", s)
	}

	if _, err := client.asking(release)(t.Context(), PortQuery{}); err != nil {
		t.Fatalf("release: %v", err)
	}
	eventually(t, "released", func() string {
		return cmp.Diff([]string{"192.168.42.10 conflict ", "192.168.42.11 lapsed box"}, states())
	})
}

// just gives one address.
func just(address string) func() []netip.Addr {
	return func() []netip.Addr {
		return []netip.Addr{netip.MustParseAddr(address)}
	}
}

var equalAddresses = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
var equalPrefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
