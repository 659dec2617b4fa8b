package com

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/channel"
	"github.com/creachadair/jrpc2/handler"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

func TestLadder(t *testing.T) {
	const most = longestWait
	for name, row := range map[string]struct {
		outcomes []outcome
		random   float64
		waits    []time.Duration
		ports    []uint16
	}{
		"failures": {
			slices.Repeat([]outcome{{}}, 9), 0,
			[]time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 320 * time.Second, most / 2, most / 2},
			[]uint16{443, 8443, 443, 8443, 443, 8443, 443, 8443, 443},
		},
		"the longest": {slices.Repeat([]outcome{{}}, 2), 1, []time.Duration{10 * time.Second, 20 * time.Second}, []uint16{443, 8443}},
		"a session keeps its port": {
			[]outcome{{}, {welcomed: true, lasted: time.Hour}, {welcomed: true, lasted: time.Second}, {}}, 0,
			[]time.Duration{5 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second},
			[]uint16{443, 8443, 8443, 8443},
		},
		"what COM asks for": {
			[]outcome{{asked: time.Minute}, {asked: time.Second}, {asked: 24 * time.Hour}, {welcomed: true, lasted: time.Hour, asked: time.Second}}, 0,
			[]time.Duration{time.Minute, 10 * time.Second, time.Hour, time.Second},
			[]uint16{443, 8443, 443, 8443},
		},
	} {
		steps := ladder{random: func() float64 { return row.random }}
		for i, o := range row.outcomes {
			if got := steps.port(); got != row.ports[i] {
				t.Errorf("%s: port() = %d before try %d; want %d", name, got, i, row.ports[i])
			}
			if got := steps.after(o); got != row.waits[i] {
				t.Errorf("%s: after(%+v) = %v in step %d; want %v", name, o, got, i, row.waits[i])
			}
		}
	}
	for failures := range 100 {
		steps := ladder{random: func() float64 { return 1 }, failures: failures}
		if got := steps.after(outcome{}); got > longestWait {
			t.Errorf("after %d failures the wait is %v; want at most %v", failures, got, longestWait)
		}
	}
}

// attempt is a dial of a test.
type attempt struct {
	at      time.Duration // since the beginning
	address string
}

// deaf are Options of a box whose network carries nothing. Each dial is noted.
func deaf(t *testing.T) (o Options, attempts func() []attempt) {
	t.Helper()
	began := time.Now()
	var mu sync.Mutex
	var list []attempt
	o = (&com{t: t, authority: newAuthority(t)}).options()
	o.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, attempt{time.Since(began), address})
		return nil, errors.New("network is unreachable")
	}
	return o, func() []attempt {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(list)
	}
}

// TestTries has the network carry nothing for an hour: both ports are tried in
// turn, less and less often.
func TestTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, attempts := deaf(t)
		l := New(o)
		l.random = func() float64 { return 0 }
		l.Apply(configured())
		ctx, stop := context.WithCancel(t.Context())
		go l.Run(ctx)
		time.Sleep(time.Hour)
		synctest.Wait()
		list := attempts()
		wantAt := time.Duration(0)
		for i, a := range list {
			want := attempt{wantAt, fmt.Sprintf("192.0.2.1:%d", model.COMPorts[i%2])}
			if a != want {
				t.Errorf("try %d is %+v; want %+v", i, a, want)
			}
			wantAt += min(shortestWait<<i, longestWait/2)
		}
		if len(list) != 14 {
			t.Errorf("%d tries in an hour; want 14", len(list))
		}
		if s := l.Status(); s.State != Waiting || s.Tries != 14 || s.Failure == "" {
			t.Errorf("Status = %+v", s)
		}
		l.Redial("a test")
		synctest.Wait()
		if again := attempts(); len(again) != 15 || again[14].at != time.Hour {
			t.Errorf("after Redial the tries are %+v", again[14:])
		}
		time.Sleep(time.Second)
		l.Apply(configured())
		synctest.Wait()
		if again := attempts(); len(again) != 16 || again[15].at != time.Hour+time.Second {
			t.Errorf("after a change of something else the tries are %+v", again[14:])
		}
		stop()
		synctest.Wait()
	})
}

// late is an Identity that trusts nobody at first.
type late struct {
	*files
	until time.Time
}

func (l late) Roots() (*x509.CertPool, string, error) {
	if time.Now().Before(l.until) {
		return nil, "", nil
	}
	return l.files.Roots()
}

// TestDoesNotDial shows what keeps the link from dialling for an hour, and that it
// dials when that goes away.
func TestDoesNotDial(t *testing.T) {
	for name, row := range map[string]struct {
		config *model.Config
		hinder func(o *Options, until time.Time)
		want   State
	}{
		"no customer ID": {configured(func(c *model.COM) { c.CustomerID = "" }), nil, Unset},
		"no server":      {configured(func(c *model.COM) { c.Server = "" }), nil, Unset},
		"shut down":      {configured(func(c *model.COM) { c.Off = true }), nil, Off},
		"secondary":      {configured(func(c *model.COM) { c.Secondary = true }), nil, Secondary},
		"no time": {configured(), func(o *Options, until time.Time) {
			o.Synchronised = func() bool { return !time.Now().Before(until) }
		}, Clockless},
		"no authority": {configured(), func(o *Options, until time.Time) { o.Identity = late{o.Identity.(*files), until} }, Untrusted},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, attempts := deaf(t)
				if row.hinder != nil {
					row.hinder(&o, time.Now().Add(time.Hour+time.Second))
				}
				l := New(o)
				l.Apply(row.config)
				ctx, stop := context.WithCancel(t.Context())
				defer synctest.Wait()
				defer stop()
				go l.Run(ctx)
				time.Sleep(time.Hour)
				synctest.Wait()
				if s := l.Status(); s.State != row.want || len(attempts()) > 0 {
					t.Errorf("Status = %q, with %d tries; want %q", s.State, len(attempts()), row.want)
				}
				if row.hinder == nil {
					l.Apply(configured())
				}
				time.Sleep(time.Second + lookEvery)
				synctest.Wait()
				if len(attempts()) == 0 {
					t.Errorf("no try within %v after the cause is gone", lookEvery)
				}
			})
		})
	}
}

// TestHeartbeat counts heartbeats of ten minutes.
func TestHeartbeat(t *testing.T) {
	for name, row := range map[string]struct {
		configured, asked int // seconds
		want              time.Duration
	}{
		"COM asks for nothing":      {0, 0, 30 * time.Second},
		"COM asks":                  {0, 60, time.Minute},
		"COM asks for too many":     {0, 1, 10 * time.Second},
		"COM asks for too few":      {0, 1 << 40, 5 * time.Minute},
		"the configuration decides": {15, 60, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := channel.Direct()
				var beats []time.Time
				server := jrpc2.NewServer(handler.Map{wire.MethodHeartbeat: handler.New(func(_ context.Context, h wire.Heartbeat) error {
					if beats = append(beats, time.Now()); h.Sequence != uint64(len(beats)) {
						t.Errorf("heartbeat %d has the number %d", len(beats), h.Sequence)
					}
					return nil
				})}, nil).Start(far)
				l := New((&com{t: t, authority: newAuthority(t)}).options())
				s := &session{link: l, client: jrpc2.NewClient(near, nil)}
				s.config.HeartbeatSeconds = row.configured
				every := s.interval(wire.Welcome{Heartbeat: row.asked})
				if every != row.want {
					t.Fatalf("interval = %v; want %v", every, row.want)
				}
				ctx, stop := context.WithTimeout(t.Context(), 10*every)
				defer stop()
				if err := s.beat(ctx, every); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				for i, at := range beats[1:] {
					if gap := at.Sub(beats[i]); gap < every*9/10 || gap > every*11/10 {
						t.Errorf("%v between two heartbeats; want %v ± 10%%", gap, every)
					}
				}
				if len(beats) < 9 || len(beats) > 12 {
					t.Errorf("%d heartbeats in ten intervals", len(beats))
				}
				s.client.Close()
				server.Wait()
			})
		})
	}
}

// TestSilence has COM say nothing any more in a session without streams: it ends.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		go func() { // the answer to the upgrade, then nothing
			request, err := http.ReadRequest(bufio.NewReader(far))
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprintf(far, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
				acceptOf(request.Header.Get("Sec-WebSocket-Key")))
			buffer := make([]byte, 1<<10)
			for err == nil {
				_, err = far.Read(buffer)
			}
		}()
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
		socket, _, err := websocket.Dial(t.Context(), "ws://com.example.com/", &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancelCause(t.Context())
		s := &session{link: New(Options{Log: slog.New(slog.DiscardHandler)}), over: &connection{socket: socket, tcp: near}, end: end}
		reading := socket.CloseRead(ctx)
		began := time.Now()
		if err := s.keepAlive(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); ctx.Err() == nil || took > time.Minute {
			t.Errorf("the session ends after %v with %v; want within a minute", took, context.Cause(ctx))
		}
		socket.CloseNow()
		far.Close()
		<-reading.Done()
	})
}

// acceptOf answers a key (RFC 6455 §4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
