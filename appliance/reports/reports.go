// Package reports keeps the history of the box's calls by minute, for 90 days:
// how many were offered, refused and failed, the rate and how many were open.
// The pages of Reports and the operator's show reports read it.
//
// A call is offered with a valid initial INVITE that overload does not shed.
// It is refused when the box does not admit it; what overload shed counts as
// refused too. It has failed when it was admitted and its final response was
// no 2xx, be it the callee's or the box's own, unless the caller cancelled it.
// Refused and failed together are the calls in vain.
//
// In come the proxy's counters, once a second while control runs; what the
// proxy counts while control does not run is not in the history. Out go minutes
// in a ring file on harddisk: and what was asked of them. The file takes 4 MiB
// at most and survives a cut at any moment with all minutes but the current
// one.
package reports

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Options is what Reports use.
type Options struct {
	File string // the ring, "harddisk:reports/calls.ring"
	// Proxy asks the proxy how it is.
	Proxy func(context.Context) (model.ProxyStatus, error)
	Log   *slog.Logger
}

// Reports are the history of one box.
type Reports struct {
	options Options
	mu      sync.Mutex
	ring    *ring // nil: not opened yet
	failed  bool  // the last minute could not be kept, and the log says so
}

// New makes the Reports of a box. The file is opened when it is first needed:
// a disk that hangs does not keep the process from its start.
func New(o Options) *Reports { return &Reports{options: o} }

// opened gives the ring. Where there is no file to be had it lasts as long as
// the process. r.mu is held.
func (r *Reports) opened() *ring {
	if r.ring == nil {
		var err error
		if r.ring, err = openRing(r.options.File); err != nil {
			r.options.Log.Warn("reports are kept in memory only", "error", err)
			r.ring = newMemory()
		}
	}
	return r.ring
}

// Close lets go of the file.
func (r *Reports) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ring == nil {
		return nil
	}
	return r.ring.Close()
}

const (
	samplePeriod = time.Second
	sampleLimit  = 5 * time.Second // for the proxy to answer
)

// Run follows the proxy until ctx ends.
func (r *Reports) Run(ctx context.Context) error {
	var m meter
	began := time.Now()
	timer := time.NewTimer(samplePeriod)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			r.keep(m.end())
			return nil
		case <-timer.C:
		}
		if counters, err := r.sample(ctx); err == nil {
			r.keep(m.take(minuteOf(time.Now()), time.Since(began), counters))
		}
		// After the answer, not by a ticker: no two samples are less than a
		// second apart, so no rate is exaggerated.
		timer.Reset(samplePeriod)
	}
}

func (r *Reports) sample(ctx context.Context) (counters, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleLimit)
	defer cancel()
	status, err := r.options.Proxy(ctx)
	return countersOf(status), err
}

// keep puts a minute into the ring, unless nothing of it was watched.
func (r *Reports) keep(m Minute) {
	if m.Minute == 0 || m.Seconds == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.opened().add(m)
	if err != nil && !r.failed {
		r.options.Log.Error("reports: minutes are lost", "error", err)
	}
	r.failed = err != nil
}

// counters are those of the proxy's counters that the history is made of.
type counters struct {
	calls   int64 // offered
	refused int64 // not admitted, or shed
	failed  int64 // admitted in vain, less the CANCELs that came
	open    int
}

func countersOf(s model.ProxyStatus) counters {
	n := s.Counters
	return counters{
		calls: n["offered"], refused: n["offered"] - n["calls"] + n["refused-overload"] + n["refused-transactions"],
		failed: n["failed"] - n["cancelled"], open: s.OpenCalls,
	}
}

// meter makes minutes of samples.
type meter struct {
	known   bool // there was a sample
	last    counters
	failed  int64         // the most that counters.failed was: a CANCEL is counted before the call that it ends
	at      time.Duration // of it, by a clock that nobody sets
	current Minute        // Seconds follow from watched
	watched time.Duration
}

// take takes a sample of the given minute and gives the minute that is over
// with it, if one is. What happened since the sample before counts to this one.
func (m *meter) take(minute uint32, at time.Duration, c counters) (over Minute) {
	if minute != m.current.Minute {
		over = m.end()
		m.current.Minute = minute
	}
	if m.known {
		m.count(at-m.at, c)
	} else {
		m.failed = c.failed
	}
	m.known, m.last, m.at = true, c, at
	return over
}

// count adds what happened in the time that has elapsed since the last sample.
func (m *meter) count(elapsed time.Duration, c counters) {
	before := m.last
	if c.calls < before.calls || c.refused < before.refused {
		before, m.failed = counters{}, 0 // the proxy has started anew
	}
	calls := c.calls - before.calls
	m.watched += elapsed
	m.current.Calls += uint32(calls)
	m.current.Refused += uint32(c.refused - before.refused)
	m.current.Failed += uint32(max(0, c.failed-m.failed))
	m.failed = max(m.failed, c.failed)
	m.current.PeakOpen = max(m.current.PeakOpen, uint32(c.open))
	m.current.PeakCPS = max(m.current.PeakCPS, uint32(math.Round(100*float64(calls)/elapsed.Seconds())))
}

// end gives the current minute as far as it was watched and begins anew.
func (m *meter) end() Minute {
	over := m.current
	over.Seconds = uint16(min(math.MaxUint16, math.Round(m.watched.Seconds())))
	m.current, m.watched = Minute{}, 0
	return over
}

// minuteOf is the minute of a time; 0 before 1970 and after the year 10000.
func minuteOf(t time.Time) uint32 {
	minute := t.Unix() / 60
	if minute < 0 || minute > math.MaxUint32 {
		return 0
	}
	return uint32(minute)
}

// Query asks for the history from one time to before another, in steps.
type Query struct {
	From time.Time `json:"from"` // zero: a day before To
	To   time.Time `json:"to"`   // zero: now
	Step int       `json:"step"` // in minutes; steps begin at multiples of it since 1970
}

// Series is the answer: the steps of which something is known, in their order.
type Series struct {
	Step   int     `json:"step"` // in minutes
	Points []Point `json:"points"`
}

// Point is one step.
type Point struct {
	Time     time.Time `json:"time"`     // its beginning
	Seconds  int       `json:"seconds"`  // that it stands for
	Calls    int       `json:"calls"`    // offered
	Refused  int       `json:"refused"`  // by the box, those that overload shed included
	Failed   int       `json:"failed"`   // of those admitted
	MeanCPS  float64   `json:"mean_cps"` // calls offered a second of these
	PeakCPS  float64   `json:"peak_cps"` // the most in one second, sampled once a second
	PeakOpen int       `json:"peak_open"`
}

// pointsMost bounds an answer.
const pointsMost = 3000

// Query reads the history. The current minute is not in it yet.
func (r *Reports) Query(q Query) (Series, error) {
	if q.To.IsZero() {
		q.To = time.Now()
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-24 * time.Hour)
	}
	from, to := minuteOf(q.From), minuteOf(q.To)
	switch {
	case q.Step < 1 || q.Step > minutesKept:
		return Series{}, fmt.Errorf("reports in steps of %d minutes: a step is 1 to %d minutes", q.Step, minutesKept)
	case to > from && int(to-from)/q.Step > pointsMost:
		return Series{}, fmt.Errorf("reports in steps of %d minutes: that is more than %d steps", q.Step, pointsMost)
	}
	r.mu.Lock()
	minutes, err := r.opened().read(from, to)
	r.mu.Unlock()
	return Series{q.Step, points(minutes, q.Step)}, err
}

// points adds minutes up in steps.
func points(minutes []Minute, step int) []Point {
	list := []Point{}
	for _, m := range minutes {
		begin := time.Unix(int64(m.Minute)/int64(step)*int64(step)*60, 0).UTC()
		if n := len(list); n == 0 || !list[n-1].Time.Equal(begin) {
			list = append(list, Point{Time: begin})
		}
		p := &list[len(list)-1]
		p.Seconds += int(m.Seconds)
		p.Calls += int(m.Calls)
		p.Refused += int(m.Refused)
		p.Failed += int(m.Failed)
		p.PeakCPS = max(p.PeakCPS, float64(m.PeakCPS)/100)
		p.PeakOpen = max(p.PeakOpen, int(m.PeakOpen))
	}
	for i := range list {
		list[i].MeanCPS = float64(list[i].Calls) / float64(max(1, list[i].Seconds))
	}
	return list
}

// Methods are what control serves about the history.
func (r *Reports) Methods() link.Methods {
	return link.Methods{
		"control.reports": func(_ context.Context, q Query) (Series, error) { return r.Query(q) },
	}
}
