package logging

import (
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// position is how far something is: the Seq of the next line, and the number
// of the last event of an alarm.
type position struct{ line, event uint64 }

// mark says which position a stream of octets has reached, and when.
type mark struct {
	position
	octets int64
	time   time.Time
}

// burst is how many messages are sent at once, and the pause after them.
type burst struct {
	most  int
	pause time.Duration
}

// errMoved ends a session whose server is to be found elsewhere by now.
var errMoved = errors.New("the server's name leads to another address")

// session is one connection to a server.
type session struct {
	server *server
	conn   net.Conn // what messages are written to
	wire   *wire    // what is below it
	broken chan error
	burst  burst           // the next one
	events <-chan struct{} // alarms have events
	stop   func()          // to be told of them

	at    position
	marks []mark // positions that do not count as received yet
	stood bool
}

func newSession(s *server, conn net.Conn, wire *wire) *session {
	x := &session{server: s, conn: conn, wire: wire, broken: make(chan error, 1), at: s.received()}
	x.events, x.stop = s.relay.options.Alarms.Subscribe()
	x.mark() // a connection that stands counts, even with nothing to send
	x.burst = burst{most: 100}
	if s.config.Transport == "udp" {
		// The first datagram has an ICMP error come back if one does.
		x.burst = burst{1, s.relay.pace.probe}
	}
	go func() { x.broken <- drain(conn) }()
	return x
}

// close ends the connection and its reader.
func (x *session) close() {
	x.stop()
	x.conn.Close()
	<-x.broken
}

// drain waits for the end of a connection. A syslog server says nothing.
func drain(conn net.Conn) error {
	_, err := io.Copy(io.Discard, conn)
	if err == nil {
		err = errors.New("the server closed the connection")
	}
	return err
}

func (x *session) mark() {
	x.marks = append(x.marks, mark{x.at, x.wire.written.Load(), time.Now()})
}

// run sends until the connection breaks or ctx ends.
func (x *session) run(ctx context.Context) error {
	pace := x.server.relay.pace
	tick := time.NewTicker(pace.settle / 5)
	defer tick.Stop()
	renew := time.NewTicker(pace.renew)
	defer renew.Stop()
	for {
		pause, more, err := x.send(ctx)
		if err != nil {
			return err
		}
		events, settled := x.events, tick.C
		if pause != nil {
			events, settled, more = nil, nil, nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-x.broken:
			x.broken <- err // for close
			return err
		case <-pause:
		case <-more:
		case <-events:
		case <-settled:
		case <-renew.C:
			if x.server.moved(ctx, x.conn) {
				return errMoved
			}
		}
		x.settle()
	}
}

// send sends a burst, if there is something to send. Either it gives the pause
// to keep before the next one, or a channel that is closed when there is more.
func (x *session) send(ctx context.Context) (pause <-chan time.Time, more <-chan struct{}, err error) {
	messages, next, more := x.server.compose(ctx, x.at, x.burst.most)
	if next == x.at {
		return nil, more, nil
	}
	if err := x.write(messages); err != nil {
		return nil, nil, err
	}
	x.at = next
	x.mark()
	x.server.count(len(messages))
	if len(messages) == 0 {
		return time.After(0), nil, nil
	}
	pause = time.After(x.burst.pause)
	if x.server.config.Transport == "udp" {
		x.burst = burst{50, x.server.relay.pace.gap}
	}
	return pause, nil, nil
}

// write writes messages: each a datagram of its own, or all as one stretch of
// the stream.
func (x *session) write(messages [][]byte) error {
	if err := x.conn.SetWriteDeadline(time.Now().Add(silence)); err != nil {
		return err
	}
	var stretch []byte
	for _, m := range messages {
		if x.server.config.Transport != "udp" {
			stretch = frame(stretch, m)
		} else if _, err := x.conn.Write(m); err != nil {
			return err
		}
	}
	if len(stretch) == 0 {
		return nil
	}
	_, err := x.conn.Write(stretch)
	return err
}

// settle counts as received what was acknowledged and is old enough.
func (x *session) settle() {
	arrived, n := x.wire.arrived(), 0
	for n < len(x.marks) && x.marks[n].octets <= arrived && time.Since(x.marks[n].time) >= x.server.relay.pace.settle {
		n++
	}
	if n > 0 {
		x.server.hasReceived(x.marks[n-1].position)
		x.marks, x.stood = x.marks[n:], true
	}
}
