package admission

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bootClock gives CLOCK_BOOTTIME at the price of time.Since, which makes no
// system call: a tenth. The two differ by the time that the box was suspended,
// which is looked up from time to time.
type bootClock struct {
	start     time.Time
	suspended atomic.Int64 // and what had passed of CLOCK_BOOTTIME at start
}

func newBootClock() *bootClock {
	c := &bootClock{start: time.Now()}
	c.suspended.Store(int64(BootTime()))
	return c
}

func (c *bootClock) now() time.Duration {
	return time.Since(c.start) + time.Duration(c.suspended.Load())
}

// suspensionLeast is the shortest suspension that counts: reading two clocks
// one after the other may take a while, and time must not run backwards for it.
const suspensionLeast = 100 * time.Millisecond

// catchUp takes in that the box was suspended.
func (c *bootClock) catchUp() {
	if missed := BootTime() - c.now(); missed > suspensionLeast {
		c.suspended.Add(int64(missed))
	}
}

// BootTime is CLOCK_BOOTTIME: the time since power-on, suspension included. No
// clock setting moves it.
func BootTime() time.Duration {
	var t unix.Timespec
	// A raw call: one that the scheduler is told about would wake the runtime's
	// monitor thread. It cannot fail: the clock exists since Linux 2.6.39.
	unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&t)), 0)
	return time.Duration(t.Nano())
}
