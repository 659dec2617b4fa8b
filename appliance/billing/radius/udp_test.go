package radius

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/model"
)

// listen makes a server on a real socket, which answers until the test ends.
func listen(tb testing.TB, address string) netip.AddrPort {
	tb.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address)))
	if err != nil {
		tb.Fatal(err)
	}
	conn.SetReadBuffer(receiveBuffer)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, maxPacket)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				conn.WriteToUDPAddrPort(acknowledge(0, b[:n])[0], from)
			}
		}
	}()
	tb.Cleanup(func() {
		conn.Close()
		<-done
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// socketOptions are options for servers on real sockets.
func socketOptions(servers ...netip.AddrPort) Options {
	_, _, o := newToys(nil, 0)
	o.Dial, o.Client.Interval, o.Client.Tries = nil, 200, 10
	for i, s := range servers {
		o.Client.Servers = append(o.Client.Servers, model.RADIUSServer{
			Name: s.String(), Address: s.Addr(), Port: int(s.Port()), Priority: i + 1})
	}
	return o
}

// TestSockets: 4,000 requests at a time over real sockets, from the address
// they are to come from.
func TestSockets(t *testing.T) {
	o := socketOptions(listen(t, "127.0.0.1:0"))
	o.Client.Concurrent, o.Local = 4000, netip.MustParseAddr("127.0.0.2")
	c := start(t, o)
	var all sync.WaitGroup
	for range 4000 {
		all.Go(func() { account(t, c, nil) })
	}
	all.Wait()
	lines := c.servers[0].list()
	for _, l := range lines {
		if from := l.conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr(); from != o.Local {
			t.Errorf("a socket is bound to %s; want %s", from, o.Local)
		}
	}
	if len(lines) > maxLines {
		t.Errorf("%d sockets; %d are the most", len(lines), maxLines)
	}
	if s := c.Status().Servers[0]; s.Requests != 4000 || s.Responses < 4000 || s.RoundTripTime <= 0 {
		t.Errorf("%+v; want 4000 requests and responses", s)
	}
}

// TestPortUnreachable: nobody is at the server's port until later, and the
// kernel says so.
func TestPortUnreachable(t *testing.T) {
	free, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 3)})
	if err != nil {
		t.Fatal(err)
	}
	address := free.LocalAddr().(*net.UDPAddr).AddrPort()
	free.Close()
	o := socketOptions(address)
	o.Client.Interval = 1000
	c := start(t, o)
	delivered := make(chan error)
	go func() { delivered <- c.Account(t.Context(), "session", vsa("record")) }()
	for c.Status().Servers[0].Problem != syscall.ECONNREFUSED.Error() {
		time.Sleep(time.Millisecond)
	}
	listen(t, address.String())
	if err := <-delivered; err != nil {
		t.Errorf("Account() = %v once the server is there", err)
	}
	if s := c.Status().Servers[0]; s.Retransmissions == 0 || s.Problem != "" {
		t.Errorf("%+v; want retransmissions and no problem left", s)
	}
}

// TestLocalAddressMissing: sockets cannot be bound to an address that the box
// does not have.
func TestLocalAddressMissing(t *testing.T) {
	o := socketOptions(listen(t, "127.0.0.1:0"))
	o.Local, o.Client.Interval = netip.MustParseAddr("192.0.2.1"), 10
	c := start(t, o)
	account(t, c, ErrDown)
	if s := c.Status().Servers[0]; s.Problem != syscall.EADDRNOTAVAIL.Error() {
		t.Errorf("problem %q; want %q", s.Problem, syscall.EADDRNOTAVAIL.Error())
	}
}

// renumbered is a socket of an address that the box has no more.
type renumbered struct{ net.Conn }

func (renumbered) Write([]byte) (int, error) {
	return 0, os.NewSyscallError("write", syscall.ENETUNREACH)
}

// TestOwnAddressChanges: the box gets another address, and the next try goes
// out from that.
func TestOwnAddressChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, _, o := newToys(t, 1)
		sockets := 0
		o.Dial = func(ctx context.Context, kind string, local netip.Addr, to netip.AddrPort) (net.Conn, error) {
			conn, err := network.dial(ctx, kind, local, to)
			if sockets++; sockets == 1 {
				return renumbered{conn}, err
			}
			return conn, err
		}
		account(t, start(t, o), nil)
		if sockets != 2 {
			t.Errorf("%d sockets were opened; want 2", sockets)
		}
	})
}

func BenchmarkAppendRequest(b *testing.B) {
	r := record{session: "12345-eeacb6cc-7", attributes: make([]byte, 1000)}
	packet, nas := make([]byte, 0, maxPacket), nasAttribute(netip.MustParseAddr("192.0.2.100"), "")
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		packet = appendRequest(packet[:0], 1, &r, nas, now, []byte(toyKey))
	}
}

func BenchmarkReceive(b *testing.B) {
	l, e := waitingLine()
	answer := acknowledge(0, e.packet)[0]
	b.ReportAllocs()
	for b.Loop() {
		if err := l.receive(answer); err != nil {
			b.Fatal(err)
		}
		<-e.result
		l.expect(e)
	}
}

// BenchmarkAccount sends records of 1,000 octets to a server in this process,
// which takes more time than the client.
func BenchmarkAccount(b *testing.B) {
	c := start(b, socketOptions(listen(b, "127.0.0.1:0")))
	attributes := make([]byte, 1000)
	b.ReportAllocs()
	b.SetParallelism(100)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := c.Account(b.Context(), "session", attributes); err != nil {
				b.Error(err)
			}
		}
	})
}
