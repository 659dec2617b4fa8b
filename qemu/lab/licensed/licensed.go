// Package licensed is a licence server good enough to run a lab with: the other
// end of ela/1 (appliance/license/ela). It has a CA of its own, virtual accounts
// with tokens and quantities, the inventory of L-33, and faults on request.
//
// It shares the messages with the box and nothing else: it signs and verifies
// with go-jose and crypto/x509 by itself, so that each end is tried against
// something else than its own reading of the protocol.
//
// Tests call the methods of Server; a person has the same over HTTP (api.go,
// docs/lab.md). Times are of its own clock, which can be set.
package licensed

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"sync"
	"time"

	"causeway/appliance/license/ela"
	"causeway/qemu/lab/fault"
)

// Options are what a server is made with.
type Options struct {
	Names []string         // of its TLS certificate: host names and addresses
	Now   func() time.Time // nil: time.Now
	File  string           // keeps the state over restarts; empty: it is in memory
}

// FirstAccount is the virtual account that a new server has.
const FirstAccount = "LAB"

// Server is a licence server. Its methods may be called at any time.
type Server struct {
	file        string
	base        func() time.Time
	certificate tls.Certificate
	nonces      nonces
	faults      fault.List[Fault]

	mu        sync.Mutex // over what follows
	state     state
	exchanges []Exchange
}

// New makes a server, or takes up the one whose state is in the file.
func New(options Options) (*Server, error) {
	s := &Server{file: options.File, base: options.Now}
	if s.base == nil {
		s.base = time.Now
	}
	old, err := readState(s.file)
	switch {
	case err != nil:
		return nil, fmt.Errorf("take up the licence server: %w", err)
	case old != nil:
		s.state = *old
	default:
		if err := s.found(); err != nil {
			return nil, fmt.Errorf("found the licence server: %w", err)
		}
	}
	if s.certificate, err = s.state.Authority.Root.LongServer(options.Names, s.Now()); err != nil {
		return nil, fmt.Errorf("issue the TLS certificate: %w", err)
	}
	return s, nil
}

// found makes what a new server has.
func (s *Server) found() error {
	authority, err := newAuthority(s.base())
	if err != nil {
		return err
	}
	s.state = state{Authority: *authority, NextID: firstID}
	return s.AddAccount("Example", FirstAccount)
}

// Root is the certificate that boxes have to trust, in PEM.
func (s *Server) Root() []byte { return []byte(encodePEM(s.state.Authority.Root.Certificate)) }

// TLS is what a listener needs for boxes.
func (s *Server) TLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{s.certificate}, MinVersion: tls.VersionTLS12}
}

// Handler answers boxes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+ela.PathNonce, s.serveNonce)
	for _, k := range kinds {
		mux.HandleFunc("POST "+k.path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, k) })
	}
	return mux
}

// Now is the time of the server's clock.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

func (s *Server) now() time.Time { return s.base().Add(s.state.Offset).UTC() }

// AdvanceClock sets the clock forward, or back if by is negative. All dates that
// the server issues from now on follow.
func (s *Server) AdvanceClock(by time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Offset += by
	return s.save()
}

// RotateSigning has the server sign with the signing certificate that it has
// announced to whoever registered or renewed since the rotation before, and
// make one that it announces from now on. A box that has heard of neither gets
// answers by one that it knows.
func (s *Server) RotateSigning() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := s.state.Authority.newSigning(s.now())
	if err != nil {
		return fmt.Errorf("rotate the signing certificate: %w", err)
	}
	s.state.Authority.Signing = append(s.state.Authority.Signing, next)
	return s.save()
}

// SigningCertificates are those that the server has signed with, the one it
// signs with, and last the one to come.
func (s *Server) SigningCertificates() []*x509.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*x509.Certificate
	for _, i := range s.state.Authority.Signing {
		all = append(all, i.Certificate)
	}
	return all
}

// encodePEM gives certificates in PEM, one after the other.
func encodePEM(certificates ...*x509.Certificate) string {
	var text []byte
	for _, c := range certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return string(text)
}
