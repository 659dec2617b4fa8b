package clock

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestStepBy(t *testing.T) {
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
		if got := stepBy(off(test.offset)); got.Time != test.want || got.Status&unix.STA_UNSYNC != 0 {
			t.Errorf("stepBy(%s) = %+v; want %+v, synchronised", test.offset, got.Time, test.want)
		}
	}
}

func TestSlew(t *testing.T) {
	for poll, want := range map[time.Duration]int64{minPoll: 2, 128 * time.Second: 3, maxPoll: 6} {
		got := slew(off(-7*time.Millisecond), poll)
		if got.Offset != -7e6 || got.Constant != want || got.Maxerror != 30e3 || got.Esterror != 10e3 {
			t.Errorf("slew(-7ms, %s) = offset %d ns, constant %d, errors %d and %d µs; want -7e6, %d, 30e3, 10e3",
				poll, got.Offset, got.Constant, got.Maxerror, got.Esterror, want)
		}
	}
}
