package supervise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// bubbled are processes whose channels are made inside the bubble of a test.
type bubbled interface {
	Processes
	enter()
}

// fakeProcesses starts nothing, keeps account and ends what it is told to.
type fakeProcesses struct {
	exits    chan Exit
	obedient bool          // processes end on SIGTERM
	lifetime time.Duration // each process crashes after it; 0: it lives on
	refuse   error         // what Start answers

	mu      sync.Mutex
	next    int
	starts  []time.Time
	signals []string
	alive   map[int]bool
}

func newFakeProcesses() *fakeProcesses {
	return &fakeProcesses{obedient: true, next: 100, alive: map[int]bool{}}
}

func (f *fakeProcesses) enter() { f.exits = make(chan Exit, 100) }

func (f *fakeProcesses) Start(service Service) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.starts = append(f.starts, time.Now())
	if f.refuse != nil {
		return 0, f.refuse
	}
	f.next++
	pid := f.next
	f.alive[pid] = true
	if f.lifetime > 0 {
		time.AfterFunc(f.lifetime, func() { f.end(pid, 2<<8) })
	}
	return pid, nil
}

func (f *fakeProcesses) end(pid int, status syscall.WaitStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.alive[pid] {
		delete(f.alive, pid)
		f.exits <- Exit{PID: pid, Status: status}
	}
}

func (f *fakeProcesses) Signal(pid int, signal syscall.Signal) error {
	f.mu.Lock()
	f.signals = append(f.signals, fmt.Sprintf("%d %v", pid, signal))
	f.mu.Unlock()
	if signal == syscall.SIGKILL || f.obedient {
		f.end(pid, syscall.WaitStatus(signal))
	}
	return nil
}

func (f *fakeProcesses) Exits() <-chan Exit     { return f.exits }
func (f *fakeProcesses) MemoryKB(string) uint64 { return 7 }

func (f *fakeProcesses) startTimes() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.starts)
}

// record is what a supervisor said and did in a test.
type record struct {
	mu      sync.Mutex
	lines   []string
	crashed int
	gaveUp  []string
}

func (r *record) has(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.lines, func(line string) bool { return strings.Contains(line, text) })
}

// supervise runs services on fake processes until the test function returns.
func supervise(t *testing.T, processes bubbled, trial bool, names []string, test func(*testing.T, *Supervisor, *record)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		processes.enter()
		r := &record{}
		var services []Service
		for _, name := range names {
			services = append(services, Service{Name: name})
		}
		s := New(services, Options{
			Processes: processes,
			Trial:     func() bool { return trial },
			Random:    func() float64 { return 0.5 },
			Log: func(format string, args ...any) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.lines = append(r.lines, fmt.Sprintf(format, args...))
			},
			Crashed: func(string, string) { r.crashed++ },
			GiveUp:  func(reason string) { r.gaveUp = append(r.gaveUp, reason) },
		})
		ctx, cancel := context.WithCancel(t.Context())
		go s.Run(ctx)
		<-s.Started()
		test(t, s, r)
		cancel()
		synctest.Wait()
	})
}

// pass lets d go by and everything that is due be done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestRestartDelay(t *testing.T) {
	tests := []struct {
		n      int
		random float64
		want   time.Duration
	}{
		{1, 0.5, 50 * time.Millisecond},
		{1, 0, 37500 * time.Microsecond},
		{2, 0.5, 100 * time.Millisecond},
		{5, 0.5, 800 * time.Millisecond},
		{10, 0.5, 25600 * time.Millisecond},
		{11, 0.5, 30 * time.Second},
		{11, 0.999, 30 * time.Second},
		{11, 0, 22500 * time.Millisecond},
		{1 << 30, 0.5, 30 * time.Second},
	}
	for _, tt := range tests {
		if got := restartDelay(tt.n, tt.random); got != tt.want {
			t.Errorf("restartDelay(%d, %v) = %v; want %v", tt.n, tt.random, got, tt.want)
		}
	}
}

// A service that dies at once comes back fast, then ever more slowly, for ever.
func TestBackoff(t *testing.T) {
	processes := newFakeProcesses()
	processes.lifetime = time.Millisecond
	supervise(t, processes, false, []string{"proxy"}, func(t *testing.T, s *Supervisor, r *record) {
		pass(5 * time.Minute)
		starts := processes.startTimes()
		if gap := starts[1].Sub(starts[0]); gap > 100*time.Millisecond {
			t.Errorf("first restart after %v; want at most 100ms", gap)
		}
		longest := time.Duration(0)
		for i := 2; i < len(starts); i++ {
			gap := starts[i].Sub(starts[i-1])
			if gap < longest {
				t.Errorf("restart %d after %v, the one before after %v; want no shorter", i, gap, longest)
			}
			longest = max(longest, gap)
		}
		if want := longestDelay + time.Millisecond; longest != want {
			t.Errorf("longest gap = %v; want %v", longest, want)
		}
		if !r.has("proxy keeps failing") {
			t.Errorf("a crash loop was not said: %q", r.lines)
		}
		if r.crashed != crashLimit {
			t.Errorf("evidence was kept %d times; want %d", r.crashed, crashLimit)
		}
		if len(r.gaveUp) != 0 {
			t.Errorf("a blessed slot gave up: %q", r.gaveUp)
		}
		status, err := s.Status(t.Context())
		if err != nil || status[0].LastExit != "exit status 2" || status[0].Restarts != len(starts)-1 {
			t.Errorf("Status = %+v, %v; want exit status 2, %d restarts", status, err, len(starts)-1)
		}
	})
}

func TestHealthyRunForgetsFailures(t *testing.T) {
	processes := newFakeProcesses()
	processes.lifetime = healthyAfter
	supervise(t, processes, false, []string{"proxy"}, func(t *testing.T, _ *Supervisor, _ *record) {
		pass(20 * healthyAfter)
		starts := processes.startTimes()
		for i := 1; i < len(starts); i++ {
			if gap := starts[i].Sub(starts[i-1]) - healthyAfter; gap != firstDelay {
				t.Errorf("restart %d took %v; want %v", i, gap, firstDelay)
			}
		}
	})
}

func TestCrashLoopOnTrial(t *testing.T) {
	processes := newFakeProcesses()
	processes.lifetime = time.Millisecond
	supervise(t, processes, true, []string{"control"}, func(t *testing.T, _ *Supervisor, r *record) {
		pass(time.Minute)
		if len(r.gaveUp) != 1 || !strings.Contains(r.gaveUp[0], "control crashed 6 times") {
			t.Errorf("gave up: %q; want once, after 6 crashes", r.gaveUp)
		}
		if got := len(processes.startTimes()); got != crashLimit+1 {
			t.Errorf("started %d times; want %d", got, crashLimit+1)
		}
	})
}

// Crashes further apart than the window are no crash loop.
func TestRareCrashesOnTrial(t *testing.T) {
	processes := newFakeProcesses()
	processes.lifetime = 20 * time.Second
	supervise(t, processes, true, []string{"control"}, func(t *testing.T, _ *Supervisor, r *record) {
		pass(time.Hour)
		if len(r.gaveUp) != 0 {
			t.Errorf("gave up: %q; want never", r.gaveUp)
		}
	})
}

func TestBinaryMissing(t *testing.T) {
	processes := newFakeProcesses()
	processes.refuse = errors.New("start proxy: no such file")
	supervise(t, processes, false, []string{"proxy"}, func(t *testing.T, s *Supervisor, r *record) {
		pass(time.Minute)
		if !r.has("start proxy: no such file") || !r.has("keeps failing") {
			t.Errorf("said %q; want the error and that it keeps failing", r.lines)
		}
		if n := len(processes.startTimes()); n < 8 || n > 20 {
			t.Errorf("tried %d times in a minute; want 8–20", n)
		}
	})
}

func TestStopAndRelease(t *testing.T) {
	processes := newFakeProcesses()
	supervise(t, processes, false, []string{"proxy", "billing", "console"}, func(t *testing.T, s *Supervisor, r *record) {
		if err := s.Stop(t.Context(), "proxy", "billing"); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		if got, want := running(t, s), []string{"console"}; !slices.Equal(got, want) {
			t.Errorf("running after Stop: %q; want %q", got, want)
		}
		if err := s.Restart(t.Context(), "proxy", false); err == nil {
			t.Errorf("Restart of a stopped service = nil; want an error")
		}
		if err := s.Release(t.Context(), "proxy", "billing"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := running(t, s); len(got) != 3 {
			t.Errorf("running after Release: %q; want all three", got)
		}
	})
}

func TestStopKillsTheStubborn(t *testing.T) {
	processes := newFakeProcesses()
	processes.obedient = false
	supervise(t, processes, false, []string{"proxy"}, func(t *testing.T, s *Supervisor, r *record) {
		began := time.Now()
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < stopGrace || took > stopGrace+100*time.Millisecond {
			t.Errorf("Stop took %v; want just over %v", took, stopGrace)
		}
		if want := []string{"101 terminated", "101 killed"}; !slices.Equal(processes.signals, want) {
			t.Errorf("signals = %q; want %q", processes.signals, want)
		}
	})
}

func TestStopRespectsItsContext(t *testing.T) {
	processes := newFakeProcesses()
	processes.obedient = false
	supervise(t, processes, false, []string{"proxy"}, func(t *testing.T, s *Supervisor, r *record) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop = %v; want %v", err, context.DeadlineExceeded)
		}
	})
}

func TestRestart(t *testing.T) {
	for _, tt := range []struct {
		name  string
		force bool
		want  string
	}{
		{"polite", false, "101 terminated"},
		{"forced", true, "101 killed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			processes := newFakeProcesses()
			supervise(t, processes, true, []string{"proxy"}, func(t *testing.T, s *Supervisor, r *record) {
				if err := s.Restart(t.Context(), "proxy", tt.force); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if !slices.Equal(processes.signals, []string{tt.want}) {
					t.Errorf("signals = %q; want %q", processes.signals, tt.want)
				}
				status, err := s.Status(t.Context())
				if err != nil || status[0].PID != 102 || status[0].Restarts != 1 || status[0].LastRestart > 100*time.Millisecond {
					t.Errorf("Status = %+v, %v; want process 102, one restart within 100ms", status, err)
				}
				if r.crashed != 0 {
					t.Errorf("a restart on request counted as a crash")
				}
			})
		})
	}
}

func TestRestartStartsWhatWaits(t *testing.T) {
	processes := newFakeProcesses()
	processes.refuse = errors.New("not yet")
	supervise(t, processes, false, []string{"proxy"}, func(t *testing.T, s *Supervisor, r *record) {
		pass(10 * time.Minute)
		before := len(processes.startTimes())
		processes.mu.Lock()
		processes.refuse = nil
		processes.mu.Unlock()
		if err := s.Restart(t.Context(), "proxy", false); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := len(processes.startTimes()); got != before+1 {
			t.Errorf("%d starts after Restart; want %d", got, before+1)
		}
		if got := running(t, s); len(got) != 1 {
			t.Errorf("running: %q; want proxy", got)
		}
	})
}

func TestUnknownService(t *testing.T) {
	supervise(t, newFakeProcesses(), false, []string{"proxy"}, func(t *testing.T, s *Supervisor, _ *record) {
		for name, err := range map[string]error{
			"Restart": s.Restart(t.Context(), "sshd", false),
			"Stop":    s.Stop(t.Context(), "sshd"),
			"Release": s.Release(t.Context(), "sshd"),
		} {
			if err == nil || !strings.Contains(err.Error(), `no service "sshd"`) {
				t.Errorf("%s of an unknown service = %v; want it named", name, err)
			}
		}
	})
}

// blockedProcesses never comes back from Start: the loop does not turn.
type blockedProcesses struct {
	*fakeProcesses
	block chan struct{}
	count int
}

func (b *blockedProcesses) enter() {
	b.fakeProcesses.enter()
	b.block = make(chan struct{})
}

func (b *blockedProcesses) Start(service Service) (int, error) {
	if b.count++; b.count > 1 {
		<-b.block
	}
	return b.fakeProcesses.Start(service)
}

func TestAlive(t *testing.T) {
	blocked := &blockedProcesses{fakeProcesses: newFakeProcesses()}
	supervise(t, blocked, false, []string{"proxy"}, func(t *testing.T, s *Supervisor, _ *record) {
		if err := s.Alive(t.Context()); err != nil {
			t.Errorf("Alive of a turning loop = %v; want nil", err)
		}
		if err := s.Restart(t.Context(), "proxy", true); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := s.Alive(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Alive of a stuck loop = %v; want %v", err, context.DeadlineExceeded)
		}
		close(blocked.block)
	})
}

func running(t *testing.T, s *Supervisor) []string {
	t.Helper()
	all, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, status := range all {
		if status.PID != 0 {
			names = append(names, status.Name)
		}
	}
	return names
}
