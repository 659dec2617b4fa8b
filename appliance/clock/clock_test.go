package clock

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beevik/ntp"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// TestLife walks through one life of a clock with one server.
func TestLife(t *testing.T) {
	steps := []struct {
		name   string
		change func(*world, *server)
		wait   time.Duration
		did    string          // by the kernel, except slews
		asked  []time.Duration // since the step began
		status string
	}{
		{"silence", func(_ *world, s *server) { s.dead = true }, 45 * time.Second, "",
			[]time.Duration{0, 3 * time.Second, 6 * time.Second, 9 * time.Second, 25 * time.Second},
			"not synchronised: 192.0.2.1: i/o timeout"},
		{"first answers, far off", func(_ *world, s *server) { s.dead = false }, 19 * time.Second, "step -1m30s",
			[]time.Duration{12 * time.Second, 14 * time.Second, 16 * time.Second, 18 * time.Second}, "synchronised to 192.0.2.1, offset -90000 ms"},
		{"near", func(*world, *server) {}, 200 * time.Second, "",
			[]time.Duration{1 * time.Second, 3 * time.Second, 5 * time.Second, 7 * time.Second, 71 * time.Second, 199 * time.Second},
			"synchronised to 192.0.2.1, offset 0 ms"},
		{"drifting", func(w *world, _ *server) { w.kernel.ahead -= 100 * time.Millisecond }, 300 * time.Second, "",
			[]time.Duration{255 * time.Second}, "synchronised to 192.0.2.1, offset 100 ms"},
		{"a spike", func(_ *world, s *server) { s.ahead = time.Second }, 24 * time.Second, "",
			[]time.Duration{19 * time.Second, 21 * time.Second, 23 * time.Second},
			"synchronised to 192.0.2.1, offset 100 ms, 1m9s ago; now too few answers"},
		{"that passes", func(_ *world, s *server) { s.ahead = 0 }, 5 * time.Minute, "", nil, "synchronised to 192.0.2.1, offset -18 ms"}, // the loop took the drift for the oscillator's
		{"a spike that stays", func(_ *world, s *server) { s.ahead = time.Second }, 5 * time.Minute, "step 990ms", nil, "synchronised to 192.0.2.1, offset -7 ms"},
		{"silence again", func(_ *world, s *server) { s.dead = true }, 2 * time.Hour, "", nil,
			"synchronised to 192.0.2.1, offset -7 ms, 2h1m5s ago; now 192.0.2.1: i/o timeout"},
		{"a server that lost its mind", func(_ *world, s *server) { s.dead, s.ahead = false, -400*24*time.Hour }, time.Hour, "", nil,
			"this clock is off by -9600h0m1s from 192.0.2.1: its time is before this image was built"},
		{"and denies", func(_ *world, s *server) { s.kiss = "DENY" }, 3 * time.Hour, "", nil, "now 192.0.2.1 does not want to be asked"},
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 90*time.Second, map[string]*server{"192.0.2.1": {}})
		c := w.clock()
		c.Apply(&model.Config{TimeServers: []string{"192.0.2.1"}})
		steps[0].change(w, w.servers["192.0.2.1"])
		defer w.run(t, c)()
		for _, step := range steps {
			began, before := time.Since(epoch), w.kernel.steps()
			w.set("192.0.2.1", func(s *server) { step.change(w, s) })
			pass(step.wait)
			var asked []time.Duration
			w.set("192.0.2.1", func(s *server) {
				for _, at := range s.asked {
					asked = append(asked, (at - began).Round(time.Second))
				}
				s.asked = nil
			})
			if diff := cmp.Diff(step.asked, asked); step.asked != nil && diff != "" {
				t.Errorf("%s: asked (-want +got):\n%s", step.name, diff)
			}
			if did := strings.TrimPrefix(strings.TrimPrefix(w.kernel.steps(), before), ", "); did != step.did {
				t.Errorf("%s: did %q; want %q", step.name, did, step.did)
			}
			if got := c.Status(); !strings.Contains(got, step.status) {
				t.Errorf("%s: Status() = %q; want %q", step.name, got, step.status)
			}
		}
		c.Apply(&model.Config{TimeServers: []string{"192.0.2.2"}})
		c.Apply(&model.Config{Time: model.Time{Disabled: true}})
		if got, want := c.Status(), "NTP is off"; got != want {
			t.Errorf("Status() = %q; want %q", got, want)
		}
	})
}

// TestFirst is how fast the time is right after boot, and by whom.
func TestFirst(t *testing.T) {
	good, late, deaf := server{}, server{rtt: 800 * time.Millisecond}, server{dead: true}
	tests := []struct {
		name    string
		servers map[string]*server
		ask     []string
		after   time.Duration // in which it is synchronised, and not in half of it
		status  string
	}{
		{"one", map[string]*server{"192.0.2.1": &good}, []string{"192.0.2.1"}, 7 * time.Second, "synchronised to 192.0.2.1"},
		{"the default", map[string]*server{"192.0.2.5": &good}, nil, 7 * time.Second, "synchronised to 192.0.2.5"},
		{"the second address of a name", map[string]*server{"192.0.2.3": &deaf, "192.0.2.4": &good}, []string{"time.example.com"}, 11 * time.Second, "synchronised to 192.0.2.4"},
		{"an absent one is waited for", map[string]*server{"192.0.2.1": &good, "192.0.2.2": &deaf}, []string{"192.0.2.1", "192.0.2.2"}, 13 * time.Second, "synchronised to 192.0.2.1"},
		{"but not when the others are a majority", map[string]*server{"192.0.2.1": &good, "192.0.2.2": &late, "192.0.2.3": &deaf},
			[]string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, 8 * time.Second, "synchronised to 192.0.2.1"},
		{"unknown names do no harm", map[string]*server{"192.0.2.1": &good}, []string{"absent.example.com", "empty.example.com", "192.0.2.1"}, 7 * time.Second, "synchronised to 192.0.2.1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, -40*24*time.Hour, test.servers)
				w.names["time.example.com"] = []netip.Addr{netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("192.0.2.4")}
				w.names["empty.example.com"] = nil
				w.names[DefaultServer] = []netip.Addr{netip.MustParseAddr("192.0.2.5")}
				c := w.clock()
				c.Apply(&model.Config{TimeServers: test.ask})
				defer w.run(t, c)()
				pass(test.after / 2)
				if c.Synchronised() {
					t.Errorf("it is synchronised after %s", test.after/2)
				}
				pass(test.after - test.after/2)
				if got := c.Status(); !strings.HasPrefix(got, test.status) || !c.Synchronised() {
					t.Errorf("Status() after %s = %q; want %q", test.after, got, test.status)
				}
				if wrong := w.wrong(); wrong.Abs() > time.Millisecond {
					t.Errorf("the clock is wrong by %s", wrong)
				}
				if w.saves == 0 {
					t.Error("the time was not saved")
				}
			})
		})
	}
}

func TestNothingAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, nil)
		c := w.clock()
		c.Apply(&model.Config{TimeServers: []string{"absent.example.com", "192.0.2.9"}})
		defer w.run(t, c)()
		pass(time.Minute)
		if got, want := c.Status(), "not synchronised: look up absent.example.com: no such host; 192.0.2.9: i/o timeout"; got != want {
			t.Errorf("Status() = %q; want %q", got, want)
		}
		w.kernel.refuse = unix.EPERM
		c.Apply(&model.Config{TimeServers: []string{"192.0.2.1"}})
		w.mu.Lock()
		w.servers = map[string]*server{"192.0.2.1": {}}
		w.mu.Unlock()
		pass(time.Minute)
		if got, want := c.Status(), "not synchronised: set the clock: operation not permitted"; got != want {
			t.Errorf("Status() = %q; want %q", got, want)
		}
	})
}

// TestWhoIsAsked is about configuration, DHCP and the default: never two of
// them.
func TestWhoIsAsked(t *testing.T) {
	lease := func(servers ...string) model.Lease {
		var l model.Lease
		for _, s := range servers {
			l.TimeServers = append(l.TimeServers, netip.MustParseAddr(s))
		}
		return l
	}
	tests := []struct {
		name    string
		config  model.Config
		leases  []model.Lease
		want    []string
		smeared bool
	}{
		{"nothing", model.Config{}, nil, []string{DefaultServer}, true},
		{"off", model.Config{TimeServers: []string{"a"}, Time: model.Time{Disabled: true}}, []model.Lease{lease("192.0.2.1")}, nil, false},
		{"configured", model.Config{TimeServers: []string{"a", "b"}}, []model.Lease{lease("192.0.2.1")}, []string{"a", "b"}, false},
		{"DHCP", model.Config{}, []model.Lease{lease("192.0.2.1", "192.0.2.2"), lease("192.0.2.2", "192.0.2.3")}, []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, false},
		{"DHCP names none", model.Config{}, []model.Lease{lease()}, []string{DefaultServer}, true},
		{"DHCP mixes", model.Config{}, []model.Lease{lease("169.254.169.123", "192.0.2.2")}, []string{"169.254.169.123"}, true},
	}
	for _, test := range tests {
		c := New(Options{})
		c.ApplyLeases(test.leases)
		c.Apply(&test.config)
		var got []string
		for _, a := range c.associations {
			got = append(got, a.server)
		}
		if !slices.Equal(got, test.want) || c.smeared != test.smeared {
			t.Errorf("%s: asks %q, smeared %v; want %q, %v", test.name, got, c.smeared, test.want, test.smeared)
		}
	}
}

// A server that stays when others are configured keeps what is known of it.
func TestApplyKeeps(t *testing.T) {
	c := New(Options{})
	c.Apply(&model.Config{TimeServers: []string{"a", "b"}})
	b := c.associations[1]
	c.Apply(&model.Config{TimeServers: []string{"b", "c"}, Time: model.Time{Prefer: "b"}})
	if c.associations[0] != b || !b.prefer {
		t.Errorf("associations = %+v; want the one of b, preferred", c.associations)
	}
}

// TestSynchronised: the clock counts as right from when it is, until it was left
// alone for long.
func TestSynchronised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour, map[string]*server{"192.0.2.1": {}})
		c := w.clock()
		c.Apply(&model.Config{TimeServers: []string{"192.0.2.1"}})
		if c.Synchronised() {
			t.Error("the clock is synchronised before anybody was asked")
		}
		defer w.run(t, c)()
		pass(time.Minute)
		if !c.Synchronised() || w.wrong().Abs() > time.Millisecond {
			t.Errorf("Synchronised = %t, the clock wrong by %s; want it right", c.Synchronised(), w.wrong())
		}
		w.set("192.0.2.1", func(s *server) { s.dead = true })
		pass(10 * time.Hour)
		if c.Synchronised() {
			t.Error("the clock is synchronised after ten hours without a server")
		}
	})
}

// Addresses of a name that this network has no way to cost no time.
func TestNoWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour, map[string]*server{"2001:db8::1": {}})
		for _, address := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "2001:db8::1"} {
			w.names["time.example.com"] = append(w.names["time.example.com"], netip.MustParseAddr(address))
		}
		c := w.clock()
		c.options.Query = func(ctx context.Context, server netip.AddrPort) (*ntp.Response, error) {
			if server.Addr().Is4() {
				return nil, os.NewSyscallError("connect", unix.ENETUNREACH)
			}
			return w.query(ctx, server)
		}
		c.Apply(&model.Config{TimeServers: []string{"time.example.com"}})
		defer w.run(t, c)()
		pass(7 * time.Second)
		w.expectRight(t, c, true)
	})
}

// A control that starts anew goes on with the clock of this boot: it does not
// step it as it would a clock that was never right.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour, map[string]*server{"192.0.2.1": {}})
		c := w.clock()
		c.Apply(&model.Config{TimeServers: []string{"192.0.2.1"}})
		stop := w.run(t, c)
		pass(time.Minute)
		stop()
		w.set("192.0.2.1", func(s *server) { s.ahead = 48 * time.Hour })
		c = w.clock()
		c.Apply(&model.Config{TimeServers: []string{"192.0.2.1"}})
		defer w.run(t, c)()
		pass(time.Hour)
		if got, want := w.kernel.steps(), "step -1h0m0s"; got != want {
			t.Errorf("the kernel was told %q; want %q", got, want)
		}
	})
}
