package line

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
)

// wireline is a line of a rate both ways, with COM at its end.
type wireline struct {
	mu    sync.Mutex
	trip  time.Duration
	rate  int64 // bit/s
	pings atomic.Int32
	sinks bool // COM knows line.sink
	spoil bool // COM echoes something else
}

func (w *wireline) Ping(context.Context) (time.Duration, error) {
	w.pings.Add(1)
	trip := w.now()
	time.Sleep(trip)
	return trip, nil
}

// now is how long a round trip takes.
func (w *wireline) now() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trip
}

func (w *wireline) takes(trip time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trip = trip
}

func (w *wireline) carry(octets int) {
	time.Sleep(time.Duration(octets) * 8 * time.Second / time.Duration(w.rate))
}

func (w *wireline) Call(_ context.Context, method string, params, result any) error {
	text, err := json.Marshal(params)
	if err != nil {
		return err
	}
	w.carry(len(text) + len(text)/20)
	time.Sleep(w.now())
	switch {
	case method == wire.MethodLineSink && w.sinks:
		return nil
	case method != wire.MethodLineEcho:
		return errors.Join(errors.New("call"), &gate.Error{Code: -32601, Message: method})
	case w.spoil:
		text = []byte(`{"data":"less"}`)
	}
	w.carry(len(text) + len(text)/20)
	return json.Unmarshal(text, result)
}

// connected has a session over w while do runs.
func connected(t *testing.T, l *Line, w *wireline, do func()) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Connected(ctx, gate.Session{Number: 1}, w) }()
	synctest.Wait()
	do()
	end()
	if err := <-done; err != nil {
		t.Errorf("Connected = %v", err)
	}
}

// isSlow says whether files are held back.
func isSlow(l *Line) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isSlow()
}

func TestRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const usual, other = 30 * time.Millisecond, 500 * time.Millisecond
		l, w := New(), &wireline{trip: usual}
		connected(t, l, w, func() {
			time.Sleep(10*time.Minute + time.Second)
			if n := w.pings.Load(); n != 11 {
				t.Errorf("%d pings in ten minutes; want 11", n)
			}
			w.takes(other)
			time.Sleep(2 * time.Minute)
			if got := l.Status().RoundTrip; got != usual {
				t.Errorf("after two slow pings RoundTrip = %v; want %v", got, usual)
			}
			time.Sleep(time.Minute)
			if got := l.Status().RoundTrip; got != other {
				t.Errorf("after three slow pings RoundTrip = %v; want %v", got, other)
			}
		})
		w.takes(usual)
		connected(t, l, w, func() {
			time.Sleep(time.Second)
			if got := l.Status().RoundTrip; got != usual {
				t.Errorf("in the next session RoundTrip = %v; want %v", got, usual)
			}
		})
	})
}

// narrow takes what is written at the rate of a line, with a buffer before it.
type narrow struct {
	rate  int64 // bit/s
	empty time.Time
}

func (n *narrow) Write(p []byte) (int, error) {
	const buffer = 32 << 10 // octets
	now := time.Now()
	if n.empty.Before(now) {
		n.empty = now
	}
	n.empty = n.empty.Add(time.Duration(len(p)) * 8 * time.Second / time.Duration(n.rate))
	time.Sleep(n.empty.Sub(now) - buffer*8*time.Second/time.Duration(n.rate))
	return len(p), nil
}

// send sends a file of so many octets and says how long that takes.
func send(t *testing.T, l *Line, to io.Writer, octets int) time.Duration {
	t.Helper()
	w, began := l.Writer(t.Context(), to), time.Now()
	if n, err := w.Write(make([]byte, octets)); n != octets || err != nil {
		t.Errorf("Write = %d, %v; want %d", n, err, octets)
	}
	w.Close()
	w.Close()
	return time.Since(began)
}

func TestBandwidth(t *testing.T) {
	for _, test := range []struct {
		name   string
		rate   int64 // bit/s of the line, for octets of a file
		octets int
		slow   bool
	}{
		{"fast", 10_000_000, 1 << 20, false},
		{"just enough, with what surrounds the octets", LeastBandwidth*20/21 + 100, 1 << 20, false},
		{"slow", 100_000, 256 << 10, true},
		{"too little to say", 100_000, 100 << 10, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New()
				connected(t, l, &wireline{}, func() {
					send(t, l, &narrow{rate: test.rate}, test.octets)
					if got := isSlow(l); got != test.slow {
						t.Errorf("isSlow = %t at %d bit/s, measured as %d; want %t", got, test.rate, l.Status().Bandwidth, test.slow)
					}
				})
			})
		})
	}
}

// A slow line lets files pass at half of what COM needs, all together, until it
// has been slow for an hour.
func TestHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		connected(t, l, &wireline{}, func() {
			line := &narrow{rate: 100_000}
			send(t, l, line, 256<<10)
			before := l.Status().Bandwidth
			const octets = 80_000 // ten seconds at Rate
			both := make(chan time.Duration)
			for range 2 {
				go func() { both <- send(t, l, &narrow{rate: 100_000}, octets) }()
			}
			if took := max(<-both, <-both); took < 18*time.Second || took > 21*time.Second {
				t.Errorf("two files of %d octets took %v; want about 20 s", octets, took)
			}
			began := time.Now()
			if err := l.Wait(t.Context(), 8000); err != nil || time.Since(began) > time.Second {
				t.Errorf("Wait = %v after %v; want at most a second", err, time.Since(began))
			}
			if got := l.Status().Bandwidth; got != before {
				t.Errorf("what was held back was measured as %d; want the %d of before", got, before)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if n, err := l.Writer(ctx, line).Write(make([]byte, octets)); err == nil || n == octets {
				t.Errorf("Write when all is over = %d, %v; want an error", n, err)
			}
			time.Sleep(stale)
			if took := send(t, l, &narrow{rate: 10_000_000}, octets); took > time.Second {
				t.Errorf("then a file took %v; want no holding back", took)
			}
		})
	})
}

func TestNoPingsBesideAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := New(), &wireline{}
		connected(t, l, w, func() {
			before := w.pings.Load()
			file := l.Writer(t.Context(), io.Discard)
			time.Sleep(time.Hour)
			if n := w.pings.Load(); n != before {
				t.Errorf("%d pings beside a file; want none", n-before)
			}
			file.Close()
			time.Sleep(2 * pace)
			if n := w.pings.Load(); n == before {
				t.Error("no pings after the file; want some")
			}
		})
	})
}

func TestLineTest(t *testing.T) {
	for _, test := range []struct {
		name string
		line *wireline
		slow bool
	}{
		{"fast", &wireline{trip: 20 * time.Millisecond, rate: 10_000_000, sinks: true}, false},
		{"slow", &wireline{trip: 150 * time.Millisecond, rate: 100_000, sinks: true}, true},
		{"COM knows no sink", &wireline{trip: 150 * time.Millisecond, rate: 1_000_000}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New()
				connected(t, l, test.line, func() {
					got, err := l.Test(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if got.RoundTrip != test.line.trip {
						t.Errorf("RoundTrip = %v; want %v", got.RoundTrip, test.line.trip)
					}
					for way, is := range map[string]int64{"Up": got.Up, "Down": got.Down} {
						if is < test.line.rate*98/100 || is > test.line.rate*102/100 {
							t.Errorf("%s = %d; want about %d", way, is, test.line.rate)
						}
					}
					if got := isSlow(l); got != test.slow {
						t.Errorf("isSlow = %t; want %t", got, test.slow)
					}
				})
			})
		})
	}
}

func TestLineTestFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		if _, err := l.Test(t.Context()); err == nil {
			t.Error("Test without a link = nil; want an error")
		}
		connected(t, l, &wireline{rate: 1_000_000, spoil: true}, func() {
			if _, err := l.Test(t.Context()); err == nil || l.Status().Bandwidth != 0 {
				t.Errorf("Test with a wrong echo = %v and measures %d; want an error, and nothing", err, l.Status().Bandwidth)
			}
		})
	})
}
