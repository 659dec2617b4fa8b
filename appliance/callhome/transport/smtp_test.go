package transport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"causeway/appliance/callhome/message"
	"causeway/appliance/model"
)

// relay is a mail server with a script: what it answers to a line that begins so.
// A line that no entry fits gets 250.
type relay struct {
	net.Listener
	tls      *tls.Config
	implicit bool // TLS from the beginning
	offers   []string

	mu      sync.Mutex
	answers map[string]string
	lines   []string // all that it was told, but e-mails
	mails   []string
}

// newRelay starts one that takes everything.
func newRelay(t testing.TB, r *relay) *relay {
	var err error
	if r.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	go func() {
		for {
			conn, err := r.Accept()
			if err != nil {
				return
			}
			go r.serve(conn)
		}
	}()
	return r
}

func (r *relay) serve(conn net.Conn) {
	defer conn.Close()
	if r.implicit {
		conn = tls.Server(conn, r.tls)
	}
	encrypted := r.implicit
	in := textproto.NewReader(bufio.NewReader(conn))
	say := func(text string) { io.WriteString(conn, text+"\r\n") }
	say(r.answer("", "220 relay.example.com ESMTP"))
	for {
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.lines = append(r.lines, line)
		r.mu.Unlock()
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch verb {
		case "EHLO":
			offers := r.offers
			if r.tls != nil && !encrypted {
				offers = append([]string{"STARTTLS"}, offers...)
			}
			for _, o := range append([]string{"relay.example.com"}, offers...) {
				say("250-" + o)
			}
			say(r.answer(line, "250 SIZE 1000000"))
		case "STARTTLS":
			answer := r.answer(line, "220 go on")
			if say(answer); strings.HasPrefix(answer, "220") {
				conn, encrypted = tls.Server(conn, r.tls), true
				in = textproto.NewReader(bufio.NewReader(conn))
			}
		case "AUTH":
			say(r.answer(line, "235 welcome"))
		case "DATA":
			answer := r.answer(line, "354 go on")
			if say(answer); !strings.HasPrefix(answer, "354") {
				continue
			}
			text, err := in.ReadDotBytes()
			if err != nil {
				return
			}
			end := r.answer(".", "250 taken")
			if strings.HasPrefix(end, "250") {
				r.mu.Lock()
				r.mails = append(r.mails, string(text))
				r.mu.Unlock()
			}
			say(end)
		case "QUIT":
			say("221 bye")
			return
		default:
			say(r.answer(line, "250 fine"))
		}
	}
}

func (r *relay) answer(line, usual string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for begins, answer := range r.answers {
		if (begins == "") == (line == "") && strings.HasPrefix(strings.ToUpper(line), strings.ToUpper(begins)) {
			return answer
		}
	}
	return usual
}

// told is all that it was told, and the e-mails that it took.
func (r *relay) told() (lines, mails []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines), slices.Clone(r.mails)
}

// post is a destination by e-mail.
func letters() Destination {
	return Destination{
		Profile: model.ProfileCopies, Format: model.CallHomeLong, Mode: model.CallHomeSmart,
		Emails:  []string{"a@example.org", "b@example.org"},
		Servers: []model.MailServer{{Host: "mail.example.com"}}, From: "box@example.com", ReplyTo: "noc@example.com",
	}
}

// mailbox is a Transport of a test whose DNS knows mail.example.com.
func mailbox(t testing.TB, who identity, r *relay) *Transport {
	hosts := map[string]net.Addr{}
	for _, port := range mailPorts {
		hosts[fmt.Sprintf("mail.example.com:%d", port)] = r.Addr()
	}
	return box(t, who, hosts)
}

func TestMail(t *testing.T) {
	root := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{root.issue("mail.example.com", time.Hour)}}
	for _, test := range []struct {
		name   string
		relay  *relay
		server model.MailServer
		want   []string // lines that the server gets, each after the one before
	}{
		{"STARTTLS", &relay{tls: config}, model.MailServer{}, []string{"EHLO secret-host.example.com", "STARTTLS", "EHLO", "MAIL FROM:<box@example.com>", "RCPT TO:<a@example.org>", "RCPT TO:<b@example.org>", "DATA", "QUIT"}},
		{"TLS", &relay{tls: config, implicit: true}, model.MailServer{Security: model.MailTLS}, []string{"EHLO", "MAIL", "DATA"}},
		{"clear", &relay{}, model.MailServer{Security: model.MailPlain}, []string{"EHLO", "MAIL", "DATA"}},
		{"PLAIN", &relay{tls: config, offers: []string{"AUTH LOGIN PLAIN"}}, model.MailServer{User: "box", Password: "sealed:s3cret"},
			[]string{"STARTTLS", "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00box\x00s3cret")), "MAIL"}},
		{"PLAIN within TLS", &relay{tls: config, implicit: true, offers: []string{"AUTH PLAIN"}}, model.MailServer{Security: model.MailTLS, User: "box", Password: "sealed:s3cret"},
			[]string{"AUTH PLAIN", "MAIL"}},
		{"LOGIN", &relay{tls: config, offers: []string{"AUTH LOGIN"}, answers: map[string]string{"AUTH": "334 VXNlcm5hbWU6", base64.StdEncoding.EncodeToString([]byte("box")): "334 UGFzc3dvcmQ6", base64.StdEncoding.EncodeToString([]byte("s3cret")): "235 welcome"}},
			model.MailServer{User: "box", Password: "sealed:s3cret"}, []string{"AUTH LOGIN", "Ym94", "czNjcmV0", "MAIL"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRelay(t, test.relay)
			to := letters()
			test.server.Host = "mail.example.com"
			to.Servers = []model.MailServer{test.server}
			if err := mailbox(t, identity{roots: root.pool()}, r).Send(within(t, time.Minute), to, news()); err != nil {
				lines, _ := r.told()
				t.Fatalf("Send: %v; the server was told %q", err, lines)
			}
			lines, mails := r.told()
			left := lines
			for _, want := range test.want {
				i := slices.IndexFunc(left, func(l string) bool { return strings.HasPrefix(l, want) })
				if i < 0 {
					t.Fatalf("the server was told %q; want %q among them, after those before", lines, want)
				}
				left = left[i+1:]
			}
			if len(mails) != 1 {
				t.Errorf("%d e-mails; want 1", len(mails))
			}
		})
	}
}

// parts are the text and what is attached.
func parts(t *testing.T, text string) (header mail.Header, bodies map[string]string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	bodies = map[string]string{}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(kind, "multipart/") {
		body, _ := io.ReadAll(m.Body)
		bodies[kind] = string(body)
		return m.Header, bodies
	}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := r.NextPart()
		if err == io.EOF {
			return m.Header, bodies
		} else if err != nil {
			t.Fatal(err)
		}
		kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		var body io.Reader = part
		if part.Header.Get("Content-Transfer-Encoding") == "base64" {
			body = base64.NewDecoder(base64.StdEncoding, part)
		}
		octets, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		bodies[kind+" "+part.FileName()] = string(octets)
	}
}

func TestLetter(t *testing.T) {
	b := box(t, identity{}, nil)
	for _, test := range []struct {
		format string
		bodies map[string]string // media type and name: how it begins
	}{
		{model.CallHomeShort, map[string]string{"text/plain": "box@C@CWY12345678\r\n2026-01-02"}},
		{model.CallHomeLong, map[string]string{"text/plain ": "CodeYellow", "application/soap+xml call-home.xml": "<?xml"}},
		{model.CallHomeXML, map[string]string{"text/plain ": "box@C@CWY12345678\r\n2026-01-02", "application/soap+xml call-home.xml": "<?xml"}},
		{model.CallHomeJSON, map[string]string{"text/plain ": "box@C@CWY12345678\r\n2026-01-02", "application/json call-home.json": "{"}},
	} {
		to := letters()
		to.Format = test.format
		l, err := b.write(to, news())
		if err != nil {
			t.Fatal(err)
		}
		header, bodies := parts(t, string(l.text))
		if len(bodies) != len(test.bodies) {
			t.Errorf("%s has the bodies %v", test.format, bodies)
		}
		for kind, begins := range test.bodies {
			if !strings.HasPrefix(bodies[kind], begins) {
				t.Errorf("%s: %s is %.80q; want %q…", test.format, kind, bodies[kind], begins)
			}
		}
		for name, want := range map[string]string{
			"From": "<box@example.com>", "To": "<a@example.org>, <b@example.org>", "Reply-To": "<noc@example.com>",
			"Message-Id": "<CH.CWY12345678.1f@secret-host.example.com>", "Date": "Fri, 02 Jan 2026 03:04:05 +0000",
			"Auto-Submitted": "auto-generated", "User-Agent": "Causeway/1.2.3", "X-Mailer": "",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s: %s; want %s", test.format, name, got, want)
			}
		}
		if !strings.HasPrefix(header.Get("Subject"), "Call Home major of box@C@CWY12345678: CodeYellow") {
			t.Errorf("Subject: %s", header.Get("Subject"))
		}
	}
}

// In Anonymous mode nothing of an e-mail, or of the session that it is sent in,
// says which box it is.
func TestMailAnonymous(t *testing.T) {
	root := newAuthority(t)
	own := root.issue("box", time.Hour)
	shown := make(chan bool, 1)
	r := newRelay(t, &relay{tls: &tls.Config{
		Certificates: []tls.Certificate{root.issue("mail.example.com", time.Hour)}, ClientAuth: tls.RequestClientCert,
		VerifyConnection: func(c tls.ConnectionState) error { shown <- len(c.PeerCertificates) > 0; return nil },
	}})
	to := letters()
	to.Mode, to.From = model.CallHomeAnonymous, ""
	m := news()
	m.Kind, m.Event, m.Mode = message.Inventory, nil, model.CallHomeAnonymous
	if err := mailbox(t, identity{roots: root.pool(), own: &own}, r).Send(within(t, time.Minute), to, m); err != nil {
		t.Fatal(err)
	}
	lines, mails := r.told()
	if !slices.Contains(lines, "EHLO callhome.invalid") || <-shown {
		t.Errorf("the server was told %q; want neither the name nor the address of the box, and no certificate", lines)
	}
	for _, text := range append(lines, mails...) {
		if strings.Contains(text, "secret-host") || strings.Contains(text, "noc@example.com") {
			t.Errorf("the server was told %q", text)
		}
	}
	header, _ := parts(t, mails[0])
	if from := header.Get("From"); from != "<callhome@example.org>" {
		t.Errorf("From: %s", from)
	}
	if id := header.Get("Message-Id"); id != "<CH.CWY12345678.1f@callhome.invalid>" {
		t.Errorf("Message-ID: %s", id)
	}
}

// shownInPlain is how PLAIN shows the password of a test (RFC 4616).
var shownInPlain = base64.StdEncoding.EncodeToString([]byte("\x00box\x00s3cret"))

// TestCounting: a server cannot have the box hash a password for hours.
func TestCounting(t *testing.T) {
	for _, test := range []struct {
		count string
		fine  bool
	}{{"4096", true}, {"1000001", false}, {"2147483647", false}} {
		auth := frugal{smtp.ScramSHA256Auth("box", "s3cret")}
		if _, _, err := auth.Start(&smtp.ServerInfo{TLS: true}); err != nil {
			t.Fatal(err)
		}
		first, err := auth.Next(nil, true)
		if err != nil {
			t.Fatal(err)
		}
		_, nonce, _ := strings.Cut(string(first), ",r=")
		if _, err = auth.Next([]byte("r="+nonce+"x,s=c2FsdA==,i="+test.count), true); (err == nil) != test.fine {
			t.Errorf("i=%s: %v", test.count, err)
		}
	}
}

// What a mail server does not do ends an attempt, or the message.
func TestMailRefusals(t *testing.T) {
	root := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{root.issue("mail.example.com", time.Hour)}}
	for _, test := range []struct {
		name    string
		relay   *relay
		user    string
		want    string
		refused bool
	}{
		{name: "no STARTTLS", relay: &relay{}, want: "does not offer STARTTLS"},
		{name: "STARTTLS fails", relay: &relay{tls: config, answers: map[string]string{"STARTTLS": "454 not now"}}, want: "454 not now"},
		{name: "another name", relay: &relay{tls: &tls.Config{Certificates: []tls.Certificate{root.issue("www.example.com", time.Hour)}}}, want: "not mail.example.com"},
		{name: "another authority", relay: &relay{tls: &tls.Config{Certificates: []tls.Certificate{newAuthority(t).issue("mail.example.com", time.Hour)}}}, want: "unknown authority"},
		{name: "TLS 1.1", relay: &relay{tls: &tls.Config{Certificates: config.Certificates, MaxVersion: tls.VersionTLS11}}, want: "protocol version"},
		{name: "no login", relay: &relay{tls: config}, user: "box", want: "knows no way to log in"},
		{name: "login fails", relay: &relay{tls: config, offers: []string{"AUTH PLAIN"}, answers: map[string]string{"AUTH": "535 5.7.8 no"}}, user: "box", want: "log in as \"box\": 535 5.7.8"},
		{name: "login echoed", relay: &relay{tls: config, offers: []string{"AUTH PLAIN"}, answers: map[string]string{"AUTH": `500 5.5.1 Command unrecognized: "AUTH PLAIN ` + shownInPlain + `"`}}, user: "box", want: "log in as \"box\": 500 5.5.1"},
		{name: "login repeated", relay: &relay{tls: config, offers: []string{"AUTH LOGIN"}, answers: map[string]string{"AUTH": "334 VXNlcm5hbWU6", "Ym94": "334 UGFzc3dvcmQ6", "czNjcmV0": "334 czNjcmV0"}}, user: "box", want: "unexpected server response"},
		{name: "login wanted", relay: &relay{tls: config, answers: map[string]string{"MAIL": "530 5.7.0 log in"}}, want: "530"},
		{name: "no service", relay: &relay{tls: config, answers: map[string]string{"": "554 no service"}}, want: "554 no service"},
		{name: "later", relay: &relay{tls: config, answers: map[string]string{"MAIL": "451 4.3.0 later"}}, want: "451"},
		{name: "too large", relay: &relay{tls: config, answers: map[string]string{"MAIL": "552 5.3.4 too large"}}, want: "552", refused: true},
		{name: "not this", relay: &relay{tls: config, answers: map[string]string{"DATA": "554 no"}}, want: "554", refused: true},
		{name: "not after all", relay: &relay{tls: config, answers: map[string]string{".": "554 5.7.1 spam"}}, want: "554", refused: true},
		{name: "full", relay: &relay{tls: config, answers: map[string]string{".": "452 4.3.1 full"}}, want: "452"},
		{name: "nobody is known", relay: &relay{tls: config, answers: map[string]string{"RCPT": "550 5.1.1 unknown"}}, want: "a@example.org: 550 5.1.1 unknown", refused: true},
		{name: "everybody is to wait", relay: &relay{tls: config, answers: map[string]string{"RCPT": "450 4.2.0 greylisted"}}, want: "b@example.org: 450"},
		{name: "garbage", relay: &relay{tls: config, answers: map[string]string{"MAIL": "\x1b[31mHTTP/1.1 400"}}, want: "[31mHTTP/1.1 400"},
		{name: "many words", relay: &relay{tls: config, answers: map[string]string{"MAIL": "450 " + strings.Repeat("wait ", 100_000)}}, want: "450 wait wait"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRelay(t, test.relay)
			to := letters()
			if test.user != "" {
				to.Servers[0].User, to.Servers[0].Password = test.user, "sealed:s3cret"
			}
			err := mailbox(t, identity{roots: root.pool()}, r).Send(within(t, time.Minute), to, news())
			if err == nil || errors.Is(err, ErrRefused) != test.refused || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("Send: %v; want %q, refused: %t", err, test.want, test.refused)
			}
			if text := err.Error(); strings.Contains(text, "s3cret") || strings.Contains(text, shownInPlain) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte("s3cret"))) ||
				strings.ContainsAny(text, "\x1b\r\n") || len(text) > 4*quoteMost {
				t.Errorf("the error is %q", text)
			}
			if _, mails := r.told(); len(mails) > 0 {
				t.Error("the server took an e-mail, and Send fails")
			}
		})
	}
}

// A password is not shown in the clear, whatever a server offers.
func TestPasswordInClear(t *testing.T) {
	r := newRelay(t, &relay{offers: []string{"AUTH PLAIN LOGIN"}})
	to := letters()
	to.Servers = []model.MailServer{{Host: "mail.example.com", Security: model.MailPlain, User: "box", Password: "sealed:s3cret"}}
	err := mailbox(t, identity{}, r).Send(within(t, time.Minute), to, news())
	if err == nil || !strings.Contains(err.Error(), "in the clear") {
		t.Errorf("Send: %v", err)
	}
	if lines, _ := r.told(); len(lines) != 1 {
		t.Errorf("the server was told %q; want its greeting only", lines)
	}
}

// A server that cannot be used is passed over; one that says no is not.
func TestMailServersByPriority(t *testing.T) {
	root := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{root.issue("mail.example.com", time.Hour)}}
	for _, test := range []struct {
		name   string
		first  map[string]string // of the first server
		second bool              // is asked
	}{
		{"works", nil, false},
		{"later", map[string]string{"MAIL": "451 later"}, true},
		{"not now", map[string]string{"": "421 too busy"}, true},
		{"everybody is to wait", map[string]string{"RCPT": "450 wait"}, true},
		{"no", map[string]string{"MAIL": "550 no"}, false},
		{"no to one, and one is to wait", map[string]string{"RCPT TO:<a@": "550 no", "RCPT TO:<b@": "450 wait"}, true},
	} {
		first, second := newRelay(t, &relay{tls: config, answers: test.first}), newRelay(t, &relay{tls: config})
		to := letters()
		to.Servers = []model.MailServer{{Host: "dead.example.com"}, {Host: "mail.example.com", Port: 2525}, {Host: "mail.example.com"}}
		b := box(t, identity{roots: root.pool()}, map[string]net.Addr{"mail.example.com:2525": first.Addr(), "mail.example.com:587": second.Addr()})
		err := b.Send(within(t, time.Minute), to, news())
		if _, mails := second.told(); (len(mails) == 1) != test.second || errors.Is(err, ErrRefused) != (test.name == "no") {
			t.Errorf("%s: %v; %d e-mails with the second server", test.name, err, len(mails))
		}
	}
}

// A recipient that has the message does not get it again when another has to
// wait; one that is refused does not keep it from the others.
func TestRecipients(t *testing.T) {
	r := newRelay(t, &relay{answers: map[string]string{"RCPT TO:<b@": "450 wait", "RCPT TO:<c@": "550 unknown"}})
	b := mailbox(t, identity{}, r)
	to := letters()
	to.Emails = append(to.Emails, "c@example.org")
	to.Servers[0].Security = model.MailPlain
	recipients := func() (asked []string) {
		lines, _ := r.told()
		for _, l := range lines {
			if _, address, ok := strings.Cut(l, "RCPT TO:"); ok {
				asked = append(asked, address)
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lines = nil
		return asked
	}
	ctx := within(t, time.Minute)
	err := b.Send(ctx, to, news())
	if got := recipients(); err == nil || errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "b@example.org: 450 wait") || len(got) != 3 {
		t.Fatalf("Send: %v; the server was asked for %v", err, got)
	}
	r.mu.Lock()
	delete(r.answers, "RCPT TO:<b@")
	r.mu.Unlock()
	err = b.Send(ctx, to, news())
	if got := recipients(); err != nil || !slices.Equal(got, []string{"<b@example.org>", "<c@example.org>"}) {
		t.Errorf("Send again: %v; the server was asked for %v", err, got)
	}
	if _, mails := r.told(); len(mails) != 2 || len(b.taken) != 0 {
		t.Errorf("%d e-mails, want 2; %v is remembered, want nothing", len(mails), b.taken)
	}
	if err := b.Send(ctx, to, news()); err != nil || len(recipients()) != 3 {
		t.Errorf("Send, once it was over: %v; want that all are asked", err)
	}
}

// A server that is silent is left after two minutes, and with the context.
func TestMailSilence(t *testing.T) {
	for _, greets := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			go func() {
				if greets {
					io.WriteString(far, "220 relay.example.com\r\n")
				}
				io.Copy(io.Discard, far)
			}()
			b := New(Options{
				Dial:     func(context.Context, string, string) (net.Conn, error) { return near, nil },
				Identity: identity{roots: newAuthority(t).pool()}, Now: time.Now, HostName: func() string { return "box" },
			})
			began := time.Now()
			err := b.Send(t.Context(), letters(), news())
			if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "deadline exceeded") || took != sendLimit {
				t.Errorf("greets: %t: after %v: %v", greets, took, err)
			}
		})
	}
}

// Nothing of a destination or a message gets a line of its own in a session with
// a mail server, or in the header of an e-mail.
func TestMailInjection(t *testing.T) {
	for _, evil := range []string{"a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\r\n.\r\nMAIL FROM:<evil@example.net>", "a\x00b", "a@example.org>\r\nRCPT TO:<evil@example.net", "=?utf-8?q?=0D=0AX-Evil:_1?=", "ä\u0085X-Evil: 1\u2028"} {
		for name, spoil := range map[string]func(*Destination, *message.Message, *Options){
			"recipient": func(d *Destination, _ *message.Message, _ *Options) { d.Emails = []string{"a@example.org", evil} },
			"local part": func(d *Destination, _ *message.Message, _ *Options) {
				d.Emails = []string{`"` + evil + `"@example.org`}
			},
			"domain":     func(d *Destination, _ *message.Message, _ *Options) { d.Emails = []string{"a@" + evil} },
			"name":       func(d *Destination, _ *message.Message, _ *Options) { d.Emails = []string{evil + " <a@example.org>"} },
			"from":       func(d *Destination, _ *message.Message, _ *Options) { d.From = evil },
			"from, name": func(d *Destination, _ *message.Message, _ *Options) { d.From = evil + " <box@example.com>" },
			"reply to":   func(d *Destination, _ *message.Message, _ *Options) { d.ReplyTo = evil + "@example.com" },
			"server":     func(d *Destination, _ *message.Message, _ *Options) { d.Servers[0].Host = evil },
			"user":       func(d *Destination, _ *message.Message, _ *Options) { d.Servers[0].User = evil },
			"password": func(d *Destination, _ *message.Message, _ *Options) {
				d.Servers[0].User, d.Servers[0].Password = "u", "sealed:"+evil
			},
			"format":      func(d *Destination, _ *message.Message, _ *Options) { d.Format = evil },
			"profile":     func(d *Destination, _ *message.Message, _ *Options) { d.Profile = evil },
			"mode":        func(d *Destination, _ *message.Message, _ *Options) { d.Mode = evil },
			"ID":          func(_ *Destination, m *message.Message, _ *Options) { m.ID = evil },
			"device":      func(_ *Destination, m *message.Message, _ *Options) { m.Device = evil },
			"kind":        func(_ *Destination, m *message.Message, _ *Options) { m.Kind = message.Kind(evil) },
			"event":       func(_ *Destination, m *message.Message, _ *Options) { m.Event.Name, m.Event.Object = evil, evil },
			"description": func(_ *Destination, m *message.Message, _ *Options) { m.Event.Description, m.Event.Node = evil, evil },
			"severity":    func(_ *Destination, m *message.Message, _ *Options) { m.Event.Severity = model.Severity(evil) },
			"field": func(_ *Destination, m *message.Message, _ *Options) {
				m.Fields = []message.Field{{Name: "Name", Text: evil}}
			},
			"attachment": func(_ *Destination, m *message.Message, _ *Options) {
				m.Attachments = []message.Attachment{{Name: evil, Type: "trace", Path: evil, File: evil}}
			},
			"version":   func(_ *Destination, _ *message.Message, o *Options) { o.Version = evil },
			"host name": func(_ *Destination, _ *message.Message, o *Options) { o.HostName = func() string { return evil } },
		} {
			r := newRelay(t, &relay{offers: []string{"AUTH CRAM-MD5"}, answers: map[string]string{"AUTH": "334 PDFAZXhhbXBsZT4="}})
			to, m := letters(), news()
			to.Servers[0].Security = model.MailPlain
			sender := mailbox(t, identity{}, r)
			spoil(&to, m, &sender.options)
			err := sender.Send(within(t, time.Minute), to, m)
			if err != nil && strings.ContainsAny(err.Error(), "\r\x00") {
				t.Errorf("%s: the error is %q", name, err)
			}
			lines, mails := r.told()
			for _, l := range lines {
				if strings.Contains(l, "evil@") || strings.HasPrefix(l, "X-Evil") || strings.ContainsAny(l, "\r\n\x00") {
					t.Errorf("%s %q: the server was told %q", name, evil, l)
				}
			}
			for _, text := range mails {
				header, _, _ := strings.Cut(text, "\n\n")
				read, err := textproto.NewReader(bufio.NewReader(strings.NewReader(header + "\n\n"))).ReadMIMEHeader()
				if err != nil {
					t.Errorf("%s %q: %v in %q", name, evil, err, header)
				}
				for field := range read {
					if !slices.Contains([]string{"From", "To", "Reply-To", "Message-Id", "Date", "Subject", "User-Agent", "Auto-Submitted", "Mime-Version", "Content-Type", "Content-Transfer-Encoding"}, field) {
						t.Errorf("%s %q: the e-mail has a field %s", name, evil, field)
					}
				}
				if bytes.ContainsAny([]byte(header), "\r\x00") {
					t.Errorf("%s %q: the header is %q", name, evil, header)
				}
			}
			if (err == nil) != (len(mails) == 1) {
				t.Errorf("%s: %v, and %d e-mails", name, err, len(mails))
			}
		}
	}
}
