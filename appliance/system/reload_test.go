package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// clockwork is a Reload that runs, with a clock that a test sets.
type clockwork struct {
	*Reload
	mu      sync.Mutex
	ahead   time.Duration // of the bubble's clock
	zone    *time.Location
	refusal error // of the restart
	reboots []string
	log     bytes.Buffer
	end     func() // control's end
}

// wind starts one in the bubble of t, whose clock begins on 2000-01-01 at 00:00
// UTC.
func wind(t *testing.T) *clockwork { return windIn(t, t.TempDir(), nil) }

// windIn is a start of control that finds in dir what the one before kept, on a
// box that does not restart for the reason given, if any.
func windIn(t *testing.T, dir string, refusal error) *clockwork {
	c := &clockwork{zone: time.UTC, refusal: refusal}
	boot := time.Date(1999, 12, 31, 23, 0, 0, 0, time.UTC)
	c.Reload = NewReload(ReloadOptions{
		File:   filepath.Join(dir, "reload"),
		Uptime: func() time.Duration { return time.Since(boot) },
		Now: func() time.Time {
			c.mu.Lock()
			defer c.mu.Unlock()
			return time.Now().Add(c.ahead).In(c.zone)
		},
		Reboot: func(_ context.Context, reason string) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.refusal == nil {
				c.reboots = append(c.reboots, time.Now().Add(c.ahead).In(c.zone).Format(time.DateTime)+" "+reason)
			}
			return c.refusal
		},
		Log: slog.New(slog.NewTextHandler(&c.log, nil)),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	c.end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil when its context ends", err)
		}
	})
	t.Cleanup(c.end)
	return c
}

// set sets the clock.
func (c *clockwork) set(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += by
}

// in changes the zone.
func (c *clockwork) in(zone *time.Location) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.zone = zone
}

// expect wants the restarts so far to be these.
func (c *clockwork) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.reboots, want) {
		t.Errorf("%s: restarts %q; want %q", when, c.reboots, want)
	}
}

var operator = model.Operator{User: "console", Origin: "ttyS0"}

func TestReloadIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := wind(t)
		status, err := c.schedule(ReloadRequest{Operator: operator, Minutes: 90, Reason: "night"})
		if want := time.Date(2000, 1, 1, 1, 30, 0, 0, time.UTC); err != nil || !status.Time.Equal(want) || status.Left != 90*time.Minute {
			t.Errorf("schedule = %+v, %v; want it at %v", status, err, want)
		}
		c.set(-1000 * time.Hour) // a delay is no matter of the clock
		c.Reload.mu.Lock()
		status = c.status()
		c.Reload.mu.Unlock()
		if want := time.Date(1999, 11, 20, 9, 30, 0, 0, time.UTC); !status.Time.Equal(want) || status.Left != 90*time.Minute {
			t.Errorf("status once the clock was set = %+v; want it at %v", status, want)
		}
		time.Sleep(90*time.Minute - time.Second)
		c.expect(t, "a second before")
		time.Sleep(time.Second)
		c.expect(t, "after 90 minutes", "1999-11-20 09:30:00 scheduled by console on ttyS0: night")
		time.Sleep(1000 * time.Hour)
		c.expect(t, "much later", "1999-11-20 09:30:00 scheduled by console on ttyS0: night")
		for warning, want := range map[string]int{"in=5m0s": 1, "in=1m0s": 1, "is going to restart": 2} {
			if got := strings.Count(c.log.String(), warning); got != want {
				t.Errorf("the log has %q %d times; want %d:\n%s", warning, got, want, c.log.String())
			}
		}
	})
}

func TestReloadAt(t *testing.T) {
	const by = " scheduled by console on ttyS0"
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		berlin = time.FixedZone("", 3600)
	}
	for _, test := range []struct {
		name string
		at   string
		zone *time.Location
		then func(c *clockwork)
		want []string
	}{
		{"today", "03:00", time.UTC, func(*clockwork) {}, []string{"2000-01-01 03:00:00" + by}},
		{"now is tomorrow", "00:00", time.UTC, func(*clockwork) {}, []string{"2000-01-02 00:00:00" + by}},
		{"in the zone", "03:00", berlin, func(*clockwork) {}, []string{"2000-01-01 03:00:00" + by}},
		{"the clock goes ahead", "03:00", time.UTC, func(c *clockwork) { c.set(time.Hour) }, []string{"2000-01-01 03:00:00" + by}},
		{"the clock goes back", "03:00", time.UTC, func(c *clockwork) { c.set(-2 * time.Hour) }, []string{"2000-01-01 03:00:00" + by}},
		{"the clock goes back by days", "03:00", time.UTC, func(c *clockwork) { c.set(-100 * time.Hour) }, []string{"1999-12-28 03:00:00" + by}},
		{"the clock is set over it", "03:00", time.UTC, func(c *clockwork) { c.set(4 * time.Hour) }, []string{"2000-01-02 03:00:00" + by}},
		{"the clock gets the true year", "03:00", time.UTC, func(c *clockwork) { c.set(9000 * time.Hour) }, []string{"2001-01-10 03:00:00" + by}},
		{
			"the clock goes back after it", "03:00", time.UTC, func(c *clockwork) {
				time.Sleep(3*time.Hour + time.Second)
				c.set(-time.Minute)
			}, []string{"2000-01-01 03:00:00" + by},
		},
		{"the zone changes", "03:00", time.UTC, func(c *clockwork) { c.in(time.FixedZone("CET", 3600)) }, []string{"2000-01-01 03:00:00" + by}},
		{"the zone changes to where it is past", "03:00", time.UTC, func(c *clockwork) { c.in(time.FixedZone("IST", 19800)) }, []string{"2000-01-02 03:00:00" + by}},
		{"a time that the end of winter time skips", "02:30", berlin, func(c *clockwork) { c.set(85*24*time.Hour - time.Hour) }, []string{"2000-03-26 03:30:00" + by}},
		{"cancelled", "03:00", time.UTC, func(c *clockwork) { c.cancel() }, nil},
		{
			"put off", "03:00", time.UTC, func(c *clockwork) {
				c.schedule(ReloadRequest{Operator: operator, Minutes: 600})
			}, []string{"2000-01-01 10:00:30" + by},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := wind(t)
				c.zone = test.zone
				if _, err := c.schedule(ReloadRequest{Operator: operator, At: test.at}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute / 2)
				test.then(c)
				time.Sleep(48 * time.Hour)
				c.expect(t, test.name, test.want...)
			})
		})
	}
}

// TestReloadRefused has init refuse for an hour, whatever was asked for.
func TestReloadRefused(t *testing.T) {
	for _, q := range []ReloadRequest{{Operator: operator, Minutes: 1}, {Operator: operator, At: "00:01"}} {
		synctest.Test(t, func(t *testing.T) {
			dir, refusal := t.TempDir(), errors.New("init does not answer")
			c := windIn(t, dir, refusal)
			if _, err := c.schedule(q); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
			c.end() // the next control tries it, too
			log := c.log.String()
			c = windIn(t, dir, refusal)
			time.Sleep(50*time.Minute + 5*time.Second) // between two tries
			c.mu.Lock()
			c.refusal = nil
			c.mu.Unlock()
			c.Reload.mu.Lock()
			status := c.status()
			c.Reload.mu.Unlock()
			if !status.Scheduled || status.Problem != "init does not answer" || status.Left != 0 {
				t.Errorf("status = %+v; want it to be due and say why it waits", status)
			}
			time.Sleep(look)
			c.expect(t, "once init answers", "2000-01-01 01:00:10 scheduled by console on ttyS0")
			for _, what := range []string{"restarts now", "did not happen"} {
				if got := strings.Count(log+c.log.String(), what); got != 1 {
					t.Errorf("the log says %d times %q; want once:\n%s", got, what, log+c.log.String())
				}
			}
		})
	}
}

// TestReloadKept: control starts anew, at once or hours later, while a reload
// is to come.
func TestReloadKept(t *testing.T) {
	const by = " scheduled by console on ttyS0: night"
	for _, test := range []struct {
		name string
		q    ReloadRequest
		down time.Duration // how long control is not there
		set  time.Duration // to the clock meanwhile
		want []string
	}{
		{"a delay", ReloadRequest{Minutes: 90}, time.Minute, 0, []string{"2000-01-01 01:30:00" + by}},
		{"a delay and a step", ReloadRequest{Minutes: 90}, time.Minute, 100 * time.Hour, []string{"2000-01-05 05:30:00" + by}},
		{"a delay that is over", ReloadRequest{Minutes: 90}, 2 * time.Hour, 0, []string{"2000-01-01 02:10:00" + by}},
		{"a time", ReloadRequest{At: "03:00"}, time.Minute, 0, []string{"2000-01-01 03:00:00" + by}},
		{"a time and a step", ReloadRequest{At: "03:00"}, time.Minute, 2 * time.Hour, []string{"2000-01-01 03:00:00" + by}},
		{"a time a moment ago", ReloadRequest{At: "03:00"}, 170*time.Minute + 30*time.Second, 0, []string{"2000-01-01 03:00:30" + by}},
		{"a time that is past", ReloadRequest{At: "03:00"}, 4 * time.Hour, 0, []string{"2000-01-02 03:00:00" + by}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				c := windIn(t, dir, nil)
				test.q.Operator, test.q.Reason = operator, "night"
				if _, err := c.schedule(test.q); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Minute)
				c.end()
				time.Sleep(test.down)
				c = windIn(t, dir, nil)
				c.set(test.set)
				time.Sleep(48 * time.Hour)
				c.expect(t, test.name, test.want...)
				c.end()
				c = windIn(t, dir, nil) // what happened is not to come any more
				time.Sleep(48 * time.Hour)
				c.expect(t, "after the restart")
			})
		})
	}
}

// TestReloadFile: what is cancelled is not kept, and a file at fault costs the
// schedule only.
func TestReloadFile(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	start := func() *Reload {
		return NewReload(ReloadOptions{
			File: filepath.Join(dir, "reload"), Now: time.Now, Uptime: func() time.Duration { return time.Hour },
			Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
	}
	if _, err := start().schedule(ReloadRequest{Operator: operator, Minutes: 5}); err != nil {
		t.Fatal(err)
	}
	if status := start().status(); status.Left != 5*time.Minute || status.Operator != operator {
		t.Errorf("status after a start = %+v; want the reload in 5 minutes", status)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "reload"))
	if err != nil {
		t.Fatal(err)
	}
	for length := range whole {
		log.Reset()
		if err := os.WriteFile(filepath.Join(dir, "reload"), whole[:length], 0o640); err != nil {
			t.Fatal(err)
		}
		if status := start().status(); status.Scheduled || !strings.Contains(log.String(), "may be lost") {
			t.Errorf("%d octets of the file make %+v and the log %q; want nothing scheduled, and the log to say so", length, status, log.String())
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "reload"), whole, 0o640); err != nil {
		t.Fatal(err)
	}
	if was, err := start().cancel(); err != nil || !was.Scheduled {
		t.Errorf("cancel = %+v, %v; want what was scheduled", was, err)
	}
	if status := start().status(); status.Scheduled {
		t.Errorf("status = %+v; want nothing after cancel", status)
	}
	dir = filepath.Join(dir, "none")
	log.Reset()
	r := start()
	if status, err := r.schedule(ReloadRequest{Operator: operator, Minutes: 5}); err != nil || !status.Scheduled || !strings.Contains(log.String(), "not kept") {
		t.Errorf("schedule where nothing can be kept = %+v, %v, and the log %q; want it scheduled, and the log to say so", status, err, log.String())
	}
}

func TestReloadRequests(t *testing.T) {
	for _, q := range []ReloadRequest{
		{}, {Minutes: -1}, {Minutes: longestDelay + 1}, {At: "24:00"}, {At: "3"}, {Minutes: 1, At: "03:00"},
	} {
		r := NewReload(ReloadOptions{File: filepath.Join(t.TempDir(), "reload"), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if status, err := r.schedule(q); err == nil || status.Scheduled {
			t.Errorf("schedule(%+v) = %+v, %v; want an error", q, status, err)
		}
	}
}

// TestReloadCommands types the commands against control's methods, over link.
func TestReloadCommands(t *testing.T) {
	now := time.Date(2026, 3, 1, 22, 30, 0, 0, new(exectest.Session).Zone())
	r := NewReload(ReloadOptions{
		File: filepath.Join(t.TempDir(), "reload"), Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
	})
	s := exectest.Session{Answers: map[string]any{
		"control.candidate": map[string]any{"holder": map[string]any{"operator": model.Operator{User: "ann", Origin: "ssh 192.0.2.7"}, "changed": true}},
	}}
	s.Serve(t, "control", r.Methods())
	var transcript strings.Builder
	for _, line := range []string{
		"show reload", "reload cancel", "reload at 03:00 reason new image", "show reload", "reload cancel", "show reload",
		"reload at 22:30", "reload cancel", "reload",
	} {
		fmt.Fprintf(&transcript, "# %s\n%s", line, s.Type(t.Context(), t, machine.commands(), line))
	}
	exectest.Golden(t, "reload", transcript.String())
}

func TestDelay(t *testing.T) {
	for word, want := range map[string]any{
		"1": 1, "0:01": 1, "90": 90, "1:30": 90, "576:00": 34560, "34560": 34560, "01:05": 65,
		"0": nil, "00:00": nil, "576:01": nil, "34561": nil, "1:5": nil, "1:60": nil, "x": nil, "-1": nil, "1:-1": nil, "": nil, "1:": nil,
	} {
		got, err := delay{}.Parse(word)
		if got != want || (err == nil) != (want != nil) {
			t.Errorf("Parse(%q) = %v, %v; want %v", word, got, err, want)
		}
	}
	for word, want := range map[string]any{"03:00": "03:00", "23:59": "23:59", "3:00": "03:00", "24:00": nil, "12:60": nil, "1200": nil} {
		if got, err := (clockTime{}).Parse(word); got != want || (err == nil) != (want != nil) {
			t.Errorf("time Parse(%q) = %v, %v; want %v", word, got, err, want)
		}
	}
}
