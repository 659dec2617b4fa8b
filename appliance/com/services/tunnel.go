package services

import (
	"context"
	"encoding/json"
	"io"
	"net"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// Server serves one connection to its end, or to that of ctx. origin says who it
// is from: "com anna@partner.example".
type Server func(ctx context.Context, conn net.Conn, origin string) error

// switches are those of what tunnels lead to. There is nothing else.
var switches = map[string]string{wire.ToWeb: model.COMTunnelWeb, wire.ToSSH: model.COMTunnelSSH}

// Tunnels is the service of tunnels to servers of the box, by the names of wire.
// A connection is handed over within the process: no socket is dialled, so that
// no tunnel leads past the box.
type Tunnels map[string]Server

// Streams are what COM may open.
func (t Tunnels) Streams() []gate.Stream {
	return []gate.Stream{{
		Service: wire.StreamTCP, Signed: true, Open: t.open,
		Switch: func(raw json.RawMessage) (string, error) {
			name, err := t.to(raw)
			return switches[name], err
		},
		What: func(raw json.RawMessage) string {
			name, _ := t.to(raw)
			return wire.StreamTCP + " " + name
		},
	}}
}

// to is where a tunnel is to lead.
func (t Tunnels) to(raw json.RawMessage) (string, error) {
	var p wire.TCP
	if err := parse(raw, &p); err != nil {
		return "", err
	}
	if switches[p.To] == "" || t[p.To] == nil {
		return "", gate.Refuse(wire.CodeUnsupported, "a tunnel leads to the pages or the SSH server of the box, not to %q", p.To)
	}
	return p.To, nil
}

// open opens a tunnel.
func (t Tunnels) open(_ context.Context, caller gate.Caller, raw json.RawMessage) (wire.Answer, func(context.Context, io.ReadWriteCloser) error, error) {
	name, err := t.to(raw)
	if err != nil {
		return wire.Answer{}, nil, err
	}
	return wire.Answer{OK: true}, func(ctx context.Context, stream io.ReadWriteCloser) error {
		return lead(ctx, stream, t[name], caller.Operator.Origin)
	}, nil
}

// lead has a server serve a stream as a connection, until either ends it or ctx
// does. The stream is closed then; a read of it may last until COM closes it, too.
func lead(ctx context.Context, stream io.ReadWriteCloser, serve Server, origin string) error {
	near, far := net.Pipe() // a stream has no deadlines, a connection needs them
	defer near.Close()
	defer stream.Close()
	defer context.AfterFunc(ctx, func() {
		far.Close()
		stream.Close()
	})()
	go func() {
		defer far.Close()
		io.CopyBuffer(far, onlyReader{stream}, make([]byte, wire.Chunk))
	}()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		defer far.Close()
		io.CopyBuffer(onlyWriter{stream}, far, make([]byte, wire.Chunk))
	}()
	err := serve(ctx, conn{near, origin}, origin)
	near.Close()
	<-returned // what was served last is on its way
	return err
}

// Without the methods that would make io.CopyBuffer leave its buffer aside.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// conn is a connection that says who it is from.
type conn struct {
	net.Conn
	origin string
}

// RemoteAddr implements net.Conn.
func (c conn) RemoteAddr() net.Addr { return address(c.origin) }

// address is where somebody is who came over the link.
type address string

func (address) Network() string  { return "com" }
func (a address) String() string { return string(a) }
