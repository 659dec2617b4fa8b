// Package ssh is the SSH server of the box (RFC 4251–4254): the console and
// SFTP for whoever has logged in, and nothing else. No command is executed, no
// connection, socket, display or agent is forwarded, no environment is taken.
//
// In: the configuration (Apply), connections, and who may log in (Login). Out:
// sessions of the console (Shell) and of SFTP (Files), each with a context that
// ends with its channel, its connection, its login or the server.
//
// Every connection has goroutines of its own and waits for nobody else; what
// all of them can take of control is bounded (seats.go).
package ssh

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"causeway/appliance/entrance"
	"causeway/appliance/model"
)

// Options are what a Server is made of.
type Options struct {
	HostKey func() (ssh.Signer, error) // asked at each connection
	Login   Login
	// Shell holds a session at a terminal, Files one of SFTP. Both return soon
	// after ctx has ended, or reads and writes fail.
	Shell func(ctx context.Context, t Terminal, login model.Login) error
	Files func(ctx context.Context, channel io.ReadWriteCloser, login model.Login) error
	// Listen is that of entrance.Options.
	Listen func(p model.Port, tcp uint16) (net.Listener, error)
	Log    *slog.Logger
}

// Login is who knows who may log in: access.Access. Origins are as in
// model.Operator.
type Login interface {
	// Password logs in by password. It takes as long for a user who is not there.
	Password(ctx context.Context, user, password, origin string) (model.Login, error)
	// KeyKnown says whether a key would do, Key logs in who has proven to have it.
	KeyKnown(user string, key ssh.PublicKey) bool
	Key(ctx context.Context, user string, key ssh.PublicKey, origin string) (model.Login, error)
	// Active is told that somebody types, Logout that a session is over.
	Active(session uint64)
	Logout(session uint64, why string)
	// Ended is closed when a session is to end.
	Ended(session uint64) <-chan struct{}
}

// limits are how long the server waits for others.
type limits struct {
	login     time.Duration // for a login
	failed    time.Duration // from the beginning of a connection without one until its seat is free
	keepalive time.Duration // between questions whether the peer is there
	silence   time.Duration // for any octet from it, or to it
}

var defaultLimits = limits{login: 30 * time.Second, failed: time.Second, keepalive: 30 * time.Second, silence: 100 * time.Second}

// Server serves as the configuration last applied says. Make it with New.
type Server struct {
	Options
	limits
	entrance *entrance.Entrance
	seats    seats
}

// New makes a server that listens nowhere until Run runs and a configuration
// has a user.
func New(o Options) *Server {
	s := &Server{Options: o, limits: defaultLimits}
	s.entrance = entrance.New(entrance.Options{
		Service: "SSH", Serve: s.accept, Listen: o.Listen, Log: o.Log,
		Ready: func() error {
			_, err := s.HostKey()
			return err
		},
	})
	return s
}

// Apply makes access the desired state. Run brings it about. Sessions go on
// where nobody else is let in.
func (s *Server) Apply(access model.Access) { s.entrance.Want(access.SSHAt, access.SSH.TCPPort()) }

// Run serves until ctx ends, and then ends all sessions.
func (s *Server) Run(ctx context.Context) error { return s.entrance.Run(ctx) }

// acceptPause is how long the server waits when the kernel has no room for a
// connection.
const acceptPause = 100 * time.Millisecond

// accept takes connections until the listener is closed, and waits for their end.
func (s *Server) accept(ctx context.Context, l net.Listener) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		wire, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			wait(ctx, acceptPause)
			continue
		}
		seat := s.seats.take(entrance.Peer(wire))
		if seat == nil {
			wire.Close()
			continue
		}
		running.Go(func() {
			if err := s.occupy(ctx, wire, entrance.Peer(wire).String(), seat); err != nil {
				s.Log.Debug("SSH connection", "peer", wire.RemoteAddr(), "error", err)
			}
		})
	}
}

// ServeConn serves a connection that has come through another door than the
// ports of the configuration, until its end or that of ctx. peer takes the place
// of its address in the origin of who logs in: "ssh " and that. Those that come
// so count as one source, beside the others.
func (s *Server) ServeConn(ctx context.Context, wire net.Conn, peer string) error {
	seat := s.seats.take(netip.AddrPort{})
	if seat == nil {
		wire.Close()
		return errors.New("too many connections wait for a login")
	}
	return s.occupy(ctx, wire, peer, seat)
}

// occupy serves a connection from its seat.
func (s *Server) occupy(ctx context.Context, wire net.Conn, peer string, seat *seat) error {
	defer seat.leave()
	began := time.Now()
	err := s.serve(ctx, wire, peer, seat)
	if !seat.loggedIn { // a key exchange costs the processor something
		wait(ctx, s.failed-time.Since(began))
	}
	return err
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
