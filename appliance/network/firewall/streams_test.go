package firewall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// listen opens a TCP listener.
func (s *site) listen(n network, local string) *net.TCPListener {
	s.Helper()
	var listener *net.TCPListener
	if err := n.Do(func() (err error) {
		listener, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort(local)))
		return err
	}); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { listener.Close() })
	return listener
}

// dial connects from an address to another, until ctx ends.
func (s *site) dial(ctx context.Context, from network, local, to string) (conn net.Conn, err error) {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(local))}
	err = from.Do(func() error {
		conn, err = dialer.DialContext(ctx, "tcp", to)
		return err
	})
	if err == nil {
		s.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

// connect connects to a listener.
func (s *site) connect(from network, local string, to *net.TCPListener) (asking, asked net.Conn) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	asking, err := s.dial(ctx, from, local, to.Addr().String())
	if err != nil {
		s.Fatal(err)
	}
	to.SetDeadline(time.Now().Add(30 * time.Second))
	if asked, err = to.Accept(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { asked.Close() })
	return asking, asked
}

// talk sends a word each way of a connection.
func (s *site) talk(a, b net.Conn) {
	s.Helper()
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		if _, err := way[0].Write([]byte("hello")); err != nil {
			s.Fatal(err)
		}
		way[1].SetReadDeadline(time.Now().Add(30 * time.Second))
		if _, err := way[1].Read(make([]byte, 100)); err != nil {
			s.Fatal(err)
		}
	}
}

// refuses fails unless a SYN is dropped, and counted as something.
func (s *site) refuses(from network, local, to string, port model.Port, what string) {
	s.Helper()
	before := s.counted(port, what)
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	dialled := make(chan error, 1)
	go func() {
		_, err := s.dial(ctx, from, local, to)
		dialled <- err
	}()
	eventually(s.T, to, func() string {
		if s.counted(port, what) == before {
			return "not dropped as " + what
		}
		return ""
	})
	cancel()
	if err := <-dialled; !errors.Is(err, context.Canceled) {
		s.Errorf("dial %s from %s = %v; want no answer", to, local, err)
	}
}

// SIP over TCP, TLS and WebSocket comes in where it is listened for, and the
// connections that the box opens work from the same addresses.
func TestSIPStreams(t *testing.T) {
	s := newSite(t)
	s.box.run(t, "ip", "address", "add", "2001:db8:42::1/64", "dev", "lan1", "nodad")
	s.host1.run(t, "ip", "address", "add", "2001:db8:42::2/64", "dev", "eth0", "nodad")
	s.box.run(t, "ip", "address", "add", "192.0.2.9/32", "dev", "lo")
	c := builtIn()
	c.LANs[0].Address6 = netip.MustParsePrefix("2001:db8:42::1/64")
	c.SIP.Networks = append(c.SIP.Networks, streams("192.168.42.1:5062", "192.168.43.1:5061", "[2001:db8:42::1]:80", "192.0.2.9:443"))
	s.apply(c)

	for local, address := range map[string]string{
		"192.168.42.2:4000": "192.168.42.1:5062", "[2001:db8:42::2]:4000": "[2001:db8:42::1]:80", "192.168.42.2:4001": "192.0.2.9:443",
	} {
		s.talk(s.connect(s.host1, local, s.listen(s.box, address)))
		if got := s.counted(lan1, "SIP, tcp "+address); got < 3 {
			t.Errorf("%s has counted %d packets; want those of a connection", address, got)
		}
	}
	for _, address := range []string{"192.168.42.1:5060", "192.168.42.1:5061"} { // of UDP, and of nothing
		s.listen(s.box, address)
		s.refuses(s.host1, "192.168.42.2:0", address, lan1, "all else")
	}
	s.listen(s.box, "192.168.43.1:5061")
	s.refuses(s.host1, "192.168.42.2:0", "192.168.43.1:5061", lan1, "to an address of another port")
	if got := s.connections(); !strings.Contains(got, "dport=5062") {
		t.Errorf("tracked:\n%s\nwant the connection to port 5062", got)
	}

	// The other way, from the listen address and any port.
	s.talk(s.connect(s.box, "192.168.43.1:0", s.listen(s.host2, "192.168.43.2:5060")))
}

// A listener that is taken away is closed at once, also for who is connected.
func TestSIPStreamCloses(t *testing.T) {
	s := newSite(t)
	c := builtIn()
	c.SIP.Networks = append(c.SIP.Networks, streams("192.168.42.1:5060"))
	s.apply(c)
	phone, box := s.connect(s.host1, "192.168.42.2:4000", s.listen(s.box, "192.168.42.1:5060"))
	s.talk(phone, box)
	s.apply(builtIn())
	if _, err := phone.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what the phone sends", func() string {
		if s.counted(lan1, "all else") == 0 {
			return "not dropped"
		}
		return ""
	})
}

// Who opens connections without end gets some of them only.
func TestSIPConnectionLimit(t *testing.T) {
	s := newSite(t)
	c := builtIn()
	c.SIP.Networks = append(c.SIP.Networks, streams("192.168.42.1:5060"))
	s.apply(c)
	s.listen(s.box, "192.168.42.1:5060")
	const tried = 5 * connectionLimit
	if err := s.host1.Do(func() error {
		for range tried {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 5060, Addr: [4]byte{192, 168, 42, 1}}); !errors.Is(err, unix.EINPROGRESS) {
				return fmt.Errorf("connect: %w", err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "counted", func() string {
		accepted, dropped := s.counted(lan1, "new SIP connections"), s.counted(lan1, "all else")
		if accepted < connectionLimit || dropped == 0 || accepted+dropped < tried {
			return fmt.Sprintf("%d SYNs accepted, %d dropped; want all of %d, and both", accepted, dropped, tried)
		}
		return ""
	})
}

func TestMetrics(t *testing.T) {
	s := newSite(t)
	c := builtIn()
	c.Metrics.On = true
	s.apply(c)
	s.talk(s.connect(s.host1, "192.168.42.2:0", s.listen(s.box, "192.168.42.1:9464")))
	s.apply(builtIn())
	s.refuses(s.host1, "192.168.42.2:0", "192.168.42.1:9464", lan1, "all else")
}

// SSH and the pages are open on LAN1 once there is a user.
func TestSSHAndPages(t *testing.T) {
	s := newSite(t)
	c := builtIn()
	c.Access.Users = []model.User{{Name: "alice"}}
	c.Access.Web.On = true
	s.apply(c)
	for _, port := range []string{"22", "443"} {
		s.talk(s.connect(s.host1, "192.168.42.2:0", s.listen(s.box, "192.168.42.1:"+port)))
		s.listen(s.box, "192.168.43.1:"+port)
		s.refuses(s.host2, "192.168.43.2:0", "192.168.43.1:"+port, lan2, "all else")
	}
	c.Access.Users = nil
	s.apply(c)
	s.refuses(s.host1, "192.168.42.2:0", "192.168.42.1:22", lan1, "all else")
	s.refuses(s.host1, "192.168.42.2:0", "192.168.42.1:443", lan1, "all else")
}
