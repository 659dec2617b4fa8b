package subscription

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// bubble is the clock of synctest as the trusted one.
type bubble struct{ start time.Time }

func (b bubble) Now() time.Time         { return time.Now() }
func (b bubble) Elapsed() time.Duration { return time.Since(b.start) }
func (b bubble) Raise(time.Time) error  { return nil }

// timed is COM, with when it was asked.
type timed struct {
	mu    sync.Mutex
	start time.Time
	err   error
	at    []time.Duration
}

func (c *timed) Call(_ context.Context, _ string, _, result any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = append(c.at, time.Since(c.start))
	*result.(*wire.License) = wire.License{Subscriptions: []wire.Subscription{{Feature: wire.FeatureManagement, Count: 1}}}
	return c.err
}

// answers has it answer with an error or without, and gives when it was asked
// since.
func (c *timed) answers(err error) (at []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	at, c.at = c.at, nil
	return at
}

// newBubble is the subscription of a box that was new at start.
func newBubble(dir string, start time.Time, spread float64) *Subscription {
	s := New(Options{
		File: filepath.Join(dir, "state"), Copy: filepath.Join(dir, "copy"), Key: []byte("key"), Clock: bubble{start},
		Changed: func() {}, Log: slog.New(slog.DiscardHandler), spread: func() float64 { return spread },
	})
	s.Apply(&model.Config{COM: model.COM{CustomerID: "4711", Server: "com.example.com"}})
	return s
}

// TestConnected: when COM is asked: at once, a day later, when it says so, and
// more often until it answers.
func TestConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, com := newBubble(t.TempDir(), time.Now(), 1), &timed{start: time.Now()}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Connected(ctx, session, com) }()
		asked := func(what string, err error, passes time.Duration, want ...time.Duration) {
			t.Helper()
			time.Sleep(passes)
			synctest.Wait()
			got := com.answers(err)
			if len(got) != len(want) {
				t.Fatalf("%s: COM was asked at %v; want %v", what, got, want)
			}
			for i := range want {
				if late := got[i] - want[i]; late < 0 || late > lookEvery {
					t.Errorf("%s: COM was asked at %v; want %v", what, got, want)
				}
			}
		}
		asked("at first", nil, time.Minute, 0)
		asked("every day", nil, 3*day, 25*time.Hour, 50*time.Hour)
		s.Check()
		asked("license.changed", nil, time.Minute, 3*day+time.Minute)
		for range 5 {
			s.Check()
		}
		asked("again and again", errors.New("not now"), time.Minute, 3*day+2*time.Minute)
		s.Check()
		at := 3*day + 3*time.Minute
		asked("without an answer", nil, 20*time.Minute, at, at+66*time.Second, at+198*time.Second, at+462*time.Second, at+990*time.Second)
		if !s.Status().Grace.Running {
			t.Error("without an answer there is no grace")
		}
		asked("until it answers", nil, day, at+2046*time.Second)
		if s.Status().Grace.Running {
			t.Error("with an answer there is still a grace")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Connected = %v; want nil", err)
		}
		if !s.Status().Grace.Running {
			t.Error("without a session there is no grace")
		}
	})
}

// TestPrompted: a COM that says without end that something has changed is asked
// at once, and then less and less often; one that has been silent at once again.
func TestPrompted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, com := newBubble(t.TempDir(), time.Now(), 0.5), &timed{start: time.Now()}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Connected(ctx, session, com) }()
		for range 3600 * 5 {
			time.Sleep(200 * time.Millisecond)
			s.Check()
		}
		synctest.Wait()
		if n := len(com.answers(nil)); n < 10 || n > 25 {
			t.Errorf("COM was asked %d times in an hour; want 10 to 25", n)
		}
		time.Sleep(time.Hour)
		s.Check()
		time.Sleep(lookEvery)
		synctest.Wait()
		if got := com.answers(nil); len(got) == 0 || got[len(got)-1] < 2*time.Hour {
			t.Errorf("COM was asked at %v; want it asked again after 2 h", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Connected = %v; want nil", err)
		}
	})
}

// TestAlarmADay: a box that is cut off for 30 days raises one alarm a day, 30 in
// all, though control starts anew meanwhile (COM-22).
func TestAlarmADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		start := time.Now()
		life := func(d time.Duration) []model.AlarmEvent {
			a := alarm.Open(alarm.Options{File: filepath.Join(dir, "alarms.db"), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
			defer a.Close()
			s := newBubble(dir, start, 0.5)
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Minute) {
				s.look()
				a.Report("subscription", s.Conditions())
			}
			events := a.Events(0, 1000).Events
			return events
		}
		s := newBubble(dir, start, 0.5)
		s.begin()
		if err := s.exchange(t.Context(), &timed{start: start}); err != nil {
			t.Fatal(err)
		}
		s.end()
		lost := time.Now()
		life(10*day + time.Hour)
		life(12 * time.Hour)
		var raised []time.Duration
		for _, e := range life(25 * day) {
			if e.Kind == "raise" && e.Name == alarm.COMGrace {
				raised = append(raised, e.Time.Sub(lost))
			}
		}
		if len(raised) != 30 {
			t.Fatalf("%d alarms were raised, at %v; want 30", len(raised), raised)
		}
		for i, at := range raised {
			want := time.Duration(i) * day
			if i == 0 {
				want = tellAfter
			}
			if late := at - want; late < 0 || late > 2*time.Minute {
				t.Errorf("the alarm of day %d was raised after %v; want %v", i+1, at, want)
			}
		}
	})
}
