package stream

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"testing"

	"causeway/appliance/model"
)

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
