package admission

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// BootTime is the kernel's: it goes with the up time, which /proc gives in
// hundredths of a second.
func TestBootTime(t *testing.T) {
	before := BootTime()
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	var uptime float64
	if _, err := fmt.Sscan(string(text), &uptime); err != nil {
		t.Fatal(err)
	}
	after := BootTime()
	if at := time.Duration(uptime * float64(time.Second)); at < before-10*time.Millisecond || at > after {
		t.Errorf("/proc/uptime = %v; BootTime() was %v before and %v after", at, before, after)
	}
}

// TestBootClock: it goes with BootTime, and over a suspension.
func TestBootClock(t *testing.T) {
	c := newBootClock()
	within := func(when string) {
		t.Helper()
		before := BootTime()
		got := c.now()
		if after := BootTime(); got < before-suspensionLeast || got > after+suspensionLeast {
			t.Errorf("%s: now() = %v; BootTime() was %v before and %v after", when, got, before, after)
		}
	}
	within("at first")
	c.suspended.Add(-int64(time.Hour)) // as if the box had slept
	c.catchUp()
	within("after a suspension of an hour")
	was := c.suspended.Load()
	c.catchUp()
	if got := c.suspended.Load(); got != was && time.Duration(got-was) < suspensionLeast {
		t.Errorf("catchUp moved the clock by %v without a suspension", time.Duration(got-was))
	}
}
