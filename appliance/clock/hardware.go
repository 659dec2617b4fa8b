package clock

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// hardwareFile is where the kernel shows the time of the battery-backed clock,
// in seconds since 1970.
const hardwareFile = "/sys/class/rtc/rtc0/since_epoch"

// HardwareClock reads the clock that runs on while the box is off. A box
// without one gives an error.
func HardwareClock() (time.Time, error) { return readHardwareClock(hardwareFile) }

func readHardwareClock(path string) (time.Time, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the hardware clock: %w", err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the hardware clock: %w", err)
	}
	return time.Unix(seconds, 0), nil
}
