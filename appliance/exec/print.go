package exec

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// What show commands print is read by people and by tests: one "Name: value"
// a line, or a table where there are several things of a kind. Nothing is
// wider than 80 columns but a value that is.

// Field prints one "Name: value" line.
func Field(w io.Writer, name string, value any) {
	fmt.Fprintf(w, "%s: %v\n", name, value)
}

// Time is a moment as people read it: in the zone of the session. What leaves
// the box or is kept (files, syslog, texts of alarms) has its times in UTC.
func Time(s Session, t time.Time, layout string) string { return t.In(s.Zone()).Format(layout) }

// Counters prints a line for each counter in the order of their names.
func Counters(w io.Writer, counters map[string]int64) {
	for _, name := range slices.Sorted(maps.Keys(counters)) {
		Field(w, "Counter "+name, counters[name])
	}
}
