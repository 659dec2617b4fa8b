package billing

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// hour is an hour, or an hour and a minute with a colon. Its value is a
// model.TimeOfDay.
type hour struct{}

// Parse reads "22", "7" or "22:30".
func (hour) Parse(word string) (any, error) {
	hours, minutes, both := strings.Cut(word, ":")
	at := model.TimeOfDay{}
	var ok, okToo bool
	at.Hour, ok = clockPart(hours, 23)
	if at.Minute, okToo = clockPart(minutes, 59); !ok || both != okToo {
		return nil, fmt.Errorf("%s is neither an hour from 0 to 23 nor a time of day", word)
	}
	return at, nil
}

// clockPart reads one or two digits.
func clockPart(digits string, most int) (n int, ok bool) {
	n, err := strconv.Atoi(digits)
	return n, err == nil && len(digits) <= 2 && '0' <= digits[0] && digits[0] <= '9' && n <= most
}

// Format prints the hour, and the minute where there is one.
func (hour) Format(value any) string {
	at, _ := value.(model.TimeOfDay)
	if at.Minute == 0 {
		return strconv.Itoa(at.Hour)
	}
	return fmt.Sprintf("%d:%02d", at.Hour, at.Minute)
}

// String gives the notation.
func (hour) String() string { return "HH[:MM]" }

// minute is a minute of an hour. Its value is an int.
type minute struct{}

// Parse reads one or two digits.
func (minute) Parse(word string) (any, error) {
	n, ok := clockPart(word, 59)
	if !ok {
		return nil, fmt.Errorf("%s is not a minute from 0 to 59", word)
	}
	return n, nil
}

// Format prints the minute.
func (minute) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (minute) String() string { return "MM" }

// ipv6 is an IPv6 address without a zone. Its value is a netip.Addr.
type ipv6 struct{}

// Parse reads an address.
func (ipv6) Parse(word string) (any, error) {
	addr, err := netip.ParseAddr(word)
	if err != nil || !addr.Is6() || addr.Is4In6() || addr.Zone() != "" {
		return nil, fmt.Errorf("%s is not an IPv6 address", word)
	}
	return addr, nil
}

// Format prints the address.
func (ipv6) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (ipv6) String() string { return "X:X::X" }

// volumeDirectory is a directory on a volume, as it is typed. Its value is a string.
type volumeDirectory struct{ slash bool } // slash: one below the volume has a slash at the end (seed 003)

var (
	cacheDirectory = volumeDirectory{slash: true}
	cdrDirectory   = volumeDirectory{}
)

// Parse reads a path by the rules of storage.ParsePath.
func (t volumeDirectory) Parse(word string) (any, error) {
	path, err := storage.ParsePath(word)
	switch {
	case err != nil:
		return nil, err
	case t.slash && !path.IsVolume() && !strings.HasSuffix(word, "/"):
		return nil, fmt.Errorf("%s is not a directory: the slash at its end is missing", word)
	}
	return word, nil
}

// Format prints the path.
func (volumeDirectory) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (t volumeDirectory) String() string {
	if t.slash {
		return "VOLUME:[DIRECTORY/]"
	}
	return "VOLUME:DIRECTORY"
}
