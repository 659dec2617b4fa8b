package lab

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestLine: what is sent over a line takes as long as the line says, and arrives
// although some is lost.
func TestLine(t *testing.T) {
	l := newLab(t)
	near, far := l.LAN1, l.LAN2
	a, b := netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("192.0.2.2/24")
	line := Line{Rate: 1_000_000, Delay: 50 * time.Millisecond, Queue: time.Second, Lose: 0.01}
	cut, err := line.Connect(near, "line", a, far, "line", b)
	if err != nil {
		t.Fatal(err)
	}
	var listener net.Listener
	err = far.Do(func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(b.Addr(), 7).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	const size = 256 << 10
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.Write(make([]byte, size))
	}()
	var conn net.Conn
	began := time.Now()
	err = near.Do(func() (err error) {
		conn, err = net.DialTimeout("tcp", listener.Addr().String(), time.Minute)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if took := time.Since(began); took < 2*line.Delay {
		t.Errorf("a connection took %v; want a round trip of %v or more", took, 2*line.Delay)
	}
	conn.SetDeadline(time.Now().Add(time.Minute))
	n, err := io.Copy(io.Discard, conn)
	least := size * 8 * time.Second / time.Duration(line.Rate)
	if took := time.Since(began); err != nil || n != size || took < least {
		t.Errorf("%d octets in %v, %v; want %d in %v or more", n, took, err, size, least)
	}
	if err := cut(); err != nil {
		t.Errorf("cut: %v", err)
	}
}
