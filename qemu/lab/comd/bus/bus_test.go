package bus

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"causeway/appliance/com/wire"
)

// TestLocal asks on subjects that are served, refuse, and are not served.
func TestLocal(t *testing.T) {
	b := NewLocal()
	refusal := &Error{Code: wire.CodeBusy, Message: "busy"}
	stop := b.Serve("double", Handle(func(_ context.Context, n int) (int, error) {
		if n < 0 {
			return 0, refusal
		}
		return 2 * n, nil
	}))
	stopStreams := b.ServeStreams("stream", func(context.Context, json.RawMessage) (io.ReadWriteCloser, error) { return nil, refusal })
	var n int
	if err := b.Request(t.Context(), "double", 21, &n); err != nil || n != 42 {
		t.Errorf("Request = %d, %v; want 42", n, err)
	}
	if err := b.Request(t.Context(), "double", -1, &n); !errors.Is(err, refusal) {
		t.Errorf("Request = %v; want %v", err, refusal)
	}
	if err := b.Request(t.Context(), "double", "text", &n); err == nil {
		t.Error("a question of another type is answered")
	}
	if _, err := b.Open(t.Context(), "stream", nil); !errors.Is(err, refusal) {
		t.Errorf("Open = %v; want %v", err, refusal)
	}
	stop()
	stopStreams()
	if err := b.Request(t.Context(), "double", 21, &n); err == nil {
		t.Error("a subject that nobody serves is answered")
	}
	if _, err := b.Open(t.Context(), "stream", nil); err == nil {
		t.Error("a stream that nobody serves is opened")
	}
}

// TestAttach has a link that moves to another gateway, and an old one that ends late.
func TestAttach(t *testing.T) {
	b := NewLocal()
	for _, err := range []error{b.Attach("FHK1234ABcd", "1"), b.Attach("FHK1234ABcd", "2"), b.Detach("FHK1234ABcd", "1")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got, err := b.Gateway("FHK1234ABcd"); err != nil || got != "2" {
		t.Errorf("Gateway = %q, %v; want 2", got, err)
	}
	if err := b.Detach("FHK1234ABcd", "2"); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Gateway("FHK1234ABcd"); err != nil || got != "" {
		t.Errorf("Gateway = %q, %v; want none", got, err)
	}
}
