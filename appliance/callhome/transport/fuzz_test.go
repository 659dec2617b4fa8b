package transport

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
)

// scripted is a connection whose other side says some octets, and then nothing
// any more.
type scripted struct {
	net.Conn
	says io.Reader
}

func (s scripted) Read(p []byte) (int, error)       { return s.says.Read(p) }
func (s scripted) Write(p []byte) (int, error)      { return len(p), nil }
func (s scripted) Close() error                     { return nil }
func (s scripted) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv6loopback, Port: 1} }
func (s scripted) SetDeadline(time.Time) error      { return nil }
func (s scripted) SetReadDeadline(time.Time) error  { return nil }
func (s scripted) SetWriteDeadline(time.Time) error { return nil }

// FuzzMailServer has a mail server say anything: what is told of it is one short
// line a recipient, and a password is in none.
func FuzzMailServer(f *testing.F) {
	const hello = "220 relay\r\n250-relay\r\n250 AUTH CRAM-MD5 SCRAM-SHA-256\r\n"
	for _, says := range []string{
		"", "554 no\r\n", hello + "334 PDFAZXhhbXBsZT4=\r\n235 welcome\r\n250 a\r\n250 b\r\n550 c\r\n354 d\r\n250 e\r\n221 f\r\n",
		hello + "334 \r\n334 cj0xLHM9MSxpPTE=\r\n", "220-\x1b[31m\r\n220 x\r\n250 \xff\r\n", "220 a\r\n250 b\r\n" + strings.Repeat("250-x\r\n", 100),
	} {
		f.Add([]byte(says))
	}
	f.Fuzz(func(t *testing.T, says []byte) {
		b := box(t, identity{}, nil)
		b.options.Dial = func(context.Context, string, string) (net.Conn, error) {
			return scripted{says: bytes.NewReader(says)}, nil
		}
		to := letters()
		to.Servers = []model.MailServer{{Host: "mail.example.com", Security: model.MailPlain, User: "box", Password: "sealed:s3cret-word"}}
		err := b.Send(t.Context(), to, news())
		if err != nil && (len(err.Error()) > 1000 || strings.Contains(err.Error(), "s3cret-word") || strings.ContainsAny(err.Error(), "\x00\r\x1b")) {
			t.Errorf("Send: %q", err)
		}
	})
}

// FuzzLetter has anything stand where addresses, the ID and the words of an alert
// stand: what is written has the fields that an e-mail has, each once.
func FuzzLetter(f *testing.F) {
	f.Add("a@example.org", "box@example.com", "noc@example.com", "CH:1:1", "words", "host.example.com")
	f.Add("a@example.org\r\nBcc: b", `"a b"@example.com`, "ä@example.com", "a\nb", "a\r\n\r\nb", "h\n")
	f.Add("a@[192.0.2.1]", "<a@b>", "a@b (c)", "CH..", "=?utf-8?q?=0D=0A?=", "")
	f.Fuzz(func(t *testing.T, email, from, replyTo, id, words, host string) {
		b := box(t, identity{}, nil)
		b.options.HostName = func() string { return host }
		to, m := letters(), news()
		to.Emails, to.From, to.ReplyTo = []string{email}, from, replyTo
		m.ID, m.Device, m.Event.Name, m.Event.Object, m.Event.Description = id, words, words, words, words
		if to.check() != nil {
			return
		}
		l, err := b.write(to, m)
		if err != nil {
			return
		}
		header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(l.text))).ReadMIMEHeader()
		if err != nil {
			t.Fatalf("%v in %q", err, l.text)
		}
		for name, values := range header {
			if !slices.Contains([]string{"From", "To", "Reply-To", "Message-Id", "Date", "Subject", "User-Agent", "Auto-Submitted", "Mime-Version", "Content-Type"}, name) || len(values) != 1 {
				t.Errorf("the e-mail has the field %s: %q", name, values)
			}
		}
		if strings.ContainsAny(l.from+email, "\r\n\x00 ") {
			t.Errorf("the envelope is from %q to %q", l.from, email)
		}
	})
}

// FuzzAnswer has a web server say anything.
func FuzzAnswer(f *testing.F) {
	f.Add(503, "120", "try later")
	f.Add(429, "Fri, 02 Jan 2026 03:04:05 GMT", "\x1b\xff\r\n")
	f.Add(400, "-1", strings.Repeat("a", 1000))
	f.Fuzz(func(t *testing.T, code int, after, body string) {
		r := &http.Response{StatusCode: code, Header: http.Header{"Retry-After": {after}}, Body: io.NopCloser(strings.NewReader(body))}
		err := outcome(r, time.Unix(1e9, 0))
		if (err == nil) != (code/100 == 2) {
			t.Errorf("%d: %v", code, err)
		}
		if err != nil && (len(err.Error()) > 2*quoteMost || strings.ContainsAny(err.Error(), "\x00\r\n\x1b")) {
			t.Errorf("the error is %q", err)
		}
		if d := retryAfter(after, time.Unix(1e9, 0)); d < 0 || d > LongestWait {
			t.Errorf("Retry-After: %s is %v", after, d)
		}
	})
}
