package logging

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"causeway/appliance/model"
)

// server sends to one syslog server. Syslog has no acknowledgement, so what is
// sent counts as received when TCP has acknowledged its octets and the
// connection stood for a while after (pace.settle): then a server that dies
// with lines unread, or a host that answers with ICMP only, costs no line. A
// new connection begins with the first line that does not count yet.
type server struct {
	config model.LogServer
	relay  *Relay
	stop   func()
	turn   int // connections that broke: the next one begins with another address

	mu      sync.Mutex
	up      bool
	since   time.Time // up or down
	problem string    // why it is down; empty while it is tried for the first time
	sent    int
}

// ServerStatus tells how a server is served.
type ServerStatus struct {
	Server  string    `json:"server"` // "tcp 192.0.2.1:601"
	Level   int       `json:"level"`
	Up      bool      `json:"up"`
	Since   time.Time `json:"since"`   // up or down since then; zero: not known yet
	Problem string    `json:"problem"` // why it is down
	Sent    int       `json:"sent"`    // messages since the process started, repeated ones included
	Waiting uint64    `json:"waiting"` // entries of the log that do not count as received
}

// name is what the server is known by.
func (s *server) name() string { return serverName(s.config) }

func serverName(c model.LogServer) string {
	return c.Transport + " " + net.JoinHostPort(c.Host, strconv.Itoa(c.Port))
}

// consumer is the name of the server's cursor in the history of alarms.
func (s *server) consumer() string { return "syslog " + s.name() }

func (s *server) status() ServerStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ServerStatus{
		Server: s.name(), Level: s.config.Level, Up: s.up, Since: s.since, Problem: s.problem,
		Sent: s.sent, Waiting: s.relay.ring.behind(s.relay.positions.get(s.name())),
	}
}

// run serves the server until ctx ends: connection after connection.
func (s *server) run(ctx context.Context) {
	wait := s.relay.pace.first
	for {
		stood, err := s.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errMoved) {
			s.relay.options.Log.Info("syslog server has another address", "server", s.name())
			continue
		}
		s.turn++
		s.isDown(err)
		s.relay.options.Log.Debug("syslog server is tried again", "server", s.name(), "in", wait, "error", err)
		if stood {
			wait = s.relay.pace.first
		}
		sleep(ctx, wait)
		wait = min(2*wait, s.relay.pace.longest)
	}
}

// serve sends over one connection until that breaks or ctx ends. It reports
// whether the connection stood for so long that it counts.
func (s *server) serve(ctx context.Context) (stood bool, err error) {
	conn, wire, err := s.connect(ctx)
	if err != nil {
		return false, err
	}
	x := newSession(s, conn, wire)
	defer x.close()
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // for a write that waits for the server
	defer stop()
	err = x.run(ctx)
	return x.stood, err
}

func (s *server) isDown(err error) {
	s.mu.Lock()
	told := !s.up && s.problem != ""
	if !told {
		s.since = time.Now()
	}
	s.up, s.problem = false, err.Error()
	s.mu.Unlock()
	if !told {
		s.relay.options.Log.Warn("syslog server is down", "server", s.name(), "error", err)
	}
}

func (s *server) isUp() {
	s.mu.Lock()
	told := s.up
	if !told {
		s.up, s.since, s.problem = true, time.Now(), ""
	}
	s.mu.Unlock()
	if !told {
		s.relay.options.Log.Info("syslog server is up", "server", s.name())
	}
}

// connect gives a connection to write messages to, and the wire below it.
func (s *server) connect(ctx context.Context) (net.Conn, *wire, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	o := s.relay.options
	var secure *tls.Config
	if s.config.Transport == "tls" {
		var err error
		if secure, err = o.TLS(s.config.Host); err != nil {
			return nil, nil, err
		}
	}
	addresses, err := o.Lookup(ctx, s.config.Host)
	if err != nil {
		return nil, nil, err
	}
	conn, err := s.dial(ctx, addresses)
	if err != nil {
		return nil, nil, err
	}
	w := &wire{Conn: conn}
	if secure == nil {
		return w, w, nil
	}
	client := tls.Client(w, secure)
	if err := client.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, nil, err
	}
	return client, w, nil
}

// dial tries the addresses in their order, from the one whose turn it is: a
// datagram socket can be had to any.
func (s *server) dial(ctx context.Context, addresses []netip.Addr) (net.Conn, error) {
	network := "tcp"
	if s.config.Transport == "udp" {
		network = "udp"
	}
	err := fmt.Errorf("%s has no address", s.config.Host)
	for i := range addresses {
		var conn net.Conn
		address := addresses[(s.turn+i)%len(addresses)]
		target := netip.AddrPortFrom(address, uint16(s.config.Port)).String()
		if conn, err = s.relay.options.Dial(ctx, network, target); err == nil {
			s.relay.options.Log.Debug("syslog server is dialled", "server", s.name(), "address", target)
			return conn, nil
		}
	}
	return nil, err
}

// moved reports whether datagrams go to an address that the server's name no
// longer leads to: nothing else would tell. A stream breaks by itself.
func (s *server) moved(ctx context.Context, conn net.Conn) bool {
	if s.config.Transport != "udp" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	addresses, err := s.relay.options.Lookup(ctx, s.config.Host)
	at, atErr := netip.ParseAddrPort(conn.RemoteAddr().String())
	return err == nil && atErr == nil && !slices.Contains(addresses, at.Addr())
}

// received gives how far the server is: what counts as received.
func (s *server) received() position {
	return position{s.relay.positions.get(s.name()), s.relay.options.Alarms.Cursor(s.consumer())}
}

// hasReceived keeps how far the server is.
func (s *server) hasReceived(at position) {
	s.isUp()
	if at == s.received() {
		return
	}
	s.relay.complain(errors.Join(
		s.relay.positions.set(s.name(), at.line),
		s.relay.options.Alarms.Advance(s.consumer(), at.event)))
}

// count counts messages that were sent.
func (s *server) count(messages int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent += messages
}

// compose writes out what comes after a position, about so many messages at
// most. It gives the position after them, and a channel that is closed when
// there are more lines.
func (s *server) compose(ctx context.Context, at position, most int) (messages [][]byte, next position, more <-chan struct{}) {
	host := s.relay.hostName()
	entries, more, _ := s.relay.ring.since(ctx, at.line) // the ring's follower tells of its faults
	for _, l := range readLines(at.line, entries) {
		if len(messages) >= most {
			return messages, at, more
		}
		at.line = l.seq + 1
		if l.severity <= s.config.Level && !l.alarm {
			messages = append(messages, ofLine(host, l).append(nil))
		}
	}
	page := s.relay.options.Alarms.Events(at.event, most)
	if page.Missed > 0 && len(page.Events) > 0 {
		messages = append(messages, ofLostEvents(host, page.Events[0].Time, page.Missed).append(nil))
	}
	for _, e := range page.Events {
		at.event = e.Number
		if s.wants(e) {
			messages = append(messages, ofEvent(host, e).append(nil))
		}
	}
	return messages, at, more
}

// wants reports whether an event is severe enough. Who is told of an alarm is
// told of its end too.
func (s *server) wants(e model.AlarmEvent) bool {
	severity, known := perceived[e.Severity]
	return !known || severity <= s.config.Level
}
