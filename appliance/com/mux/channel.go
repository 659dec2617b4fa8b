package mux

import (
	"bufio"
	"context"
	"io"
	"time"

	"github.com/coder/websocket"
	"github.com/creachadair/jrpc2/channel"

	"causeway/appliance/com/wire"
)

// usual is how long messages are, in octets; longer ones come in parts.
const usual = 512

// unread is how long the other side may leave a message unread, before it counts
// as gone. Pings it may answer all the while, so nothing else tells.
const unread = 2 * time.Minute

// Lines are the messages of JSON-RPC over a stream, one a line, each of at most
// LongestMessage octets. If the stream has a write deadline, Lines sets it.
func Lines(stream io.ReadWriteCloser) channel.Channel {
	return &lines{to: stream, from: bufio.NewReaderSize(stream, usual), patience: unread}
}

// Messages are the messages of JSON-RPC over a WebSocket without streams, each
// of at most LongestMessage octets. The channel owns the WebSocket; ctx bounds
// what is read and written.
func Messages(ctx context.Context, conn *websocket.Conn) channel.Channel {
	conn.SetReadLimit(wire.LongestMessage)
	return &messages{ctx, conn}
}

type messages struct {
	ctx  context.Context
	conn *websocket.Conn
}

// Send implements channel.Channel.
func (m *messages) Send(message []byte) error {
	if len(message) > wire.LongestMessage {
		return ErrTooLong
	}
	ctx, cancel := context.WithTimeout(m.ctx, slowest)
	defer cancel()
	return m.conn.Write(ctx, websocket.MessageText, message)
}

// Recv implements channel.Channel.
func (m *messages) Recv() ([]byte, error) {
	kind, message, err := m.conn.Read(m.ctx)
	switch {
	case websocket.CloseStatus(err) == websocket.StatusNormalClosure, websocket.CloseStatus(err) == websocket.StatusGoingAway:
		return nil, io.EOF
	case err != nil:
		return nil, err
	case kind != websocket.MessageText:
		return nil, ErrUndecodable
	}
	return message, nil
}

// Close implements channel.Channel.
func (m *messages) Close() error { return m.conn.CloseNow() }
