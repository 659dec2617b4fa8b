package com

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"

	"causeway/appliance/com/mux"
)

// FuzzMessages has COM say anything in the first stream. The box answers or ends
// the session; nothing of it stays.
func FuzzMessages(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"config.get","params":{"src":"running"}}`,
		`{"jsonrpc":"2.0","id":"a","method":"echo"}` + "\n" + `{"jsonrpc":"2.0","id":null,"method":"echo","params":[1]}`,
		`{"jsonrpc":"2.0","method":"goaway","params":{"reconnect_after":300}}`, `{"jsonrpc":"2.0","method":"goaway","params":7}`,
		`{"jsonrpc":"2.0","method":"license.changed"}`, `{"jsonrpc":"2.0","id":1,"result":{}}`, `{"jsonrpc":"2.0","id":1,"error":{"code":"x"}}`,
		`[{"jsonrpc":"2.0","id":1,"method":"echo"}]`, `{}`, `{"id":{}}`, "\x00", "null\nnull", `{"method":5}`, `{"jsonrpc":"2.0","id":1,"method":"rpc.cancel","params":["1"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		near, far := net.Pipe()
		ctx, end := context.WithCancelCause(t.Context())
		l := New(Options{
			Gate:           &doorman{call: func(_ context.Context, _ string, params json.RawMessage) (any, error) { return params, nil }},
			LicenseChanged: func() {}, Log: slog.New(slog.DiscardHandler),
		})
		s := &session{link: l, end: end, welcomed: make(chan struct{})}
		close(s.welcomed)
		s.talk(mux.Lines(near))
		var beside sync.WaitGroup
		beside.Go(func() { io.Copy(io.Discard, far) })
		beside.Go(func() {
			far.Write(append(text[:len(text):len(text)], '\n')) // the box may not read all of it
			far.Close()
		})
		<-ctx.Done()
		near.Close()
		s.client.Close()
		beside.Wait()
	})
}
