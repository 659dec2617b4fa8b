package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
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
}

// wind starts one in the bubble of t, whose clock begins on 2000-01-01 at 00:00
// UTC.
func wind(t *testing.T) *clockwork {
	c := &clockwork{zone: time.UTC}
	c.Reload = NewReload(ReloadOptions{
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
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil when its context ends", err)
		}
	})
	return c
}

// set sets the clock.
func (c *clockwork) set(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += by
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
			c := wind(t)
			c.refusal = errors.New("init does not answer")
			if _, err := c.schedule(q); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour + 5*time.Second) // between two tries
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
				if got := strings.Count(c.log.String(), what); got != 1 {
					t.Errorf("the log says %d times %q; want once:\n%s", got, what, c.log.String())
				}
			}
		})
	}
}

func TestReloadRequests(t *testing.T) {
	for _, q := range []ReloadRequest{
		{}, {Minutes: -1}, {Minutes: longestDelay + 1}, {At: "24:00"}, {At: "3"}, {Minutes: 1, At: "03:00"},
	} {
		r := NewReload(ReloadOptions{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if status, err := r.schedule(q); err == nil || status.Scheduled {
			t.Errorf("schedule(%+v) = %+v, %v; want an error", q, status, err)
		}
	}
}

// TestReloadCommands types the commands against control's methods, over link.
func TestReloadCommands(t *testing.T) {
	now := time.Date(2026, 3, 1, 22, 30, 0, 0, time.UTC)
	r := NewReload(ReloadOptions{Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
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
