package logging

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

var _ Alarms = (*alarm.Alarms)(nil)

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
