//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/mail"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/callhome/message"
	"causeway/appliance/callhome/transport"
	"causeway/appliance/model"
	"causeway/qemu/lab"
)

// The mail servers of the tests. The one on loopback's second address is who the
// first should be, and is not; a third address is nobody's.
var (
	mailHost  = netip.MustParseAddr("127.0.0.1")
	falseHost = netip.MustParseAddr("127.0.0.2")
	deadHost  = netip.MustParseAddr("127.0.0.3")
)

// mailTrust is whom the box believes.
type mailTrust struct{ roots *x509.CertPool }

func (m mailTrust) Roots() (*x509.CertPool, error)         { return m.roots, nil }
func (m mailTrust) Certificate() (*tls.Certificate, error) { return nil, nil }

// TestCallHomeMail has Exim take messages, by each way that a mail server
// can be configured, and refuse what it should.
func TestCallHomeMail(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	peers, err := lab.OpenPeers(ctx, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	where, err := lab.NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { where.Close() })
	dir := t.TempDir()
	newRoot(t, ctx, dir)
	root, err := os.ReadFile(filepath.Join(dir, "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	trust := mailTrust{x509.NewCertPool()}
	trust.roots.AppendCertsFromPEM(root)
	start := func(at netip.Addr, name string) *lab.Smtpd {
		openssl(t, ctx, dir, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "server.key", "-out", "box.csr",
			"-subj", "/CN="+name, "-addext", "subjectAltName=DNS:"+name)
		issued := sign(t, ctx, dir)
		key, err := os.ReadFile(filepath.Join(dir, "server.key"))
		if err != nil {
			t.Fatal(err)
		}
		server, err := where.Smtpd(ctx, peers, t.TempDir(), lab.MailServer{
			At: at, Name: name, Certificate: append([]byte(issued), key...),
			User: "box", Password: "s3cret", Recipients: []string{"ops@example.net", "noc@example.net"},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			server.Kill()
			if t.Failed() {
				t.Logf("%s printed:\n%s", name, server.Output())
			}
		})
		return server
	}
	real, fake := start(mailHost, "mail.example.com"), start(falseHost, "www.example.com")

	box := transport.New(transport.Options{
		Dial: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			at := map[string]netip.Addr{"mail.example.com": mailHost, "false.example.com": falseHost, "dead.example.com": deadHost}[host]
			err = where.Do(func() error {
				conn, err = new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(at.String(), port))
				return err
			})
			return conn, err
		},
		Identity: trust,
		Open:     func(sealed string) (string, error) { return strings.TrimPrefix(sealed, "sealed:"), nil },
		Trace:    func(string) (io.ReadCloser, error) { return nil, os.ErrNotExist },
		HostName: func() string { return "box.example.com" },
		Version:  "1", Now: time.Now, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	const first = "mail.example.com"
	login := func(host, security, password string) model.MailServer {
		return model.MailServer{Host: host, Security: security, User: "box", Password: "sealed:" + password}
	}
	both := []string{"ops@example.net", "noc@example.net"}
	taken := 0 // e-mails, so far
	for i, test := range []struct {
		name    string
		servers []model.MailServer
		emails  []string
		want    string // of the error; empty: it is taken
		refused bool
		takes   []string // who gets it
	}{
		{"STARTTLS", []model.MailServer{login(first, "", "s3cret")}, both, "", false, both},
		{"TLS", []model.MailServer{login(first, model.MailTLS, "s3cret")}, both, "", false, both},
		{"clear", []model.MailServer{{Host: first, Security: model.MailPlain}}, both, "", false, both},
		{"wrong password", []model.MailServer{login(first, "", "wrong")}, both, "535", false, nil},
		{"no login", []model.MailServer{{Host: first}}, both, "530", false, nil},
		{"password in the clear", []model.MailServer{login(first, model.MailPlain, "s3cret")}, both, "in the clear", false, nil},
		{"no STARTTLS", []model.MailServer{{Host: first, Port: lab.MailPort}}, both, "does not offer STARTTLS", false, nil},
		{"unknown recipient", []model.MailServer{login(first, "", "s3cret")}, []string{"nobody@example.net"}, "nobody@example.net: 5", true, nil},
		{"unknown domain", []model.MailServer{login(first, "", "s3cret")}, []string{"ops@example.org"}, "ops@example.org: 550", true, nil},
		{"one of two recipients", []model.MailServer{login(first, "", "s3cret")}, []string{"nobody@example.net", "noc@example.net"}, "", false, both[1:]},
		{"wrong certificate", []model.MailServer{login("false.example.com", "", "s3cret")}, both, "not false.example.com", false, nil},
		{"wrong certificate, TLS", []model.MailServer{login("false.example.com", model.MailTLS, "s3cret")}, both, "not false.example.com", false, nil},
		{"dead, false, living", []model.MailServer{{Host: "dead.example.com"}, login("false.example.com", "", "s3cret"), login(first, "", "s3cret")}, both, "", false, both},
		{"dead", []model.MailServer{{Host: "dead.example.com"}}, both, "connection refused", false, nil},
	} {
		m := &message.Message{
			ID: fmt.Sprintf("CH:CWY12345678:%x", i), Kind: message.Alert, Mode: model.CallHomeSmart, Time: time.Now(), Device: "box@C@CWY12345678",
			Event: &message.Event{Name: "CodeYellow", Group: model.GroupPerformance, Severity: model.Major, Description: "overload\n.\nof all"},
		}
		err := box.Send(ctx, transport.Destination{
			Profile: model.ProfileCopies, Format: model.CallHomeLong, Mode: model.CallHomeSmart,
			Emails: test.emails, Servers: test.servers, From: "box@example.com",
		}, m)
		if test.want != "" {
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, transport.ErrRefused) != test.refused {
				t.Errorf("%s: %v; want %q, refused: %t", test.name, err, test.want, test.refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		mails, err := real.Mails(ctx, taken+len(test.takes))
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		var who []string
		for _, text := range mails {
			read, err := mail.ReadMessage(strings.NewReader(text))
			if err != nil {
				t.Fatalf("%s: %v: %s", test.name, err, text)
			}
			if read.Header.Get("Message-Id") == "<"+strings.ReplaceAll(m.ID, ":", ".")+"@box.example.com>" {
				who = append(who, read.Header.Get("Envelope-To"))
			}
		}
		taken = len(mails)
		slices.Sort(who)
		if want := slices.Sorted(slices.Values(test.takes)); !slices.Equal(who, want) {
			t.Errorf("%s: the e-mail went to %v; want %v", test.name, who, want)
		}
	}
	if mails, err := fake.Mails(ctx, 0); err != nil || len(mails) > 0 {
		t.Errorf("the server with a wrong certificate has %d e-mails (%v); want none", len(mails), err)
	}
}
