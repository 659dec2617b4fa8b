// Package bus is what lies between gateways and the rest of COM: questions with
// their answers, and which gateway holds the link of a box. Local does it in one
// process; the interface is made so that NATS can take its place: subjects are
// strings, what crosses is JSON, and where a link is held is a small table (a
// bucket of its key-value store). What the boxes push is a question too, whose
// answer says that it is kept: a stream of JetStream, with box and sequence
// number as the ID of the message.
package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// Bus carries questions to whoever serves their subject.
type Bus interface {
	// Request asks. An *Error is the answer of who serves the subject; anything
	// else says that there was none. answer may be nil.
	Request(ctx context.Context, subject string, question, answer any) error
	// Serve answers questions until stop is called. One serves a subject at a time.
	Serve(subject string, handle Handler) (stop func())
	// Open gets a stream of octets from whoever serves streams of the subject.
	Open(ctx context.Context, subject string, question any) (io.ReadWriteCloser, error)
	ServeStreams(subject string, handle StreamHandler) (stop func())

	// Attach says that a gateway holds the link of a box now; Detach, that it does
	// no more, if it is still that one.
	Attach(serial, gateway string) error
	Detach(serial, gateway string) error
	// Gateway says who holds the link; empty: nobody.
	Gateway(serial string) (string, error)
}

// Handler answers a question. It gets JSON and gives what is made into JSON.
type Handler func(ctx context.Context, question json.RawMessage) (answer any, err error)

// StreamHandler answers with a stream.
type StreamHandler func(ctx context.Context, question json.RawMessage) (io.ReadWriteCloser, error)

// Error is a refusal that crosses the bus. Code is one of wire, or of JSON-RPC.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.Message, e.Code) }

// Handle makes a Handler of a function of the question's own type.
func Handle[Q, A any](answer func(context.Context, Q) (A, error)) Handler {
	return func(ctx context.Context, text json.RawMessage) (any, error) {
		var question Q
		if err := json.Unmarshal(text, &question); err != nil {
			return nil, fmt.Errorf("read the question: %w", err)
		}
		return answer(ctx, question)
	}
}

// Local is a Bus in one process.
type Local struct {
	mu       sync.RWMutex
	handlers map[string]Handler
	streams  map[string]StreamHandler
	gateways map[string]string // by serial number
}

// NewLocal makes one.
func NewLocal() *Local {
	return &Local{handlers: map[string]Handler{}, streams: map[string]StreamHandler{}, gateways: map[string]string{}}
}

// Request implements Bus.
func (l *Local) Request(ctx context.Context, subject string, question, answer any) error {
	l.mu.RLock()
	handle := l.handlers[subject]
	l.mu.RUnlock()
	if handle == nil {
		return fmt.Errorf("nobody answers on %s", subject)
	}
	asked, err := json.Marshal(question)
	if err != nil {
		return fmt.Errorf("ask on %s: %w", subject, err)
	}
	answered, err := handle(ctx, asked)
	if err != nil || answer == nil {
		return err
	}
	text, err := json.Marshal(answered)
	if err == nil {
		err = json.Unmarshal(text, answer)
	}
	if err != nil {
		return fmt.Errorf("answer on %s: %w", subject, err)
	}
	return nil
}

// Serve implements Bus.
func (l *Local) Serve(subject string, handle Handler) (stop func()) {
	return serve(l, l.handlers, subject, handle)
}

// Open implements Bus.
func (l *Local) Open(ctx context.Context, subject string, question any) (io.ReadWriteCloser, error) {
	l.mu.RLock()
	handle := l.streams[subject]
	l.mu.RUnlock()
	if handle == nil {
		return nil, fmt.Errorf("nobody answers on %s", subject)
	}
	asked, err := json.Marshal(question)
	if err != nil {
		return nil, fmt.Errorf("ask on %s: %w", subject, err)
	}
	return handle(ctx, asked)
}

// ServeStreams implements Bus.
func (l *Local) ServeStreams(subject string, handle StreamHandler) (stop func()) {
	return serve(l, l.streams, subject, handle)
}

func serve[H any](l *Local, handlers map[string]H, subject string, handle H) (stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	handlers[subject] = handle
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(handlers, subject)
	}
}

// Attach implements Bus.
func (l *Local) Attach(serial, gateway string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gateways[serial] = gateway
	return nil
}

// Detach implements Bus.
func (l *Local) Detach(serial, gateway string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gateways[serial] == gateway {
		delete(l.gateways, serial)
	}
	return nil
}

// Gateway implements Bus.
func (l *Local) Gateway(serial string) (string, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.gateways[serial], nil
}
