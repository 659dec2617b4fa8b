package gate

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// echoes is a stream of the service cli that says again what comes, after its
// answer. "refuse" as parameters is refused.
var echoes = Stream{
	Service: wire.StreamCLI, Signed: true,
	Switch: func(json.RawMessage) (string, error) { return model.COMCLI, nil },
	May:    MayExec("show users"),
	Open: func(_ context.Context, c Caller, params json.RawMessage) (wire.Answer, func(context.Context, io.ReadWriteCloser) error, error) {
		if string(params) == `{"refuse":true}` {
			return wire.Answer{}, nil, Refuse(wire.CodeConflict, "not now")
		}
		return wire.Answer{OK: true, Size: int64(c.Login.Session)}, func(ctx context.Context, rw io.ReadWriteCloser) error {
			_, err := io.Copy(rw, rw)
			return err
		}, nil
	},
	What: func(params json.RawMessage) string { return "cli " + string(params) },
}

// tunnels is like it, to web; it is another service.
func tunnels() Stream {
	s := echoes
	s.Service, s.What = wire.StreamTCP, func(json.RawMessage) string { return "tcp web" }
	s.Switch = func(json.RawMessage) (string, error) { return model.COMTunnelWeb, nil }
	return s
}

// reads is a file, which need not be signed.
func reads() Stream {
	s := echoes
	s.Service, s.Signed, s.May, s.What = wire.StreamFile, false, nil, nil
	s.Switch = func(params json.RawMessage) (string, error) {
		if string(params) != `{}` {
			return "", Refuse(wire.CodeUnsupported, "there is no such file")
		}
		return model.COMFiles, nil
	}
	return s
}

// streamed is COM's end of a stream.
type streamed struct {
	net.Conn
	lines  *bufio.Reader
	answer wire.Answer
	over   chan struct{} // closed when Stream has returned
}

// header is that of a stream which anna has signed. Each has another idem.
func (b *box) header(service, params string) wire.Header {
	b.opened++
	meta := b.meta(b.anna, b.signed("stream."+service, params, fmt.Sprintf("%036d", b.opened)))
	return wire.Header{Service: service, Version: 1, ID: "1", Params: json.RawMessage(params), Meta: &meta}
}

// stream opens a stream and reads the answer.
func (b *box) stream(ctx context.Context, h wire.Header) *streamed {
	b.t.Helper()
	here, there := net.Pipe()
	s := &streamed{Conn: here, lines: bufio.NewReader(here), over: make(chan struct{})}
	go func() {
		defer close(s.over)
		b.Stream(ctx, link1, h, there)
	}()
	b.t.Cleanup(func() {
		here.Close()
		<-s.over
	})
	line, err := s.lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &s.answer)
	}
	if err != nil {
		b.t.Fatalf("the answer to %+v = %s, %v; want JSON", h, line, err)
	}
	return s
}

// echo sends a line and has it back.
func (s *streamed) echo(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(s, line+"\n"); err != nil {
		t.Errorf("write = %v; want nil", err)
	}
	if got, err := s.lines.ReadString('\n'); err != nil || got != line+"\n" {
		t.Errorf("echo = %q, %v; want %q", got, err, line)
	}
}

// cut waits until the stream is closed by the box.
func (s *streamed) cut(t *testing.T, what string) {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(30 * time.Second))
	if line, err := s.lines.ReadString('\n'); !errors.Is(err, io.EOF) {
		t.Errorf("%s: read = %q, %v; want the end", what, line, err)
		s.Close()
	}
	<-s.over
}

func newStreams(t *testing.T) *box {
	b := newBox(t, echoes, tunnels(), reads())
	b.config.COM.Services = []string{model.COMCLI, model.COMFiles, model.COMTunnelWeb}
	b.Apply(&b.config)
	return b
}

func TestStream(t *testing.T) {
	b := newStreams(t)
	s := b.stream(t.Context(), b.header(wire.StreamCLI, `{"width":80}`))
	if !s.answer.OK || s.answer.Size != 1 {
		t.Fatalf("answer = %+v; want OK for session 1", s.answer)
	}
	s.echo(t, "show users")
	want := wire.SessionInfo{
		Number: 1, Actor: "anna@partner.example", Operator: "anna", What: `cli {"width":80}`, Since: "2026-11-23T02:00:00Z", In: 11, Out: 11,
	}
	eventually(t, "Sessions", func() string { // what is written is counted a little later
		if list := b.Sessions(); len(list) != 1 || list[0] != want {
			return fmt.Sprintf("%+v; want %+v", list, want)
		}
		return ""
	})
	if v := b.Visitors(); len(v) != 1 || v[0] != "com anna@partner.example via anna" {
		t.Errorf("Visitors = %v; want anna", v)
	}
	s.Close()
	<-s.over
	eventually(t, "after the end", func() string {
		if len(b.Sessions())+len(b.Visitors()) > 0 {
			return "somebody is in"
		}
		return ""
	})
	const log = `login 1 com anna@partner.example via anna
com anna@partner.example via anna: stream cli {"width":80}
logout 1 closed, 11 octets in, 11 out`
	if got := b.door.said(); got != log {
		t.Errorf("the log has\n%s\nwant\n%s", got, log)
	}
}

// TestStreamRefused: a stream that is refused says why, and nobody is in.
func TestStreamRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		header func(b *box, h *wire.Header)
		want   int
	}{
		{"an unknown service", func(_ *box, h *wire.Header) { h.Service = "shell" }, wire.CodeUnsupported},
		{"another version", func(_ *box, h *wire.Header) { h.Version = 2 }, wire.CodeUnsupported},
		{"an unknown member", func(_ *box, h *wire.Header) { h.Critical = []string{"svc", "color"} }, wire.CodeUnsupported},
		{"no signature", func(_ *box, h *wire.Header) { h.Meta = nil }, wire.CodeNotAllowed},
		{"other parameters", func(_ *box, h *wire.Header) { h.Params = json.RawMessage(`{"width":81}`) }, wire.CodeNotAllowed},
		{"another service", func(_ *box, h *wire.Header) { h.Service = wire.StreamTCP }, wire.CodeNotAllowed},
		{"no JSON", func(_ *box, h *wire.Header) { h.Params = json.RawMessage(`{`) }, wire.CodeParams},
		{"expired", func(b *box, _ *wire.Header) { b.pass(time.Hour) }, wire.CodeExpired},
		{"switched off", func(b *box, _ *wire.Header) { b.config.COM.Services = nil; b.Apply(&b.config) }, wire.CodeDisabled},
		{"not subscribed", func(b *box, _ *wire.Header) { b.subscribed = false }, wire.CodeSubscribed},
		{"no right", func(b *box, _ *wire.Header) {
			b.door.rights = model.Rights{Rules: []model.Rule{{Permit: true, Kind: model.RuleConfigure}}}
		}, wire.CodeNotAllowed},
		{"no group", func(b *box, _ *wire.Header) { b.door.rights = model.Rights{} }, wire.CodeNotAllowed},
		{"by its own", func(b *box, h *wire.Header) { *h = b.header(wire.StreamCLI, `{"refuse":true}`) }, wire.CodeConflict},
		{"by its switch", func(_ *box, h *wire.Header) {
			*h = wire.Header{Service: wire.StreamFile, Version: 1, Params: json.RawMessage(`{"path":"x"}`)}
		}, wire.CodeUnsupported},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newStreams(t)
			h := b.header(wire.StreamCLI, `{"width":80}`)
			test.header(b, &h)
			s := b.stream(t.Context(), h)
			if s.answer.OK || s.answer.Error == nil || s.answer.Error.Code != test.want {
				t.Errorf("answer = %+v; want code %d", s.answer.Error, test.want)
			}
			s.cut(t, "a refused stream")
			eventually(t, "after it", func() string {
				if list := b.Sessions(); len(list) > 0 {
					return fmt.Sprintf("%+v are in", list)
				}
				return ""
			})
			if log := b.door.said(); !strings.Contains(log, "refused com") {
				t.Errorf("the log has\n%s\nwant the refusal", log)
			}
		})
	}
}

// TestStreamReplayed: what was signed opens one stream, whatever became of it.
func TestStreamReplayed(t *testing.T) {
	b := newStreams(t)
	h := b.header(wire.StreamCLI, `{"width":80}`)
	first := b.stream(t.Context(), h)
	again := b.stream(t.Context(), h)
	if !first.answer.OK || again.answer.Error == nil || again.answer.Error.Code != wire.CodeReplay {
		t.Errorf("answers = %+v and %+v; want OK and code %d", first.answer, again.answer.Error, wire.CodeReplay)
	}
	first.Close()
	<-first.over
	if late := b.stream(t.Context(), h); late.answer.Error == nil || late.answer.Error.Code != wire.CodeReplay {
		t.Errorf("a late answer = %+v; want code %d", late.answer.Error, wire.CodeReplay)
	}
}

// TestStreamsEnd: what may not go on is cut, and nothing else.
func TestStreamsEnd(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(b *box, lose context.CancelFunc)
		why  string
	}{
		{"cleared", func(b *box, _ context.CancelFunc) {
			if err := b.Kill(1, "cleared by admin on ttyS0"); err != nil {
				b.t.Errorf("Kill = %v; want nil", err)
			}
		}, "cleared by admin on ttyS0, 11 octets in, "},
		{"cleared as a user", func(b *box, _ context.CancelFunc) { b.door.Logout(1, "cleared by admin on ttyS0") }, "cleared by admin on ttyS0"},
		{"link down", func(_ *box, lose context.CancelFunc) { lose() }, whyLinkDown + ", 11 octets in, "},
		{"link over", func(b *box, _ context.CancelFunc) { b.Disconnected(link1) }, whyLinkDown},
		{"switched off", func(b *box, _ context.CancelFunc) {
			b.config.COM.Services = []string{model.COMFiles, model.COMTunnelWeb}
			b.Apply(&b.config)
		}, "it was switched off"},
		{"not trusted", func(b *box, _ context.CancelFunc) {
			b.config.COM.Operators = b.config.COM.Operators[1:]
			b.Apply(&b.config)
		}, "the box does not trust anna any more"},
		{"another key", func(b *box, _ context.CancelFunc) {
			b.config.COM.Operators[0].Key = authorized(b.t, newSigner(b.t, "anna", jose.ES256).key.Public())
			b.Apply(&b.config)
		}, "the box does not trust anna any more"},
		{"subscription ended", func(b *box, _ context.CancelFunc) { b.subscribed = false; b.Apply(&b.config) }, "the subscription has ended"},
		{"idle", func(b *box, _ context.CancelFunc) {
			eventually(b.t, "all is counted", func() string {
				if s := b.Sessions()[0]; s.Out < 11 {
					return fmt.Sprint(s.Out, " octets")
				}
				return ""
			})
			b.sweep()
			b.pass(longestIdle)
		}, "idle for 15m0s"},
		{"control ends", func(b *box, _ context.CancelFunc) { go b.stopped() }, "control ends"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newStreams(t)
			ctx, lose := context.WithCancel(t.Context())
			defer lose()
			s := b.stream(ctx, b.header(wire.StreamCLI, `{"width":80}`))
			s.echo(t, "show users")
			test.end(b, lose)
			s.cut(t, test.name)
			if log := b.door.said(); !strings.Contains(log, "logout 1 "+test.why) || strings.Count(log, "logout") != 1 {
				t.Errorf("the log has\n%s\nwant one logout: %s", log, test.why)
			}
		})
	}
}

// TestStreamGoesOn: one that is in use is not idle, and lasts an hour.
func TestStreamGoesOn(t *testing.T) {
	b := newStreams(t)
	s := b.stream(t.Context(), b.header(wire.StreamCLI, `{}`))
	for range 6 {
		s.echo(t, "x")
		b.sweep()
		b.pass(longestIdle - time.Minute - 5*time.Minute)
		b.sweep()
	}
	s.echo(t, "x") // after 54 minutes
	if b.door.mu.Lock(); len(b.door.active) == 0 {
		t.Error("access does not know that somebody is active")
	}
	b.door.mu.Unlock()
	b.sweep()
	b.pass(6 * time.Minute)
	s.cut(t, "after an hour")
	if log := b.door.said(); !strings.Contains(log, "logout 1 open for 1h0m0s") {
		t.Errorf("the log has\n%s\nwant that it was open for an hour", log)
	}
}

// TestMostStreams: four tunnels, and sixteen streams in all.
func TestMostStreams(t *testing.T) {
	b := newStreams(t)
	open := func(service string, n int) (last *streamed) {
		t.Helper()
		for i := range n {
			if last = b.stream(t.Context(), b.header(service, `{}`)); !last.answer.OK {
				t.Fatalf("%s %d of %d: %+v; want OK", service, i+1, n, last.answer.Error)
			}
		}
		return last
	}
	refused := func(service string) {
		t.Helper()
		if s := b.stream(t.Context(), b.header(service, `{}`)); s.answer.Error == nil || s.answer.Error.Code != wire.CodeBusy {
			t.Errorf("one more %s = %+v; want code %d", service, s.answer, wire.CodeBusy)
		}
	}
	tunnel := open(wire.StreamTCP, mostTunnels)
	refused(wire.StreamTCP)
	open(wire.StreamFile, 1)
	open(wire.StreamCLI, wire.MostStreams-mostTunnels-1)
	refused(wire.StreamCLI)
	refused(wire.StreamFile)
	tunnel.Close()
	<-tunnel.over
	eventually(t, "the end of a tunnel", func() string {
		if n := len(b.Sessions()); n != wire.MostStreams-1 {
			return fmt.Sprint(n, " sessions")
		}
		return ""
	})
	open(wire.StreamTCP, 1)
}

// TestMostUnsigned: COM cannot wash out the access log by what needs no
// signature, and what is signed goes on meanwhile.
func TestMostUnsigned(t *testing.T) {
	b := newStreams(t)
	b.config.COM.Services = append(b.config.COM.Services, model.COMConfig)
	b.Apply(&b.config)
	file := wire.Header{Service: wire.StreamFile, Version: 1}
	open := func() int {
		t.Helper()
		s := b.stream(t.Context(), file)
		s.Close()
		<-s.over
		if s.answer.Error != nil {
			return s.answer.Error.Code
		}
		return 0
	}
	for i := range toldBurst - 1 {
		if got := open(); got != 0 {
			t.Fatalf("stream %d: code %d; want none", i+1, got)
		}
	}
	b.door.said()
	for n := range 10 { // sessions of the link
		for i := range 10 {
			params := json.RawMessage(fmt.Sprintf(`{"_m":{"actor":"actor%d"}}`, i))
			_, err := b.Call(t.Context(), Session{Number: uint64(n)}, "look", params)
			if log := b.door.said(); n+i == 0 && (err != nil || log != "com actor0: look") || n+i > 0 && (code(err) != wire.CodeBusy || !strings.HasPrefix(log, "refused ")) {
				t.Fatalf("look %d of session %d = %v, and the log has %q; want it done and written down, or refused", i, n, err, log)
			}
		}
	}
	if got := open(); got != wire.CodeBusy {
		t.Errorf("one more stream: code %d; want %d", got, wire.CodeBusy)
	}
	if s := b.stream(t.Context(), b.header(wire.StreamCLI, `{}`)); !s.answer.OK {
		t.Errorf("a stream that is signed = %+v; want OK", s.answer.Error)
	}
	b.pass(toldEvery)
	if got := open(); got != 0 {
		t.Errorf("a stream later: code %d; want none", got)
	}
}
