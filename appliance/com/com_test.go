package com

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creachadair/jrpc2"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// TestLink has a box say hello, beat, answer calls and streams, in both
// subprotocols.
func TestLink(t *testing.T) {
	for _, protocol := range []string{wire.Mux, wire.RPC} {
		t.Run(protocol, func(t *testing.T) {
			peer := newCOM(t)
			peer.protocols = []string{protocol}
			peer.serve(nil)
			o := peer.options()
			o.Gate = &doorman{
				call: func(_ context.Context, method string, params json.RawMessage) (any, error) {
					if method == "echo" {
						return params, nil
					}
					return nil, gate.Refuse(wire.CodeDisabled, "%s is off", method)
				},
				stream: func(_ context.Context, h wire.Header, stream io.ReadWriteCloser) {
					mux.WriteAnswer(stream, wire.Answer{OK: true, SHA: h.Service})
					io.Copy(stream, stream)
				},
			}
			beside := make(chan gate.Session, 1)
			o.Companions = []Companion{func(ctx context.Context, s gate.Session, p Peer) error {
				if _, err := p.Ping(ctx); err != nil {
					t.Errorf("Ping = %v", err)
				}
				beside <- s
				<-ctx.Done()
				return nil
			}}
			changed := make(chan bool, 1)
			o.LicenseChanged = func() { changed <- true }
			l := run(t, o, configured(func(c *model.COM) { c.Services = []string{model.COMAlarms} }))

			hello := next(t, peer.hellos, "hello")
			if hello.Serial != serial || hello.Customer != customer || hello.HostName != "box" || len(hello.Nonce) != 16 || len(hello.Services) != 1 {
				t.Errorf("hello = %+v", hello)
			}
			s := next(t, peer.sessions, "session")
			if companion := next(t, beside, "companion"); companion.ID != s.id || companion.Number != 3600 {
				t.Errorf("the companion is told of session %+v; want ID %s and number 3600", companion, s.id)
			}
			if beat := next(t, peer.beats, "heartbeat"); beat.Sequence != 1 || beat.Calls != 7 {
				t.Errorf("heartbeat = %+v", beat)
			}
			status := l.Status()
			if status.State != Connected || status.ID != s.id || status.Protocol != protocol || status.Address != "192.0.2.1:443" || !strings.HasPrefix(status.TLS, "TLS 1.2, TLS_ECDHE_") {
				t.Errorf("Status = %+v", status)
			}

			var echoed map[string]int
			answer, err := s.rpc.Callback(t.Context(), "echo", map[string]int{"n": 5})
			if err != nil || answer.UnmarshalResult(&echoed) != nil || echoed["n"] != 5 {
				t.Errorf("echo = %v, %v", echoed, err)
			}
			if _, err := s.rpc.Callback(t.Context(), "config.get", nil); jrpc2.ErrorCode(err) != wire.CodeDisabled {
				t.Errorf("config.get = %v; want code %d", err, wire.CodeDisabled)
			}
			if err := s.rpc.Notify(t.Context(), wire.MethodLicenseChanged, nil); err != nil {
				t.Error(err)
			}
			next(t, changed, "license.changed")
			if protocol == wire.Mux {
				testStream(t, s)
			}
		})
	}
}

// testStream has 100 KiB come back over a stream.
func testStream(t *testing.T, s *comSession) {
	stream, err := s.streams.Open()
	if err != nil {
		t.Fatal(err)
	}
	mux.WriteHeader(stream, wire.Header{Service: wire.StreamFile, Version: 1, ID: "1"})
	if a, err := mux.ReadAnswer(stream); err != nil || a.SHA != wire.StreamFile {
		t.Fatalf("the answer is %+v, %v", a, err)
	}
	sent := strings.Repeat("causeway", 100<<10/8)
	go func() { io.WriteString(stream, sent); stream.Close() }()
	if got, err := io.ReadAll(stream); err != nil || string(got) != sent {
		t.Errorf("%d octets came back, %v; want %d", len(got), err, len(sent))
	}
}

// TestRedial has a session end at once and the next one begin at once.
func TestRedial(t *testing.T) {
	peer := newCOM(t)
	peer.serve(nil)
	l := run(t, peer.options(), configured())
	first := next(t, peer.sessions, "session")
	until(t, "connected", func() bool { return l.Status().State == Connected })
	l.Redial("a test")
	second := next(t, peer.sessions, "second session")
	if first.id == second.id {
		t.Errorf("both sessions have the ID %s", first.id)
	}
	until(t, "a larger number", func() bool { s := l.Status(); return s.State.Up() && s.Session == 3601 })

	l.Apply(configured(func(c *model.COM) { c.Group = "operators" }))
	if !l.Status().State.Up() {
		t.Error("a change of the group has ended the session")
	}
	l.Apply(configured(func(c *model.COM) { c.Services = []string{model.COMCLI} }))
	next(t, peer.hellos, "hello")
	next(t, peer.hellos, "hello")
	if third := next(t, peer.hellos, "hello"); len(third.Services) != 1 {
		t.Errorf("the services are %v; want cli", third.Services)
	}
	l.Apply(configured(func(c *model.COM) { c.Off = true }))
	until(t, "shut down", func() bool { return l.Status().State == Off })
}

// TestEnrolment has a box that COM does not know come back at once with what COM
// has issued.
func TestEnrolment(t *testing.T) {
	peer := newCOM(t)
	self := newAuthority(t)
	asked := false
	peer.welcome = func(w wire.Welcome) wire.Welcome {
		w.Pending, w.Enroll, asked = !asked, !asked, true
		return w
	}
	peer.serve(nil)
	o := peer.options()
	o.Identity.(*files).own = []Certificate{{"com, self-signed", &tls.Certificate{Certificate: [][]byte{self.cert.Raw}, PrivateKey: self.key}}}
	l := run(t, o, configured())
	if first := next(t, peer.shown, "certificate"); !first.Equal(self.cert) {
		t.Errorf("the box shows %s first", first.Subject)
	}
	second := next(t, peer.shown, "second certificate")
	if err := second.CheckSignatureFrom(peer.authority.cert); err != nil || second.Subject.CommonName != serial {
		t.Errorf("the box shows %s then: %v", second.Subject, err)
	}
	until(t, "connected", func() bool { return l.Status().State == Connected })
}

// TestTurns has COM refuse the first certificate of the box: the second is shown
// then, and the refusal is told until COM takes the box.
func TestTurns(t *testing.T) {
	peer := newCOM(t)
	stranger := newAuthority(t)
	pool := peer.options().Identity.(*files).roots
	peer.serve(&tls.Config{ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	o := peer.options()
	o.Identity.(*files).own = []Certificate{{"license", stranger.client()}, {"com", peer.authority.client()}}
	l := run(t, o, configured())
	until(t, "refused", func() bool { return l.Status().Refused != "" })
	l.Redial("the ladder is another test")
	next(t, peer.sessions, "session")
	until(t, "connected", func() bool { return l.Status().State == Connected })
	if s := l.Status(); s.Refused != "" || s.Identity != "com" {
		t.Errorf("Status = refused %q, identity %q; want com", s.Refused, s.Identity)
	}
}

// TestStaysAway has COM say for how long.
func TestStaysAway(t *testing.T) {
	t.Run("Retry-After", func(t *testing.T) {
		peer := newCOM(t)
		peer.answer = func(w http.ResponseWriter) bool {
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		peer.serve(nil)
		l := run(t, peer.options(), configured())
		wantWait(t, l, 600*time.Second)
	})
	t.Run("goaway", func(t *testing.T) {
		peer := newCOM(t)
		peer.serve(nil)
		l := run(t, peer.options(), configured())
		s := next(t, peer.sessions, "session")
		if err := s.rpc.Notify(t.Context(), wire.MethodGoAway, wire.GoAway{ReconnectAfter: 86400, Reason: "maintenance"}); err != nil {
			t.Fatal(err)
		}
		wantWait(t, l, time.Hour)
	})
}

// wantWait wants the link to wait for about so long.
func wantWait(t *testing.T, l *Link, want time.Duration) {
	t.Helper()
	until(t, "a wait", func() bool { return l.Status().State == Waiting })
	if s := l.Status(); s.Next.Sub(s.Since) != want {
		t.Errorf("the link waits %v; want %v (%s)", s.Next.Sub(s.Since), want, s.Failure)
	}
}

// frozen is a connection that carries nothing any more once it is stopped, as
// when an address has gone.
type frozen struct {
	net.Conn
	stopped <-chan struct{}
	closed  chan struct{}
	once    sync.Once
}

func (f *frozen) Write(p []byte) (int, error) {
	select {
	case <-f.stopped:
		<-f.closed
		return 0, net.ErrClosed
	default:
		return f.Conn.Write(p)
	}
}

func (f *frozen) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Conn.Close()
}

// TestRedialDeadLine has the line carry nothing any more, as after a change of the
// address: Redial does not wait for what is stuck in it.
func TestRedialDeadLine(t *testing.T) {
	for _, protocol := range []string{wire.Mux, wire.RPC} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			peer := newCOM(t)
			peer.protocols = []string{protocol}
			peer.serve(nil)
			o := peer.options()
			stop, first := make(chan struct{}), true
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := peer.dial(ctx, network, address)
				if err != nil || !first {
					return conn, err
				}
				first = false
				return &frozen{Conn: conn, stopped: stop, closed: make(chan struct{})}, nil
			}
			calling := make(chan bool)
			o.Companions = []Companion{func(ctx context.Context, _ gate.Session, p Peer) error {
				calling <- true
				<-stop
				return p.Call(ctx, wire.MethodLicenseCheck, nil, nil)
			}}
			l := run(t, o, configured())
			next(t, peer.sessions, "session")
			next(t, calling, "companion")
			close(stop)
			began := time.Now()
			l.Redial("the address has changed")
			next(t, peer.sessions, "second session")
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("the second session comes after %v", took)
			}
			next(t, calling, "companion of the second session")
		})
	}
}

// TestEnrolmentPaced: a COM that wants to issue certificates without end has the
// box make one, and not a key, files and a dial as often as it likes.
func TestEnrolmentPaced(t *testing.T) {
	peer := newCOM(t)
	peer.welcome = func(w wire.Welcome) wire.Welcome {
		w.Enroll = true
		return w
	}
	peer.serve(nil)
	o := peer.options()
	refused := make(chan string, 100)
	o.Log = slog.New(slog.NewTextHandler(lines(refused), nil))
	run(t, o, configured())
	for text := ""; !strings.Contains(text, errIssued.Error()); {
		text = next(t, refused, "word of the second enrolment")
	}
	if own, _ := o.Identity.Certificates(); len(own) != 2 || len(peer.shown) != 2 {
		t.Errorf("the box has %d certificates after %d sessions; want 2 after 2", len(own), len(peer.shown))
	}
}

// lines is a writer that passes on what is written.
type lines chan<- string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}
