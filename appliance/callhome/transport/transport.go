// Package transport brings Call Home messages to where they are wanted: by
// HTTPS, through a proxy or not, or by e-mail.
//
// Whoever it talks with must lead to an authority of purpose callhome, over TLS
// 1.2 or newer; only a mail server that is configured so is talked to in the
// clear. In Smart mode the box says who it is: its certificate of that purpose,
// its host name. In Anonymous mode it does not.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"causeway/appliance/callhome/message"
	"causeway/appliance/model"
)

// Destination is where one message goes.
type Destination struct {
	Profile string // its name: model.ProfileVendor, model.ProfileCopies, or another
	Format  string // model.CallHomeXML, …
	Mode    string // of Call Home: in Anonymous nothing on the way tells who the box is

	URL   string // https; empty: by e-mail
	Proxy string // on the way to URL, "host:port"; empty: none

	Emails        []string
	Servers       []model.MailServer // in the order in which they are tried
	From, ReplyTo string             // empty From: "callhome" at the domain of the first of Emails
}

// ErrRefused means that the other end has taken a look and will never take the
// message.
var ErrRefused = errors.New("refused")

// Later is an error of a destination that says when it wants to be asked again.
type Later struct {
	After time.Duration
	Err   error
}

// Error implements error.
func (l *Later) Error() string { return l.Err.Error() }

// Unwrap gives what went wrong.
func (l *Later) Unwrap() error { return l.Err }

// Options are what a Transport works with.
type Options struct {
	// Dial connects with a host by its name, as the box's own DNS knows it.
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Identity Identity
	Open     func(sealed string) (string, error) // a password as the configuration has it
	Trace    message.Opener                      // opens message.Attachment.File
	HostName func() string
	Version  string           // of the product
	Now      func() time.Time // that certificates are held against
	Log      *slog.Logger
}

// Identity is who the box is to those that it calls, and whom it trusts there.
type Identity interface {
	// Roots are the authorities that certificates must lead to; nil: there is none.
	Roots() (*x509.CertPool, error)
	// Certificate is the box's own; nil: there is none.
	Certificate() (*tls.Certificate, error)
}

// Transport sends messages. It keeps no connection between them. It may be used
// from several goroutines.
type Transport struct {
	options Options

	mu    sync.Mutex
	taken map[delivery][]string // the recipients that have a message which others do not have yet
}

// New makes a transport.
func New(o Options) *Transport {
	return &Transport{options: o, taken: map[delivery][]string{}}
}

// The limits of sending.
const (
	connectLimit = 30 * time.Second // for TCP, and again for TLS
	sendLimit    = 2 * time.Minute  // for all of it, but see limit; with each mail server
	slowest      = 16 << 10         // octets a second that a long message goes at
)

// limit is how long it may take to send a text: one with a crash file goes over
// the slow lines of small sites, too.
func limit(text []byte) time.Duration {
	return sendLimit + time.Duration(len(text)/slowest)*time.Second
}

// Send brings a message to a destination. An error is ErrRefused, a *Later, or
// what will perhaps be over when it is tried again.
func (t *Transport) Send(ctx context.Context, to Destination, m *message.Message) error {
	if err := to.check(); err != nil {
		return err
	}
	if to.URL != "" {
		return t.post(ctx, to, m)
	}
	return t.mail(ctx, to, m)
}

// errUntrusted is why nothing is sent.
var errUntrusted = errors.New("no authority of Call Home is trusted: bring one with crypto pki authenticate callhome")

// security is what TLS with a host must be.
func (t *Transport) security(mode, host string) (*tls.Config, error) {
	roots, err := t.options.Identity.Roots()
	if err != nil {
		return nil, fmt.Errorf("whom to trust: %w", err)
	}
	if roots == nil {
		return nil, errUntrusted
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: host, Time: t.options.Now}
	if mode != model.CallHomeSmart {
		return config, nil
	}
	own, err := t.options.Identity.Certificate()
	if err != nil {
		return nil, fmt.Errorf("the certificate of the box: %w", err)
	}
	if own != nil {
		config.Certificates = []tls.Certificate{*own}
	}
	return config, nil
}

// hostForm is that of host names (RFC 1123 §2.1), as they may stand where a
// domain is wanted.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)

// hostName is that of the box where a destination may know it; otherwise it is
// empty.
func (t *Transport) hostName(mode string) string {
	name := t.options.HostName()
	if mode != model.CallHomeSmart || len(name) > 253 || !hostForm.MatchString(name) {
		return ""
	}
	return name
}

// program is what the box says that it is: this product, whichever box.
func (t *Transport) program() string { return "Causeway/" + t.options.Version }

// check says what of a destination nobody may be sent to. Configurations are held
// against the same rules; this is the last place before text becomes headers.
func (d *Destination) check() error {
	if d.Proxy != "" {
		if host, port, err := net.SplitHostPort(d.Proxy); err != nil || !plain(host) || !plain(port) {
			return fmt.Errorf("%q is not the host and port of a proxy", d.Proxy)
		}
	}
	if d.URL != "" {
		u, err := url.Parse(d.URL)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
			return errors.New("the destination is not a URL like https://host/path")
		}
		return nil
	}
	if len(d.Emails) == 0 {
		return errors.New("the destination has neither a URL nor e-mail addresses")
	}
	if len(d.Servers) == 0 {
		return errors.New("there is no mail server")
	}
	for _, s := range d.Servers {
		if !plain(s.Host) {
			return fmt.Errorf("%q is not a mail server", s.Host)
		}
	}
	addresses := d.Emails
	for _, a := range []string{d.From, d.ReplyTo} {
		if a != "" {
			addresses = append(addresses[:len(addresses):len(addresses)], a)
		}
	}
	for _, a := range addresses {
		if parsed, err := mail.ParseAddress(a); err != nil || parsed.Name != "" || parsed.Address != a || !plain(a) {
			return fmt.Errorf("%q is not an e-mail address like name@example.com", a)
		}
	}
	return nil
}

// plain says whether a word has neither blanks nor control characters.
func plain(word string) bool {
	return word != "" && !strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r == 0x7f || r >= 0x80 && r <= 0xa0 })
}

// quoteMost bounds what is quoted of another's words, in octets.
const quoteMost = 200

// quote gives the first words of what the other side says, as they can be shown.
func quote(text string) string {
	text = strings.Join(strings.FieldsFunc(text[:min(len(text), 4*quoteMost)], func(r rune) bool { return r <= ' ' || r >= 0x7f }), " ")
	return text[:min(len(text), quoteMost)]
}
