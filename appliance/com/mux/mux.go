// Package mux carries streams over the one WebSocket between the box and COM
// (com.v1.mux), and frames what both sides say: the first lines of a stream,
// and JSON-RPC in lines or in messages of the WebSocket (com.v1.rpc). Both ends
// use it.
//
// It is tuned for a line of 128 kbit/s (COM-18). As the library comes, a full
// window of 256 KiB takes longer on such a line than anything may take, and the
// session ends. So little is written at once, the kernel holds little back
// (Tune), and a write may take half a minute.
package mux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/yamux"

	"causeway/appliance/com/wire"
)

const (
	// KeepAlive is how often a silent line is tried; it keeps what NAT knows of the
	// connection, too.
	KeepAlive = 25 * time.Second
	// slowest is how long a write, or the answer to a ping, may take.
	slowest = 30 * time.Second
	// sendBuffer is the room of the kernel for what is written, in octets: what is
	// in it nothing overtakes.
	sendBuffer = 16 << 10
	// longestFrame bounds a message of the WebSocket. Ours are Chunk long.
	longestFrame = 64 << 10
	window       = 256 << 10 // of a stream, the least that yamux takes
)

// Tune sets up a TCP connection that a link will run over.
func Tune(conn net.Conn) error {
	if tcp, ok := conn.(*net.TCPConn); ok {
		return tcp.SetWriteBuffer(sendBuffer)
	}
	return nil
}

// Session is a WebSocket that carries streams. Its methods may be called from any
// goroutine.
type Session struct {
	yamux  *yamux.Session
	octets *octets
}

// octets is the WebSocket as yamux has it. It keeps what ended it, which yamux
// tells nobody but those that accept streams.
type octets struct {
	net.Conn
	pings pings // of the one that reads
	mu    sync.Mutex
	err   error
}

// Read implements io.Reader.
func (o *octets) Read(p []byte) (n int, err error) {
	if n, err = o.Conn.Read(p); err == nil {
		err = o.pings.pass(p[:n], time.Now())
	}
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.err = err
	}
	return n, err
}

// Server makes the session of the box, which is yamux's server side. The
// session owns the WebSocket.
func Server(conn *websocket.Conn) (*Session, error) { return start(conn, yamux.Server, true) }

// Client makes the session of COM. It does not try the line: the box does, and a
// box whose heartbeats stay away is gone. So a link has a goroutine less.
func Client(conn *websocket.Conn) (*Session, error) { return start(conn, yamux.Client, false) }

func start(conn *websocket.Conn, side func(io.ReadWriteCloser, *yamux.Config) (*yamux.Session, error), tries bool) (*Session, error) {
	o := &octets{Conn: websocket.NetConn(context.Background(), conn, websocket.MessageBinary)} // until it is closed
	conn.SetReadLimit(longestFrame)
	session, err := side(o, &yamux.Config{
		AcceptBacklog:          2 * wire.MostStreams,
		EnableKeepAlive:        tries,
		KeepAliveInterval:      KeepAlive,
		ConnectionWriteTimeout: slowest,
		MaxStreamWindowSize:    window,
		StreamOpenTimeout:      75 * time.Second,
		StreamCloseTimeout:     time.Minute,
		LogOutput:              io.Discard, // what ends the session says why
	})
	if err != nil {
		return nil, fmt.Errorf("carry streams: %w", err)
	}
	return &Session{session, o}, nil
}

// Open opens a stream. It waits for nothing but room in the line.
func (s *Session) Open() (*Stream, error) {
	stream, err := s.yamux.OpenStream()
	if err != nil {
		return nil, fmt.Errorf("open a stream: %w", err)
	}
	return &Stream{stream}, nil
}

// Accept waits for a stream that the other side opens. An error means that the
// session, or ctx, is over.
func (s *Session) Accept(ctx context.Context) (*Stream, error) {
	stream, err := s.yamux.AcceptStreamWithContext(ctx)
	if err != nil {
		return nil, err
	}
	return &Stream{stream}, nil
}

// Streams counts those that are open on either side.
func (s *Session) Streams() int { return s.yamux.NumStreams() }

// Ping measures a round trip, behind all that waits to be sent.
func (s *Session) Ping() (time.Duration, error) { return s.yamux.Ping() }

// Done is closed when the session is over.
func (s *Session) Done() <-chan struct{} { return s.yamux.CloseChan() }

// Err is why nothing more can be read: a websocket.CloseError has what the other
// side says of it. nil: it can.
func (s *Session) Err() error {
	s.octets.mu.Lock()
	defer s.octets.mu.Unlock()
	return s.octets.err
}

// Close ends the session with all streams, and the connection.
func (s *Session) Close() error { return s.yamux.Close() }

// Stream is one stream of a session. Close ends what this side sends, as it does
// with yamux; what the other side sends can be read until it closes, too, at most
// for a minute.
type Stream struct {
	*yamux.Stream
}

// Write writes in pieces, so that others get their turn in between.
func (s *Stream) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		written, err := s.Stream.Write(p[:min(len(p), wire.Chunk)])
		if n += written; err != nil {
			return n, err
		}
		p = p[written:]
	}
	return n, nil
}

// IsClosed says whether an error means that the other side, or this one, has
// ended the session or stream, rather than that something went wrong.
func IsClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, yamux.ErrSessionShutdown) ||
		errors.Is(err, yamux.ErrStreamClosed) || errors.Is(err, yamux.ErrConnectionReset)
}
