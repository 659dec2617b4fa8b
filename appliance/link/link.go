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
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/channel"
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

// ServeListener answers the methods on listener until ctx ends, then closes it.
func ServeListener(ctx context.Context, listener *net.UnixListener, methods Methods) error {
	assigner := make(handler.Map, len(methods))
	for name, function := range methods {
		assigner[name] = handler.New(function)
	}
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for {
		conn, err := listener.AcceptUnix()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept on %s: %w", listener.Addr(), err)
		}
		go serveConn(ctx, conn, assigner)
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
	srv.Start(channel.Line(conn, conn)).Wait() // closes conn; a caller that went away is no error of ours
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

// callLimit bounds one call: a process that does not answer in this time is
// treated as not there.
const callLimit = 10 * time.Second

// Call dials the socket at path, calls one method and closes. params and
// result may be nil. The error of the other side comes back as it was said.
func Call(ctx context.Context, path, method string, params, result any) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("call %s: %w", method, err)
	}
	client := jrpc2.NewClient(channel.Line(conn, conn), nil)
	defer client.Close()
	response, err := client.Call(ctx, method, params)
	if err != nil {
		var remote *jrpc2.Error
		if errors.As(err, &remote) {
			return errors.New(remote.Message)
		}
		return fmt.Errorf("call %s: %w", method, err)
	}
	if result == nil {
		return nil
	}
	if err := response.UnmarshalResult(result); err != nil {
		return fmt.Errorf("read the answer of %s: %w", method, err)
	}
	return nil
}
