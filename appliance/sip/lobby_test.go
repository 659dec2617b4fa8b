package sip

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// idleProxy listens at an address of loopback, and nobody reads there. What it
// sends on goes nowhere.
func idleProxy(t *testing.T, g *gate) (*Proxy, *listenPoint) {
	t.Helper()
	p, err := New(Options{Admission: g, Routing: &planner{}, Key: signing, Readers: 2})
	if err != nil {
		t.Fatal(err)
	}
	listen := freeAddress(t)
	_, sink := listenUDP(t)
	commit(t, p, &model.SIP{Networks: []model.SIPNetwork{{
		Name: "a", Listens: []model.SIPListen{{Address: listen}}, NextHop: model.SIPNextHop{Address: sink, Network: "a"},
	}}})
	l := p.config.Load().at(udp(listen))
	t.Cleanup(l.close)
	return p, l
}

// openedLobby is a lobby with its rooms.
func openedLobby(t *testing.T, p *Proxy) *lobby {
	t.Helper()
	l := newLobby(p)
	t.Cleanup(l.close)
	if err := l.arrange(); err != nil {
		t.Fatal(err)
	}
	return l
}

func write(t *testing.T, conn *net.UDPConn, text string) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// An INVITE in the lobby waits for all else, but not for ever.
func TestLobbyLetsIn(t *testing.T) {
	for _, test := range []struct {
		name    string
		waits   bool          // something else
		emptied bool          // a reader came to the end of its queue just now
		read    time.Duration // since the lobby was looked into
		enters  bool
	}{
		{"nothing else waits", false, false, 0, true},
		{"something waits", true, false, lobbyLook, false},
		{"something came just now", true, true, lobbyLook, true},
		{"something comes all the time", true, true, 0, false},
		{"the readers do not come to an end", true, false, lobbyWaits, true},
	} {
		p, at := idleProxy(t, &gate{})
		l := openedLobby(t, p)
		conn, r := dialUDP(t, at.Address), l.rooms[at.Place]
		if test.waits {
			write(t, conn, "\r\n\r\n")
		}
		l.w.now = testStart
		r.read = l.w.now - test.read
		if test.emptied {
			for _, s := range at.sockets {
				s.emptied.Store(int64(l.w.now) - 1)
			}
		}
		if enters := l.goesFirst(r); enters != test.enters {
			t.Errorf("%s: an INVITE enters %t; want %t", test.name, enters, test.enters)
		}
	}
}

// Of the INVITEs in the lobby some are let in, however many admission sheds.
func TestLobbyTurns(t *testing.T) {
	g := &gate{shed: hop.Refusal{Status: 503, Rule: model.RuleOverload}}
	p, at := idleProxy(t, g)
	l := openedLobby(t, p)
	conn := dialUDP(t, at.Address)
	const turns = 5
	for i := range turns * lobbyTurn {
		write(t, conn, fromLoopback(request("INVITE", "sip:bob@example.com", fmt.Sprint("i", i), 1)))
		l.letIn(at.Place, l.rooms[at.Place])
	}
	var status model.ProxyStatus
	p.Status(&status)
	if in, out := status.Counters["calls"], status.Counters["refused-overload"]; in != turns || out != turns*(lobbyTurn-1) {
		t.Errorf("%d INVITEs were let in and %d refused; want %d and %d", in, out, turns, turns*(lobbyTurn-1))
	}
}

// The lobby opens when a reader does not come to the end of its queue, and
// closes when there is room; in it, calls come about as ever.
func TestLobbyOpensAndCloses(t *testing.T) {
	ctx := context.Background() // the lobby ends with the readers of this proxy
	p, listen := runProxy(t), freeAddress(t)
	peer, next := listenUDP(t)
	commit(t, p, &model.SIP{Networks: []model.SIPNetwork{{
		Name: "a", Listens: []model.SIPListen{{Address: listen}}, NextHop: model.SIPNextHop{Address: next, Network: "a"},
	}}})
	s := p.config.Load().at(udp(listen)).sockets[0]
	w := p.newWorker(0)
	for _, step := range []struct {
		full bool
		at   time.Duration
		open bool
	}{
		{true, 0, false}, {true, lobbyOpens - 1, false}, {false, lobbyOpens, false},
		{true, lobbyOpens, false}, {true, 2*lobbyOpens - 1, false}, {true, 2 * lobbyOpens, true},
	} {
		w.now = testStart + step.at
		w.watchQueue(ctx, s, step.full)
		if open := p.overloaded.Load(); open != step.open {
			t.Fatalf("at %v, after a batch that is full %t: open %t; want %t", step.at, step.full, open, step.open)
		}
	}
	conn := dialUDP(t, listen)
	repeatUntil(t, conn, fromLoopback(request("INVITE", "sip:bob@example.com", "during", 1)), func() { read(t, peer, "INVITE ") })
	for end := time.Now().Add(patience); p.overloaded.Load(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the lobby stays open")
		}
	}
	repeatUntil(t, conn, fromLoopback(request("INVITE", "sip:bob@example.com", "after", 1)), func() {
		for !strings.Contains(read(t, peer, "INVITE ").text, "after") { // the first one may be repeated
		}
	})
}

// repeatUntil sends a request again and again, as a caller does, until done returns:
// what comes while the lobby opens or closes is dropped.
func repeatUntil(t *testing.T, conn *net.UDPConn, text string, done func()) {
	t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-stopped }()
	go func() {
		defer close(stopped)
		for {
			conn.Write([]byte(text))
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	done()
}

// Timers that are late wait for what is unread, but not for ever.
func TestTimersReadFirst(t *testing.T) {
	p, at := idleProxy(t, &gate{})
	w := p.newWorker(0)
	conn := dialUDP(t, at.Address)
	for _, test := range []struct {
		late   time.Duration
		unread bool
		fire   bool
	}{
		{tick - 1, false, false}, {tick, false, true}, {2 * tick, true, true},
		{2*tick + 1, false, true}, {2*tick + 1, true, false}, {readFirst - 1, true, false}, {readFirst, true, true},
	} {
		for _, s := range at.sockets {
			take(s)
		}
		if test.unread {
			write(t, conn, "\r\n\r\n")
		}
		p.fired.Store(int64(testStart))
		w.now = testStart + test.late
		w.runTimers()
		if fired := p.fired.Load() != int64(testStart); fired != test.fire {
			t.Errorf("%v late, unread %t: fired %t; want %t", test.late, test.unread, fired, test.fire)
		}
	}
}
