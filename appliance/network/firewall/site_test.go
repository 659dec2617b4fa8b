package firewall

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"causeway/appliance/model"
	"causeway/qemu/lab"
)

// site is a box with a firewall, and a host on each of its LANs that has the
// box for its router.
type site struct {
	*testing.T
	box, host1, host2 network
	firewall          *Firewall
}

func newSite(t *testing.T) *site {
	s := &site{T: t, box: newNetwork(t), host1: newNetwork(t), host2: newNetwork(t)}
	for _, cable := range []struct {
		host                    network
		lan, address, neighbour string
	}{{s.host1, "lan1", "192.168.42.1/24", "192.168.42.2/24"}, {s.host2, "lan2", "192.168.43.1/24", "192.168.43.2/24"}} {
		err := lab.Connect(s.box.Namespace, cable.lan, netip.MustParsePrefix(cable.address), cable.host.Namespace, "eth0", netip.MustParsePrefix(cable.neighbour))
		if err != nil {
			t.Fatal(err)
		}
		router, _, _ := strings.Cut(cable.address, "/")
		cable.host.run(t, "ip", "route", "add", "default", "via", router)
	}
	s.firewall = New(s.box.tables, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.firewall.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
	return s
}

// apply brings a configuration into force.
func (s *site) apply(c *model.Config) {
	s.Helper()
	s.firewall.Apply(c)
	s.stands(c)
}

// stands waits until the table is that of the configuration.
func (s *site) stands(c *model.Config) {
	s.Helper()
	eventually(s.T, "the table", func() string {
		difference, _, err := s.box.tables.Compare(plan(c, nil))
		if err != nil {
			return err.Error()
		}
		return difference
	})
}

// socket opens a UDP socket.
func (s *site) socket(n network, local string) *net.UDPConn {
	s.Helper()
	conn, err := n.ListenUDP(netip.MustParseAddrPort(local))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	return conn
}

func (s *site) send(from *net.UDPConn, to string) {
	s.Helper()
	if _, err := from.WriteToUDPAddrPort([]byte("hello"), netip.MustParseAddrPort(to)); err != nil {
		s.Fatalf("send to %s: %v", to, err)
	}
}

// receive gives who sent the datagram that is due.
func (s *site) receive(conn *net.UDPConn) netip.AddrPort {
	s.Helper()
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, from, err := conn.ReadFromUDPAddrPort(make([]byte, 100))
	if err != nil {
		s.Fatalf("receive: %v", err)
	}
	return from
}

// nothingAt fails if something has come to the socket. What was sent before
// something that did arrive has had its time.
func (s *site) nothingAt(what string, conn *net.UDPConn) {
	s.Helper()
	conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, from, err := conn.ReadFromUDPAddrPort(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		s.Errorf("%s: received from %v, %v; want nothing", what, from, err)
	}
}

// counted gives what show firewall says of a kind of packets.
func (s *site) counted(port model.Port, what string) uint64 {
	s.Helper()
	report, err := s.firewall.Report()
	if err != nil {
		s.Fatal(err)
	}
	for _, p := range report.Ports {
		for _, line := range p.Lines {
			if p.Port == port && line.What == what {
				return line.Packets
			}
		}
	}
	s.Fatalf("no line %q of %v in %+v", what, port, report)
	return 0
}

// connections gives what the box tracks.
func (s *site) connections() (table string) {
	s.Helper()
	err := s.box.Do(func() error {
		text, err := os.ReadFile("/proc/thread-self/net/nf_conntrack")
		table = string(text)
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return table
}

// ping sends an echo request, and gives where the answer comes to.
func (s *site) ping(from network, to string) *icmp.PacketConn {
	s.Helper()
	var conn *icmp.PacketConn
	if err := from.Do(func() (err error) {
		conn, err = icmp.ListenPacket("ip4:icmp", "0.0.0.0")
		return err
	}); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	s.again(conn, to)
	return conn
}

// again sends an echo request of the same identifier and number.
func (s *site) again(conn *icmp.PacketConn, to string) {
	s.Helper()
	request, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{}}).Marshal(nil)
	if err != nil {
		s.Fatal(err)
	}
	if _, err := conn.WriteTo(request, &net.IPAddr{IP: net.ParseIP(to)}); err != nil {
		s.Fatal(err)
	}
}

// forward lets the box forward.
func (s *site) forward() {
	s.Helper()
	if err := s.box.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644) }); err != nil {
		s.Fatal(err)
	}
}
