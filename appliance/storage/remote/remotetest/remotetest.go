// Package remotetest is another system that takes files over SFTP, for the tests
// of those who send some.
package remotetest

import (
	"crypto/ed25519"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// Who may log in.
const (
	User     = "store"
	Password = "let-me-in"
)

// Server is the other system. It ends with its test.
type Server struct {
	Address string
	HostKey string // its fingerprint
	Dir     string // of the files, made for the test

	listener net.Listener

	mu     sync.Mutex
	serve  func(io.ReadWriteCloser) error
	octets int
}

// Start starts a server on the loopback.
func Start(t testing.TB) *Server {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Address: listener.Addr().String(), HostKey: ssh.FingerprintSHA256(signer.PublicKey()), Dir: t.TempDir(), listener: listener}
	s.serve = func(c io.ReadWriteCloser) error {
		server, err := sftp.NewServer(c)
		if err != nil {
			return err
		}
		return server.Serve()
	}
	config := &ssh.ServerConfig{PasswordCallback: func(c ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
		if c.User() != User || string(password) != Password {
			return nil, errors.New("refused")
		}
		return nil, nil
	}}
	config.AddHostKey(signer)
	var connections sync.WaitGroup
	t.Cleanup(func() {
		s.Stop()
		connections.Wait()
	})
	connections.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { s.session(conn, config) })
		}
	})
	return s
}

// URL names the directory of the files.
func (s *Server) URL() string {
	return (&url.URL{Scheme: "sftp", User: url.User(User), Host: s.Address, Path: s.Dir}).String()
}

// Stop lets nobody connect any more.
func (s *Server) Stop() { s.listener.Close() }

// Serve has another function speak SFTP on connections to come.
func (s *Server) Serve(serve func(io.ReadWriteCloser) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serve = serve
}

// EndAfter has connections to come end when so many octets were read; 0: never.
func (s *Server) EndAfter(octets int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.octets = octets
}

// session serves one connection.
func (s *Server) session(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	s.mu.Lock()
	serve := s.serve
	if s.octets > 0 {
		conn = &shortLived{conn, s.octets}
	}
	s.mu.Unlock()
	c, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	defer c.Close()
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		for request := range requests {
			request.Reply(request.Type == "subsystem", nil)
			if request.Type == "subsystem" {
				break
			}
		}
		go ssh.DiscardRequests(requests)
		serve(channel)
		channel.Close()
	}
}

// shortLived is a connection that ends after so many octets.
type shortLived struct {
	net.Conn
	left int
}

func (c *shortLived) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.left -= n; c.left < 0 {
		c.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}
