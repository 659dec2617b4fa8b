package clock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beevik/ntp"
	"golang.org/x/sys/unix"
)

// world is everything outside a Clock. Its true time is that of the synctest
// bubble, which begins on 2000-01-01.
type world struct {
	kernel   kernel
	hardware func() (time.Time, error)
	dir      string

	mu      sync.Mutex
	servers map[string]*server      // by address
	names   map[string][]netip.Addr // that can be looked up, besides addresses
	saves   int
}

// server is one that answers as told. The zero value is right, near and quick.
type server struct {
	ahead    time.Duration // of the true time
	rtt      time.Duration // 10 ms if zero
	noise    time.Duration // of every other answer, on the way back
	distance time.Duration // of its root
	dead     bool
	kiss     string
	leap     ntp.LeapIndicator
	asked    []time.Duration // since 2000-01-01
}

var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// first is the address of most servers that are alone.
var first = netip.MustParseAddr("192.0.2.1")

// newWorld makes one with a clock that is ahead of the true time.
func newWorld(t *testing.T, ahead time.Duration, servers map[string]*server) *world {
	return &world{
		kernel: kernel{ahead: ahead, looked: time.Now(), status: unix.STA_UNSYNC, maxError: unsynchronised},
		dir:    t.TempDir(), servers: servers, names: map[string][]netip.Addr{},
	}
}

func (w *world) clock() *Clock {
	drift, trusted := Files(w.dir)
	log := slog.New(slog.DiscardHandler)
	return New(Options{
		Lookup: func(_ context.Context, name string) ([]netip.Addr, error) {
			if literal, err := netip.ParseAddr(name); err == nil {
				return []netip.Addr{literal}, nil
			}
			if addresses, ok := w.names[name]; ok {
				return addresses, nil
			}
			return nil, errors.New("look up " + name + ": no such host")
		},
		Query:    w.query,
		Adjust:   w.kernel.adjust,
		Hardware: w.hardware,
		Save: func(context.Context) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.saves++
			return nil
		},
		Floor: epoch.Add(-365 * 24 * time.Hour),
		Drift: drift,
		Trusted: OpenTrusted(TrustedOptions{
			File: trusted, Floor: epoch.Add(-365 * 24 * time.Hour), Boot: "boot", Log: log,
			Uptime: func() time.Duration { return time.Since(epoch) }, Clock: w.kernel.adjust,
			write: os.WriteFile, // a flush takes real time
		}),
		Log: log,
	})
}

// query is the way to a server and back.
func (w *world) query(ctx context.Context, address netip.AddrPort) (*ntp.Response, error) {
	w.mu.Lock()
	s := w.servers[address.Addr().String()]
	if s == nil {
		s = &server{dead: true}
	}
	s.asked = append(s.asked, time.Since(epoch))
	now := *s
	w.mu.Unlock()
	rtt := now.rtt
	if rtt == 0 {
		rtt = 10 * time.Millisecond
	}
	if len(now.asked)%2 == 0 {
		rtt += now.noise
	}
	if now.dead {
		rtt = queryTimeout
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(rtt):
	}
	switch {
	case now.dead:
		return nil, errors.New("i/o timeout")
	case now.kiss != "":
		return &ntp.Response{Version: 4, KissCode: now.kiss}, nil
	}
	offset := now.ahead - w.kernel.look().ahead
	if len(now.asked)%2 == 0 {
		offset -= now.noise / 2 // only the way back took longer
	}
	return response(offset, rtt, now), nil
}

// response is a good answer of a server from which this clock is off by offset.
func response(offset, rtt time.Duration, s server) *ntp.Response {
	at := time.Now().Add(s.ahead)
	return &ntp.Response{
		Version: 4, Stratum: 2, ReferenceID: 0xc6336401, ClockOffset: offset, RTT: rtt, Precision: time.Microsecond, Time: at, ReferenceTime: at.Add(-time.Minute),
		RootDispersion: s.distance, RootDistance: rtt/2 + s.distance, Leap: s.leap,
	}
}

// off is one that came quickly.
func off(offset time.Duration) *ntp.Response { return response(offset, 20*time.Millisecond, server{}) }

// set changes a server.
func (w *world) set(address string, change func(*server)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w.servers[address])
}

// run runs a clock until the bubble's test ends it.
func (w *world) run(t *testing.T, c *Clock) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	}
}

// pass lets time pass, and everything that is then due be done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// unsynchronised is the error at which the kernel does not trust its clock.
const unsynchronised = 16 * time.Second

// kernel keeps a clock as Linux does (kernel/time/ntp.c): the phase-locked loop
// works an offset off exponentially and learns the frequency from it, the error
// grows by 500 ppm.
type kernel struct {
	mu       sync.Mutex
	ahead    time.Duration // of the true time
	skew     float64       // frequency error of the oscillator
	looked   time.Time
	offset   time.Duration // to be worked off
	constant int64
	updated  int64 // the second, by this clock, of the last offset
	ppm      float64
	maxError time.Duration
	status   int32
	refuse   error
	did      []string
}

// look brings the clock up to now.
func (k *kernel) look() *kernel {
	k.mu.Lock()
	defer k.mu.Unlock()
	passed := time.Since(k.looked)
	k.looked = time.Now()
	left := scale(k.offset, math.Pow(1-1/float64(int(1)<<(2+k.constant)), passed.Seconds()))
	k.ahead += k.offset - left + scale(passed, k.skew+k.ppm/1e6)
	k.offset = left
	k.maxError += scale(passed, oscillatorMost)
	if k.maxError >= unsynchronised {
		k.maxError, k.status = unsynchronised, k.status|unix.STA_UNSYNC
	}
	return &kernel{ahead: k.ahead}
}

// adjust is adjtimex(2).
func (k *kernel) adjust(t *unix.Timex) (int, error) {
	k.look()
	k.mu.Lock()
	defer k.mu.Unlock()
	if t.Modes != 0 && k.refuse != nil {
		return 0, k.refuse
	}
	switch t.Modes {
	case 0:
	case adjusting | unix.ADJ_SETOFFSET, unix.ADJ_SETOFFSET | unix.ADJ_NANO | unix.ADJ_STATUS:
		by := time.Duration(t.Time.Sec)*time.Second + time.Duration(t.Time.Usec)
		k.ahead, k.offset = k.ahead+by, 0
		k.setStatus(t.Status)
		k.maxError = time.Duration(t.Maxerror) * time.Microsecond
		k.did = append(k.did, fmt.Sprintf("step %v", by.Round(time.Millisecond)))
	case adjusting | unix.ADJ_OFFSET | unix.ADJ_TIMECONST:
		k.setStatus(t.Status)
		k.constant = t.Constant
		k.learn(time.Duration(t.Offset))
		k.maxError = time.Duration(t.Maxerror) * time.Microsecond
		k.did = append(k.did, fmt.Sprintf("slew %v", time.Duration(t.Offset)))
	case unix.ADJ_FREQUENCY:
		k.ppm = float64(t.Freq) / frequencyUnit
		k.did = append(k.did, fmt.Sprintf("frequency %.3f", k.ppm))
	default:
		k.did = append(k.did, fmt.Sprintf("unknown modes %#x", t.Modes))
	}
	now := time.Now().Add(k.ahead)
	t.Time = unix.Timeval{Sec: now.Unix(), Usec: int64(now.Nanosecond())}
	t.Status, t.Offset, t.Freq = k.status|unix.STA_NANO, int64(k.offset), int64(k.ppm*frequencyUnit)
	t.Maxerror = k.maxError.Microseconds()
	return 0, nil
}

// setStatus is process_adj_status: the loop begins anew when it is switched on.
func (k *kernel) setStatus(status int32) {
	if status&^k.status&unix.STA_PLL != 0 {
		k.updated = time.Now().Add(k.ahead).Unix()
	}
	k.status = status
}

// learn is ntp_update_offset.
func (k *kernel) learn(offset time.Duration) {
	now := time.Now().Add(k.ahead).Unix()
	seconds := now - k.updated
	k.updated, k.offset = now, min(max(offset, -500*time.Millisecond), 500*time.Millisecond)
	if seconds > 2048 {
		k.ppm += float64(k.offset) / float64(4*seconds) / 1000
	}
	seconds = min(seconds, 8<<k.constant)
	k.ppm += float64(k.offset) * float64(seconds) / float64(int64(1)<<(2*(4+k.constant))) / 1000
	k.ppm = min(max(k.ppm, -driftMost), driftMost)
}

// steps are those that the clock was told.
func (k *kernel) steps() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []string
	for _, did := range k.did {
		if !strings.HasPrefix(did, "slew") {
			list = append(list, did)
		}
	}
	return strings.Join(list, ", ")
}

// wrong is how far the clock is off.
func (w *world) wrong() time.Duration { return w.kernel.look().ahead }

func (w *world) file(name string) string { return filepath.Join(w.dir, name) }
