package stream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"causeway/appliance/model"
)

// subprotocol is SIP's (RFC 7118 §4).
const subprotocol = "sip"

// maxUpgrade is the most octets of a request to become a WebSocket.
const maxUpgrade = 8 << 10

// The library's buffers. They can be small: what is larger goes past them, and
// what is written is held together by the wire.
const (
	upgradeReadBuffer  = 512
	upgradeWriteBuffer = 128
)

// startWebSocket makes a WebSocket of the connection.
func (c *Conn) startWebSocket() (err error) {
	var conn net.Conn = c.wire
	if c.secure != nil {
		conn = c.secure
	}
	if c.outbound {
		c.websocket, err = c.dialWebSocket(conn)
	} else {
		c.websocket, err = c.acceptWebSocket(conn)
	}
	if err == nil {
		c.websocket.SetReadLimit(maxMessage - 1)
	}
	return err
}

// acceptWebSocket answers the peer's request. Its origin is not looked at: SIP
// has no cookies that another site could borrow, whoever calls is told by SIP.
func (c *Conn) acceptWebSocket(conn net.Conn) (*websocket.Conn, error) {
	u := &upgrade{conn: conn, header: make(http.Header), buffers: bufio.NewReadWriter(
		bufio.NewReaderSize(io.LimitReader(conn, maxUpgrade), upgradeReadBuffer), bufio.NewWriterSize(conn, upgradeWriteBuffer))}
	request, err := http.ReadRequest(u.buffers.Reader)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(strings.ToLower(strings.Join(request.Header.Values("Sec-WebSocket-Protocol"), ",")), subprotocol) {
		http.Error(u, "the subprotocol is "+subprotocol, http.StatusBadRequest)
		return nil, fmt.Errorf("%s is not offered as subprotocol", subprotocol)
	}
	return websocket.Accept(u, request, &websocket.AcceptOptions{
		Subprotocols:       []string{subprotocol},
		InsecureSkipVerify: true,
		OnPingReceived:     c.touch,
	})
}

// dialWebSocket asks the peer.
func (c *Conn) dialWebSocket(conn net.Conn) (*websocket.Conn, error) {
	host := c.remote.String()
	if c.domain != "" {
		host = net.JoinHostPort(c.domain, fmt.Sprint(c.remote.Port()))
	}
	given := func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	transport := &http.Transport{DialContext: given, DialTLSContext: given}
	socket, _, err := websocket.Dial(context.Background(), c.Transport().String()+"://"+host+"/", &websocket.DialOptions{
		HTTPClient:     &http.Client{Transport: transport},
		Subprotocols:   []string{subprotocol},
		OnPingReceived: c.touch,
	})
	if err == nil && socket.Subprotocol() != subprotocol {
		socket.CloseNow()
		err = fmt.Errorf("%s is not taken as subprotocol", subprotocol)
	}
	return socket, err
}

// touch notes a ping, which the library answers.
func (c *Conn) touch(context.Context, []byte) bool {
	c.hear()
	return true
}

// readWebSocket receives one message of each WebSocket message.
func (c *Conn) readWebSocket() error {
	defer c.websocket.CloseNow()
	for {
		_, r, err := c.websocket.Reader(context.Background())
		if err != nil {
			return err
		}
		c.begun.Store(int64(c.pool.now()))
		for err == nil {
			var n int
			n, err = r.Read(c.free())
			c.in.octets = c.in.octets[:len(c.in.octets)+n]
		}
		if err != io.EOF {
			return err
		}
		c.begun.Store(0)
		c.hear()
		payload := c.in.octets
		c.octetsIn.Add(int64(len(payload)))
		switch string(payload) {
		case ping:
			err = c.websocket.Write(context.Background(), websocket.MessageText, []byte(pong))
			if err != nil {
				return err
			}
		case "", pong:
		default:
			c.deliver(payload, false)
		}
		c.in.octets = payload[:0]
		c.pause()
		c.Flush()
	}
}

// upgrade is the answer to a request, as the library wants to write it.
type upgrade struct {
	conn    net.Conn
	buffers *bufio.ReadWriter
	header  http.Header
}

func (u *upgrade) Header() http.Header { return u.header }

func (u *upgrade) WriteHeader(status int) {
	fmt.Fprintf(u.buffers, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	u.header.Write(u.buffers)
	u.buffers.WriteString("\r\n")
	u.buffers.Flush()
}

func (u *upgrade) Write(body []byte) (int, error) { return u.conn.Write(body) }

func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) { return u.conn, u.buffers, nil }

// isWebSocket says whether a transport is one of RFC 7118.
func isWebSocket(t model.Transport) bool { return t == model.WS || t == model.WSS }
