package sip

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

// patience bounds every wait for a datagram; none takes a fraction of it.
const patience = 30 * time.Second

// runProxy runs a proxy on real sockets until the test ends.
func runProxy(t *testing.T) *Proxy {
	t.Helper()
	return runProxyWith(t, func(*Options) {})
}

// runProxyWith does so with options that with has changed.
func runProxyWith(t *testing.T, with func(o *Options)) *Proxy {
	t.Helper()
	options := Options{Admission: &gate{}, Routing: &planner{}, Key: signing, Readers: 2}
	with(&options)
	p, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
	return p
}

func commit(t *testing.T, p *Proxy, c *model.SIP) {
	t.Helper()
	if err := p.Prepare(&model.Config{SIP: *c}); err != nil {
		t.Fatal(err)
	}
	if err := p.Switch(); err != nil {
		t.Fatal(err)
	}
}

func listenUDP(t *testing.T) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(patience))
	return conn, conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// freeAddress gives an address that nobody listens at or connects from, over
// UDP and TCP, before, while and after the proxy does: the loopback address is
// made of a port that is held until the test ends, so no two are the same.
func freeAddress(t *testing.T) netip.AddrPort {
	t.Helper()
	_, held := listenUDP(t)
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(held.Port() >> 8), byte(held.Port()), 1}), 5060)
}

// fromLoopback makes a request of the harness one whose sender is found by
// rport.
func fromLoopback(text string) string {
	return strings.Replace(text, "192.168.42.2:5060;", "127.0.0.1;rport;", 1)
}

// read gives the next message that begins with start.
func read(t *testing.T, conn *net.UDPConn, start string) sent {
	t.Helper()
	buffer := make([]byte, maxDatagram)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatalf("waiting for %q: %v", start, err)
		}
		if text := string(buffer[:n]); strings.HasPrefix(text, start) {
			return sent{text: text}
		}
	}
}

// One commit takes a listen point away, and the next, a rollback say, brings
// it back: every flow is served again.
func TestListenPointComesBack(t *testing.T) {
	p, listen := runProxy(t), freeAddress(t)
	with := &model.SIP{Networks: []model.SIPNetwork{{Name: "a", Listens: []model.SIPListen{{Address: listen}}}}}
	for _, c := range []*model.SIP{with, {}, with} {
		commit(t, p, c)
	}
	for i := range 40 { // the kernel spreads senders over the readers
		conn, _ := listenUDP(t)
		if _, err := conn.WriteToUDPAddrPort([]byte(fromLoopback(request("OPTIONS", "sip:"+listen.String(), fmt.Sprint("o", i), 1))), listen); err != nil {
			t.Fatal(err)
		}
		read(t, conn, "SIP/2.0 200")
	}
}

// A call that is being set up when its listen point goes away is set up.
func TestCallOutlivesListenPoint(t *testing.T) {
	p := runProxy(t)
	alice, _ := listenUDP(t)
	bobConn, bobAt := listenUDP(t)
	in, out, other := freeAddress(t), freeAddress(t), freeAddress(t)
	leavingBy := func(l netip.AddrPort) *model.SIP {
		return &model.SIP{Networks: []model.SIPNetwork{
			{Name: "in", Listens: []model.SIPListen{{Address: in}}, NextHop: model.SIPNextHop{Address: bobAt, Network: "out"}},
			{Name: "out", Listens: []model.SIPListen{{Address: l}}},
		}}
	}
	commit(t, p, leavingBy(out))
	if _, err := alice.WriteToUDPAddrPort([]byte(fromLoopback(request("INVITE", "sip:bob@example.com", "i", 1))), in); err != nil {
		t.Fatal(err)
	}
	invite := read(t, bobConn, "INVITE ")
	commit(t, p, leavingBy(other))
	if _, err := bobConn.WriteToUDPAddrPort([]byte(answerTo(invite, 200, "OK")), out); err != nil {
		t.Fatal(err)
	}
	read(t, alice, "SIP/2.0 200")
}

// The connections of a listen point that is gone end when its transactions must
// be over.
func TestConnectionsOfListenPointEnd(t *testing.T) {
	p, listen := runProxy(t), freeAddress(t)
	timers := model.SIPTimers{C: 1, ClientTn: 1, ServerTn: 1}
	commit(t, p, &model.SIP{Networks: []model.SIPNetwork{{Name: "a", Timers: timers, Listens: []model.SIPListen{{Transport: model.TCP, Address: listen}}}}})
	conn, err := net.Dial("tcp4", listen.String())
	if err != nil {
		t.Fatal(err)
	}
	caller := tcpPeer(conn)
	defer conn.Close()
	caller.write(fromLoopback(request("OPTIONS", "sip:"+listen.String()+";transport=tcp", "o", 1)), nil)
	if _, err := caller.until("SIP/2.0 200", "call-1"); err != nil {
		t.Fatal(err)
	}
	commit(t, p, &model.SIP{})
	if text, _, err := caller.read(); err != io.EOF {
		t.Errorf("read = %q, %v; want the end of the connection", text, err)
	}
}

func TestPrepareRefuses(t *testing.T) {
	p, listen := runProxy(t), freeAddress(t)
	listens := []model.SIPListen{{Address: listen}}
	for _, test := range []struct {
		name, want string
		network    model.SIPNetwork
	}{
		{"twice", "already listened on", model.SIPNetwork{Name: "a", Listens: append(listens, listens...)}},
		{"any address", "an address of the box itself is needed", model.SIPNetwork{Name: "a", Listens: []model.SIPListen{{Address: addressOf("0.0.0.0:5060")}}}},
	} {
		err := p.Prepare(&model.Config{SIP: model.SIP{Networks: []model.SIPNetwork{test.network}}})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Prepare = %v; want %q", test.name, err, test.want)
		}
	}
	if err := p.Switch(); err == nil {
		t.Error("Switch after refusals = nil; want an error")
	}
}
