package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/model"
)

var noCertificate = func() (*tls.Certificate, error) { return nil, errors.New("there is none") }

func noCall(context.Context, string, string, any, any) error { return errors.New("nobody answers") }

// certificate is one of tests, made once.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.TLS.Certificates[0]
}

// pipes is a listener whose connections are within the process, so that time can be
// that of a synctest bubble.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
	close    func()
}

func newPipes() *pipes {
	closed := make(chan struct{})
	return &pipes{make(chan net.Conn), closed, sync.OnceFunc(func() { close(closed) })}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return from("here") }

// dial gives the other end of a connection from an address.
func (p *pipes) dial(address string) net.Conn {
	near, far := net.Pipe()
	p.accepted <- &guest{Conn: near, from: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address)), leave: func() {}}
	return far
}

// house is a server that runs, on pipes.
type house struct {
	*Server
	people *people
	doors  *pipes
	end    func() // ends the server and waits for it
}

func newHouse(t *testing.T, own tls.Certificate, change ...func(*Server)) *house {
	h := &house{people: newEntries(10).people, doors: newPipes()}
	h.Server = New(Options{
		Certificate: func() (*tls.Certificate, error) { return &own, nil }, HostName: func() string { return "box" },
		Zone: func() *time.Location { return time.UTC }, Login: h.people, Call: noCall,
		Listen: func(model.Port, uint16) (net.Listener, error) { return h.doors, nil },
		Log:    slog.New(slog.DiscardHandler),
	})
	for _, one := range change {
		one(h.Server)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	h.Apply(model.Access{Users: []model.User{{Name: user}}, Web: model.Web{On: true}})
	h.end = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	}
	return h
}

// closedAfter is when the server closes a connection.
func closedAfter(conn net.Conn) time.Duration {
	began := time.Now()
	io.Copy(io.Discard, conn)
	return time.Since(began)
}

// TestSlow: who sends little, or nothing, has his connection for a bounded time.
func TestSlow(t *testing.T) {
	own := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, own)
		defer h.end()
		if got := closedAfter(h.doors.dial("192.0.2.7:1")); got != headerTime {
			t.Errorf("a connection without a handshake is closed after %v; want %v", got, headerTime)
		}
		for name, test := range map[string]struct {
			text string
			want time.Duration
		}{
			"nothing":       {"", headerTime},
			"half a header": {"GET /login HTTP/1.1\r\nHost: box\r\n", headerTime},
			"half a form":   {"POST /login HTTP/1.1\r\nHost: box\r\nContent-Length: 100\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nuser=", formTime},
			"one request":   {"GET /login HTTP/1.1\r\nHost: box\r\n\r\n", idleTime},
		} {
			conn := tls.Client(h.doors.dial("192.0.2.7:1"), &tls.Config{InsecureSkipVerify: true})
			go io.WriteString(conn, test.text)
			if got := closedAfter(conn); got < test.want-headerTime || got > test.want+5*time.Second {
				t.Errorf("%s: the connection is closed after %v; want %v", name, got, test.want)
			}
		}
		// An octet from time to time does not help.
		conn := tls.Client(h.doors.dial("192.0.2.7:1"), &tls.Config{InsecureSkipVerify: true})
		go func() {
			for _, octet := range []byte("GET /login HTTP/1.1\r\nHost: box\r\n" + strings.Repeat("x", 1000)) {
				time.Sleep(time.Second)
				if _, err := conn.Write([]byte{octet}); err != nil {
					return
				}
			}
		}()
		if got := closedAfter(conn); got > headerTime+5*time.Second {
			t.Errorf("a slow header: the connection is closed after %v; want %v", got, headerTime)
		}
		// Who does not read the answer.
		deaf := tls.Client(h.doors.dial("192.0.2.7:1"), &tls.Config{InsecureSkipVerify: true})
		io.WriteString(deaf, "GET /login HTTP/1.1\r\nHost: box\r\n\r\n")
		time.Sleep(answerTime + time.Minute)
		if text, _ := io.ReadAll(deaf); strings.Contains(string(text), "</html>") || h.guests.count() != 0 {
			t.Errorf("an answer that nobody reads: %q, %d connections; want it cut off", text, h.guests.count())
		}
	})
}

// count is how many there are.
func (g *guests) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.all
}

// TestGuests: there are no more connections than there may be, of one source and in
// all; where all are taken, those who have most of them make room for others.
func TestGuests(t *testing.T) {
	own := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, own)
		defer h.end()
		isOpen := func(conn net.Conn) bool {
			conn.SetReadDeadline(time.Now().Add(time.Millisecond)) // far from the time for a handshake
			_, err := conn.Read(make([]byte, 1))
			return errors.Is(err, os.ErrDeadlineExceeded)
		}
		var open []net.Conn
		for source := range guestsMost / ofSourceMost {
			for i := range ofSourceMost {
				conn := h.doors.dial(fmt.Sprintf("[2001:db8:0:%d::%d]:1", source, i+1))
				open = append(open, conn)
				if !isOpen(conn) {
					t.Fatalf("connection %d of source %d is closed", i, source)
				}
			}
			if source == 0 && isOpen(h.doors.dial("[2001:db8::ffff]:1")) {
				t.Error("one more of the same network is open")
			}
		}
		other := h.doors.dial("192.0.2.1:1")
		if !isOpen(other) {
			t.Error("one of another source is closed; want room made for it")
		}
		left := 0
		for _, conn := range open {
			if isOpen(conn) {
				left++
			}
		}
		if left != len(open)-1 {
			t.Errorf("%d of %d connections are left; want one to have gone", left, len(open))
		}
		for range 2 { // back to as many as there may be
			h.doors.dial("[2001:db8:0:1::1]:1")
		}
		if !isOpen(other) {
			t.Error("the other source has lost its connection to one that has more")
		}
	})
}

// TestTLS: browsers reach the pages by what has no known weakness, and by HTTP/1.1.
func TestTLS(t *testing.T) {
	own := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, own)
		defer h.end()
		for _, test := range []struct {
			name   string
			config *tls.Config
			ok     bool
		}{
			{"1.3", &tls.Config{}, true},
			{"1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, true},
			{"1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false},
			{"CBC", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}}, false},
			{"no forward secrecy", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}, false},
			{"HTTP/2", &tls.Config{NextProtos: []string{"h2", "http/1.1"}}, true},
			{"HTTP/2 alone", &tls.Config{NextProtos: []string{"h2"}}, false},
		} {
			test.config.InsecureSkipVerify = true
			conn := tls.Client(h.doors.dial("192.0.2.7:1"), test.config)
			err := conn.Handshake()
			if _, reading := conn.Write(nil); err == nil {
				err = reading
			}
			if state := conn.ConnectionState(); (err == nil) != test.ok || state.NegotiatedProtocol == "h2" {
				t.Errorf("%s: %v, %q; want it to do: %t", test.name, err, state.NegotiatedProtocol, test.ok)
			}
			conn.Close()
		}
	})
}

// TestServeConn: what comes through a tunnel is served like the others, with an origin
// of its own, until its end or that of its context.
func TestServeConn(t *testing.T) {
	own := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, own)
		defer h.end()
		ctx, cancel := context.WithCancel(t.Context())
		near, far := net.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- h.ServeConn(ctx, near, "com anna@partner.example") }()
		conn := tls.Client(far, &tls.Config{InsecureSkipVerify: true})
		client := &http.Client{Transport: &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}}
		browser := &browser{client, t, "https://localhost"}
		_, page := browser.get(loginPath)
		cookies, text := browser.do(browser.request(http.MethodGet, loginPath, ""))
		form := browser.form(loginPath, url.Values{"token": {tokenOf(t, text)}, "user": {user}, "password": {"wrong"}})
		form.AddCookie(cookies.Cookies()[0])
		if answer, text := browser.do(form); answer.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("log in = %d %s (the page: %s); want 422", answer.StatusCode, text, page)
		}
		if got, want := h.people.noted(), []string{"refused web com anna@partner.example"}; !slices.Equal(got, want) {
			t.Errorf("noted %q; want %q", got, want)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ServeConn = %v; want nil", err)
		}
		client.CloseIdleConnections()

		near, far = net.Pipe()
		go func() { ended <- h.ServeConn(t.Context(), near, "com anna@partner.example") }()
		far.Close()
		if err := <-ended; err != nil || h.guests.count() != 0 {
			t.Errorf("ServeConn of one that is closed = %v, %d left; want nil, 0", err, h.guests.count())
		}
		var leave []func()
		for range ofSourceMost {
			leave = append(leave, h.guests.enter(netip.Prefix{}, nil))
		}
		if err := h.ServeConn(t.Context(), near, "com bert@partner.example"); err == nil {
			t.Error("ServeConn beside too many = nil; want an error")
		}
		for _, one := range leave {
			one()
		}
	})
}

// TestLeaving: the answer to a form that takes the pages off a port arrives.
func TestLeaving(t *testing.T) {
	own := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		begun, may := make(chan struct{}), make(chan struct{})
		h := newHouse(t, own, func(s *Server) {
			s.handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				close(begun)
				<-may
				io.WriteString(w, "saved")
			})
		})
		defer h.end()
		conn := tls.Client(h.doors.dial("192.0.2.7:1"), &tls.Config{InsecureSkipVerify: true})
		go io.WriteString(conn, "POST / HTTP/1.1\r\nHost: box\r\nContent-Length: 0\r\n\r\n")
		<-begun
		h.Apply(model.Access{Users: []model.User{{Name: user}}})
		synctest.Wait()
		select {
		case <-h.doors.closed:
		default:
			t.Error("the port is open; want it closed")
		}
		close(may)
		if text, err := io.ReadAll(conn); !strings.HasSuffix(string(text), "saved") {
			t.Errorf("the answer is %q, %v; want it to arrive", text, err)
		}
	})
}
