package sip

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// crowd admits everybody, and may be asked by many threads.
type crowd struct{ gate }

func (*crowd) LogsFailures() bool                                       { return false }
func (*crowd) Place(*hop.Incoming, *hop.Target) (hop.Seat, hop.Refusal) { return nil, hop.Refusal{} }

// byUser sends requests where their user part says.
type byUser struct {
	nextHops
	targets map[string]hop.Target
}

func (r *byUser) Plan(*model.Config) (Plan, error) { return r, nil }
func (r *byUser) Route(in *hop.Incoming, d *hop.Decision) {
	d.Targets = append(d.Targets, r.targets[string(in.Message.Get(in.URI.User))])
}

// slowNames knows one host, a moment after it is asked.
type slowNames struct {
	mu    sync.Mutex
	place hop.Place
	asked int
}

func (n *slowNames) Locate(_ hop.Query, to []hop.Place) ([]hop.Place, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.asked%8 == 0 { // forgets, too
		return to, false
	}
	n.asked++
	return append(to, n.place), true
}

func (n *slowNames) Await(_ hop.Query, done func()) {
	go func() {
		n.mu.Lock()
		n.asked++
		n.mu.Unlock()
		done()
	}()
}

// peer is a user agent: a datagram or a message at a time.
type peer struct {
	write func(text string, to net.Addr) error
	read  func() (text string, from net.Addr, err error)
	via   string
	end   io.Closer
}

func udpPeer(t *testing.T) (*peer, netip.AddrPort) {
	conn, at := listenUDP(t)
	buffer := make([]byte, maxDatagram)
	return &peer{
		write: func(text string, to net.Addr) error {
			_, err := conn.WriteTo([]byte(text), to)
			return err
		},
		read: func() (string, net.Addr, error) {
			conn.SetReadDeadline(time.Now().Add(patience))
			n, from, err := conn.ReadFrom(buffer)
			return string(buffer[:n]), from, err
		},
		via: "UDP " + at.String(), end: conn,
	}, at
}

func tcpPeer(conn net.Conn) *peer {
	var held []byte
	chunk := make([]byte, 4096)
	return &peer{
		write: func(text string, _ net.Addr) error {
			_, err := io.WriteString(conn, text)
			return err
		},
		read: func() (string, net.Addr, error) {
			conn.SetReadDeadline(time.Now().Add(patience))
			for {
				n, err := message.Frame(held)
				if err == nil && n == 0 {
					n, err = conn.Read(chunk)
					held = append(held, chunk[:n]...)
					n = 0
				}
				if err != nil || n > 0 {
					text := string(held[:n])
					held = held[n:]
					return text, nil, err
				}
			}
		},
		via: "TCP " + conn.LocalAddr().String(), end: conn,
	}
}

// answerAll is a callee's life: it rings and answers, and hangs up never.
func (p *peer) answerAll() {
	for {
		text, from, err := p.read()
		if err != nil {
			return
		}
		r := sent{text: text}
		switch method, _, _ := strings.Cut(text, " "); method {
		case "INVITE":
			p.write(answerTo(r, 180, "Ringing"), from)
			p.write(answerTo(r, 200, "OK", "Contact: <sip:callee@127.0.0.1>"), from)
		case "BYE", "CANCEL", "MESSAGE":
			p.write(answerTo(r, 200, "OK"), from)
		}
	}
}

// until gives the next message that begins with start and belongs to the call.
func (p *peer) until(start, callID string) (sent, error) {
	for {
		text, _, err := p.read()
		if err != nil {
			return sent{}, fmt.Errorf("waiting for %q: %w", start, err)
		}
		if strings.HasPrefix(text, start) && strings.Contains(text, callID) {
			return sent{text: text}, nil
		}
	}
}

// call sets up a call to user, which names the way, and hangs up; or thinks
// better of it, whatever comes of that.
func (p *peer) call(proxy net.Addr, user, id, contact string, cancel bool) error {
	uri := "sip:" + user + "@example.com"
	of := func(text string) string {
		return strings.NewReplacer("UDP 192.168.42.2:5060;", p.via+";rport;", "call-1@", id+"@").Replace(text)
	}
	if err := p.write(of(request("INVITE", uri, "i"+id, 1)), proxy); err != nil {
		return err
	}
	if cancel {
		if err := p.write(of(request("CANCEL", uri, "i"+id, 1)), proxy); err != nil {
			return err
		}
		final, err := p.until("SIP/2.0 ", "1 INVITE")
		for err == nil && strings.HasPrefix(final.text, "SIP/2.0 1") {
			final, err = p.until("SIP/2.0 ", "1 INVITE")
		}
		return err
	}
	ok, err := p.until("SIP/2.0 200", id)
	if err != nil {
		return err
	}
	set := append(routes(reversed(ok.values("Record-Route"))), "To: "+ok.value("To"))
	p.write(of(request("ACK", contact, "a"+id, 1, set...)), proxy)
	if err := p.write(of(request("BYE", contact, "b"+id, 2, set...)), proxy); err != nil {
		return err
	}
	for {
		ok, err := p.until("SIP/2.0 200", id)
		if err != nil || strings.Contains(ok.text, "2 BYE") {
			return err
		}
	}
}

// Callers over UDP and TCP, callees over both and by name, while commits come
// and go: no call is lost, and nothing is left when it is over. It is for the
// race detector, too.
func TestCrowd(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	routing := &byUser{}
	locator := &slowNames{}
	p, err := New(Options{Admission: &crowd{}, Routing: routing, Locator: locator, Key: signing, Readers: 2})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
	callee, calleeAt := udpPeer(t)
	running.Go(callee.answerAll)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { tcpPeer(conn).answerAll(); conn.Close() })
		}
	})
	tcpAt := listener.Addr().(*net.TCPAddr).AddrPort()
	locator.place = hop.Place{Transport: model.TCP, Address: tcpAt}
	routing.targets = map[string]hop.Target{
		"udp":  {Network: "out", Address: calleeAt},
		"tcp":  {Network: "out", Query: hop.Query{Transport: model.TCP}, Address: tcpAt},
		"name": {Network: "out", Query: hop.Query{Host: "callee.example.com"}},
	}
	contacts := map[string]string{
		"udp": "sip:callee@" + calleeAt.String(), "tcp": "sip:callee@" + tcpAt.String() + ";transport=tcp", "name": "sip:callee@callee.example.com",
	}
	in, out, extra := freeAddress(t), freeAddress(t), freeAddress(t)
	both := func(at netip.AddrPort) []model.SIPListen {
		return []model.SIPListen{{Address: at}, {Transport: model.TCP, Address: at}}
	}
	configuration := func(n int) *model.SIP {
		c := &model.SIP{Networks: []model.SIPNetwork{{Name: "in", Listens: both(in)}, {Name: "out", Listens: both(out)}}}
		if n%2 == 1 {
			c.Networks = append(c.Networks, model.SIPNetwork{Name: "extra", Listens: both(extra)})
		}
		return c
	}
	commit(t, p, configuration(0))

	const callers, calls = 12, 30
	var calling sync.WaitGroup
	for i := range callers {
		calling.Go(func() {
			var caller *peer
			if i%3 == 0 {
				conn, err := net.Dial("tcp4", in.String())
				if err != nil {
					t.Error(err)
					return
				}
				caller = tcpPeer(conn)
			} else {
				caller, _ = udpPeer(t)
			}
			defer caller.end.Close()
			for j := range calls {
				user := [...]string{"udp", "tcp", "name"}[(i+j)%3]
				if err := caller.call(net.UDPAddrFromAddrPort(in), user, fmt.Sprintf("c%dx%d", i, j), contacts[user], j%5 == 4); err != nil {
					t.Errorf("caller %d, call %d to %s: %v", i, j, user, err)
					return
				}
			}
		})
	}
	over := make(chan struct{})
	go func() { calling.Wait(); close(over) }()
	for n := 1; ; n++ {
		select {
		case <-over:
		default:
			commit(t, p, configuration(n))
			p.Status(new(model.ProxyStatus))
			p.transactions()
			p.openCalls()
			p.streams.Connections()
			time.Sleep(2 * time.Millisecond)
			continue
		}
		break
	}
	cancel()
	callee.end.Close()
	listener.Close()
	running.Wait()
	for end := time.Now().Add(patience); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines are left; %d were there before", runtime.NumGoroutine(), goroutines)
		}
	}
}
