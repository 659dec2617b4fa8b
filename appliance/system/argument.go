package system

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"causeway/appliance/appointment"
)

// delay is a time to wait of at least a minute, in minutes or as HHH:MM. Its
// value is in minutes, an int.
type delay struct{}

// Parse reads a delay.
func (delay) Parse(word string) (any, error) {
	hours, minutes, both := strings.Cut(word, ":")
	if !both {
		hours, minutes = "0", word
	}
	h, hErr := strconv.ParseUint(hours, 10, 16)
	m, mErr := strconv.ParseUint(minutes, 10, 16)
	total := int(60*h + m)
	if hErr != nil || mErr != nil || both && (len(minutes) != 2 || m > 59) {
		return nil, fmt.Errorf("%s is neither minutes nor hours:minutes", word)
	}
	if total < 1 || total > longestDelay {
		return nil, fmt.Errorf("%s is not between 1 minute and %d hours", word, longestDelay/60)
	}
	return total, nil
}

// Format prints the minutes.
func (delay) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (delay) String() string { return "[HHH:]MM" }

// clockTime is a time of day. Its value is a string such as "03:00".
type clockTime struct{}

// Parse reads a time of day.
func (clockTime) Parse(word string) (any, error) {
	at, err := time.Parse(appointment.Layout, word)
	if err != nil {
		return nil, fmt.Errorf("%s is not a time of day from 00:00 to 23:59", word)
	}
	return at.Format(appointment.Layout), nil
}

// Format prints the time.
func (clockTime) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (clockTime) String() string { return "HH:MM" }
