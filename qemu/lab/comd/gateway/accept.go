package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/channel"

	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
)

// accept makes a link of a request, or refuses it.
func (g *Gateway) accept(w http.ResponseWriter, r *http.Request) {
	identity, err := g.identify(r.TLS.PeerCertificates)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden) // its time was over between the handshake and now
		return
	}
	if g.strikeAccept(w, r, identity.Serial) {
		return
	}
	material, err := r.TLS.ExportKeyingMaterial(wire.Exporter, nil, wire.ExportedLength)
	if err != nil {
		http.Error(w, "the TLS session has no extended master secret", http.StatusForbidden)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{wire.Mux, wire.RPC}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return // the box has its answer
	}
	l := &link{
		gateway: g, conn: conn, identity: identity, customer: r.URL.Query().Get("ci"),
		address: r.RemoteAddr, since: time.Now(), material: [wire.ExportedLength]byte(material),
	}
	switch {
	case conn.Subprotocol() == "":
		err = errors.New("want " + wire.Mux + " or " + wire.RPC)
	case r.URL.Query().Get("sn") != identity.Serial:
		err = errors.New("the certificate is that of another box")
	default:
		err = g.begin(r.Context(), l)
	}
	if err != nil {
		g.options.Log.Printf("link from %s (%s): %v", l.address, identity.Serial, err)
		conn.Close(wire.ClosePolicy, shorten(err.Error()))
	}
}

// begin starts JSON-RPC on a link.
func (g *Gateway) begin(ctx context.Context, l *link) error {
	messages := &messages{link: l}
	if l.conn.Subprotocol() == wire.RPC {
		messages.Channel = mux.Messages(context.Background(), l.conn)
	} else {
		first, err := l.open(ctx)
		if err != nil {
			return err
		}
		messages.Channel = first
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errors.New("the gateway ends")
	}
	g.fresh[l] = struct{}{}
	l.server = jrpc2.NewServer(l, &jrpc2.ServerOptions{AllowPush: true, DisableBuiltin: true})
	l.server.Start(messages)
	return nil
}

// open starts the streams of a link, of which the first is that of JSON-RPC.
func (l *link) open(ctx context.Context) (channel.Channel, error) {
	session, err := mux.Client(l.conn)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, greeting)
	defer cancel()
	stream, err := session.Accept(ctx)
	if err != nil {
		return nil, err
	}
	stream.SetDeadline(time.Now().Add(greeting))
	header, err := mux.ReadHeader(stream)
	if err != nil {
		return nil, err
	}
	if header.Service != wire.StreamRPC || header.Version != 1 || len(header.Critical) > 0 {
		refusal := &wire.StreamRefusal{Code: wire.CodeUnsupported, Message: "the first stream has to be " + wire.StreamRPC}
		return nil, errors.Join(errors.New(refusal.Message), mux.WriteAnswer(stream, wire.Answer{Error: refusal}))
	}
	if err := mux.WriteAnswer(stream, wire.Answer{OK: true}); err != nil {
		return nil, err
	}
	stream.SetDeadline(time.Time{})
	l.session = session
	return mux.Lines(stream), nil
}

// shorten makes a reason fit into a close frame (RFC 6455 §5.5).
func shorten(reason string) string { return reason[:min(len(reason), 123)] }
