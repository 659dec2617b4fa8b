package clock

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beevik/ntp"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// world is everything outside a Clock: servers that answer as told, a kernel
// that writes down what it was told, and init.
type world struct {
	start time.Time

	mu      sync.Mutex
	servers map[string]func() (*ntp.Response, error) // by address
	names   map[string][]netip.Addr
	refuse  error // what the kernel says
	did     []string
	asked   []time.Duration // since start, of 192.0.2.1
}

func (w *world) options() Options {
	return Options{
		Lookup: func(_ context.Context, name string) ([]netip.Addr, error) {
			if literal, err := netip.ParseAddr(name); err == nil {
				return []netip.Addr{literal}, nil
			}
			if addresses, ok := w.names[name]; ok {
				return addresses, nil
			}
			return nil, errors.New("look up " + name + ": no such host")
		},
		Query: func(_ context.Context, server netip.AddrPort) (*ntp.Response, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if server.Addr() == first {
				w.asked = append(w.asked, time.Since(w.start))
			}
			if server.Port() != 123 || w.servers[server.Addr().String()] == nil {
				return nil, errors.New("i/o timeout")
			}
			return w.servers[server.Addr().String()]()
		},
		Adjust: func(t *unix.Timex) (int, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.refuse != nil {
				return 0, w.refuse
			}
			switch t.Modes {
			case adjusting | unix.ADJ_SETOFFSET:
				w.did = append(w.did, "step "+(time.Duration(t.Time.Sec)*time.Second+time.Duration(t.Time.Usec)).String())
			case adjusting | unix.ADJ_OFFSET | unix.ADJ_TIMECONST:
				w.did = append(w.did, "slew "+time.Duration(t.Offset).String())
			default:
				w.did = append(w.did, "unknown modes")
			}
			return 0, nil
		},
		Save: func(context.Context) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.did = append(w.did, "save")
			return nil
		},
		Floor: w.start.Add(-time.Hour),
		Log:   slog.New(slog.DiscardHandler),
	}
}

var first = netip.MustParseAddr("192.0.2.1")

// off is a good answer of a server from which this clock is off by offset.
func off(offset time.Duration) *ntp.Response {
	now := time.Now().Add(offset)
	return &ntp.Response{
		Version: 4, Stratum: 2, ClockOffset: offset, RTT: 20 * time.Millisecond,
		Time: now, ReferenceTime: now.Add(-time.Minute), RootDistance: 30 * time.Millisecond,
	}
}

func answer(r *ntp.Response) func() (*ntp.Response, error) {
	return func() (*ntp.Response, error) { return r, nil }
}

// TestClock walks through one life of a clock with one server.
func TestClock(t *testing.T) {
	steps := []struct {
		name   string
		answer func() (*ntp.Response, error)
		wait   time.Duration
		did    []string
		asked  []time.Duration // since the step began
		status string
	}{
		{"silence", nil, 50 * time.Second, nil, []time.Duration{0, 16 * time.Second, 48 * time.Second},
			"not synchronised: 192.0.2.1: i/o timeout"},
		{"first answer, far off", func() (*ntp.Response, error) { return off(-90 * time.Second), nil }, 63 * time.Second,
			[]string{"step -1m30s", "save"}, []time.Duration{62 * time.Second}, "synchronised to 192.0.2.1, offset -90000 ms"},
		{"near", func() (*ntp.Response, error) { return off(3 * time.Millisecond), nil }, 200 * time.Second,
			[]string{"slew 3ms", "slew 3ms"}, []time.Duration{63 * time.Second, 191 * time.Second}, "synchronised to 192.0.2.1, offset 3 ms"},
		{"steady for hours", func() (*ntp.Response, error) { return off(0), nil }, 3600 * time.Second,
			[]string{"slew 0s", "slew 0s", "slew 0s", "slew 0s"},
			[]time.Duration{247 * time.Second, 759 * time.Second, 1783 * time.Second, 2807 * time.Second}, "synchronised to 192.0.2.1, offset 0 ms"},
		{"drifting", func() (*ntp.Response, error) { return off(100 * time.Millisecond), nil }, 240 * time.Second,
			[]string{"slew 100ms", "save"}, []time.Duration{231 * time.Second}, "synchronised to 192.0.2.1, offset 100 ms"},
		{"a spike", func() (*ntp.Response, error) { return off(time.Second), nil }, 60 * time.Second,
			nil, []time.Duration{55 * time.Second}, "synchronised to 192.0.2.1, offset 100 ms, 1m9s ago; now 192.0.2.1 is off by 1s, asking again"},
		{"that passes", func() (*ntp.Response, error) { return off(time.Millisecond), nil }, 12 * time.Second,
			[]string{"slew 1ms"}, []time.Duration{11 * time.Second}, "synchronised to 192.0.2.1, offset 1 ms"},
		{"a spike that stays", func() (*ntp.Response, error) { return off(200 * time.Millisecond), nil }, 80 * time.Second,
			[]string{"step 200ms", "save"}, []time.Duration{63 * time.Second, 79 * time.Second}, "synchronised to 192.0.2.1, offset 200 ms"},
		{"silence again", nil, 64 * time.Second, nil, []time.Duration{63 * time.Second},
			"synchronised to 192.0.2.1, offset 200 ms, 1m5s ago; now 192.0.2.1: i/o timeout"},
		{"a server that lost its mind", func() (*ntp.Response, error) { return off(-90 * 24 * time.Hour), nil }, 400 * time.Second,
			nil, []time.Duration{127 * time.Second, 383 * time.Second},
			"synchronised to 192.0.2.1, offset 200 ms, 7m45s ago; now 192.0.2.1 says 1999-10-03 01:19:12, which is before this image was built"},
		{"and denies", answer(&ntp.Response{Version: 4, KissCode: "DENY"}), 2 * time.Hour, nil, []time.Duration{495 * time.Second},
			"synchronised to 192.0.2.1, offset 200 ms, 2h7m45s ago; now 192.0.2.1 does not want to be asked"},
	}
	synctest.Test(t, func(t *testing.T) {
		w := &world{start: time.Now(), servers: map[string]func() (*ntp.Response, error){}}
		c := New(w.options())
		if got := c.Status(); got != "no time server configured" {
			t.Errorf("Status() = %q before a configuration", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		synctest.Wait()
		c.Apply(&model.Config{TimeServers: []string{"192.0.2.1"}})
		for _, step := range steps {
			began := time.Since(w.start)
			w.mu.Lock()
			w.servers["192.0.2.1"] = step.answer
			w.mu.Unlock()
			time.Sleep(step.wait)
			synctest.Wait()
			w.mu.Lock()
			for i := range w.asked {
				w.asked[i] -= began
			}
			if diff := cmp.Diff(step.asked, w.asked); diff != "" {
				t.Errorf("%s: asked (-want +got):\n%s", step.name, diff)
			}
			if diff := cmp.Diff(step.did, w.did); diff != "" {
				t.Errorf("%s: did (-want +got):\n%s", step.name, diff)
			}
			if got := c.Status(); got != step.status {
				t.Errorf("%s: Status() = %q; want %q", step.name, got, step.status)
			}
			w.asked, w.did = nil, nil
			w.mu.Unlock()
		}
		c.Apply(&model.Config{TimeServers: []string{"192.0.2.2"}})
		if got, want := c.Status(), "not synchronised: not asked yet"; got != want {
			t.Errorf("Status() after other servers were configured = %q; want %q", got, want)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
}

// TestServers asks several servers in one round.
func TestServers(t *testing.T) {
	far := func() (*ntp.Response, error) {
		r := off(80 * time.Millisecond)
		r.RootDistance = time.Second
		return r, nil
	}
	near := func() (*ntp.Response, error) { return off(10 * time.Millisecond), nil }
	tests := []struct {
		name    string
		servers map[string]func() (*ntp.Response, error)
		ask     []string
		refuse  error
		did     string
		status  string
	}{
		{name: "the nearest is followed", servers: map[string]func() (*ntp.Response, error){"192.0.2.1": far, "192.0.2.2": near},
			ask: []string{"192.0.2.1", "192.0.2.2"}, did: "slew 10ms save", status: "synchronised to 192.0.2.2, offset 10 ms"},
		{name: "one that answers is enough", servers: map[string]func() (*ntp.Response, error){"192.0.2.1": far},
			ask: []string{"absent.example.com", "192.0.2.9", "192.0.2.1"}, did: "slew 80ms save", status: "synchronised to 192.0.2.1, offset 80 ms"},
		{name: "the second address of a name", servers: map[string]func() (*ntp.Response, error){"192.0.2.2": near},
			ask: []string{"time.example.com"}, did: "slew 10ms save", status: "synchronised to 192.0.2.2, offset 10 ms"},
		{name: "a name without address", ask: []string{"empty.example.com"}, status: "not synchronised: empty.example.com has no address"},
		{name: "none", ask: []string{"absent.example.com", "192.0.2.9"},
			status: "not synchronised: look up absent.example.com: no such host; 192.0.2.9: i/o timeout"},
		{name: "the kernel refuses", servers: map[string]func() (*ntp.Response, error){"192.0.2.2": near},
			ask: []string{"192.0.2.2"}, refuse: unix.EPERM, status: "not synchronised: set the clock: operation not permitted"},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			w := &world{start: time.Now(), servers: test.servers, refuse: test.refuse, names: map[string][]netip.Addr{
				"time.example.com":  {netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")},
				"empty.example.com": nil,
			}}
			c := New(w.options())
			c.Apply(&model.Config{TimeServers: test.ask})
			go c.Run(t.Context())
			synctest.Wait()
			w.mu.Lock()
			defer w.mu.Unlock()
			if got := strings.Join(w.did, " "); got != test.did {
				t.Errorf("%s: did %q; want %q", test.name, got, test.did)
			}
			if got := c.Status(); got != test.status {
				t.Errorf("%s: Status() = %q; want %q", test.name, got, test.status)
			}
		})
	}
}
