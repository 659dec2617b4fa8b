// Package callhomed is what boxes of the lab call home to: it takes messages over
// HTTPS and by e-mail, reads them, and shows what a vendor would do about them
// (CH-4). Faults come on request (fault.go).
//
// It shares nothing with the box but docs/callhome.xsd: XML and JSON are read by
// code of its own, so that each end is tried against something else than its own
// idea of the form. XML is held against the schema by xmllint.
//
// Tests call the methods of Server; a person has the same over HTTP (api.go,
// docs/lab.md).
package callhomed

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"causeway/qemu/lab/authority"
	"causeway/qemu/lab/fault"
)

// Options are what a server is made with.
type Options struct {
	Names  []string          // of its certificate: host names and addresses
	Dir    string            // keeps the authority and what was taken, over restarts; empty: in memory
	Schema string            // docs/callhome.xsd; XML is held against it
	Users  map[string]string // who may send e-mails, with their passwords; none: anybody
	Now    func() time.Time  // nil: time.Now
}

// Server takes what boxes send. Its methods may be called at any time.
type Server struct {
	options     Options
	authority   *authority.Authority
	certificate tls.Certificate
	wrong       map[FaultKind]tls.Certificate

	faults fault.List[Fault]

	mu       sync.Mutex // over what follows
	taken    []*Delivery
	arrivals []Arrival
}

// New makes a server, or takes up the one that was kept in the folder.
func New(options Options) (*Server, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &Server{options: options, wrong: map[FaultKind]tls.Certificate{}}
	err := s.takeUp()
	if err == nil && options.Schema != "" {
		_, err = os.Stat(options.Schema)
	}
	if err == nil {
		s.certificate, err = s.authority.LongServer(options.Names, options.Now())
	}
	if err == nil {
		s.wrong[WrongAuthority], s.wrong[WrongName], s.wrong[Outdated], err = s.authority.Wrong(options.Names, options.Now())
	}
	if err != nil {
		return nil, fmt.Errorf("start callhomed: %w", err)
	}
	return s, nil
}

// Root is the certificate that boxes have to trust, in PEM.
func (s *Server) Root() []byte { return s.authority.Root() }

// Doors are where a server is reached. Those that are nil stay closed.
type Doors struct {
	HTTPS   net.Listener
	Mail    net.Listener // SMTP, with STARTTLS for whom wants it
	MailTLS net.Listener // the same within TLS (RFC 8314)
	API     net.Listener // HTTP, for whoever drives the server
}

// Close closes those that are open.
func (d Doors) Close() error {
	var errs []error
	for _, door := range []net.Listener{d.HTTPS, d.Mail, d.MailTLS, d.API} {
		if door != nil {
			errs = append(errs, door.Close())
		}
	}
	return errors.Join(errs...)
}

// Serve serves all doors until the context ends or one fails, and closes them.
func (s *Server) Serve(ctx context.Context, doors Doors) error {
	quiet := log.New(io.Discard, "", 0) // boxes that break a handshake off are no news here
	posts := &http.Server{Handler: s.posts(), TLSConfig: s.tls(OverHTTPS), ErrorLog: quiet, ReadHeaderTimeout: patience}
	api := &http.Server{Handler: s.API(), ReadHeaderTimeout: patience}
	mail := smtp.NewServer(smtp.BackendFunc(s.mailSession))
	mail.Domain, mail.TLSConfig, mail.ErrorLog = cmp.Or(s.options.Names...), s.tls(OverMail), quiet
	mail.ReadTimeout, mail.MaxMessageBytes, mail.MaxRecipients = patience, mostOctets, mostRecipients
	mail.AllowInsecureAuth = true // what a box does without TLS is for it to decide; here it is seen

	var serving []func() error
	if doors.HTTPS != nil {
		serving = append(serving, func() error { return posts.ServeTLS(s.door(OverHTTPS, doors.HTTPS), "", "") })
	}
	if doors.Mail != nil {
		serving = append(serving, func() error { return mail.Serve(s.door(OverMail, doors.Mail)) })
	}
	if doors.MailTLS != nil {
		serving = append(serving, func() error { return mail.Serve(tls.NewListener(s.door(OverMail, doors.MailTLS), mail.TLSConfig)) })
	}
	if doors.API != nil {
		serving = append(serving, func() error { return api.Serve(doors.API) })
	}
	ends := make(chan error, len(serving))
	for _, serve := range serving {
		go func() { ends <- serve() }()
	}
	running := len(serving)
	var err error
	select {
	case err = <-ends:
		running--
	case <-ctx.Done():
	}
	err = errors.Join(err, posts.Close(), api.Close(), mail.Close())
	for range running {
		<-ends
	}
	return err
}

// patience is how long a box may take for the next thing that it has to say.
const patience = time.Minute
