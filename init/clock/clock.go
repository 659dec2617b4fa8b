// Package clock keeps the box from waking up in the past: without a battery
// the clock starts in 1970, and nothing signed is valid then. The floor is the
// later of the build time and the last saved time; NTP sets the clock right
// afterwards, in either direction, and the next save follows it.
package clock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"causeway/appliance/storage"
)

// Interval is how often the time is saved while the box runs.
const Interval = 10 * time.Minute

// longestFile is more than any saved time takes, in octets.
const longestFile = 64

// Floor gives the earliest time it can be: the build's or the one saved at
// path. The error says why a saved time does not count; no file is no error.
func Floor(build time.Time, path string) (time.Time, error) {
	saved, err := read(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return build, nil
	case err != nil:
		return build, fmt.Errorf("read the saved time: %w", err)
	case saved.Before(build):
		return build, nil
	}
	return saved, nil
}

func read(path string) (time.Time, error) {
	file, err := storage.Open(path)
	if err != nil {
		return time.Time{}, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, longestFile))
	if err != nil {
		return time.Time{}, err
	}
	return parse(string(text))
}

// parse reads a saved time: RFC 3339 and a newline, so that a text that was
// cut off is not taken for another time.
func parse(text string) (time.Time, error) {
	line, whole := strings.CutSuffix(text, "\n")
	if !whole {
		return time.Time{}, fmt.Errorf("%q is cut off", text)
	}
	return time.Parse(time.RFC3339, line)
}

// Save writes the time to path. After a cut the old or the new time is there.
func Save(path string, now time.Time) error {
	if err := storage.WriteFile(path, []byte(now.UTC().Format(time.RFC3339)+"\n"), 0o644); err != nil {
		return fmt.Errorf("save the time: %w", err)
	}
	return nil
}
