package com

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/creachadair/jrpc2"

	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// TestFaults has COM do what it must not. The session ends with a close code that
// says so.
func TestFaults(t *testing.T) {
	line := func(text string) func(*comSession) { // of JSON-RPC
		return func(s *comSession) {
			if s.streams == nil {
				s.socket.Write(context.Background(), websocket.MessageText, []byte(text))
				return
			}
			io.WriteString(s.first, text+"\n")
		}
	}
	header := func(text string) func(*comSession) { // of a stream
		return func(s *comSession) {
			if stream, err := s.streams.Open(); err == nil {
				io.WriteString(stream, text+"\n")
			}
		}
	}
	for name, row := range map[string]struct {
		protocol string // empty: both
		do       func(*comSession)
		want     websocket.StatusCode
	}{
		"no JSON":              {"", line("causeway"), wire.CloseUndecodable},
		"a batch":              {"", line("[]"), wire.CloseUndecodable},
		"half an object":       {"", line(`{"jsonrpc":"2.0",`), wire.CloseUndecodable},
		"goaway of a text":     {"", line(`{"jsonrpc":"2.0","method":"goaway","params":{"reconnect_after":"soon"}}`), wire.CloseUndecodable},
		"a message too long":   {"", line(`{"jsonrpc":"2.0","method":"x","params":["` + strings.Repeat("x", wire.LongestMessage) + `"]}`), wire.CloseTooLong},
		"binary":               {wire.RPC, func(s *comSession) { s.socket.Write(context.Background(), websocket.MessageBinary, []byte("{}")) }, wire.CloseUndecodable},
		"no header":            {wire.Mux, header("[]"), wire.CloseUndecodable},
		"a header too long":    {wire.Mux, header(strings.Repeat("x", 5<<10)), wire.CloseTooLong},
		"goaway":               {"", line(`{"jsonrpc":"2.0","method":"goaway"}`), closeNormal},
		"goaway with a reason": {"", line(`{"jsonrpc":"2.0","method":"goaway","params":{"reconnect_after":-5,"reason":"bye"}}`), closeNormal},
	} {
		for _, protocol := range []string{wire.Mux, wire.RPC} {
			if row.protocol != "" && row.protocol != protocol {
				continue
			}
			t.Run(name+" "+protocol, func(t *testing.T) {
				t.Parallel()
				peer := newCOM(t)
				peer.protocols = []string{protocol}
				peer.serve(nil)
				l := run(t, peer.options(), configured())
				s := next(t, peer.sessions, "session")
				until(t, "connected", func() bool { return l.Status().State == Connected })
				row.do(s)
				until(t, "the end of the session", func() bool { return l.Status().State == Waiting })
				if got := s.closed(t); got != row.want {
					t.Errorf("COM is told %v; want %v (%s)", got, row.want, l.Status().Failure)
				}
			})
		}
	}
}

// TestStreamsWithoutEnd has COM open streams and close none: those that are too many
// are refused, and at last the session ends. Its close code may not reach a COM
// that is busy opening.
func TestStreamsWithoutEnd(t *testing.T) {
	peer := newCOM(t)
	peer.serve(nil)
	o := peer.options()
	inside := make(chan bool, 2*mostOpen)
	o.Gate = &doorman{stream: func(ctx context.Context, _ wire.Header, _ io.ReadWriteCloser) {
		inside <- true
		<-ctx.Done()
	}}
	l := run(t, o, configured())
	s := next(t, peer.sessions, "session")
	until(t, "connected", func() bool { return l.Status().State == Connected })
	for i := range 2 * mostOpen {
		stream, err := s.streams.Open()
		if err != nil {
			break
		}
		mux.WriteHeader(stream, wire.Header{Service: wire.StreamFile, Version: 1})
		switch {
		case i < wire.MostStreams:
			next(t, inside, "stream at the gate")
		case i == wire.MostStreams:
			if a, err := mux.ReadAnswer(stream); err != nil || a.Error == nil || a.Error.Code != wire.CodeBusy {
				t.Errorf("stream %d is answered %+v, %v; want code %d", i, a, err, wire.CodeBusy)
			}
		}
	}
	until(t, "the end of the session", func() bool { return l.Status().State == Waiting })
	if got := l.Status().Failure; got != errTooManyStreams.Error() || closeCode(errTooManyStreams) != wire.ClosePolicy {
		t.Errorf("the session ends with %q", got)
	}
}

// closed gives the close code that the box has sent.
func (s *comSession) closed(t *testing.T) websocket.StatusCode {
	t.Helper()
	if s.streams == nil {
		err := s.rpc.Wait()
		if err == nil { // jrpc2 takes a normal end for none
			return closeNormal
		}
		return websocket.CloseStatus(err)
	}
	next(t, s.streams.Done(), "end")
	if err := s.streams.Err(); err != io.EOF { // a normal end
		return websocket.CloseStatus(err)
	}
	return closeNormal
}

// TestNoSession has COM not make a session of a connection.
func TestNoSession(t *testing.T) {
	for name, row := range map[string]struct {
		change  func(*com)
		failure string // part of it
		refused bool
	}{
		"no subprotocol": {func(c *com) { c.protocols = nil }, "speaks neither", false},
		"403":            {func(c *com) { c.answer = status(http.StatusForbidden) }, "COM answers 403", true},
		"401":            {func(c *com) { c.answer = status(http.StatusUnauthorized) }, "COM answers 401", true},
		"500":            {func(c *com) { c.answer = status(http.StatusInternalServerError) }, "COM answers 500", false},
		"a redirection":  {func(c *com) { c.answer = status(http.StatusFound) }, "COM answers 302", false},
		"the stream is refused": {func(c *com) {
			c.take = wire.Answer{Error: &wire.StreamRefusal{Code: wire.CodeNotAllowed, Message: "who?"}}
		}, "who?", true},
		"the stream is not ok": {func(c *com) { c.take = wire.Answer{} }, "does not take", false},
		"hello is refused":     {func(c *com) { c.refuse = jrpc2.Errorf(wire.CodeNotAllowed, "not \x1b[1mthis one") }, "not [1mthis one", true},
		"hello fails":          {func(c *com) { c.refuse = jrpc2.Errorf(jrpc2.InternalError, "disk full") }, "disk full", false},
		"another version":      {func(c *com) { c.welcome = func(w wire.Welcome) wire.Welcome { w.Version = 2; return w } }, "version 2", false},
		"a short nonce":        {func(c *com) { c.welcome = func(w wire.Welcome) wire.Welcome { w.Nonce = w.Nonce[1:]; return w } }, "15 octets", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peer := newCOM(t)
			row.change(peer)
			peer.serve(nil)
			l := run(t, peer.options(), configured())
			until(t, "a try that fails", func() bool { return l.Status().State == Waiting })
			if s := l.Status(); !strings.Contains(s.Failure, row.failure) || (s.Refused != "") != row.refused {
				t.Errorf("the try ends with %q, refused %q; want %q", s.Failure, s.Refused, row.failure)
			}
		})
	}
}

// status answers HTTP with a status.
func status(code int) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		w.Header().Set("Location", "https://com.example.net/")
		w.WriteHeader(code)
		return true
	}
}

// TestPolicy has COM close a session because of who the box is.
func TestPolicy(t *testing.T) {
	for _, protocol := range []string{wire.Mux, wire.RPC} {
		peer := newCOM(t)
		peer.protocols = []string{protocol}
		peer.serve(nil)
		l := run(t, peer.options(), configured())
		s := next(t, peer.sessions, "session")
		until(t, "connected", func() bool { return l.Status().State == Connected })
		s.socket.Close(wire.ClosePolicy, "another box of this name is here")
		until(t, "the end of the session", func() bool { return l.Status().State == Waiting })
		if got := l.Status(); !strings.Contains(got.Refused, "another box") {
			t.Errorf("%s: Status = refused %q, failure %q", protocol, got.Refused, got.Failure)
		}
	}
}

// TestBusy has COM call more than is answered at a time.
func TestBusy(t *testing.T) {
	peer := newCOM(t)
	peer.serve(nil)
	o := peer.options()
	hold := make(chan bool)
	o.Gate = &doorman{call: func(ctx context.Context, _ string, _ json.RawMessage) (any, error) {
		select {
		case <-hold:
		case <-ctx.Done():
		}
		return strings.Repeat("x", wire.LongestMessage), nil
	}}
	run(t, o, configured())
	s := next(t, peer.sessions, "session")
	codes := make(chan jrpc2.Code)
	for range mostCalls + 5 {
		go func() {
			_, err := s.rpc.Callback(t.Context(), "cli.exec", nil)
			codes <- jrpc2.ErrorCode(err)
		}()
	}
	for range 5 {
		if got := next(t, codes, "answer"); got != wire.CodeBusy {
			t.Errorf("one call too many has the code %v; want %v", got, wire.CodeBusy)
		}
	}
	close(hold)
	for range mostCalls { // the result is too long, and that is an answer, too
		if got := next(t, codes, "answer"); got != jrpc2.SystemError {
			t.Errorf("a result too long has the code %v; want %v", got, jrpc2.SystemError)
		}
	}
	if _, err := s.rpc.Callback(t.Context(), "cli.exec", nil); jrpc2.ErrorCode(err) != jrpc2.SystemError {
		t.Errorf("a call after that = %v", err)
	}
}

// TestProxy has the box go through an HTTP proxy, which looks COM's name up.
func TestProxy(t *testing.T) {
	for name, row := range map[string]struct {
		answer  string
		failure string
	}{
		"connects":  {"HTTP/1.1 200 OK\r\n\r\n", ""},
		"refuses":   {"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "Proxy Authentication Required"},
		"is no one": {"SSH-2.0-OpenSSH\r\n", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			peer := newCOM(t)
			peer.serve(nil)
			o := peer.options()
			asked := make(chan string, 10)
			o.Lookup = func(_ context.Context, name string) ([]netip.Addr, error) {
				if name != "proxy.example.com" {
					return nil, fmt.Errorf("%s is not looked up by the box", name)
				}
				return lookup(t.Context(), name)
			}
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				near, far := net.Pipe()
				var passing sync.WaitGroup
				passing.Go(func() { serveProxy(t, far, peer.listener.Addr().String(), row.answer, asked) })
				t.Cleanup(func() { near.Close(); passing.Wait() })
				if address != "192.0.2.1:3128" {
					t.Errorf("the box dials %s", address)
				}
				return near, nil
			}
			l := run(t, o, configured(func(c *model.COM) { c.ProxyHost, c.ProxyPort = "proxy.example.com", 3128 }))
			if got := next(t, asked, "CONNECT"); got != "com.example.com:443" {
				t.Errorf("the proxy is asked for %s", got)
			}
			if row.failure == "" {
				next(t, peer.sessions, "session")
				return
			}
			until(t, "a try that fails", func() bool { return l.Status().State == Waiting })
			if s := l.Status(); !strings.Contains(s.Failure, row.failure) {
				t.Errorf("the try ends with %q; want %q", s.Failure, row.failure)
			}
		})
	}
}

// serveProxy answers one CONNECT, and leads on to COM if that is 200.
func serveProxy(t *testing.T, from net.Conn, to, answer string, asked chan<- string) {
	defer from.Close()
	reader := bufio.NewReader(from)
	request, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	asked <- request.Host
	io.WriteString(from, answer)
	if !strings.Contains(answer, "200") {
		io.Copy(io.Discard, reader)
		return
	}
	onward, err := net.Dial("tcp", to)
	if err != nil {
		t.Error(err)
		return
	}
	var back sync.WaitGroup
	back.Go(func() { io.Copy(from, onward); from.Close() })
	io.Copy(onward, reader)
	onward.Close()
	back.Wait()
}

// TestRetryAfter reads both forms (RFC 9110 §10.2.3).
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, "-1": 0, "soon": 0, "99999999999999999999": 0,
		"Mon, 23 Nov 2026 02:05:00 GMT": 5 * time.Minute, "Mon, 23 Nov 2026 01:00:00 GMT": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("retryAfter(%q) = %v; want %v", text, got, want)
		}
	}
}
