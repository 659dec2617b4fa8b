// Package line judges the line between the box and COM (COM-18, COM-19) and keeps
// files from filling it.
//
// In come sessions (Connected), what files send (Writer, Wait), and an operator's
// word (control.com.line-test). Out go the round trip and the bandwidth. Nothing
// is sent to measure them but a ping a minute: the bandwidth is that of files
// that are sent anyway. Only com line-test loads the line.
//
// The bandwidth is that of the way to COM, with what surrounds the octets of a
// file. Where the reader at the other end is slower than the line, that is what
// is measured.
package line

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"causeway/appliance/com/gate"
)

// What the line must be for COM (COM-18, COM-19).
const (
	LeastBandwidth   = 128_000 // bit/s
	LongestRoundTrip = 200 * time.Millisecond
)

const (
	pace    = time.Minute // between two pings
	samples = 5           // pings that are judged
	// stale is how long a line counts as slow: files are sent at full speed then,
	// and show how it is.
	stale = time.Hour
)

// Peer is COM.
type Peer interface {
	Call(ctx context.Context, method string, params, result any) error
	Ping(ctx context.Context) (time.Duration, error)
}

// Line is the line. Make it with New. All methods may be called at any time from
// any goroutine.
type Line struct {
	now     func() time.Time // with a monotonic part
	testing sync.Mutex       // held during a test on command

	mu        sync.Mutex
	com       Peer            // nil: there is no session
	trips     []time.Duration // the last ones
	bandwidth int64           // bit/s; 0: not measured
	measured  time.Time       // bandwidth or a trip
	judged    time.Time       // bandwidth
	busy      int             // files under way
	bucket    bucket
}

// New makes a Line of which nothing is known.
func New() *Line { return &Line{now: time.Now} }

// Status is what was measured of the line.
type Status struct {
	RoundTrip time.Duration `json:"round_trip"` // median of the last ones; 0: not measured
	Bandwidth int64         `json:"bandwidth"`  // bit/s; 0: not measured
	Measured  time.Time     `json:"measured"`   // last
}

// Status gives what is known of the line of this session, or of the last one.
func (l *Line) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Status{median(l.trips), l.bandwidth, l.measured}
}

// isSlow says whether files are held back. l.mu is held.
func (l *Line) isSlow() bool {
	return l.bandwidth > 0 && l.bandwidth < LeastBandwidth && l.now().Sub(l.judged) < stale
}

// Connected measures the round trip while a session lasts, which is until ctx
// ends. A session may go another way than the one before: it begins anew.
func (l *Line) Connected(ctx context.Context, _ gate.Session, com Peer) error {
	l.mu.Lock()
	l.com, l.trips, l.bandwidth = com, nil, 0
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.com = nil
	}()
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		if !l.isBusy() {
			trip, err := com.Ping(ctx)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				return fmt.Errorf("measure the round trip to COM: %w", err)
			case !l.isBusy(): // nor has it waited behind a file that began meanwhile
				l.tripped(trip)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (l *Line) isBusy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy > 0
}

func (l *Line) tripped(trip time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trips = append(l.trips, trip)
	l.trips = l.trips[max(0, len(l.trips)-samples):]
	l.measured = l.now()
}

// carried notes a bandwidth.
func (l *Line) carried(bandwidth int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bandwidth, l.judged, l.measured = bandwidth, l.now(), l.now()
}

// median gives 0 of none.
func median(trips []time.Duration) time.Duration {
	if len(trips) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(trips))
	return sorted[len(sorted)/2]
}

// bitsPerSecond is at least 1.
func bitsPerSecond(octets int64, took time.Duration) int64 {
	return max(1, int64(float64(octets*8)/max(took, time.Millisecond).Seconds()))
}
