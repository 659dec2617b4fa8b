package logging

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

var _ Alarms = (*alarm.Alarms)(nil)

// alarms is a history for tests.
type alarms struct {
	mu      sync.Mutex
	events  []model.AlarmEvent
	missed  uint64
	cursors map[string]uint64
	wakes   []chan struct{}
}

func (a *alarms) raise(e model.AlarmEvent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e.Number, e.Time = uint64(len(a.events))+1, noon
	a.events = append(a.events, e)
	for _, wake := range a.wakes {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

func (a *alarms) Events(after uint64, most int) alarm.Page {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := max(after, a.missed)
	events := a.events[min(first, uint64(len(a.events))):]
	return alarm.Page{Events: events[:min(len(events), most)], Missed: first - after}
}

func (a *alarms) Cursor(consumer string) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cursors[consumer]
}

func (a *alarms) Advance(consumer string, number uint64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cursors == nil {
		a.cursors = map[string]uint64{}
	}
	a.cursors[consumer] = number
	return nil
}

func (a *alarms) Subscribe() (<-chan struct{}, func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	wake := make(chan struct{}, 1)
	a.wakes = append(a.wakes, wake)
	return wake, func() {}
}

// box is a relay and what it works with.
type box struct {
	t       *testing.T
	kernel  kernel
	alarms  alarms
	log     journal
	options Options
	pace    pace
	relay   *Relay
	stop    func()
}

func newBox(t *testing.T) *box {
	b := &box{t: t, pace: quick}
	dir := t.TempDir()
	b.options = Options{
		Log: b.log.logger(), Read: b.kernel.read, Boot: "boot-a", Dir: dir,
		Positions: filepath.Join(dir, "positions"), Alarms: &b.alarms,
		Lookup: func(_ context.Context, name string) ([]netip.Addr, error) {
			if name != "logs.example.net" {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
	}
	return b
}

// start runs the relay with these servers until the test ends or b.stop is called.
func (b *box) start(servers ...model.LogServer) {
	b.t.Helper()
	b.relay = NewRelay(b.options)
	b.relay.pace = b.pace
	b.apply(servers...)
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.relay.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				b.t.Errorf("Run = %v; want nil", err)
			}
		case <-time.After(limit):
			b.t.Error("Run goes on after its context ended")
		}
	})
	b.t.Cleanup(b.stop)
}

func (b *box) apply(servers ...model.LogServer) {
	b.relay.Apply(&model.Config{HostName: "gw1", Logging: model.Logging{Servers: servers}})
}

// settled waits until a server counts as having all lines.
func (b *box) settled(name string) {
	b.t.Helper()
	eventually(b.t, name, func() string {
		for _, s := range b.relay.Status().Servers {
			if s.Server == name && s.Up && b.relay.positions.get(name) == b.kernel.said() {
				return ""
			}
		}
		return fmt.Sprintf("%+v; want it up with %d lines", b.relay.Status().Servers, b.kernel.said())
	})
}

// problem waits until the only server is down with such a problem.
func (b *box) problem(want string) {
	b.t.Helper()
	eventually(b.t, "problem", func() string {
		status := b.relay.Status().Servers
		if len(status) != 1 || status[0].Up || !strings.Contains(status[0].Problem, want) {
			return fmt.Sprintf("%+v; want %s", status, want)
		}
		return ""
	})
}

func (k *kernel) said() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.next
}

// logServer is a server on this host.
func logServer(transport string, address net.Addr) model.LogServer {
	_, port, _ := net.SplitHostPort(address.String())
	number, _ := strconv.Atoi(port)
	return model.LogServer{Host: "logs.example.net", Transport: transport, Port: number, Level: information}
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func accept(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	type deadliner interface{ SetDeadline(time.Time) error }
	if d, ok := l.(deadliner); ok {
		d.SetDeadline(time.Now().Add(limit))
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(limit))
	t.Cleanup(func() { conn.Close() })
	return conn
}

// stream reads framed messages.
type stream struct {
	t *testing.T
	r *bufio.Reader
}

func newStream(t *testing.T, conn net.Conn) stream { return stream{t, bufio.NewReader(conn)} }

func (s stream) next() string {
	s.t.Helper()
	length, err := s.r.ReadString(' ')
	if err != nil {
		s.t.Fatalf("read a message: %v", err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, " "))
	if err != nil || n < 1 || length[0] == '0' {
		s.t.Fatalf("a message begins with %q; want its length", length)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(s.r, text); err != nil {
		s.t.Fatal(err)
	}
	if err := strict(string(text)); err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// seqOf gives the number of a line, -1 for what has none.
func seqOf(message string) int {
	_, rest, found := strings.Cut(message, `[log@32473 seq="`)
	number, _, _ := strings.Cut(rest, `"`)
	n, err := strconv.Atoi(number)
	if !found || err != nil {
		return -1
	}
	return n
}

// TestReconnect: a server that goes away with lines unread, again and again,
// gets every line, in order.
func TestReconnect(t *testing.T) {
	for _, transport := range []string{"tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			b := newBox(t)
			b.pace.settle = limit // nothing counts: the connections are short
			plain := listen(t)
			var l net.Listener = plain
			if transport == "tls" {
				server, client := certificates(t, "logs.example.net")
				l = tls.NewListener(plain, server)
				b.options.TLS = func(string) (*tls.Config, error) { return client, nil }
			}
			b.kernel.sayMany(300)
			b.start(logServer(transport, plain.Addr()))
			const rounds = 5
			for round := 1; round <= rounds; round++ {
				plain.SetDeadline(time.Now().Add(limit))
				conn := accept(t, l)
				s := newStream(t, conn)
				for want := range 300 * round {
					if got := seqOf(s.next()); got != want {
						t.Fatalf("connection %d: line %d comes; want %d", round, got, want)
					}
				}
				b.kernel.sayMany(300) // some of which are in a buffer when it closes
				conn.Close()
			}
		})
	}
}

// TestCursor: what counts as received is not sent again, neither on the next
// connection nor after a restart.
func TestCursor(t *testing.T) {
	b, l := newBox(t), listen(t)
	server := logServer("tcp", l.Addr())
	b.kernel.sayMany(10)
	b.start(server)
	for round := range 3 {
		conn := accept(t, l)
		s := newStream(t, conn)
		for want := round * 10; want < round*10+10; want++ {
			if got := seqOf(s.next()); got != want {
				t.Fatalf("connection %d: line %d comes; want %d", round+1, got, want)
			}
		}
		b.settled(serverName(server))
		switch round {
		case 0:
			conn.Close()
		case 1:
			b.stop()
			b.start(server)
		}
		b.kernel.sayMany(10)
	}
}

// TestUnread: a server that takes lines but does not read them is not thought
// to have those that its TCP refuses.
func TestUnread(t *testing.T) {
	b, l := newBox(t), listen(t)
	server := logServer("tcp", l.Addr())
	const lines = 20_000 // 2 MB
	b.kernel.sayMany(lines)
	b.start(server)
	conn := accept(t, l)
	if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	eventually(t, "lines that count", func() string {
		if b.relay.positions.get(serverName(server)) == 0 {
			return "none"
		}
		return ""
	})
	time.Sleep(5 * b.pace.settle) // in which more would count if it could
	if n := b.relay.positions.get(serverName(server)); n > lines/2 {
		t.Errorf("%d lines count as received by a server that reads nothing; want those that its buffers hold", n)
	}
	s := newStream(t, conn)
	for want := range lines {
		if got := seqOf(s.next()); got != want {
			t.Fatalf("line %d comes; want %d", got, want)
		}
	}
}

// TestGap: lines that the ring dropped while the server was away are counted.
func TestGap(t *testing.T) {
	b, l := newBox(t), listen(t)
	b.kernel.holds = 10
	b.kernel.sayMany(100)
	b.start(logServer("tcp", l.Addr()))
	s := newStream(t, accept(t, l))
	if got := s.next(); !strings.Contains(got, "<44>1 ") || !strings.HasSuffix(got, "] lines missing here: 90") {
		t.Errorf("the first message is %s; want that 90 lines are missing", got)
	}
	if got := seqOf(s.next()); got != 90 {
		t.Errorf("then line %d comes; want 90", got)
	}
}

// TestLevelAndAlarms: what is sent of lines and of alarms.
func TestLevelAndAlarms(t *testing.T) {
	b, l := newBox(t), listen(t)
	server := logServer("tcp", l.Addr())
	server.Level = warning
	b.kernel.say("not severe enough")
	b.kernel.add("control: level=ERROR msg=\"alarm raise\" alarm=cpu")
	b.kernel.add("proxy: level=WARN msg=severe")
	for range 3 {
		b.alarms.raise(model.AlarmEvent{Kind: "raise", Name: "old", Severity: model.Major})
	}
	b.alarms.missed = 2
	b.start(server)
	s := newStream(t, accept(t, l))
	got := []string{s.next(), s.next(), s.next()}
	b.settled(serverName(server))
	b.alarms.raise(model.AlarmEvent{Kind: "clear", Name: "old", Severity: model.Major})
	got = append(got, s.next())
	for i, want := range []string{"msg=severe", "events of alarms missing here: 2", " raise old: ", " clear old: "} {
		if !strings.Contains(got[i], want) {
			t.Errorf("message %d = %s; want %q in it", i+1, got[i], want)
		}
	}
	eventually(t, "cursor", func() string {
		if n := b.alarms.Cursor("syslog " + serverName(server)); n != 4 {
			return fmt.Sprint(n, "; want 4")
		}
		return ""
	})
}

// add writes a line.
func (k *kernel) add(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.entries = append(k.entries, model.LogEntry{Seq: k.next, Time: noon, Priority: daemonDebug, Text: text})
	k.next++
}

// TestUDP: a host that answers with ICMP only costs no line.
func TestUDP(t *testing.T) {
	b := newBox(t)
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	server, address := logServer("udp", conn.LocalAddr()), conn.LocalAddr().(*net.UDPAddr)
	read := func(want int) {
		t.Helper()
		var text [2048]byte
		conn.SetReadDeadline(time.Now().Add(limit))
		n, err := conn.Read(text[:])
		if err != nil {
			t.Fatal(err)
		}
		if err := strict(string(text[:n])); err != nil || seqOf(string(text[:n])) != want {
			t.Fatalf("datagram %q, %v; want line %d", text[:n], err, want)
		}
	}
	b.kernel.sayMany(200)
	b.start(server)
	for want := range 200 {
		read(want)
	}
	b.settled(serverName(server))

	conn.Close()
	b.kernel.sayMany(100)
	b.problem("connection refused")
	b.kernel.sayMany(100)
	if conn, err = net.ListenUDP("udp", address); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for want := 200; want < 400; want++ {
		read(want)
	}
	b.settled(serverName(server))
	if n := strings.Count(b.log.String(), "is down"); n != 1 {
		t.Errorf("it is told %d times that the server is down; want once:\n%s", n, &b.log)
	}
}

// TestTLS: the server must be who it says it is.
func TestTLS(t *testing.T) {
	_, stranger := certificates(t, "logs.example.net")
	own, client := certificates(t, "logs.example.net")
	other, otherClient := certificates(t, "other.example.net")
	for _, test := range []struct {
		name   string
		server *tls.Config
		client *tls.Config
		want   string // empty: it works
	}{
		{"its own", own, client, ""},
		{"another authority", own, stranger, "certificate signed by unknown authority"},
		{"another name", other, otherClient, "certificate is valid for other.example.net, not logs.example.net"},
		{"no trust anchor", own, nil, "no trust anchor is installed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, plain := newBox(t), listen(t)
			l := tls.NewListener(plain, test.server)
			if test.client != nil {
				b.options.TLS = func(host string) (*tls.Config, error) {
					c := test.client.Clone()
					c.ServerName = host
					return c, nil
				}
			}
			b.kernel.say("secret")
			var closed sync.WaitGroup
			defer closed.Wait()
			if test.want != "" {
				defer plain.Close()
				closed.Go(func() {
					for {
						conn, err := l.Accept()
						if err != nil {
							return
						}
						if text, _ := io.ReadAll(conn); len(text) > 0 {
							t.Errorf("a server that is not trusted gets %q", text)
						}
						conn.Close()
					}
				})
			}
			b.start(logServer("tls", plain.Addr()))
			if test.want != "" {
				b.problem(test.want)
				return
			}
			if got := newStream(t, accept(t, l)).next(); !strings.Contains(got, "msg=secret") {
				t.Errorf("the server gets %s; want the line", got)
			}
		})
	}
}

// certificates makes an authority, a server of that name with its certificate,
// and a client that trusts it.
func certificates(t *testing.T, name string) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, DNSNames: []string{name},
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: pool, ServerName: "logs.example.net"}
}

// TestApply: a server that is no longer configured is left, one that stays is
// not disturbed, and more come.
func TestApply(t *testing.T) {
	b, one, two := newBox(t), listen(t), listen(t)
	b.kernel.say("x")
	b.start(logServer("tcp", one.Addr()))
	first := accept(t, one)
	newStream(t, first).next()
	b.apply(logServer("tcp", one.Addr()), model.LogServer{Host: "192.0.2.7", Transport: "udp", Port: 514})
	b.kernel.say("y")
	newStream(t, first).next()
	b.apply(logServer("tcp", two.Addr()))
	newStream(t, accept(t, two)).next()
	if _, err := io.ReadAll(first); err != nil {
		t.Errorf("the connection that is not wanted any more ends with %v; want nil", err)
	}
	if status := b.relay.Status(); len(status.Servers) != 1 || !strings.HasPrefix(status.Servers[0].Server, "tcp logs.example.net:") {
		t.Errorf("Status = %+v; want the one server", status)
	}
}

// TestBackoff: a server that cannot be reached is tried ever less often, and
// at once again after it could be.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		start := time.Now()
		var tries []time.Duration
		b.options.Log = slog.New(slog.DiscardHandler)
		ctx, cancel := context.WithCancel(t.Context())
		b.options.Dial = func(context.Context, string, string) (net.Conn, error) {
			tries = append(tries, time.Since(start).Round(time.Second))
			switch len(tries) {
			case 8, 9: // stand, the eighth not for long enough
				ours, theirs := net.Pipe()
				time.AfterFunc([]time.Duration{4, 100}[len(tries)-8]*time.Second, func() { theirs.Close() })
				return ours, nil
			case 12:
				cancel()
			}
			return nil, errors.New("network is unreachable")
		}
		relay := NewRelay(b.options)
		if err := relay.positions.load(); err != nil {
			t.Fatal(err)
		}
		s := &server{config: model.LogServer{Host: "logs.example.net", Transport: "tcp", Port: 601}, relay: relay}
		s.run(ctx)
		var want []time.Duration
		for _, second := range []int{
			0, 1, 3, 7, 15, 31, 63, // 1 s, 2 s, 4 s … between them
			123, 123 + 4 + 60, // no more than 60 s
			187 + 100 + 1, 290, 294, // anew
		} {
			want = append(want, time.Duration(second)*time.Second)
		}
		if !slices.Equal(tries, want) {
			t.Errorf("tries at %v; want %v", tries, want)
		}
	})
}

// datagrams is a connection that notes when how many datagrams are written.
type datagrams struct {
	net.Conn
	start  time.Time
	writes map[time.Duration]int
}

func (d *datagrams) Write(b []byte) (int, error) {
	d.writes[time.Since(d.start)]++
	return len(b), nil
}

// TestDatagramPace: the first datagram goes alone, and the others in bursts
// that a server can take.
func TestDatagramPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.kernel.sayMany(121)
		ours, theirs := net.Pipe()
		defer theirs.Close()
		conn := &datagrams{ours, time.Now(), map[time.Duration]int{}}
		b.options.Dial = func(context.Context, string, string) (net.Conn, error) { return conn, nil }
		b.pace = defaultPace
		b.start(model.LogServer{Host: "logs.example.net", Transport: "udp", Port: 514, Level: debugging})
		time.Sleep(time.Minute)
		b.stop()
		const probe, gap = 500 * time.Millisecond, 50 * time.Millisecond
		want := map[time.Duration]int{0: 1, probe: 50, probe + gap: 50, probe + 2*gap: 20}
		if !maps.Equal(conn.writes, want) {
			t.Errorf("datagrams by time = %v; want %v", conn.writes, want)
		}
	})
}

// TestStalled: a server that reads nothing more does not hold up the end.
func TestStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.kernel.sayMany(10)
		ours, theirs := net.Pipe()
		defer theirs.Close()
		b.options.Dial = func(context.Context, string, string) (net.Conn, error) { return ours, nil }
		b.start(model.LogServer{Host: "logs.example.net", Transport: "tcp", Port: 601, Level: debugging})
		if _, err := theirs.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the rest of the stretch waits to be read
		asked := time.Now()
		b.stop()
		if took := time.Since(asked); took > 0 {
			t.Errorf("the relay ends %v after it was asked to; want at once", took)
		}
	})
}

// TestMoved: datagrams follow the name of a server to its new address, which
// no error would tell of; a name server that is silent changes nothing.
func TestMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.pace = defaultPace
		var mu sync.Mutex
		answer, fault := []string{"192.0.2.1"}, error(nil)
		b.options.Lookup = func(context.Context, string) (addresses []netip.Addr, err error) {
			mu.Lock()
			defer mu.Unlock()
			for _, text := range answer {
				addresses = append(addresses, netip.MustParseAddr(text))
			}
			return addresses, fault
		}
		var dialled []string
		b.options.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			dialled = append(dialled, address)
			ours, _ := net.Pipe()
			conn := &datagrams{ours, time.Now(), map[time.Duration]int{}}
			return located{conn, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address))}, nil
		}
		b.start(model.LogServer{Host: "logs.example.net", Transport: "udp", Port: 514, Level: debugging})
		for _, step := range []struct {
			answer []string
			fault  error
			want   string // the address last dialled
			dials  int
		}{
			{[]string{"192.0.2.1"}, nil, "192.0.2.1:514", 1},
			{nil, errors.New("no name server answers"), "192.0.2.1:514", 1},
			{[]string{"192.0.2.2", "192.0.2.1"}, nil, "192.0.2.1:514", 1},
			{[]string{"192.0.2.3"}, nil, "192.0.2.3:514", 2},
			{[]string{"192.0.2.3"}, nil, "192.0.2.3:514", 2},
		} {
			mu.Lock()
			answer, fault = step.answer, step.fault
			mu.Unlock()
			time.Sleep(3 * defaultPace.renew)
			mu.Lock()
			if last := dialled[len(dialled)-1]; last != step.want || len(dialled) != step.dials {
				t.Errorf("the name leads to %v, %v: dialled %v; want %d, at last %s", step.answer, step.fault, dialled, step.dials, step.want)
			}
			mu.Unlock()
		}
		b.stop()
		if strings.Contains(b.log.String(), "is down") {
			t.Errorf("a server that moved is told of as down:\n%s", &b.log)
		}
	})
}

// located is a connection to that address.
type located struct {
	net.Conn
	remote net.Addr
}

func (l located) RemoteAddr() net.Addr { return l.remote }
