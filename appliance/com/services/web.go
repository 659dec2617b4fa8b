package services

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// What a browser at the other end of a tunnel may take.
const (
	webHeaderTime   = 30 * time.Second // the line is slow
	webHeaderOctets = 16 << 10
)

// Web is a Server of the box's pages.
func Web(handler http.Handler, log *slog.Logger) Server {
	return func(ctx context.Context, wire net.Conn, _ string) error {
		server := &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: webHeaderTime,
			MaxHeaderBytes:    webHeaderOctets,
			BaseContext:       func(net.Listener) context.Context { return ctx },
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // who misbehaves fills no log
		}
		defer context.AfterFunc(ctx, func() { server.Close() })()
		only := make(chan net.Conn, 1)
		over := make(chan struct{})
		only <- &ending{Conn: wire, end: sync.OnceFunc(func() { close(over) })}
		if err := server.Serve(&one{only, over, wire.LocalAddr()}); !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}

// one is a listener with a single connection, which is over when that is.
type one struct {
	conn chan net.Conn
	over chan struct{}
	addr net.Addr
}

// Accept implements net.Listener.
func (l *one) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. The connection is the server's.
func (l *one) Close() error { return nil }

// Addr implements net.Listener.
func (l *one) Addr() net.Addr { return l.addr }

// ending tells of its end.
type ending struct {
	net.Conn
	end func()
}

// Close implements net.Conn.
func (e *ending) Close() error {
	defer e.end()
	return e.Conn.Close()
}
