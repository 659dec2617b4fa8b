package stream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// TestReuse: one connection serves both directions, whoever opened it.
func TestReuse(t *testing.T) {
	t.Run("accepted", func(t *testing.T) {
		r := newRig(t)
		l := r.serve(model.TCP, ListenOptions{})
		peer := r.dialTCP(l)
		r.write(peer, request("in", ""))
		in := r.next(r.received).conn
		out := r.Conn(l, addrPort(peer.LocalAddr()), "")
		if out != in {
			t.Error("a second connection for requests to the peer")
		}
		out.Send([]byte("back"))
		r.expect(peer, "back")
	})
	t.Run("opened", func(t *testing.T) {
		r := newRig(t)
		l := r.serve(model.TCP, ListenOptions{})
		address, accept := r.peer()
		out := r.Conn(l, address, "")
		out.Queue([]byte("one "))
		if again := r.Conn(l, address, ""); again != out {
			t.Error("a second connection while the first is made")
		}
		out.Send([]byte("two"))
		peer := accept()
		r.expect(peer, "one two")
		if got, want := out.Local().Addr(), l.Address().Addr(); got != want {
			t.Errorf("it leaves from %s; want %s", got, want)
		}
		r.write(peer, request("in", ""))
		if got := r.next(r.received); got.conn != out {
			t.Error("what the peer sends comes from another connection")
		}
		if again := r.Conn(l, address, ""); again != out {
			t.Error("a second connection once the first is open")
		}
		if other := r.Conn(r.serve(model.TCP, ListenOptions{}), address, ""); other == out {
			t.Error("another listen point shares the connection")
		}
	})
}

// TestNewAfterEnd: a connection that has ended is not found any more, and what
// is sent over it fails.
func TestNewAfterEnd(t *testing.T) {
	r := newRig(t)
	l := r.serve(model.TCP, ListenOptions{})
	address, accept := r.peer()
	old := r.Conn(l, address, "")
	accept().Close()
	r.until("the end is seen", old.Ended)
	old.Send([]byte("late"))
	if got := r.next(r.failed); got.conn != old || got.payload != "late" {
		t.Errorf("failed %q", got.payload)
	}
	c := r.Conn(l, address, "")
	c.Send([]byte("hello"))
	r.expect(accept(), "hello")
}

// TestRefused: messages to whom nobody connects fail in their order, and not
// within Send, where the sender may hold what Failed wants.
func TestRefused(t *testing.T) {
	r := newRig(t)
	held := make(chan bool, 1)
	r.options.Failed = func(c *Conn, payload []byte) {
		held <- true // parks as long as a Send runs
		<-held
		r.failed <- event{c, string(payload), false}
	}
	l := r.serve(model.TCP, ListenOptions{})
	gone, _ := net.Listen("tcp", "127.0.0.1:0")
	gone.Close()
	c := r.Conn(l, addrPort(gone.Addr()), "")
	const count = 100
	for i := range count {
		held <- true
		c.Send(fmt.Appendf(nil, "message %d", i))
		<-held
	}
	for i := range count {
		if got, want := r.next(r.failed).payload, fmt.Sprintf("message %d", i); got != want {
			t.Fatalf("failed %q; want %q", got, want)
		}
	}
	if got := r.count(connectFailed); got != 1 {
		t.Errorf("%d attempts failed; want 1", got)
	}
}

// TestNobodyThere: a message that the kernel took fails if the peer turns out
// to have never been there, or to know nothing of the connection any more.
func TestNobodyThere(t *testing.T) {
	for _, test := range []struct {
		name    string
		heard   bool // the peer has sent something before
		reset   bool // and not ended its side in order
		outward bool // we opened the connection
		fails   bool
	}{
		{"accepts and ends", false, false, true, true},
		{"accepts and resets", false, true, true, true},
		{"ends after a while", true, false, true, false},
		{"restarted", true, true, true, true},
		{"a client resets", true, true, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			l := r.serve(model.TCP, ListenOptions{})
			var c *Conn
			var peer net.Conn
			if test.outward {
				address, accept := r.peer()
				c = r.Conn(l, address, "")
				peer = accept()
			} else {
				peer = r.dialTCP(l)
			}
			if test.heard {
				r.write(peer, request("here", ""))
				c = r.next(r.received).conn
			}
			for _, text := range []string{"one ", "two ", "three"} {
				c.Send([]byte(text))
			}
			r.until("it is sent", func() bool { return c.messagesOut.Load() == 3 })
			if test.reset {
				peer.(*net.TCPConn).SetLinger(0)
			} else {
				r.expect(peer, "one two three")
			}
			peer.Close()
			r.until("it has ended", func() bool { return len(r.Connections()) == 0 })
			c.Send([]byte("late"))
			want := []string{"late"}
			if test.fails {
				want = []string{"one ", "two ", "three", "late"}
			}
			for _, text := range want {
				if got := r.next(r.failed).payload; got != text {
					t.Errorf("failed %q; want %q", got, text)
				}
			}
		})
	}
}

// TestEndWithinReceive: a connection that turns out to be broken while what it
// brought is handled ends without waiting for that, whichever one it is.
func TestEndWithinReceive(t *testing.T) {
	r := newRig(t)
	both, breaking := make(chan *Conn, 2), make(chan bool)
	var came atomic.Int32
	r.options.Receive = func(c *Conn, payload []byte, _ bool) {
		if both <- c; came.Add(1) < 2 {
			return
		}
		breaking <- true
		<-breaking
		for range 2 {
			for c := <-both; !c.Ended(); {
				c.Send([]byte("nobody there"))
			}
		}
		r.received <- event{conn: c, payload: string(payload)}
	}
	l := r.serve(model.TCP, ListenOptions{})
	peers := []net.Conn{r.dialTCP(l), r.dialTCP(l)}
	for _, peer := range peers {
		r.write(peer, request("a", ""))
	}
	<-breaking
	for _, peer := range peers {
		peer.(*net.TCPConn).SetLinger(0)
		peer.Close()
	}
	breaking <- true
	r.next(r.received)
	r.until("both have ended", func() bool { return len(r.Connections()) == 0 })
}

// TestPeerStopsReading: memory for a peer that does not read is bounded, others
// go on, and in the end it loses the connection; what it did not take fails.
func TestPeerStopsReading(t *testing.T) {
	r := newRig(t)
	l := r.serve(model.TCP, ListenOptions{})
	stuck := r.dialTCP(l)
	r.write(stuck, request("a", ""))
	c := r.next(r.received).conn
	last := 0 // of the messages that were queued
	for ; r.count(queueFull) == 0; last++ {
		c.Send(fmt.Appendf(nil, "%8d%8000s", last, ""))
	}
	last -= 2
	if got, want := r.next(r.failed).payload[:8], fmt.Sprintf("%8d", last+1); got != want {
		t.Errorf("message %s was too many; want %s", got, want)
	}
	queued := r.only().Queued
	for range 1000 {
		c.Send(make([]byte, 8000))
	}
	r.until("all are reported or lost", func() bool { return r.count(unwritten)+r.count(lost) == 1001 })
	if got := r.only().Queued; got != queued || got > 2*maxQueue {
		t.Errorf("%d octets wait, %d before; want at most %d", got, queued, 2*maxQueue)
	}
	for len(r.failed) > 0 {
		<-r.failed
	}

	other := r.dialTCP(l)
	r.write(other, request("b", ""))
	r.next(r.received).conn.Send([]byte("hello"))
	r.expect(other, "hello")

	r.sweep(r.now() + writeTimeout - 3*time.Second)
	if c.Ended() {
		t.Fatal("ended before its time")
	}
	r.sweep(r.now() + writeTimeout)
	if !c.Ended() || r.count(endedSlowReader) != 1 {
		t.Fatalf("ended: %v, for not reading: %d", c.Ended(), r.count(endedSlowReader))
	}
	for number := -1; number != last; {
		var failed int
		fmt.Sscan(r.next(r.failed).payload[:8], &failed)
		if number >= 0 && failed != number+1 {
			t.Fatalf("message %d failed after %d", failed, number)
		}
		number = failed
	}
	if delivered, _ := io.Copy(io.Discard, stuck); delivered == 0 {
		t.Error("the peer got nothing")
	}
}

// TestSlowReader: a peer that reads late gets everything, in order.
func TestSlowReader(t *testing.T) {
	r := newRig(t)
	peer := r.dialTCP(r.serve(model.TCP, ListenOptions{}))
	r.write(peer, request("a", ""))
	c := r.next(r.received).conn
	var want strings.Builder
	for i := 0; r.only().Queued < maxQueue/2; i++ {
		message := fmt.Sprintf("%8d%s", i, strings.Repeat("x", 4000))
		c.Send([]byte(message))
		want.WriteString(message)
	}
	r.expect(peer, want.String())
	r.until("nothing waits", func() bool { return r.only().Queued == 0 && c.stalled.Load() == 0 })
	c.Send([]byte("and on"))
	r.expect(peer, "and on")
}

func TestLimits(t *testing.T) {
	// connect opens a connection from an address, which sends text.
	connect := func(r *rig, l *Listener, from string, text string) net.Conn {
		before := r.count(accepted)
		conn, err := r.dialFrom(from, l)
		if err != nil {
			r.Fatal(err)
		}
		r.until("it is accepted", func() bool { return r.count(accepted) > before })
		if text != "" {
			r.write(conn, text)
			r.next(r.received)
		}
		return conn
	}
	t.Run("of one address", func(t *testing.T) {
		r := newRig(t)
		r.limit = Limits{Connections: 10, PerAddress: 2}
		l := r.serve(model.TCP, ListenOptions{})
		first := connect(r, l, "127.0.0.1", "")
		connect(r, l, "127.0.0.1", "")
		r.dialRefused("127.0.0.1", l)
		connect(r, l, "127.0.0.2", request("other address", ""))
		first.Close()
		r.until("it is given up", func() bool { return len(r.Connections()) == 2 })
		connect(r, l, "127.0.0.1", request("room again", ""))
		if got := r.count(refusedAddress); got != 1 {
			t.Errorf("%d refused; want 1", got)
		}
	})
	t.Run("of all, silent ones make room", func(t *testing.T) {
		r := newRig(t)
		r.limit = Limits{Connections: 3, PerAddress: 3}
		l := r.serve(model.TCP, ListenOptions{})
		connect(r, l, "127.0.0.1", request("a", ""))
		oldest := connect(r, l, "127.0.0.1", "")
		silent := connect(r, l, "127.0.0.1", "")
		connect(r, l, "127.0.0.2", request("b", ""))
		r.expectEnd(oldest)
		connect(r, l, "127.0.0.2", request("c", ""))
		r.expectEnd(silent)
		r.dialRefused("127.0.0.2", l)
		if got := r.count(refusedRoom); got != 1 {
			t.Errorf("%d refused; want 1", got)
		}
	})
	t.Run("one that we open makes room", func(t *testing.T) {
		r := newRig(t)
		r.limit = Limits{Connections: 2, PerAddress: 2}
		l := r.serve(model.TCP, ListenOptions{})
		idle := connect(r, l, "127.0.0.1", request("a", ""))
		connect(r, l, "127.0.0.1", request("b", ""))
		address, accept := r.peer()
		r.Conn(l, address, "").Send([]byte("ours"))
		r.expect(accept(), "ours")
		r.expectEnd(idle)
	})
	t.Run("no room for one that we open", func(t *testing.T) {
		r := newRig(t)
		r.limit = Limits{Connections: 1}
		l := r.serve(model.TCP, ListenOptions{})
		address, accept := r.peer()
		r.Conn(l, address, "").Send([]byte("ours"))
		r.expect(accept(), "ours")
		second, _ := r.peer()
		r.Conn(l, second, "").Send([]byte("too many"))
		if got := r.next(r.failed).payload; got != "too many" {
			t.Errorf("failed %q", got)
		}
	})
}

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

// TestClose: after Close no goroutine is left, whatever state connections are in.
func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	r := newRig(t)
	l := r.serve(model.TCP, ListenOptions{})
	secure := r.serve(model.TLS, ListenOptions{Identity: func() (Identity, error) { return Identity{}, nil }})
	var peers []net.Conn
	for range 5 {
		peer := r.dialTCP(l)
		r.write(peer, request("a", ""))
		c := r.next(r.received).conn
		for r.count(queueFull) == 0 { // one stalls
			c.Send(make([]byte, 8000))
		}
		peers = append(peers, peer, r.dialTCP(secure)) // one never greets
	}
	r.until("all are there", func() bool { return len(r.Connections()) == 10 })
	r.Conn(l, netip.MustParseAddrPort("192.0.2.1:5060"), "") // one connects
	r.Close()
	for _, peer := range peers {
		io.Copy(io.Discard, peer)
		peer.Close()
	}
	c := r.Conn(l, anyPort, "")
	c.Send([]byte("too late"))
	if _, err := r.Listen(model.TCP, anyPort); !errors.Is(err, errClosed) {
		t.Errorf("Listen after Close: %v", err)
	}
	if got := len(r.Connections()); got != 0 || !c.Ended() {
		t.Errorf("%d connections after Close", got)
	}
	r.until("all goroutines are gone", func() bool { return runtime.NumGoroutine() <= before })
}
