package lab

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// Stream is a connection that carries SIP: over TCP, TLS or WebSocket. Like a
// Prober it knows nothing of SIP but lines, and Content-Length.
type Stream struct {
	conn      net.Conn
	reader    *bufio.Reader
	transport string // as Via has it
	Local     netip.AddrPort
	sent      atomic.Int64
}

func newStream(conn net.Conn, transport string, local net.Addr) *Stream {
	address := local.(*net.TCPAddr).AddrPort()
	return &Stream{
		conn: conn, reader: bufio.NewReader(conn), transport: transport,
		Local: netip.AddrPortFrom(address.Addr().Unmap(), address.Port()),
	}
}

// Dial opens a TCP connection from inside. A port 0 of local takes a free one.
func (n *Namespace) Dial(ctx context.Context, local, to netip.AddrPort) (*Stream, error) {
	conn, err := n.dial(ctx, local, to)
	if err != nil {
		return nil, err
	}
	return newStream(conn, "TCP", conn.LocalAddr()), nil
}

func (n *Namespace) dial(ctx context.Context, local, to netip.AddrPort) (conn net.Conn, err error) {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(local)}
	err = n.Do(func() (err error) { // one address needs no goroutine of its own
		conn, err = dialer.DialContext(ctx, "tcp", to.String())
		return err
	})
	return conn, err
}

// DialTLS opens a TLS connection from inside.
func (n *Namespace) DialTLS(ctx context.Context, local, to netip.AddrPort, config *tls.Config) (*Stream, error) {
	conn, err := n.dial(ctx, local, to)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", to, err)
	}
	return newStream(secured, "TLS", conn.LocalAddr()), nil
}

// DialWebSocket opens a WebSocket connection from inside (RFC 7118); over TLS
// when there is a configuration for it.
func (n *Namespace) DialWebSocket(ctx context.Context, local, to netip.AddrPort, config *tls.Config) (*Stream, error) {
	var below net.Conn
	dial := func(ctx context.Context, _, _ string) (conn net.Conn, err error) {
		below, err = n.dial(ctx, local, to)
		return below, err
	}
	scheme, transport := "ws", "WS"
	if config != nil {
		scheme, transport = "wss", "WSS"
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, TLSClientConfig: config}}
	conn, _, err := websocket.Dial(ctx, scheme+"://"+to.String()+"/", &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"sip"}})
	if err != nil {
		return nil, fmt.Errorf("WebSocket with %s: %w", to, err)
	}
	if conn.Subprotocol() != "sip" {
		conn.CloseNow()
		return nil, fmt.Errorf("WebSocket with %s: the subprotocol is %q; want sip", to, conn.Subprotocol())
	}
	return newStream(websocket.NetConn(context.Background(), conn, websocket.MessageText), transport, below.LocalAddr()), nil
}

// StreamListener accepts connections of TCP.
type StreamListener struct{ listener *net.TCPListener }

// ListenTCP opens one inside.
func (n *Namespace) ListenTCP(local netip.AddrPort) (l *StreamListener, err error) {
	l = &StreamListener{}
	err = n.Do(func() (err error) {
		l.listener, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(local))
		return err
	})
	return l, err
}

// Accept waits for a connection.
func (l *StreamListener) Accept(ctx context.Context) (*Stream, error) {
	l.listener.SetDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() { l.listener.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	conn, err := l.listener.Accept()
	if err != nil {
		return nil, errors.Join(context.Cause(ctx), err)
	}
	return newStream(conn, "TCP", conn.LocalAddr()), nil
}

// Close closes the listener, and none of its connections.
func (l *StreamListener) Close() error { return l.listener.Close() }

// Close closes the connection.
func (s *Stream) Close() error { return s.conn.Close() }

// Contact is where it can be called: over this very connection, if it was
// opened from here.
func (s *Stream) Contact() string {
	return "sip:lab@" + s.Local.String() + ";transport=" + strings.ToLower(s.transport)
}

// Request makes a request outside of any dialog to uri.
func (s *Stream) Request(method, uri string) Message {
	return makeRequest(s.transport, s.Local, s.sent.Add(1), method, uri, s.Contact())
}

// Send sends a message.
func (s *Stream) Send(message Message) error {
	if _, err := io.WriteString(s.conn, string(message)); err != nil {
		return fmt.Errorf("send %q: %w", message.StartLine(), err)
	}
	return nil
}

// Receive waits for the next message. Empty lines before it are passed over
// (RFC 5626 §3.5.1).
func (s *Stream) Receive(ctx context.Context) (Message, error) {
	stop := context.AfterFunc(ctx, func() { s.conn.Close() }) // a deadline would end a WebSocket, too
	defer stop()
	message, err := s.receive()
	if err != nil {
		return "", fmt.Errorf("wait for a message at %s: %w", s.Local, errors.Join(context.Cause(ctx), err))
	}
	return message, nil
}

func (s *Stream) receive() (Message, error) {
	var message bytes.Buffer
	length := 0
	for {
		line, err := s.reader.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line == "\r\n" {
			if message.Len() == 0 {
				continue
			}
			message.WriteString(line)
			break
		}
		message.WriteString(line)
		name, value, _ := strings.Cut(line, ":")
		if name = strings.ToLower(strings.TrimSpace(name)); name == "content-length" || name == "l" {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil || length < 0 {
				return "", fmt.Errorf("Content-Length of %q", line)
			}
		}
	}
	if _, err := io.CopyN(&message, s.reader, int64(length)); err != nil {
		return "", err
	}
	return Message(message.String()), nil
}

// Expect waits for the next message and fails unless its start line begins
// with start.
func (s *Stream) Expect(ctx context.Context, start string) (Message, error) {
	message, err := s.Receive(ctx)
	if err == nil && !strings.HasPrefix(string(message), start) {
		err = fmt.Errorf("received %q", message.StartLine())
	}
	if err != nil {
		return "", fmt.Errorf("expect %q: %w", start, err)
	}
	return message, nil
}
