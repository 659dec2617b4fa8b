package reports

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

func TestMeter(t *testing.T) {
	type step struct {
		minute uint32
		second time.Duration
		c      counters
		over   Minute
	}
	tests := []struct {
		name  string
		steps []step
		end   Minute
	}{
		{"a rate", []step{
			{base, 0, counters{1000, 100, 50, 3}, Minute{}},
			{base, 1, counters{1010, 100, 50, 7}, Minute{}},
			{base, 3, counters{1014, 102, 53, 5}, Minute{}},
		}, Minute{Minute: base, Seconds: 3, Calls: 14, Refused: 2, PeakCPS: 1000, PeakOpen: 7, Failed: 3}},
		{"a CANCEL, and the end of its call after that", []step{
			{base, 0, counters{1000, 0, -5, 3}, Minute{}},
			{base, 1, counters{1000, 0, -6, 3}, Minute{}},
			{base, 2, counters{1000, 0, -5, 2}, Minute{}},
			{base, 3, counters{1000, 0, -4, 1}, Minute{}}, // another one fails
		}, Minute{Minute: base, Seconds: 3, PeakOpen: 3, Failed: 1}},
		{"the proxy starts anew", []step{
			{base, 0, counters{1000, 100, 70, 3}, Minute{}},
			{base, 1, counters{20, 1, 2, 0}, Minute{}},
			{base, 2, counters{25, 0, 1, 0}, Minute{}}, // and again
		}, Minute{Minute: base, Seconds: 2, Calls: 45, Refused: 1, PeakCPS: 2500, Failed: 3}},
		{"minutes", []step{
			{base, 0, counters{0, 0, 0, 9}, Minute{}},
			{base, 1, counters{5, 0, 0, 9}, Minute{}},
			{base + 1, 2, counters{6, 0, 0, 4}, Minute{Minute: base, Seconds: 1, Calls: 5, PeakCPS: 500, PeakOpen: 9}},
			{base + 1, 61, counters{66, 0, 0, 4}, Minute{}},
		}, Minute{Minute: base + 1, Seconds: 60, Calls: 61, PeakCPS: 102, PeakOpen: 4}},
		{"the clock goes back and on", []step{
			{base, 0, counters{}, Minute{}},
			{base, 1, counters{5, 0, 0, 0}, Minute{}},
			{base - 60, 2, counters{6, 0, 0, 0}, Minute{Minute: base, Seconds: 1, Calls: 5, PeakCPS: 500}},
			{base, 3, counters{8, 0, 0, 0}, Minute{Minute: base - 60, Seconds: 1, Calls: 1, PeakCPS: 100}},
		}, Minute{Minute: base, Seconds: 1, Calls: 2, PeakCPS: 200}},
	}
	for _, test := range tests {
		var m meter
		for i, s := range test.steps {
			if over := m.take(s.minute, s.second*time.Second, s.c); over != s.over {
				t.Errorf("%s: sample %d ends %+v; want %+v", test.name, i, over, s.over)
			}
		}
		if got := m.end(); got != test.end {
			t.Errorf("%s: at the end %+v; want %+v", test.name, got, test.end)
		}
	}
}

func TestMinuteOf(t *testing.T) {
	for unix, want := range map[int64]uint32{-1: 0, 59: 0, 60: 1, 60*base + 59: base, 60 * (1 << 32): 0, math.MinInt64 / 2: 0} {
		if got := minuteOf(time.Unix(unix, 0)); got != want {
			t.Errorf("minuteOf(%d s) = %d; want %d", unix, got, want)
		}
	}
}

// TestRun has calls come in for 5 minutes, with a proxy that is not there in
// the third; control starts anew after that.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		calls, up := int64(0), true
		options := Options{File: filepath.Join(t.TempDir(), "calls.ring"), Log: slog.New(slog.DiscardHandler),
			Proxy: func(context.Context) (model.ProxyStatus, error) {
				mu.Lock()
				defer mu.Unlock()
				if !up {
					return model.ProxyStatus{}, errors.New("not there")
				}
				calls += 2
				return model.ProxyStatus{OpenCalls: 3, Counters: map[string]int64{
					"offered": calls, "calls": calls - calls/4, "refused": calls, "failed": calls/4 + 7, "cancelled": 7,
				}}, nil
			}}
		start := time.Now() // a whole minute of the year 2000
		live := func(d time.Duration) *Reports {
			r := New(options)
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			if err := r.Run(ctx); err != nil {
				t.Errorf("Run = %v; want nil", err)
			}
			return r
		}
		time.AfterFunc(2*time.Minute-time.Millisecond, func() { mu.Lock(); up = false; mu.Unlock() })
		time.AfterFunc(3*time.Minute+time.Millisecond, func() { mu.Lock(); up, calls = true, 0; mu.Unlock() })
		if err := live(200*time.Second + time.Millisecond).Close(); err != nil {
			t.Fatal(err)
		}
		r := live(98500 * time.Millisecond)
		defer r.Close()

		got, err := r.Query(Query{From: start, To: time.Now().Add(time.Minute), Step: 1})
		if err != nil {
			t.Fatal(err)
		}
		minute := func(n, seconds, calls, refused int, mean float64) Point {
			return Point{start.Add(time.Duration(n) * time.Minute).UTC(), seconds, calls, refused, refused, mean, 2, 3}
		}
		// The first sample of a run is where it begins to count.
		want := []Point{minute(0, 58, 116, 29, 2), minute(1, 60, 120, 30, 2), minute(3, 119, 116, 29, 116.0/119), minute(4, 59, 118, 30, 2)}
		if diff := cmp.Diff(want, got.Points); diff != "" {
			t.Errorf("minutes (-want +got):\n%s", diff)
		}
	})
}

func TestQuery(t *testing.T) {
	r := &Reports{ring: newMemory()}
	for minute := uint32(base); minute < base+120; minute++ {
		r.ring.mustAdd(t, Minute{Minute: minute, Seconds: 60, Calls: minute - base, Refused: 1, Failed: 2, PeakCPS: 100 + minute - base, PeakOpen: 7})
	}
	from, to := time.Unix(base*60, 0), time.Unix((base+120)*60, 0)
	hour := from.Truncate(time.Hour).UTC() // base is not the beginning of an hour
	first := int(hour.Add(time.Hour).Sub(from) / time.Minute)
	got, err := r.Query(Query{from, to, 60})
	if err != nil || len(got.Points) != 3 {
		t.Fatalf("Query by the hour = %+v, %v; want 3 steps", got, err)
	}
	if want := (Point{hour, first * 60, first * (first - 1) / 2, first, 2 * first, float64(first*(first-1)/2) / float64(first*60), float64(99+first) / 100, 7}); got.Points[0] != want {
		t.Errorf("first hour = %+v; want %+v", got.Points[0], want)
	}
	for _, q := range []Query{{from, to, 0}, {from, to, -1}, {from, to, minutesKept + 1}, {from, from.Add(90 * 24 * time.Hour), 10}} {
		if got, err := r.Query(q); err == nil {
			t.Errorf("Query(%+v) = %d points, nil; want an error", q, len(got.Points))
		}
	}
	if got, err := r.Query(Query{to, from, 1}); err != nil || got.Points == nil || len(got.Points) != 0 {
		t.Errorf("Query backwards = %+v, %v; want an empty list", got, err)
	}
}

// failing is a disk that was taken out.
type failing struct{ memory }

func (failing) WriteAt([]byte, int64) (int, error) { return 0, errors.New("input/output error") }

func TestWriteFails(t *testing.T) {
	var log strings.Builder
	r := &Reports{options: Options{Log: slog.New(slog.NewTextHandler(&log, nil))}, ring: &ring{failing{make(memory, fileSize)}}}
	for range 3 {
		r.keep(at(base))
	}
	if n := strings.Count(log.String(), "input/output error"); n != 1 {
		t.Errorf("the log tells of it %d times; want once: %s", n, log.String())
	}
}

func TestNoDisk(t *testing.T) {
	r := New(Options{File: "/dev/null/reports/calls.ring", Log: slog.New(slog.DiscardHandler)})
	r.keep(at(base))
	r.ring.expect(t, "without a disk", base, base+1, at(base))
	if err := r.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

// TestNewTouchesNoDisk: control starts although the disk hangs.
func TestNewTouchesNoDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.ring")
	r := New(Options{File: path, Log: slog.New(slog.DiscardHandler)})
	if _, err := os.Stat(path); err == nil {
		t.Error("New has made the file; want it untouched")
	}
	if err := r.Close(); err != nil {
		t.Errorf("Close of what was never opened = %v", err)
	}
	r.keep(at(base))
	if err := r.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	openAt(t, path).expect(t, "after the first minute", base, base+1, at(base))
}

func TestShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock begins in 2000
		time.Sleep(100*24*time.Hour + 10*time.Hour + 7*time.Minute)
		r := &Reports{ring: newMemory()}
		now := minuteOf(time.Now())
		for back := uint32(95 * 24 * 60); back > 0; back-- {
			if back/200%3 == 1 {
				continue // nobody watched
			}
			m := at(now - back)
			m.PeakCPS += 100 * (back % 7)
			r.ring.mustAdd(t, m)
		}
		s := exectest.Session{}
		for _, line := range []string{"show reports", "show reports hours 2", "show reports calls hours 72", "show reports days 5", "show reports calls days 90"} {
			if got, want := s.Type(t.Context(), t, ExecCommands(), line), "% control does not answer\n"; got != want {
				t.Errorf("%s without control = %q; want %q", line, got, want)
			}
			s.Answers = map[string]any{"control.reports": func(params string) (any, error) {
				var q Query
				if err := json.Unmarshal([]byte(params), &q); err != nil {
					return nil, err
				}
				return r.Query(q)
			}}
			exectest.Golden(t, strings.ReplaceAll(line, " ", "-"), s.Type(t.Context(), t, ExecCommands(), line))
			s.Answers = nil
		}
	})
}
