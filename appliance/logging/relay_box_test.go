package logging

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

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

// add writes a line.
func (k *kernel) add(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.entries = append(k.entries, model.LogEntry{Seq: k.next, Time: noon, Priority: daemonDebug, Text: text})
	k.next++
}
