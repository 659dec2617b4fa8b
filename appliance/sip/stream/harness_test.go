package stream

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

var anyPort = netip.MustParseAddrPort("127.0.0.1:0")

// request is a whole message with that Call-ID and body.
func request(callID, body string) string {
	return fmt.Sprintf("OPTIONS sip:192.0.2.1 SIP/2.0\r\nCall-ID: %s\r\nContent-Length: %d\r\n\r\n%s", callID, len(body), body)
}

// event is a call of Receive or Failed.
type event struct {
	conn    *Conn
	payload string
	more    bool
}

// rig is a pool with what came of it.
type rig struct {
	*testing.T
	*Pool
	received, failed chan event
	limit            Limits
}

// newRig makes a pool that echoes nothing; it is closed at the end of the test.
func newRig(t *testing.T) *rig {
	r := &rig{T: t, received: make(chan event, 10000), failed: make(chan event, 10000)}
	r.Pool = New(Options{
		Receive: func(c *Conn, payload []byte, more bool) { r.received <- event{c, string(payload), more} },
		Failed:  func(c *Conn, payload []byte) { r.failed <- event{c, string(payload), false} },
		Limits:  func() Limits { return r.limit },
	})
	t.Cleanup(func() {
		r.Close()
		if n := r.waiting.Load(); n != 0 {
			t.Errorf("%d octets wait for nobody", n)
		}
	})
	return r
}

// serve listens on a port of the loopback.
func (r *rig) serve(t model.Transport, o ListenOptions) *Listener {
	r.Helper()
	l, err := r.Listen(t, anyPort)
	if err != nil {
		r.Fatal(err)
	}
	l.Serve(o)
	return l
}

// dialTCP connects a peer.
func (r *rig) dialTCP(l *Listener) net.Conn {
	r.Helper()
	conn, err := r.dialFrom("127.0.0.1", l)
	if err != nil {
		r.Fatal(err)
	}
	return conn
}

// dialFrom connects a peer that may be refused.
func (r *rig) dialFrom(address string, l *Listener) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	conn, err := dialer.Dial("tcp", l.Address().String())
	if err == nil {
		r.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(patience))
	}
	return conn, err
}

// dialRefused connects a peer that is refused, at once or as soon as it reads.
func (r *rig) dialRefused(address string, l *Listener) {
	r.Helper()
	if conn, err := r.dialFrom(address, l); err == nil {
		r.expectEnd(conn)
	}
}

// peer listens as one that we connect to, and gives what it accepts.
func (r *rig) peer() (netip.AddrPort, func() net.Conn) {
	r.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { socket.Close() })
	return addrPort(socket.Addr()), func() net.Conn {
		r.Helper()
		conn, err := socket.Accept()
		if err != nil {
			r.Fatal(err)
		}
		r.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(patience))
		return conn
	}
}

// next gives the next event of a kind.
func (r *rig) next(events chan event) event {
	r.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(patience):
		r.Fatal("nothing came")
		return event{}
	}
}

// write sends text as a peer.
func (r *rig) write(conn io.Writer, text string) {
	r.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		r.Fatalf("write: %v", err)
	}
}

// expect reads exactly text as a peer.
func (r *rig) expect(conn io.Reader, text string) {
	r.Helper()
	got := make([]byte, len(text))
	if n, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		r.Fatalf("peer got %q, %v; want %q", got[:n], err, text)
	}
}

// expectEnd reads the end of the connection as a peer.
func (r *rig) expectEnd(conn io.Reader) {
	r.Helper()
	if n, err := conn.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		r.Fatalf("peer read %d octets, %v; want the end", n, err)
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

// until waits for a condition.
func (r *rig) until(what string, holds func() bool) {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			r.Fatalf("waited in vain: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// count gives one counter.
func (r *rig) count(which counter) int64 { return r.counters[which].Load() }

// only gives the only connection once there is just one, and it is open.
func (r *rig) only() model.SIPConnection {
	r.Helper()
	var shown []model.SIPConnection
	r.until("one open connection", func() bool {
		shown = r.Connections()
		return len(shown) == 1 && shown[0].State == stateOpen
	})
	return shown[0]
}

// lines are the names of messages, for failures that one can read.
func lines(payloads []string) string { return strings.Join(payloads, " | ") }
