package clock

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestStep(t *testing.T) {
	tests := []struct {
		offset time.Duration
		want   unix.Timeval // Usec holds nanoseconds
	}{
		{1500 * time.Millisecond, unix.Timeval{Sec: 1, Usec: 500e6}},
		{-200 * time.Millisecond, unix.Timeval{Sec: -1, Usec: 800e6}},
		{-2 * time.Second, unix.Timeval{Sec: -2}},
		{30 * 365 * 24 * time.Hour, unix.Timeval{Sec: 30 * 365 * 24 * 3600}},
	}
	for _, test := range tests {
		if got := (correction{offset: test.offset}).step(); got.Time != test.want || got.Status != 0 {
			t.Errorf("step by %s = %+v, status %#x; want %+v, synchronised, the loop off", test.offset, got.Time, got.Status, test.want)
		}
		if got := setByHand(test.offset); got.Time != test.want || got.Status != unix.STA_UNSYNC {
			t.Errorf("setByHand(%s) = %+v, status %#x; want %+v, not synchronised", test.offset, got.Time, got.Status, test.want)
		}
	}
}

func TestSlew(t *testing.T) {
	for poll, want := range map[time.Duration]int64{minPoll: 2, 128 * time.Second: 3, maxPoll: 6} {
		got := correction{-7 * time.Millisecond, 30 * time.Millisecond, 2 * time.Millisecond, unix.STA_INS, poll}.slew()
		if got.Offset != -7e6 || got.Constant != want || got.Maxerror != 37e3 || got.Esterror != 2e3 || got.Status != unix.STA_PLL|unix.STA_INS {
			t.Errorf("slew by -7ms, poll %s = offset %d ns, constant %d, errors %d and %d µs, status %#x; want -7e6, %d, 37e3, 2e3, PLL and INS",
				poll, got.Offset, got.Constant, got.Maxerror, got.Esterror, got.Status, want)
		}
	}
}

// The kernel says in its status whether it counts in nanoseconds.
func TestReadKernel(t *testing.T) {
	for _, test := range []struct {
		status int32
		offset time.Duration
		now    time.Time
	}{
		{unix.STA_NANO | unix.STA_DEL, 1500, time.Unix(7, 8)},
		{unix.STA_UNSYNC, 1500 * time.Microsecond, time.Unix(7, 8000)},
	} {
		state, err := kernelClock(func(t *unix.Timex) (int, error) {
			*t = unix.Timex{Status: test.status, Offset: 1500, Freq: -3 << 15, Maxerror: 9, Esterror: 4, Time: unix.Timeval{Sec: 7, Usec: 8}}
			return 0, nil
		}).read()
		want := kernelState{test.now, test.status&unix.STA_UNSYNC == 0, test.offset, -1.5, 9 * time.Microsecond, 4 * time.Microsecond}
		if err != nil || state != want {
			t.Errorf("read() = %+v, %v; want %+v", state, err, want)
		}
	}
}

// Anyone may read this machine's clock; nothing is changed.
func TestReadThisKernel(t *testing.T) {
	state, err := kernelClock(unix.Adjtimex).read()
	if err != nil || time.Since(state.now).Abs() > time.Minute {
		t.Errorf("read() = %+v, %v; want the time", state, err)
	}
}
