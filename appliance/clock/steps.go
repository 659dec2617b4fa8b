package clock

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Step is a jump of the system clock: set by hand, stepped to a time server,
// or a leap second.
type Step struct {
	Offset time.Duration // by which the clock went ahead; negative: back
}

// leastStep is the smallest jump that is told: reading two clocks one after the
// other takes less.
const leastStep = time.Millisecond

// WatchSteps calls tell for every step of the system clock until ctx ends;
// then it returns nil. Any process may.
func WatchSteps(ctx context.Context, tell func(Step)) error {
	timer, err := newStepTimer()
	if err != nil {
		return fmt.Errorf("watch the clock for steps: %w", err)
	}
	return watchSteps(ctx, timer, wallOverBoot, tell)
}

// setWatcher waits for the clock to be set.
type setWatcher interface {
	wait() error // returns nil when the clock was set since the last wait, os.ErrClosed when closed
	close() error
}

// watchSteps compares, each time the clock was set, how far it is ahead of a
// clock that nobody sets with how far it was.
func watchSteps(ctx context.Context, w setWatcher, ahead func() time.Duration, tell func(Step)) error {
	stop := context.AfterFunc(ctx, func() { w.close() })
	defer func() {
		if stop() {
			w.close()
		}
	}()
	before := ahead()
	for {
		err := w.wait()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("watch the clock for steps: %w", err)
		}
		now := ahead()
		if step := now - before; step.Abs() >= leastStep {
			tell(Step{step})
		}
		before = now
	}
}

// wallOverBoot is how far CLOCK_REALTIME is ahead of CLOCK_BOOTTIME, which is
// slewed like it and never stepped.
func wallOverBoot() time.Duration {
	return readClock(unix.CLOCK_REALTIME) - readClock(unix.CLOCK_BOOTTIME)
}

// stepTimer is a timer that never fires but is cancelled whenever the clock is
// set (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). It need not be set again
// then: that would fail if the clock was set once more in between.
type stepTimer struct{ file *os.File }

func newStepTimer() (*stepTimer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timerfd_create: %w", err)
	}
	never := unix.ItimerSpec{Value: unix.Timespec{Sec: math.MaxInt64}}
	if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &never, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("timerfd_settime: %w", err), unix.Close(fd))
	}
	return &stepTimer{os.NewFile(uintptr(fd), "timerfd")}, nil
}

func (t *stepTimer) wait() error {
	var expirations [8]byte
	_, err := t.file.Read(expirations[:])
	if errors.Is(err, unix.ECANCELED) {
		return nil
	}
	return err
}

func (t *stepTimer) close() error { return t.file.Close() }
