package mux

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"causeway/appliance/com/wire"
)

// slowLine is one end of a line of 128 kbit/s and 100 ms each way. What is
// written waits in a buffer as the kernel has one, and leaves as fast as the line
// takes it.
type slowLine struct {
	out, in *lane
}

// newSlowLine makes both ends. Each keeps so many octets back that were written.
func newSlowLine(held int) (a, b *slowLine) {
	there, back := newLane(held), newLane(held)
	return &slowLine{there, back}, &slowLine{back, there}
}

// sent is what is on its way.
type sent struct {
	part []byte
	due  time.Time
}

// lane is one direction.
type lane struct {
	way     chan sent
	mu      sync.Mutex
	changed *sync.Cond
	queued  []byte // written, not sent
	arrived []byte // not read
	held    int
	carried atomic.Int64 // octets that have arrived
	closed  bool
	expired bool // reading (net.Conn.SetReadDeadline): the server of HTTP takes its reader back so
}

const (
	rate  = 128_000 / 8 // octets a second
	delay = 100 * time.Millisecond
	burst = 400 // octets that leave at once
)

func newLane(held int) *lane {
	l := &lane{held: held, way: make(chan sent, 1000)}
	l.changed = sync.NewCond(&l.mu)
	go l.carry()
	go l.deliver()
	return l
}

// carry sends what is queued, until the lane is closed.
func (l *lane) carry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(l.queued) == 0 {
			if l.closed {
				close(l.way)
				return
			}
			l.changed.Wait()
		}
		part := l.queued[:min(len(l.queued), burst)]
		l.queued = l.queued[len(part):]
		l.changed.Broadcast()
		l.mu.Unlock()
		time.Sleep(time.Duration(len(part)) * time.Second / rate)
		l.way <- sent{part, time.Now().Add(delay)}
		l.mu.Lock()
	}
}

// deliver has arrive what was sent, in its order.
func (l *lane) deliver() {
	for s := range l.way {
		time.Sleep(time.Until(s.due))
		l.mu.Lock()
		l.carried.Add(int64(len(s.part)))
		l.arrived = append(l.arrived, s.part...)
		l.changed.Broadcast()
		l.mu.Unlock()
	}
}

func (l *lane) write(p []byte) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n < len(p) {
		for len(l.queued) >= l.held && !l.closed {
			l.changed.Wait()
		}
		if l.closed {
			return n, net.ErrClosed
		}
		part := p[n:min(len(p), n+l.held-len(l.queued))]
		l.queued = append(l.queued, part...)
		n += len(part)
		l.changed.Broadcast()
	}
	return n, nil
}

func (l *lane) read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.arrived) == 0 {
		switch {
		case l.closed:
			return 0, io.EOF
		case l.expired:
			return 0, os.ErrDeadlineExceeded
		}
		l.changed.Wait()
	}
	n := copy(p, l.arrived)
	l.arrived = l.arrived[n:]
	return n, nil
}

func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed, l.queued = true, nil
	l.changed.Broadcast()
}

func (s *slowLine) Read(p []byte) (int, error)       { return s.in.read(p) }
func (s *slowLine) Write(p []byte) (int, error)      { return s.out.write(p) }
func (s *slowLine) Close() error                     { s.in.close(); s.out.close(); return nil }
func (s *slowLine) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *slowLine) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *slowLine) SetDeadline(time.Time) error      { return nil }
func (s *slowLine) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline knows the past, and none.
func (s *slowLine) SetReadDeadline(at time.Time) error {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.in.expired = !at.IsZero() && !at.After(time.Now())
	s.in.changed.Broadcast()
	return nil
}

// once is a listener of one connection.
type once struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (o *once) Accept() (net.Conn, error) {
	select {
	case conn := <-o.conn:
		return conn, nil
	case <-o.closed:
		return nil, net.ErrClosed
	}
}

func (o *once) Close() error   { close(o.closed); return nil }
func (o *once) Addr() net.Addr { return &net.TCPAddr{} }

// connect makes the WebSockets of both ends of a line, and gives the way from the
// box to COM.
func connect(t *testing.T, held int) (box, com *websocket.Conn, line *lane) {
	t.Helper()
	near, far := newSlowLine(held)
	listener, accepted := &once{make(chan net.Conn, 1), make(chan struct{})}, make(chan *websocket.Conn, 1)
	listener.conn <- far
	done := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
		}
		accepted <- conn
		<-done
	})}
	go server.Serve(listener)
	t.Cleanup(func() { close(done); server.Close() })
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
	box, _, err := websocket.Dial(t.Context(), "ws://com.example.com/", &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return box, <-accepted, near.out
}

// TestSlowLine sends a file over a line of 128 kbit/s (COM-18), and heartbeats
// beside it: each overtakes all of the file but what is on the line already.
func TestSlowLine(t *testing.T) {
	t.Parallel()
	const file, beats, ahead = 128 << 10, 3, sendBuffer + 2*wire.Chunk
	nearSocket, farSocket, line := connect(t, sendBuffer)
	box, err := Server(nearSocket)
	if err != nil {
		t.Fatal(err)
	}
	com, err := Client(farSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer com.Close()
	defer box.Close()
	rpc, bulk := open(t, box, com), open(t, box, com)

	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		if n, err := bulk.near.Write(make([]byte, file)); n != file || err != nil {
			t.Errorf("%d octets of the file are written: %v", n, err)
		}
		bulk.near.Close()
	})
	var fetched int64
	running.Go(func() { fetched, _ = io.Copy(io.Discard, bulk.far) })
	lines, beat := Lines(rpc.far), Lines(rpc.near)
	for part := range beats {
		for line.carried.Load() < int64(file*(part+1)/(beats+1)) {
			time.Sleep(10 * time.Millisecond)
		}
		before := line.carried.Load()
		if err := beat.Send([]byte("{}")); err != nil {
			t.Fatalf("%v; the session: %v, %v", err, box.Err(), com.Err())
		}
		if _, err := lines.Recv(); err != nil {
			t.Fatalf("%v; the session: %v, %v", err, box.Err(), com.Err())
		}
		waited := line.carried.Load() - before
		if waited > ahead {
			t.Errorf("a heartbeat waits for %d octets of the file; want at most %d", waited, ahead)
		}
	}
	running.Wait()
	if fetched != file {
		t.Errorf("%d octets of the file came; want %d", fetched, file)
	}
}

// pair is both ends of a stream.
type pair struct{ near, far *Stream }

// open opens a stream from the box.
func open(t *testing.T, box, com *Session) (p pair) {
	t.Helper()
	var err error
	if p.near, err = box.Open(); err == nil {
		p.far, err = com.Accept(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSession has frames that are too long, and such of text, end the session.
func TestSession(t *testing.T) {
	for name, row := range map[string]struct {
		send func(ctx context.Context, com *websocket.Conn) error
		want websocket.StatusCode
	}{
		"a frame that is too long": {func(ctx context.Context, com *websocket.Conn) error {
			return com.Write(ctx, websocket.MessageBinary, make([]byte, longestFrame+1))
		}, wire.CloseTooLong},
		"text": {func(ctx context.Context, com *websocket.Conn) error {
			return com.Write(ctx, websocket.MessageText, []byte("{}"))
		}, wire.CloseUndecodable},
	} {
		t.Run(name, func(t *testing.T) {
			nearSocket, com, _ := connect(t, sendBuffer)
			box, err := Server(nearSocket)
			if err != nil {
				t.Fatal(err)
			}
			if err := row.send(t.Context(), com); err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, _, err = com.Read(t.Context())
			}
			if got := websocket.CloseStatus(err); got != row.want {
				t.Errorf("COM is told %v (%v); want %v", got, err, row.want)
			}
			<-box.Done()
			if box.Err() == nil {
				t.Error("Err = nil; want why the session is over")
			}
			if _, err := box.Open(); err == nil || !IsClosed(errors.Unwrap(err)) {
				t.Errorf("Open = %v; want that the session is over", err)
			}
			box.Close()
		})
	}
}
