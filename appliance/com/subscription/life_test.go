package subscription

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// fakeClock is the trusted time.
type fakeClock struct {
	mu  sync.Mutex
	at  time.Time
	ran time.Duration // since the box was new
}

func (c *fakeClock) Now() time.Time         { c.mu.Lock(); defer c.mu.Unlock(); return c.at }
func (c *fakeClock) Elapsed() time.Duration { c.mu.Lock(); defer c.mu.Unlock(); return c.ran }

func (c *fakeClock) Raise(to time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to.After(c.at) {
		c.at = to
	}
	return nil
}

// run has the box run; rest has it be without power.
func (c *fakeClock) run(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.ran = c.at.Add(d), c.ran+d
}

func (c *fakeClock) rest(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// peer is COM at the other end.
type peer struct {
	answer wire.License
	err    error
	calls  []string // methods, and what was asked for
}

func (c *peer) Call(_ context.Context, method string, params, result any) error {
	text, err := json.Marshal(params)
	if err != nil {
		return err
	}
	c.calls = append(c.calls, method+" "+string(text))
	if c.err != nil {
		return c.err
	}
	if text, err = json.Marshal(c.answer); err != nil {
		return err
	}
	return json.Unmarshal(text, result)
}

// asked gives what was called since.
func (c *peer) asked() (calls []string) {
	calls, c.calls = c.calls, nil
	return calls
}

// life is a box over months.
type life struct {
	*Subscription
	t       testing.TB
	dir     string
	clock   *fakeClock
	com     *peer
	log     *bytes.Buffer
	config  model.Config
	changed int  // how often Changed was called
	up      bool // there is a session
}

func newLife(t testing.TB) *life {
	l := &life{
		t: t, dir: t.TempDir(), clock: &fakeClock{at: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}, com: &peer{}, log: &bytes.Buffer{},
		config: model.Config{COM: model.COM{CustomerID: "4711", Server: "com.example.com"}},
	}
	l.com.answer = wire.License{Subscriptions: []wire.Subscription{{Feature: wire.FeatureManagement, Count: 1}, {Feature: wire.FeatureCalls, Count: 20}}}
	l.boot()
	return l
}

// boot starts control anew on what the life before has left.
func (l *life) boot() {
	l.up = false
	l.Subscription = New(Options{
		File: filepath.Join(l.dir, "state"), Copy: filepath.Join(l.dir, "copy"), Key: []byte("key of this box"), Clock: l.clock,
		Changed: func() { l.changed++ },
		Log:     slog.New(slog.NewTextHandler(l.log, nil)),
		write:   os.WriteFile, // what flushes costs minutes in a life
		spread:  func() float64 { return 0.5 },
	})
	l.apply(nil)
}

// apply puts another configuration in force.
func (l *life) apply(change func(*model.Config)) {
	if change != nil {
		change(&l.config)
	}
	config := l.config
	l.Apply(&config)
	l.look()
}

// connect begins a session, in which COM is asked; disconnect ends it.
func (l *life) connect() {
	l.up = true
	l.begin()
	_ = l.exchange(l.t.Context(), l.com) // that COM does not answer is part of life
}

func (l *life) disconnect() {
	l.up = false
	l.end()
}

// pass has the box run for a time, and look every hour.
func (l *life) pass(d time.Duration) {
	for d > 0 {
		part := min(d, time.Hour)
		l.clock.run(part)
		d -= part
		l.look()
	}
}

// reboot has the box be without power for a time.
func (l *life) reboot(off time.Duration) {
	l.clock.rest(off)
	l.boot()
}

// alarms are the conditions that hold, as "grace day 3".
func (l *life) alarms() (names []string) {
	for _, c := range l.Conditions() {
		names = append(names, strings.TrimSpace(strings.TrimPrefix(c.Name, "com-")+" "+c.Object))
	}
	return names
}

// tells fails unless just these alarms are raised.
func (l *life) tells(want ...string) {
	l.t.Helper()
	if got := l.alarms(); !slices.Equal(got, want) {
		l.t.Errorf("alarms %q; want %q", got, want)
	}
}

// allows fails unless just these of management and calls are allowed.
func (l *life) allows(management, calls bool) {
	l.t.Helper()
	gotManagement, gotCalls, prospect := l.Allows(wire.FeatureManagement), l.Allows(wire.FeatureCalls), l.Prospect()
	if gotManagement != management || gotCalls != calls || prospect.Now.Calls != calls {
		l.t.Errorf("management %t, calls %t, prospect %+v; want %t, %t", gotManagement, gotCalls, prospect, management, calls)
	}
}

// errNoAnswer is a COM that does not answer.
var errNoAnswer = errors.New("no answer")

// session is any.
var session = gate.Session{Number: 1, ID: "sid"}
