package stream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"causeway/appliance/model"
)

// dialWebSocket connects a peer that is the library's client.
func (r *rig) dialWebSocket(l *Listener) (*websocket.Conn, context.Context) {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.Cleanup(cancel)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	conn, _, err := websocket.Dial(ctx, fmt.Sprintf("%s://%s/", l.Transport(), l.Address()), &websocket.DialOptions{
		HTTPClient:   &http.Client{Transport: transport},
		HTTPHeader:   http.Header{"Origin": {"https://example.org"}},
		Subprotocols: []string{"other", "sip"},
	})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { conn.CloseNow() })
	return conn, ctx
}

func TestWebSocket(t *testing.T) {
	ca := newAuthority(t)
	identity := always(ca.issue(sipURI("sip:server.example.com")), ca.roots())
	for _, transport := range []model.Transport{model.WS, model.WSS} {
		t.Run(transport.String(), func(t *testing.T) {
			r := newRig(t)
			peer, ctx := r.dialWebSocket(r.serve(transport, ListenOptions{Identity: identity}))
			if got := peer.Subprotocol(); got != "sip" {
				t.Errorf("subprotocol %q", got)
			}
			for _, text := range []string{request("a", "body"), request("b", strings.Repeat("x", 60000)), "MESSAGE without length is whole here"} {
				if err := peer.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
					t.Fatal(err)
				}
				got := r.next(r.received)
				if got.payload != text {
					t.Errorf("received %.40q; want %.40q", got.payload, text)
				}
				got.conn.Queue([]byte(text))
				got.conn.Send([]byte("binary \xff"))
				for _, want := range []struct {
					kind websocket.MessageType
					text string
				}{{websocket.MessageText, text}, {websocket.MessageBinary, "binary \xff"}} {
					kind, back, err := peer.Read(ctx)
					if err != nil || kind != want.kind || string(back) != want.text {
						t.Errorf("peer got %v %.40q, %v; want %v %.40q", kind, back, err, want.kind, want.text)
					}
					peer.SetReadLimit(-1)
				}
			}
			peer.Write(ctx, websocket.MessageText, []byte(ping))
			if _, back, err := peer.Read(ctx); err != nil || string(back) != pong {
				t.Errorf("a ping of RFC 5626 is answered %q, %v", back, err)
			}
			reading := peer.CloseRead(ctx)
			if err := peer.Ping(ctx); err != nil {
				t.Errorf("a ping of RFC 6455: %v", err)
			}
			peer.CloseNow()
			<-reading.Done()
			r.until("the end is seen", func() bool { return len(r.Connections()) == 0 })
		})
	}
}

// TestWebSocketTooLarge: the limit of a message holds here as well.
func TestWebSocketTooLarge(t *testing.T) {
	r := newRig(t)
	peer, ctx := r.dialWebSocket(r.serve(model.WS, ListenOptions{}))
	peer.Write(ctx, websocket.MessageText, make([]byte, maxMessage))
	if _, _, err := peer.Read(ctx); err == nil {
		t.Error("the connection goes on")
	}
	if len(r.received) > 0 {
		t.Error("the message was received")
	}
}

// TestPingFlood: a peer that wants answers and does not read them loses the
// connection.
func TestPingFlood(t *testing.T) {
	r := newRig(t)
	conn := r.dialTCP(r.serve(model.WS, ListenOptions{}))
	r.write(conn, upgradeRequest)
	frame := append([]byte{0x89, 0x80 | 125, 0, 0, 0, 0}, make([]byte, 125)...) // a ping, masked with zeros
	pings := bytes.Repeat(frame, 100)
	for {
		if _, err := conn.Write(pings); isTimeout(err) {
			t.Fatal("the connection goes on")
		} else if err != nil {
			break
		}
	}
	r.until("it has ended", func() bool { return len(r.Connections()) == 0 })
}

// TestWebSocketBothOurs: we open one too, and no goroutine of it is left.
func TestWebSocketBothOurs(t *testing.T) {
	before := runtime.NumGoroutine()
	r := newRig(t)
	l := r.serve(model.WS, ListenOptions{})
	out := r.Conn(l, l.Address(), "server.example.com")
	out.Send([]byte(request("hello", "")))
	in := r.next(r.received).conn
	if again := r.Conn(l, in.Remote(), ""); again != in {
		t.Error("a second connection for requests to the peer")
	}
	in.Send([]byte(request("back", "")))
	if got := r.next(r.received); got.conn != out {
		t.Error("the answer came over another connection")
	}
	r.Close()
	r.until("all goroutines are gone", func() bool { return runtime.NumGoroutine() <= before })
}

const (
	upgradeHeaders = "Host: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	upgradeRequest = "GET / HTTP/1.1\r\n" + upgradeHeaders + "Sec-WebSocket-Protocol: chat, sip\r\n\r\n"
)

// TestUpgrade: who wants no SIP gets no WebSocket.
func TestUpgrade(t *testing.T) {
	for _, test := range []struct {
		name, request string
		status        int // 0: none
	}{
		{"right", upgradeRequest, 101},
		{"no subprotocol", "GET / HTTP/1.1\r\n" + upgradeHeaders + "\r\n", 400},
		{"other subprotocol", "GET / HTTP/1.1\r\n" + upgradeHeaders + "Sec-WebSocket-Protocol: xmpp\r\n\r\n", 400},
		{"no upgrade", "GET / HTTP/1.1\r\nHost: example.com\r\nSec-WebSocket-Protocol: sip\r\n\r\n", 426},
		{"post", "POST / HTTP/1.1\r\n" + upgradeHeaders + "Sec-WebSocket-Protocol: sip\r\n\r\n", 405},
		{"no HTTP", request("a", ""), 0},
		{"no end", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", maxUpgrade), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			conn := r.dialTCP(r.serve(model.WS, ListenOptions{}))
			r.write(conn, test.request)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			switch {
			case err != nil && test.status != 0:
				t.Errorf("no answer: %v", err)
			case err == nil && response.StatusCode != test.status:
				t.Errorf("answered %s; want %d", response.Status, test.status)
			case test.status != 101:
				r.until("it has ended", func() bool { return len(r.Connections()) == 0 })
			}
		})
	}
}
