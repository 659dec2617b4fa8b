package clock

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// setter is a clock that a test sets.
type setter struct {
	ahead  time.Duration
	events chan error
}

func (s *setter) wait() error {
	err, open := <-s.events
	if !open {
		return os.ErrClosed
	}
	return err
}

func (s *setter) close() error {
	close(s.events)
	return nil
}

func (s *setter) look() time.Duration { return s.ahead }

func TestWatchSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &setter{events: make(chan error)}
		var told []Step
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- watchSteps(ctx, s, s.look, func(step Step) { told = append(told, step) }) }()
		for _, by := range []time.Duration{time.Hour, -2 * day, 300 * time.Nanosecond, -time.Second} {
			synctest.Wait()
			s.ahead += by
			s.events <- nil
		}
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("watchSteps = %v; want nil", err)
		}
		want := []Step{{time.Hour}, {-2 * day}, {-time.Second}}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
	})
}

func TestWatchStepsFails(t *testing.T) {
	s, broken := &setter{events: make(chan error, 1)}, errors.New("broken")
	s.events <- broken
	if err := watchSteps(t.Context(), s, s.look, func(Step) {}); !errors.Is(err, broken) {
		t.Errorf("watchSteps = %v; want %v", err, broken)
	}
}

// TestStepTimer has the kernel's timer: it is quiet while nobody sets the
// clock, and ends with its context.
func TestStepTimer(t *testing.T) {
	timer, err := newStepTimer()
	if err != nil {
		t.Fatal(err)
	}
	waits := make(chan error, 1)
	go func() { waits <- timer.wait() }()
	if err := timer.close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waits; !errors.Is(err, os.ErrClosed) {
		t.Errorf("wait on a closed timer = %v; want %v", err, os.ErrClosed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- WatchSteps(ctx, func(s Step) { t.Errorf("told of %+v; nobody set the clock", s) }) }()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("WatchSteps = %v; want nil", err)
	}
	if before, after := wallOverBoot(), wallOverBoot(); (after - before).Abs() >= leastStep {
		t.Errorf("the clock is %s, then %s ahead of the boot's; want the same", before, after)
	}
}
