package clock

import (
	"fmt"
	"math/bits"
	"time"

	"golang.org/x/sys/unix"
)

// Both adjustments clear the kernel's STA_UNSYNC and set how far off the clock
// may be, so that the kernel keeps the hardware clock right as well, until
// nobody has adjusted it for about nine hours (adjtimex(2)).
const adjusting = unix.ADJ_STATUS | unix.ADJ_NANO | unix.ADJ_MAXERROR | unix.ADJ_ESTERROR

// correction is what the clock is to be told.
type correction struct {
	offset   time.Duration
	distance time.Duration // the offset may be wrong by
	jitter   time.Duration
	leap     int32         // STA_INS or STA_DEL at the end of this day; 0: neither
	poll     time.Duration // until the next one: the loop swings if that comes much later
}

// step sets the clock by the whole offset at once. It switches the kernel's
// loop off: the next slew begins it anew. A loop that runs on takes the step
// for time that has passed, learns a wrong frequency from it, and forgets a
// leap second that was announced (process_adj_status in kernel/time/ntp.c).
func (c correction) step() *unix.Timex {
	return &unix.Timex{
		Modes:    adjusting | unix.ADJ_SETOFFSET,
		Status:   c.leap,
		Time:     setOffset(c.offset),
		Maxerror: c.distance.Microseconds(),
		Esterror: c.jitter.Microseconds(),
	}
}

// slew hands the offset to the kernel's phase-locked loop, which works it off
// and learns the frequency from it. The loop's time constant is the logarithm
// of the poll interval in seconds, less 4 (kernel/time/ntp.c).
func (c correction) slew() *unix.Timex {
	return &unix.Timex{
		Modes:    adjusting | unix.ADJ_OFFSET | unix.ADJ_TIMECONST,
		Status:   unix.STA_PLL | c.leap,
		Offset:   c.offset.Nanoseconds(),
		Constant: int64(bits.Len64(uint64(c.poll/time.Second))) - 1 - 4,
		Maxerror: (c.distance + c.offset.Abs()).Microseconds(),
		Esterror: c.jitter.Microseconds(),
	}
}

// setByHand sets the clock by an offset and lets nobody trust it as a time
// that is synchronised.
func setByHand(offset time.Duration) *unix.Timex {
	return &unix.Timex{
		Modes:  unix.ADJ_SETOFFSET | unix.ADJ_NANO | unix.ADJ_STATUS,
		Status: unix.STA_UNSYNC,
		Time:   setOffset(offset),
	}
}

// setOffset is how the kernel takes an offset: seconds, of either sign, and
// nanoseconds that are never negative.
func setOffset(offset time.Duration) unix.Timeval {
	seconds, nanoseconds := offset/time.Second, offset%time.Second
	if nanoseconds < 0 {
		seconds--
		nanoseconds += time.Second
	}
	return unix.Timeval{Sec: int64(seconds), Usec: int64(nanoseconds)}
}

// frequencyUnit is the kernel's: a part in a million, shifted by 16.
const frequencyUnit = 1 << 16

// setFrequency has the clock run faster by so many parts in a million.
func setFrequency(ppm float64) *unix.Timex {
	return &unix.Timex{Modes: unix.ADJ_FREQUENCY, Freq: int64(ppm * frequencyUnit)}
}

// kernelClock is adjtimex(2). To read the clock, anyone may call it.
type kernelClock func(*unix.Timex) (state int, err error)

// kernelState is how the kernel's clock is.
type kernelState struct {
	now          time.Time
	synchronised bool
	offset       time.Duration // still to be worked off
	ppm          float64       // frequency correction
	maxError     time.Duration // growing by 500 ppm since the last adjustment
	estError     time.Duration
}

// read asks the kernel how its clock is.
func (k kernelClock) read() (kernelState, error) {
	var t unix.Timex
	if _, err := k(&t); err != nil {
		return kernelState{}, fmt.Errorf("ask the kernel about its clock: %w", err)
	}
	unit := time.Microsecond
	if t.Status&unix.STA_NANO != 0 {
		unit = time.Nanosecond
	}
	return kernelState{
		now:          time.Unix(t.Time.Sec, int64(time.Duration(t.Time.Usec)*unit)),
		synchronised: t.Status&unix.STA_UNSYNC == 0,
		offset:       time.Duration(t.Offset) * unit,
		ppm:          float64(t.Freq) / frequencyUnit,
		maxError:     time.Duration(t.Maxerror) * time.Microsecond,
		estError:     time.Duration(t.Esterror) * time.Microsecond,
	}, nil
}
