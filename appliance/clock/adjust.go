package clock

import (
	"math/bits"
	"time"

	"github.com/beevik/ntp"
	"golang.org/x/sys/unix"
)

// Both adjustments clear the kernel's STA_UNSYNC and set how far off the clock
// may be, so that the kernel keeps the hardware clock right as well, until
// nobody has adjusted it for about nine hours (adjtimex(2)).
const adjusting = unix.ADJ_STATUS | unix.ADJ_NANO | unix.ADJ_MAXERROR | unix.ADJ_ESTERROR

// stepBy sets the clock by the whole offset at once. The kernel takes it as
// seconds, of either sign, and nanoseconds that are never negative.
func stepBy(r *ntp.Response) *unix.Timex {
	seconds := r.ClockOffset / time.Second
	nanoseconds := r.ClockOffset % time.Second
	if nanoseconds < 0 {
		seconds--
		nanoseconds += time.Second
	}
	return &unix.Timex{
		Modes:    adjusting | unix.ADJ_SETOFFSET,
		Status:   unix.STA_PLL,
		Time:     unix.Timeval{Sec: int64(seconds), Usec: int64(nanoseconds)},
		Maxerror: r.RootDistance.Microseconds(),
		Esterror: r.RTT.Microseconds() / 2,
	}
}

// slew hands the offset to the kernel's phase-locked loop, which works it off
// and learns the frequency from it. The loop's time constant is the logarithm
// of the poll interval in seconds, less 4 (kernel/time/ntp.c).
func slew(r *ntp.Response, poll time.Duration) *unix.Timex {
	return &unix.Timex{
		Modes:    adjusting | unix.ADJ_OFFSET | unix.ADJ_TIMECONST,
		Status:   unix.STA_PLL,
		Offset:   r.ClockOffset.Nanoseconds(),
		Constant: int64(bits.Len64(uint64(poll/time.Second))) - 1 - 4,
		Maxerror: r.RootDistance.Microseconds(),
		Esterror: r.RTT.Microseconds() / 2,
	}
}
