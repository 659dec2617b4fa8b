package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd/bus"
)

// headerWait is how long an operator may take to say what he wants.
const headerWait = 10 * time.Second

// carry has a box's stream in a WebSocket until either side ends it. What the
// box has sent until then gets through.
func (a *api) carry(w http.ResponseWriter, r *request) error {
	conn, err := websocket.Accept(w, r.Request, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer conn.CloseNow()
	operator := websocket.NetConn(ctx, conn, websocket.MessageBinary)

	operator.SetReadDeadline(time.Now().Add(headerWait))
	header, err := mux.ReadHeader(operator)
	if err != nil {
		return err
	}
	operator.SetReadDeadline(time.Time{})
	r.actor = as("stream."+header.Service, header.Meta)
	box, err := a.open(ctx, r.box.Serial, header)
	a.note(r, err) // now, as it may last
	if err != nil {
		return errors.Join(err, mux.WriteAnswer(operator, wire.Answer{Error: refusalOf(err)}))
	}
	defer box.Close()

	up := make(chan struct{})
	go func() {
		defer close(up)
		io.Copy(box, operator)
		box.Close() // the box may go on sending; when it has ended, so does the copy below
	}()
	_, err = io.Copy(operator, box)
	conn.Close(websocket.StatusNormalClosure, "") // behind what was sent
	<-up
	return err
}

// open opens the stream over the bus.
func (a *api) open(ctx context.Context, serial string, header wire.Header) (io.ReadWriteCloser, error) {
	gateway, err := a.gateway(serial)
	if err != nil {
		return nil, err
	}
	return a.Bus.Open(ctx, bus.Subject(gateway, bus.VerbStream), bus.Stream{Serial: serial, Header: header})
}

// refusalOf says in an Answer why there is no stream.
func refusalOf(err error) *wire.StreamRefusal {
	refusal := &wire.StreamRefusal{Code: wire.CodeUnsupported, Message: err.Error()}
	var known *bus.Error
	if errors.As(err, &known) {
		refusal.Code, refusal.Message = known.Code, known.Message
	}
	return refusal
}
