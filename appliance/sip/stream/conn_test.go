package stream

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
	for _, err := range []error{stuck.(*net.TCPConn).SetReadBuffer(4096), c.wire.SetWriteBuffer(4096)} {
		if err != nil { // the kernel would take more and more
			t.Fatal(err)
		}
	}
	var taken []string // numbers of the messages that were not refused
	number := 0
	send := func() (ok bool) {
		full := r.count(queueFull)
		text := fmt.Sprintf("%8d%8000s", number, "")
		c.Send([]byte(text))
		number++
		if ok = r.count(queueFull) == full; ok {
			taken = append(taken, text[:8])
		}
		return ok
	}
	for send() {
	}
	if got, want := r.next(r.failed).payload[:8], fmt.Sprintf("%8d", number-1); got != want {
		t.Errorf("message %s was too many; want %s", got, want)
	}
	for range 1000 { // the kernel may take a few more
		send()
		if got := r.only().Queued; got > 2*maxQueue {
			t.Fatalf("%d octets wait; want at most %d", got, 2*maxQueue)
		}
	}
	r.until("all are reported or lost", func() bool { return r.count(unwritten)+r.count(lost) == r.count(queueFull) })
	for range r.count(unwritten) - 1 {
		r.next(r.failed)
	}

	other := r.dialTCP(l)
	r.write(other, request("b", ""))
	r.next(r.received).conn.Send([]byte("hello"))
	r.expect(other, "hello")

	r.sweep(time.Duration(c.stalled.Load()) + writeTimeout)
	if c.Ended() {
		t.Fatal("ended before its time")
	}
	r.until("it is ended for not reading", func() bool {
		r.sweep(r.now() + writeTimeout)
		return c.Ended() && r.count(endedSlowReader) == 1
	})
	first := r.next(r.failed).payload[:8]
	for _, want := range taken[max(0, slices.Index(taken, first)):] {
		if first != want {
			t.Fatalf("message %s failed; want %s", first, want)
		}
		if want != taken[len(taken)-1] {
			first = r.next(r.failed).payload[:8]
		}
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
