package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// limit bounds every wait of these tests; none of them takes that long.
const limit = 20 * time.Second

// serve answers methods on a socket of its own until the test ends or stop is
// called; stop returns when the server has.
func serve(t *testing.T, path string, methods Methods) (stop func()) {
	t.Helper()
	listener, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- ServeListener(ctx, listener, methods) }()
	stopped := false
	stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("ServeListener(%s) = %v; want nil", path, err)
			}
		case <-time.After(limit):
			t.Errorf("ServeListener(%s) still runs after its context ended", path)
		}
	}
	t.Cleanup(stop)
	return stop
}

type name struct {
	First string `json:"first"`
	Last  string `json:"last"`
}

func TestCallRoundTrips(t *testing.T) {
	path := Socket(t.TempDir(), "proxy")
	serve(t, path, Methods{
		"swap":  func(_ context.Context, n name) (name, error) { return name{n.Last, n.First}, nil },
		"fixed": func(context.Context) (name, error) { return name{First: "only"}, nil },
		"quiet": func(_ context.Context, n name) error { return nil },
	})
	long := strings.Repeat("line one\nline two\t\"quoted\"\r\n", 40000) // more than any socket buffer
	tests := []struct {
		method string
		params any
		want   name
	}{
		{"swap", name{"a", "b"}, name{"b", "a"}},
		{"swap", name{First: long}, name{Last: long}},
		{"fixed", nil, name{First: "only"}},
		{"quiet", name{"a", "b"}, name{}},
	}
	for _, test := range tests {
		var got name
		if err := Call(t.Context(), path, test.method, test.params, &got); err != nil {
			t.Errorf("Call(%s) = %v; want nil", test.method, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("Call(%s) answer (-want +got):\n%s", test.method, diff)
		}
	}
	if err := Call(t.Context(), path, "swap", name{}, nil); err != nil {
		t.Errorf("Call(swap) without a place for the answer = %v; want nil", err)
	}
}

func TestCallErrors(t *testing.T) {
	path := Socket(t.TempDir(), "proxy")
	const said = "line 3: \"sip network\": the name is missing\nline 7: …"
	serve(t, path, Methods{
		"refuse": func(context.Context) error { return errors.New(said) },
		"number": func(context.Context) (int, error) { return 7, nil },
	})

	var remote *RemoteError
	err := Call(t.Context(), path, "refuse", nil, nil)
	if !errors.As(err, &remote) || err.Error() != said {
		t.Errorf("Call(refuse) = %#v; want a RemoteError of %q", err, said)
	}
	if err := Call(t.Context(), path, "absent", nil, nil); !errors.As(err, &remote) {
		t.Errorf("Call(absent) = %v; want a RemoteError", err)
	}
	var answer name
	if err := Call(t.Context(), path, "number", nil, &answer); err == nil || errors.As(err, &remote) || !strings.Contains(err.Error(), "number") {
		t.Errorf("Call(number) into a struct = %v; want an error of our own that names the method", err)
	}
	absent := filepath.Join(t.TempDir(), "link.sock")
	if err := Call(t.Context(), absent, "refuse", nil, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Call to no socket = %v; want %v", err, fs.ErrNotExist)
	}
}

// TestPassingErrors: a caller tells what a method has against the call from what
// only came between.
func TestPassingErrors(t *testing.T) {
	path := Socket(t.TempDir(), "proxy")
	for _, test := range []struct {
		err     error
		passing bool
	}{
		{errors.New("line 3: no"), false},
		{Passing(errors.New("not now")), true},
		{fmt.Errorf("prepare: %w", Passing(errors.New("not now"))), true},
	} {
		stop := serve(t, path, Methods{"refuse": func(context.Context) error { return test.err }})
		var remote *RemoteError
		if err := Call(t.Context(), path, "refuse", nil, nil); !errors.As(err, &remote) || remote.Passing != test.passing {
			t.Errorf("Call of a method that returns %v = %#v; want a RemoteError with Passing %t", test.err, err, test.passing)
		}
		stop()
	}
}

func TestPeerUID(t *testing.T) {
	path := Socket(t.TempDir(), "init")
	serve(t, path, Methods{"who": func(ctx context.Context) (uint32, error) {
		uid, ok := PeerUID(ctx)
		if !ok {
			return 0, errors.New("no peer")
		}
		return uid, nil
	}})
	var uid uint32
	if err := Call(t.Context(), path, "who", nil, &uid); err != nil || uid != uint32(os.Getuid()) {
		t.Errorf("PeerUID = %d, %v; want %d", uid, err, os.Getuid())
	}
	if _, ok := PeerUID(t.Context()); ok {
		t.Error("PeerUID outside a method reports a peer")
	}
}

// TestStaleSocket leaves a socket that nobody listens on, as a killed process
// does, and starts its next life.
func TestStaleSocket(t *testing.T) {
	path := Socket(t.TempDir(), "proxy")
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	first.SetUnlinkOnClose(false)
	first.Close()
	if err := Call(t.Context(), path, "alive", nil, nil); !errors.Is(err, unix.ECONNREFUSED) {
		t.Fatalf("Call to the stale socket = %v; want %v", err, unix.ECONNREFUSED)
	}

	stop := serve(t, path, Methods{"alive": func(context.Context) error { return nil }})
	if err := Call(t.Context(), path, "alive", nil, nil); err != nil {
		t.Errorf("Call after the restart = %v; want nil", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("Stat(%s) = %v, %v; want mode 0660", path, info, err)
	}
	stop()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat(%s) after the end = %v; want %v", path, err, fs.ErrNotExist)
	}
}

// TestServerGoesAway ends the server while a method of it runs.
func TestServerGoesAway(t *testing.T) {
	path := Socket(t.TempDir(), "proxy")
	entered := make(chan struct{})
	stop := serve(t, path, Methods{"wait": func(ctx context.Context) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	}})
	answer := make(chan error, 1)
	go func() { answer <- Call(t.Context(), path, "wait", nil, nil) }()
	<-entered
	stop()
	select {
	case err := <-answer:
		if !errors.Is(err, ErrGone) {
			t.Errorf("Call to a server that ended = %v; want %v", err, ErrGone)
		}
	case <-time.After(limit):
		t.Error("Call still waits for a server that ended")
	}
}

// TestCallEndsWithContext calls a process that takes the connection and does
// nothing: neither reading a question larger than the socket's buffer nor
// answering a small one.
func TestCallEndsWithContext(t *testing.T) {
	path := Socket(t.TempDir(), "proxy")
	listener, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, size := range []int{1, 8 << 20} {
		ctx, cancel := context.WithCancel(t.Context())
		answer := make(chan error, 1)
		go func() { answer <- Call(ctx, path, "deaf", name{First: strings.Repeat("x", size)}, nil) }()
		conn, err := listener.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		select {
		case err := <-answer:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Call with %d octets = %v; want %v", size, err, context.Canceled)
			}
		case <-time.After(limit):
			t.Errorf("Call with %d octets outlives its context", size)
		}
		conn.Close()
	}
}

// TestNoGoroutineLeft ends a server that has idle and hostile connections.
func TestNoGoroutineLeft(t *testing.T) {
	path := Socket(t.TempDir(), "proxy")
	before := runtime.NumGoroutine()
	stop := serve(t, path, Methods{"alive": func(context.Context) error { return nil }})
	for _, first := range []string{"", "not JSON\n", "{\"jsonrpc\":\"2.0\",\"id\":1", "[]\n[[[]]]\n\x00\n"} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte(first)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Call(t.Context(), path, "alive", nil, nil); err != nil {
		t.Errorf("Call beside hostile connections = %v; want nil", err)
	}
	stop()
	for deadline := time.Now().Add(limit); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines; want %d\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// TestLineWithoutEnd: nobody has a process keep a line that does not end.
func TestLineWithoutEnd(t *testing.T) {
	path := Socket(t.TempDir(), "proxy")
	serve(t, path, Methods{
		"alive": func(_ context.Context, n name) error { return nil },
		"tell":  func(context.Context) (name, error) { return name{First: strings.Repeat("x", longest+1<<20)}, nil },
	})
	if err := Call(t.Context(), path, "alive", name{First: strings.Repeat("x", longest-1000)}, nil); err != nil {
		t.Errorf("Call with nearly the most = %v; want nil", err)
	}
	for method, params := range map[string]any{"alive": name{First: strings.Repeat("x", longest)}, "tell": nil} {
		err := Call(t.Context(), path, method, params, nil)
		if remote := (*RemoteError)(nil); !errors.Is(err, ErrTooLong) || errors.As(err, &remote) {
			t.Errorf("Call(%s) with more = %v; want %v, and not as an answer", method, err, ErrTooLong)
		}
	}

	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(limit))
	sent := 0
	for part := make([]byte, 1<<20); err == nil && sent <= 2*longest; {
		var n int
		n, err = conn.Write(part)
		sent += n
	}
	if !isReset(err) {
		t.Errorf("%d octets without an end of line were read, then %v; want the connection closed after %d", sent, err, longest)
	}
	if err := Call(t.Context(), path, "alive", name{}, nil); err != nil {
		t.Errorf("Call after that = %v; want nil", err)
	}
}

// TestAnswers has a process that answers what no process should.
func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		what   string
		answer func(conn net.Conn) error
		want   error
	}{
		{"an end without reading", func(net.Conn) error { return nil }, ErrGone},
		{"a line without an end", func(conn net.Conn) error {
			_, err := io.CopyN(conn, zeros{}, longest+1<<20)
			if isReset(err) { // as it should be
				err = nil
			}
			return err
		}, ErrTooLong},
	} {
		path := Socket(t.TempDir(), "proxy")
		listener, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() {
			conn, err := listener.Accept()
			if err == nil {
				conn.SetDeadline(time.Now().Add(limit))
				if _, err = conn.Read(make([]byte, 1)); err == nil { // the rest of the question is never read
					err = test.answer(conn)
				}
				conn.Close()
			}
			answered <- err
		}()
		err = Call(t.Context(), path, "alive", nil, nil)
		if remote := (*RemoteError)(nil); !errors.Is(err, test.want) || errors.As(err, &remote) {
			t.Errorf("Call answered with %s = %#v; want %v, and not as an answer", test.what, err, test.want)
		}
		if err := <-answered; err != nil {
			t.Errorf("%s: %v", test.what, err)
		}
		listener.Close()
	}
}

// zeros is octets without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
