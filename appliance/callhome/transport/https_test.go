package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/callhome/message"
	"causeway/appliance/model"
)

// backend is a server that takes messages.
type backend struct {
	*httptest.Server
	requests chan *http.Request // with their bodies
}

// newBackend starts one whose answers answer writes.
func newBackend(t testing.TB, own tls.Certificate, answer http.HandlerFunc) *backend {
	b := &backend{requests: make(chan *http.Request, 10)}
	b.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		b.requests <- r
		answer(w, r)
	}))
	b.TLS = &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequestClientCert}
	b.Config.ErrorLog = log.New(io.Discard, "", 0)
	b.StartTLS()
	t.Cleanup(b.Close)
	return b
}

func answering(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, "because\x1b[2J of\r\nthis")
	}
}

// web is a destination over HTTPS.
func web() Destination {
	return Destination{Profile: model.ProfileVendor, Format: model.CallHomeXML, Mode: model.CallHomeSmart, URL: "https://callhome.example.com/in?key=k3y"}
}

const webAddress = "callhome.example.com:443"

func TestPost(t *testing.T) {
	root := newAuthority(t)
	b := newBackend(t, root.issue("callhome.example.com", time.Hour), answering(http.StatusNoContent))
	own := root.issue("box", time.Hour)
	for _, test := range []struct {
		mode, format, mediaType, begins string
		shows                           bool // the certificate of the box
	}{
		{model.CallHomeSmart, model.CallHomeXML, "application/soap+xml; charset=utf-8", "<?xml", true},
		{model.CallHomeAnonymous, model.CallHomeXML, "application/soap+xml; charset=utf-8", "<?xml", false},
		{model.CallHomeSmart, model.CallHomeJSON, "application/json", "{", true},
		{model.CallHomeSmart, model.CallHomeShort, "text/plain; charset=utf-8", "box@C@CWY12345678\n", true},
		{model.CallHomeSmart, model.CallHomeLong, "text/plain; charset=utf-8", "CodeYellow", true},
	} {
		to := web()
		to.Mode, to.Format = test.mode, test.format
		if err := box(t, identity{roots: root.pool(), own: &own}, map[string]net.Addr{webAddress: b.Listener.Addr()}).Send(within(t, time.Minute), to, news()); err != nil {
			t.Fatalf("%+v: %v", test, err)
		}
		r := <-b.requests
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/in" || r.Header.Get("Content-Type") != test.mediaType || !strings.HasPrefix(string(body), test.begins) {
			t.Errorf("%+v: %s %s %v %.40s", test, r.Method, r.URL, r.Header, body)
		}
		if got := len(r.TLS.PeerCertificates) > 0; got != test.shows {
			t.Errorf("%s: the certificate of the box was shown: %t; want %t", test.mode, got, test.shows)
		}
		if r.TLS.Version < tls.VersionTLS12 || r.UserAgent() != "Causeway/1.2.3" {
			t.Errorf("TLS %x, User-Agent %q", r.TLS.Version, r.UserAgent())
		}
		for name, values := range r.Header {
			if strings.Contains(strings.Join(values, " "), "secret-host") {
				t.Errorf("%s: header %s names the host: %q", test.mode, name, values)
			}
		}
	}
}

func TestAnswers(t *testing.T) {
	root := newAuthority(t)
	certificate := root.issue("callhome.example.com", time.Hour)
	for _, test := range []struct {
		code    int
		headers []string
		refused bool
		after   time.Duration
	}{
		{code: 400, refused: true},
		{code: 401},
		{code: 403},
		{code: 404},
		{code: 413, refused: true},
		{code: 415, refused: true},
		{code: 422, refused: true},
		{code: 429, headers: []string{"Retry-After", "120"}, after: 2 * time.Minute},
		{code: 500},
		{code: 503, headers: []string{"Retry-After", "864000"}, after: 24 * time.Hour},
		{code: 503, headers: []string{"Retry-After", "soon"}},
		{code: 503, headers: []string{"Retry-After", "Fri, 02 Jan 2026 03:04:05 GMT"}}, // gone by
		{code: 301, headers: []string{"Location", "https://elsewhere.example.com/"}},
		{code: 307, headers: []string{"Location", "/elsewhere"}},
	} {
		b := newBackend(t, certificate, answering(test.code, test.headers...))
		err := box(t, identity{roots: root.pool()}, map[string]net.Addr{webAddress: b.Listener.Addr()}).Send(within(t, time.Minute), web(), news())
		if err == nil || errors.Is(err, ErrRefused) != test.refused {
			t.Errorf("%d: %v; want refused: %t", test.code, err, test.refused)
			continue
		}
		var later *Later
		if errors.As(err, &later); later == nil && test.after != 0 || later != nil && later.After != test.after {
			t.Errorf("%d %v: %+v; want after %v", test.code, test.headers, later, test.after)
		}
		if text := err.Error(); !strings.Contains(text, "callhome.example.com") || strings.Contains(text, "k3y") ||
			strings.ContainsAny(text, "\x1b\r\n") || test.code >= 400 && !strings.HasSuffix(text, "because [2J of this") {
			t.Errorf("%d: the error is %q", test.code, text)
		}
		if len(b.requests) != 1 {
			t.Errorf("%d: %d requests; want 1: no other place is asked", test.code, len(b.requests))
		}
	}
}

// A server that is not who it should be gets nothing.
func TestPostTrust(t *testing.T) {
	root := newAuthority(t)
	good := root.issue("callhome.example.com", time.Hour)
	own := root.issue("box", time.Hour)
	for _, test := range []struct {
		name    string
		server  tls.Certificate
		trusted identity
		want    string
	}{
		{"another authority", newAuthority(t).issue("callhome.example.com", time.Hour), identity{roots: root.pool()}, "unknown authority"},
		{"another name", root.issue("www.example.com", time.Hour), identity{roots: root.pool()}, "not callhome.example.com"},
		{"expired", root.issue("callhome.example.com", -time.Minute), identity{roots: root.pool()}, "expired"},
		{"nobody is trusted", good, identity{own: &own}, "crypto pki authenticate callhome"},
		{"what is trusted cannot be read", good, identity{err: errors.New("trust.pem: input/output error")}, "input/output error"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBackend(t, test.server, answering(http.StatusOK))
			err := box(t, test.trusted, map[string]net.Addr{webAddress: b.Listener.Addr()}).Send(within(t, time.Minute), web(), news())
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, ErrRefused) {
				t.Errorf("Send: %v; want %q, and that it is tried again", err, test.want)
			}
			if len(b.requests) > 0 {
				t.Error("the server got a request")
			}
		})
	}
}

// connector is an HTTP proxy that answers CONNECT.
func connector(t testing.TB, answer string, to net.Addr) (proxy net.Addr, asked chan *http.Request) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	asked = make(chan *http.Request, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		request, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		asked <- request
		io.WriteString(conn, answer)
		if to == nil {
			return
		}
		server, err := net.Dial("tcp", to.String())
		if err != nil {
			t.Error(err)
			return
		}
		defer server.Close()
		go io.Copy(server, conn)
		io.Copy(conn, server)
	}()
	return l.Addr(), asked
}

func TestPostByProxy(t *testing.T) {
	root := newAuthority(t)
	b := newBackend(t, root.issue("callhome.example.com", time.Hour), answering(http.StatusOK))
	for _, test := range []struct {
		answer string
		want   string // of the error
	}{
		{"HTTP/1.1 200 Connection established\r\n\r\n", ""},
		{"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "proxies with authentication are not supported"},
		{"HTTP/1.1 502 Bad Gateway\x1b\r\nContent-Length: 0\r\n\r\n", "the proxy proxy.example.net:3128 answers 502 Bad Gateway"},
		{"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example.com/\r\n\r\n", "answers 302 Found"},
		{"220 mail.example.com ESMTP\r\n", "malformed HTTP"},
		{"", "EOF"},
	} {
		to := web()
		to.Proxy = "proxy.example.net:3128"
		through := b.Listener.Addr()
		if test.want != "" {
			through = nil
		}
		proxy, asked := connector(t, test.answer, through)
		err := box(t, identity{roots: root.pool()}, map[string]net.Addr{to.Proxy: proxy}).Send(within(t, time.Minute), to, news())
		r := <-asked
		if r.Method != http.MethodConnect || r.RequestURI != webAddress || r.Header.Get("Proxy-Authorization") != "" ||
			strings.Contains(r.UserAgent(), "secret-host") {
			t.Errorf("the proxy is asked %s %s %v", r.Method, r.RequestURI, r.Header)
		}
		if test.want == "" {
			if err != nil {
				t.Errorf("Send through the proxy: %v", err)
			} else {
				<-b.requests
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: %v; want %q, and that it is tried again", test.answer, err, test.want)
		}
	}
	if len(b.requests) > 0 {
		t.Error("the server got a request past a proxy that refuses")
	}
}

// Whoever is silent is left after two minutes: a server that was connected, a
// proxy, a dialler.
func TestPostSilence(t *testing.T) {
	for _, proxy := range []string{"", "192.0.2.9:3128"} {
		for _, dials := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				go io.Copy(io.Discard, far)
				defer far.Close()
				b := New(Options{
					Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
						if dials {
							return near, nil
						}
						<-ctx.Done()
						return nil, ctx.Err()
					},
					Identity: identity{roots: newAuthority(t).pool()}, Now: time.Now,
				})
				to, began := web(), time.Now()
				to.Proxy = proxy
				err := b.Send(t.Context(), to, news())
				if took := time.Since(began); err == nil || errors.Is(err, ErrRefused) || took > 2*time.Minute || took < 30*time.Second {
					t.Errorf("proxy %q, connected %t: after %v: %v", proxy, dials, took, err)
				}
			})
		}
	}
}

// A caller that gives up is not waited for.
func TestSendEnds(t *testing.T) {
	root := newAuthority(t)
	asked := make(chan struct{}, 1)
	b := newBackend(t, root.issue("callhome.example.com", time.Hour), func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(within(t, time.Minute))
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- box(t, identity{roots: root.pool()}, map[string]net.Addr{webAddress: b.Listener.Addr()}).Send(ctx, web(), news())
	}()
	<-asked
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Send ends with %v; want that it was canceled", err)
	}
}

// An answer that has no end is read for a while only.
func TestEndlessAnswer(t *testing.T) {
	root := newAuthority(t)
	b := newBackend(t, root.issue("callhome.example.com", time.Hour), func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("never ", 1000)); err != nil {
				return
			}
		}
	})
	err := box(t, identity{roots: root.pool()}, map[string]net.Addr{webAddress: b.Listener.Addr()}).Send(within(t, time.Minute), web(), news())
	if err == nil || len(err.Error()) > 2*quoteMost || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Send: %v", err)
	}
}

// Nothing of a destination or a message gets a line of its own in a request.
func TestPostInjection(t *testing.T) {
	const evil = "a\r\nX-Evil: 1"
	root := newAuthority(t)
	b := newBackend(t, root.issue("callhome.example.com", time.Hour), answering(http.StatusOK))
	for name, spoil := range map[string]func(*Destination, *message.Message, *Options){
		"URL path":     func(d *Destination, _ *message.Message, _ *Options) { d.URL = "https://callhome.example.com/" + evil },
		"URL host":     func(d *Destination, _ *message.Message, _ *Options) { d.URL = "https://callhome.example.com" + evil },
		"URL user":     func(d *Destination, _ *message.Message, _ *Options) { d.URL = "https://u:p@callhome.example.com/" },
		"URL in clear": func(d *Destination, _ *message.Message, _ *Options) { d.URL = "http://callhome.example.com/" },
		"proxy":        func(d *Destination, _ *message.Message, _ *Options) { d.Proxy = evil + ":80" },
		"proxy port":   func(d *Destination, _ *message.Message, _ *Options) { d.Proxy = "192.0.2.1:" + evil },
		"format":       func(d *Destination, _ *message.Message, _ *Options) { d.Format = evil },
		"profile":      func(d *Destination, _ *message.Message, _ *Options) { d.Profile = evil },
		"mode":         func(d *Destination, _ *message.Message, _ *Options) { d.Mode = evil },
		"ID":           func(_ *Destination, m *message.Message, _ *Options) { m.ID = evil },
		"device":       func(_ *Destination, m *message.Message, _ *Options) { m.Device = evil },
		"event":        func(_ *Destination, m *message.Message, _ *Options) { m.Event.Name, m.Event.Object = evil, evil },
		"version":      func(_ *Destination, _ *message.Message, o *Options) { o.Version = evil },
		"host name":    func(_ *Destination, _ *message.Message, o *Options) { o.HostName = func() string { return evil } },
	} {
		sender := box(t, identity{roots: root.pool()}, map[string]net.Addr{webAddress: b.Listener.Addr()})
		to, m := web(), news()
		spoil(&to, m, &sender.options)
		err := sender.Send(within(t, time.Minute), to, m)
		switch {
		case err != nil && strings.ContainsAny(err.Error(), "\r\n"):
			t.Errorf("%s: the error is of several lines: %q", name, err)
		case err == nil:
			if r := <-b.requests; r.Header.Get("X-Evil") != "" || len(r.Header) != 4 {
				t.Errorf("%s: the server gets the headers %v", name, r.Header)
			}
		}
	}
	if len(b.requests) > 0 {
		t.Error("a request was sent, and Send fails")
	}
}
