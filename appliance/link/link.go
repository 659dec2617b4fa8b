// Package link is how the processes of the box talk: JSON-RPC 2.0 over a Unix
// socket, one message a line. Each process serves its own socket and answers
// the others; nothing on the call path waits for it.
//
// Sockets live in /run/<process>/link.sock, writable by the group that all
// processes share; a method that only some may call asks PeerUID.
package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/handler"
	"golang.org/x/sys/unix"
)

// Methods maps a method's name ("proxy.status") to its function, of one of
// the shapes that handler.New accepts: func(context.Context, P) (R, error),
// or without P or R.
type Methods map[string]any

// RunDir is where the sockets of the appliance live.
const RunDir = "/run"

// Socket gives the path of a process's socket below dir.
func Socket(dir, process string) string {
	return filepath.Join(dir, process, "link.sock")
}

type peerKey struct{}

// PeerUID gives the user id of the process that made this call.
func PeerUID(ctx context.Context) (uint32, bool) {
	uid, ok := ctx.Value(peerKey{}).(uint32)
	return uid, ok
}

// Serve answers the methods on the socket at path until ctx ends. A socket
// left there by an earlier life of the process is replaced.
func Serve(ctx context.Context, path string, methods Methods) error {
	listener, err := Listen(path)
	if err != nil {
		return err
	}
	return ServeListener(ctx, listener, methods)
}

// Listen opens the socket at path for the group, replacing a stale one.
func Listen(path string) (*net.UnixListener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of socket %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove stale socket %s: %w", path, err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		listener.Close()
		return nil, fmt.Errorf("open socket %s to its group: %w", path, err)
	}
	return listener, nil
}

// outOfRoom are the errors that pass by themselves when others give back what
// they use. Any other error of accept is final.
var outOfRoom = []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM}

func isOutOfRoom(err error) bool {
	return slices.ContainsFunc(outOfRoom, func(passing error) bool { return errors.Is(err, passing) })
}

// acceptPause is how long ServeListener waits for room.
const acceptPause = 100 * time.Millisecond

// ServeListener answers the methods on listener until ctx ends, then closes it
// and every connection, and returns when the last method has returned.
func ServeListener(ctx context.Context, listener *net.UnixListener, methods Methods) error {
	assigner := make(handler.Map, len(methods))
	for name, function := range methods {
		assigner[name] = handler.New(function)
	}
	var connections sync.WaitGroup
	defer connections.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer listener.Close()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for {
		conn, err := listener.AcceptUnix()
		switch {
		case err == nil:
			connections.Go(func() { serveConn(ctx, conn, assigner) })
		case ctx.Err() != nil:
			return nil
		case isOutOfRoom(err):
			time.Sleep(acceptPause)
		default:
			return fmt.Errorf("accept on %s: %w", listener.Addr(), err)
		}
	}
}

// serveConn answers one connection until either side closes it.
func serveConn(ctx context.Context, conn *net.UnixConn, assigner jrpc2.Assigner) {
	uid, err := peerUID(conn)
	if err != nil {
		conn.Close()
		return
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	srv := jrpc2.NewServer(assigner, &jrpc2.ServerOptions{
		NewContext: func() context.Context { return context.WithValue(ctx, peerKey{}, uid) },
	})
	srv.Start(lines(conn)).Wait() // closes conn; a caller that went away is no error of ours
}

func peerUID(conn *net.UnixConn) (uint32, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return cred.Uid, nil
}

// callLimit bounds a call whose context has no deadline of its own: a process
// that does not answer in this time is treated as not there.
const callLimit = 10 * time.Second

// RemoteError is an error that the method itself returned. Any other error of
// Call means that the other side was not reached or did not answer.
type RemoteError struct {
	Message string
	// Passing says that the method has nothing against the call: the other
	// side had no room for it, or had just started anew.
	Passing bool
}

// Error is the message, as the other side said it.
func (e *RemoteError) Error() string { return e.Message }

// Passing marks the error of a method as one that passes by itself; the caller
// sees it so in its RemoteError.
func Passing(err error) error { return passing{err} }

type passing struct{ error }

func (p passing) Unwrap() error { return p.error }

// ErrCode implements jrpc2.ErrCoder.
func (passing) ErrCode() jrpc2.Code { return codePassing }

// codePassing marks a passing error on the wire. Codes above -32000 are the
// application's (JSON-RPC 2.0 §5.1).
const codePassing jrpc2.Code = 1

// isReset reports whether the other side closed the connection while there was
// something to read.
func isReset(err error) bool { return errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) }

// ErrGone means that the other side closed the connection before it answered.
var ErrGone = errors.New("the other side went away")

// Call dials the socket at path, calls one method and closes. params and
// result may be nil. What the method said against it is a RemoteError.
func Call(ctx context.Context, path, method string, params, result any) error {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callLimit)
		defer cancel()
	}
	if err := call(ctx, path, method, params, result); err != nil {
		var remote *jrpc2.Error
		switch {
		case ctx.Err() != nil:
			err = ctx.Err()
		case errors.As(err, &remote):
			return &RemoteError{remote.Message, remote.Code == codePassing}
		case errors.Is(err, context.Canceled), errors.Is(err, io.EOF), isReset(err):
			err = ErrGone // so jrpc2 reports a connection that ended under it
		}
		return fmt.Errorf("call %s: %w", method, err)
	}
	return nil
}

func call(ctx context.Context, path, method string, params, result any) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return err
	}
	// jrpc2 gives up waiting for an answer when ctx ends, but not a write
	// to a process that does not read.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	client := jrpc2.NewClient(asking{lines(conn)}, nil)
	response, err := client.Call(ctx, method, params)
	if failure := client.Close(); err != nil && failure != nil {
		err = failure // of the connection, which jrpc2 gives as an answer of the method
	}
	if err != nil || result == nil {
		return err
	}
	if err := response.UnmarshalResult(result); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
