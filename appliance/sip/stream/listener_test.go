package stream

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

func TestRefuse(t *testing.T) {
	r := newRig(t)
	l := r.serve(model.TCP, ListenOptions{Refuse: true})
	r.dialRefused("127.0.0.1", l)
	address, accept := r.peer()
	r.Conn(l, address, "").Send([]byte("ours"))
	r.expect(accept(), "ours")
	l.Serve(ListenOptions{})
	r.write(r.dialTCP(l), request("taken now", ""))
	r.next(r.received)
}

// TestCommit: what connects between Listen and Serve waits; a closed listener
// keeps its connections until they are dropped, and its address is free.
func TestCommit(t *testing.T) {
	r := newRig(t)
	l, err := r.Listen(model.TCP, anyPort)
	if err != nil {
		t.Fatal(err)
	}
	peer := r.dialTCP(l)
	r.write(peer, request("early", ""))
	if got := len(r.Connections()); got != 0 {
		t.Errorf("%d connections before Serve", got)
	}
	l.Serve(ListenOptions{Network: "lan1"})
	l.Serve(ListenOptions{Network: "lan2"})
	c := r.next(r.received).conn
	if got := r.only().Network; got != "lan2" {
		t.Errorf("network is %q; want the last", got)
	}
	l.Close()
	if _, err := r.Listen(model.TCP, l.Address()); err != nil {
		t.Errorf("the address is not free: %v", err)
	}
	c.Send([]byte("still here"))
	r.expect(peer, "still here")
	l.Drop()
	r.expectEnd(peer)
}

func TestListen(t *testing.T) {
	r := newRig(t)
	for _, address := range []string{"192.0.2.1:5060", "[2001:db8::1]:5060", "[::1]:0"} { // not there, not there, there
		l, err := r.Listen(model.TCP, netip.MustParseAddrPort(address))
		if err != nil {
			t.Errorf("Listen(%s): %v", address, err)
			continue
		}
		if l.Address().Port() != 0 && l.Address().Addr() != netip.MustParseAddrPort(address).Addr() {
			t.Errorf("Listen(%s) listens on %s", address, l.Address())
		}
	}
	taken := r.serve(model.TCP, ListenOptions{})
	if _, err := r.Listen(model.TLS, taken.Address()); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("Listen on an address in use: %v", err)
	}
	if _, err := r.Listen(model.UDP, anyPort); err == nil {
		t.Error("Listen takes UDP")
	}
}

// TestIPv6: both directions, marked with the DSCP asked for.
func TestIPv6(t *testing.T) {
	r := newRig(t)
	l, err := r.Listen(model.TCP, netip.MustParseAddrPort("[::1]:0"))
	if err != nil {
		t.Fatal(err)
	}
	l.Serve(ListenOptions{DSCP: 24})
	out := r.Conn(l, l.Address(), "")
	out.Send([]byte(request("self", "")))
	in := r.next(r.received).conn
	in.Send([]byte(request("back", "")))
	if got := r.next(r.received).conn; got != out {
		t.Errorf("the answer came over the connection from %s", got.Remote())
	}
	for _, c := range []*Conn{out, in} {
		mark := 0
		c.wire.raw.Control(func(fd uintptr) { mark, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS) })
		if err != nil || mark != 24<<2 {
			t.Errorf("outbound %v: traffic class %d, %v; want %d", c.Outbound(), mark, err, 24<<2)
		}
	}
}

// TestConnectTimeout: a peer that does not answer is given up in time.
func TestConnectTimeout(t *testing.T) {
	r := newRig(t)
	l := r.serve(model.TCP, ListenOptions{ConnectTimeout: 50 * time.Millisecond})
	// A full backlog answers nobody.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	unix.Listen(fd, 0)
	name, _ := unix.Getsockname(fd)
	silent := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*unix.SockaddrInet4).Port))
	for range 2 {
		if conn, err := net.DialTimeout("tcp", silent.String(), 50*time.Millisecond); err == nil {
			defer conn.Close()
		}
	}
	r.Conn(l, silent, "").Send([]byte("hello"))
	if got := r.next(r.failed).payload; got != "hello" {
		t.Errorf("failed %q", got)
	}
}

// TestNoDescriptors: a box that has no file descriptor left accepts again when
// it has.
func TestNoDescriptors(t *testing.T) {
	r := newRig(t)
	l := r.serve(model.TCP, ListenOptions{})
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: limit.Max})
	address := l.Address()
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: address.Addr().As4(), Port: int(address.Port())}); err != nil {
		t.Fatal(err)
	}
	r.until("accepting failed", func() bool { return r.count(acceptFailed) > 1 })
	unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	if _, err := unix.Write(fd, []byte(request("a", ""))); err != nil {
		t.Fatal(err)
	}
	r.next(r.received)
}
