package clock

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"causeway/appliance/storage"
)

// driftMost is the largest frequency error that the kernel corrects, in parts
// in a million (kernel/time/ntp.c, MAXFREQ).
const driftMost = 500

// loadDrift reads the frequency correction that an earlier life of the box
// had learnt, in parts in a million; 0 if there is none.
func loadDrift(path string) (ppm float64, err error) {
	text, err := storage.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err == nil {
		ppm, err = parseDrift(string(text))
	}
	if err != nil {
		return 0, fmt.Errorf("read the drift of the clock: %w", err)
	}
	return ppm, nil
}

// parseDrift reads a drift: a number and a newline, so that a text that was
// cut off is not taken for another number.
func parseDrift(text string) (ppm float64, err error) {
	line, whole := strings.CutSuffix(text, "\n")
	if !whole {
		return 0, fmt.Errorf("%q is cut off", text)
	}
	ppm, err = strconv.ParseFloat(line, 64)
	if err == nil && (math.IsNaN(ppm) || math.Abs(ppm) > driftMost) {
		err = fmt.Errorf("%q is not between -%d and %d ppm", line, driftMost, driftMost)
	}
	if err != nil {
		return 0, err
	}
	return ppm, nil
}

// saveDrift keeps the drift for the next boot. After a cut the old or the new
// one is there.
func saveDrift(path string, ppm float64) error {
	if err := storage.WriteFile(path, fmt.Appendf(nil, "%.3f\n", ppm), 0o644); err != nil {
		return fmt.Errorf("save the drift of the clock: %w", err)
	}
	return nil
}
