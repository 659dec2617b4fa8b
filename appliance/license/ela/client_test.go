package ela

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// server is a licence server that knows one box. What a test sets in respond takes
// the place of its good answers.
type server struct {
	*vendor
	asked   asked
	http    *httptest.Server
	respond http.HandlerFunc // nil: good answers
	tamper  func(*tls.Config)

	mu     sync.Mutex
	nonces map[string]bool // that may be used
	posts  int
}

func (s *server) start() *server {
	s.asked, s.nonces = s.vendor.asked(), make(map[string]bool)
	s.http = httptest.NewUnstartedServer(s)
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.http.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{s.tls.Raw}, PrivateKey: s.tls.key}}}
	if s.tamper != nil {
		s.tamper(s.http.TLS)
	}
	s.http.StartTLS()
	s.t.Cleanup(s.http.Close)
	return s
}

// client is one of the box. The server's name leads to it.
func (s *server) client() *Client {
	return &Client{
		URL: "https://license.example.com", Roots: s.roots(), Now: func() time.Time { return now },
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.http.Listener.Addr().String())
		},
	}
}

func (s *server) signer() Signer { return Signer{s.asked.id.key, s.asked.id.Certificate} }

// nonce gives one in the answer.
func (s *server) nonce(w http.ResponseWriter) {
	nonce := fmt.Sprintf("nonce-%d", len(s.nonces))
	s.nonces[nonce] = true
	w.Header().Set("Replay-Nonce", nonce)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nonce(w)
	if r.Method == http.MethodGet && r.URL.Path == "/ela/v1/nonce" {
		if s.respond != nil {
			s.respond(w, r)
		}
		return
	}
	s.posts++
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	u, err := read(body)
	nonce, _ := u.header["nonce"].(string)
	switch {
	case err != nil:
		s.t.Errorf("the request is %q: %v", body, err)
	case r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/jose+json":
		s.t.Errorf("%s of %s", r.Method, r.Header.Get("Content-Type"))
	case u.header["url"] != "https://license.example.com"+r.URL.Path:
		s.t.Errorf("url in the header = %v; want that of %s", u.header["url"], r.URL.Path)
	case !u.verify(&s.asked.id.key.PublicKey):
		s.t.Errorf("the signature of the request is wrong")
	case !s.nonces[nonce]:
		s.t.Errorf("nonce %q was not given, or is used", nonce)
	}
	s.nonces[nonce] = false
	if s.respond != nil {
		s.respond(w, r)
		return
	}
	for _, o := range s.openings(s.asked) {
		if o.request.Path == r.URL.Path {
			w.Header().Set("Content-Type", "application/jose+json")
			w.Write(s.sign(s.two, s.header(s.two), marshal(s.t, o.answer)))
		}
	}
}

func TestSend(t *testing.T) {
	s := (&server{vendor: newVendor(t)}).start()
	for _, o := range s.openings(s.asked) {
		signer := s.signer()
		if o.request.Type == TypeRegister {
			signer.Certificate = nil
		}
		answer, err := s.client().Send(t.Context(), o.request, signer)
		if err != nil {
			t.Errorf("%s: %v", o.name, err)
		} else if err := o.open(s.trust(), answer, o.request.Outstanding); err != nil {
			t.Errorf("%s: %v; want an answer that is believed", o.name, err)
		}
	}
}

// problem answers with one.
func problem(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			return
		}
		w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestSendProblem(t *testing.T) {
	const revoked = `{"type":"revoked","title":"the instance is revoked","detail":"by \u001b[31mjane\n","status":999}`
	for _, row := range []struct {
		name    string
		respond http.HandlerFunc
		want    ProblemError
		text    string
		posts   int
	}{
		{"revoked", problem(403, revoked), ProblemError{Problem: Problem{"revoked", "the instance is revoked", "by [31mjane", 403}},
			"the licence server refuses: revoked (403): the instance is revoked: by [31mjane", 1},
		{"Retry-After of no use", problem(403, revoked, "Retry-After", "60"),
			ProblemError{Problem: Problem{"revoked", "the instance is revoked", "by [31mjane", 403}}, "", 1},
		{"in seconds", problem(429, `{"type":"rate-limited"}`, "Retry-After", "120"),
			ProblemError{Problem{"rate-limited", "", "", 429}, 2 * time.Minute}, "the licence server refuses: rate-limited (429)", 1},
		{"at a date", problem(503, `{"type":"server"}`, "Retry-After", "Sun, 22 Nov 2026 13:00:00 GMT"),
			ProblemError{Problem{"server", "", "", 503}, time.Hour}, "", 1},
		{"at a date that was", problem(503, `{"type":"server"}`, "Retry-After", "Sun, 22 Nov 2026 11:00:00 GMT"),
			ProblemError{Problem{"server", "", "", 503}, 0}, "", 1},
		{"in a year", problem(503, `{"type":"server"}`, "Retry-After", "31536000"),
			ProblemError{Problem{"server", "", "", 503}, 24 * time.Hour}, "", 1},
		{"some time", problem(503, `{"type":"server"}`, "Retry-After", "-5"),
			ProblemError{Problem{"server", "", "", 503}, 0}, "", 1},
		{"problem of another media type", problem(403, `{"type":"revoked"}`, "Content-Type", "application/json"),
			ProblemError{Problem{"revoked", "", "", 403}, 0}, "", 1},
		{"no JSON", problem(502, "<html>", "Content-Type", "text/html", "Retry-After", "5"),
			ProblemError{Problem{"server", "502 Bad Gateway", "", 502}, 0}, "the licence server refuses: server (502): 502 Bad Gateway", 1},
		{"broken JSON", problem(500, `{"type":`), ProblemError{Problem{"server", "500 Internal Server Error", "", 500}, 0}, "", 1},
		{"no type", problem(500, `{}`), ProblemError{Problem{"server", "500 Internal Server Error", "", 500}, 0}, "", 1},
		{"redirect", problem(307, "", "Location", "https://license.example.com/other"),
			ProblemError{Problem{"server", "307 Temporary Redirect", "", 307}, 0}, "", 1},
		{"answer of another type", problem(200, "{}", "Content-Type", "application/json"),
			ProblemError{Problem{"server", "200 OK", "", 200}, 0}, "", 1},
		{"bad nonce again and again", problem(400, `{"type":"bad-nonce"}`), ProblemError{Problem{"bad-nonce", "", "", 400}, 0}, "", 2},
	} {
		s := (&server{vendor: newVendor(t), respond: row.respond}).start()
		answer, err := s.client().Send(t.Context(), s.asked.authorize, s.signer())
		var got *ProblemError
		if !errors.As(err, &got) || *got != row.want {
			t.Errorf("%s: %q, %v; want %+v", row.name, answer, err, row.want)
			continue
		}
		if row.text != "" && got.Error() != row.text {
			t.Errorf("%s: %q; want %q", row.name, got, row.text)
		}
		if s.posts != row.posts {
			t.Errorf("%s: sent %d times; want %d", row.name, s.posts, row.posts)
		}
	}
}

// TestSendBadNonce: the nonce of the refusal serves for one more try.
func TestSendBadNonce(t *testing.T) {
	s := &server{vendor: newVendor(t)}
	s.respond = func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			problem(400, `{"type":"bad-nonce"}`)(w, r)
			s.respond = nil
		}
	}
	s.start()
	answer, err := s.client().Send(t.Context(), s.asked.authorize, s.signer())
	if err != nil || s.posts != 2 {
		t.Fatalf("Send: %v after %d requests; want an answer after 2", err, s.posts)
	}
	if _, _, err := s.trust().OpenAuthorized(answer, s.asked.authorize.Outstanding, Last{}); err != nil {
		t.Errorf("the answer to the second try: %v", err)
	}
}

func TestSendRefuses(t *testing.T) {
	onGet := func(f http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				f(w, r)
			}
		}
	}
	long := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", MediaType)
		io.WriteString(w, strings.Repeat(" ", MaxMessage+1))
	}
	for _, row := range []struct {
		name    string
		respond http.HandlerFunc
		tamper  func(*tls.Config)
		client  func(*Client)
		want    error  // nil: any
		text    string // of the error
	}{
		{name: "answer too long", respond: long, want: ErrTooLong},
		{name: "header too long", respond: onGet(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 2*headerMax))
		}), text: "exceeded"},
		{name: "no nonce", respond: onGet(func(w http.ResponseWriter, _ *http.Request) { w.Header().Del(NonceHeader) }), text: "sends no nonce"},
		{name: "nonce of another form", respond: onGet(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(NonceHeader, `a"b`) }), text: "sends no nonce"},
		{name: "nonce too long", respond: onGet(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(NonceHeader, strings.Repeat("n", 129))
		}), text: "sends no nonce"},
		{name: "TLS 1.1", tamper: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, text: "protocol version"},
		{name: "another root", client: func(c *Client) { c.Roots = newVendor(t).roots() }, text: "unknown authority"},
		{name: "no root", client: func(c *Client) { c.Roots = nil }, want: ErrNoRoots},
		{name: "another name", client: func(c *Client) { c.URL = "https://other.example.com" }, text: "not other.example.com"},
		{name: "certificate not begun", client: func(c *Client) { c.Now = func() time.Time { return time.Unix(0, 0) } }, want: ErrTime},
		{name: "certificate ended", client: func(c *Client) { c.Now = func() time.Time { return now.Add(2 * year) } }, want: ErrTime},
		{name: "http", client: func(c *Client) { c.URL = "http://license.example.com" }, want: ErrURL},
		{name: "no host", client: func(c *Client) { c.URL = "https:///ela" }, want: ErrURL},
		{name: "user in the address", client: func(c *Client) { c.URL = "https://a:b@license.example.com" }, want: ErrURL},
		{name: "query in the address", client: func(c *Client) { c.URL = "https://license.example.com/?a" }, want: ErrURL},
		{name: "no address", client: func(c *Client) { c.URL = "" }, want: ErrURL},
	} {
		s := (&server{vendor: newVendor(t), respond: row.respond, tamper: row.tamper}).start()
		c := s.client()
		if row.client != nil {
			row.client(c)
		}
		answer, err := c.Send(t.Context(), s.asked.authorize, s.signer())
		if err == nil || row.want != nil && !errors.Is(err, row.want) || !strings.Contains(err.Error(), row.text) {
			t.Errorf("%s: %q, %v; want %v %s", row.name, answer, err, row.want, row.text)
		}
		if row.want != ErrTime && errors.Is(err, ErrTime) {
			t.Errorf("%s: %v; want another than %v", row.name, err, ErrTime)
		}
	}
}

// TestSendBelow: the paths of the protocol come below the path of the address.
func TestSendBelow(t *testing.T) {
	var asked string
	s := &server{vendor: newVendor(t)}
	s.respond = func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.Path }
	s.start()
	s.http.Config.Handler = s.respond
	c := s.client()
	c.URL += "/licences/"
	if _, err := c.Send(t.Context(), s.asked.authorize, s.signer()); err == nil || asked != "/licences/ela/v1/nonce" {
		t.Errorf("Send asks %q, %v; want /licences/ela/v1/nonce", asked, err)
	}
}

// TestSendCancelled gives up while the server is silent.
func TestSendCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := (&server{vendor: newVendor(t), respond: func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}}).start()
	if answer, err := s.client().Send(ctx, s.asked.authorize, s.signer()); !errors.Is(err, context.Canceled) {
		t.Errorf("Send to a silent server: %q, %v; want %v", answer, err, context.Canceled)
	}
}

// TestSendTime: an exchange ends, whatever it waits for.
func TestSendTime(t *testing.T) {
	v := newVendor(t)
	a := v.asked()
	for _, row := range []struct {
		name string
		dial func(context.Context) (net.Conn, error)
		want time.Duration
	}{
		{"nobody answers", func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }, exchangeTime},
		{"no TLS", func(context.Context) (net.Conn, error) {
			own, other := net.Pipe()
			go io.Copy(io.Discard, other)
			return own, nil
		}, handshakeTime},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			c := &Client{URL: "https://license.example.com", Roots: v.roots(), Now: time.Now,
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return row.dial(ctx) }}
			if _, err := c.Send(t.Context(), a.authorize, Signer{a.id.key, a.id.Certificate}); err == nil || time.Since(start) != row.want {
				t.Errorf("%s: %v after %s; want an error after %s", row.name, err, time.Since(start), row.want)
			}
		})
	}
}

// connector is an HTTP proxy: it takes one CONNECT.
func connector(t *testing.T, status, to string) (address string, asked chan string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	asked = make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		reader := bufio.NewReader(conn)
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		asked <- request.Method + " " + request.RequestURI + request.Header.Get("Proxy-Authorization")
		fmt.Fprintf(conn, "HTTP/1.1 %s\r\n\r\n", status)
		if !strings.HasPrefix(status, "200") {
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer server.Close()
		go io.Copy(server, reader)
		io.Copy(conn, server)
	}()
	return listener.Addr().String(), asked
}

func TestSendByProxy(t *testing.T) {
	s := (&server{vendor: newVendor(t)}).start()
	c := s.client()
	c.DialContext = nil
	var asked chan string
	c.Proxy, asked = connector(t, "200 Connection established", s.http.Listener.Addr().String())
	answer, err := c.Send(t.Context(), s.asked.authorize, s.signer())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := <-asked, "CONNECT license.example.com:443"; got != want {
		t.Errorf("the proxy is asked %q; want %q", got, want)
	}
	if _, _, err := s.trust().OpenAuthorized(answer, s.asked.authorize.Outstanding, Last{}); err != nil {
		t.Errorf("the answer through the proxy: %v", err)
	}
	c.Proxy, _ = connector(t, "407 Proxy Authentication Required\x1b", "")
	want := "the proxy " + c.Proxy + " does not connect to license.example.com:443: 407 Proxy Authentication Required"
	if _, err := c.Send(t.Context(), s.asked.authorize, s.signer()); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("Send by a proxy that refuses: %v; want … %s", err, want)
	}
}
