package cache

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"causeway/appliance/billing/segment"
)

// Printer prints records for the support tool. describe gives what a record's
// payload says, on one line; nil: its length.
func Printer(describe func(Record) string) segment.Printer {
	if describe == nil {
		describe = func(r Record) string { return fmt.Sprintf("%d octets", len(r.Payload)) }
	}
	return segment.Printer{Format: format, Print: func(out io.Writer, f segment.Frame) {
		at := f.Time().Format("2006-01-02T15:04:05.000000Z07:00")
		h, err := decodeHead(f.Payload())
		switch {
		case f.Type() == segment.Head && err == nil:
			fmt.Fprintf(out, "# after record %d, the newest of event %d.%d; records for each place so far: %d\n",
				h.written, h.newest.Event, h.newest.Index, h.before.records)
		case !isRecord(f):
			fmt.Fprintf(out, "# record %d of %s is none of the cache\n", f.Seq(), f.Time().Format(time.RFC3339Nano))
		default:
			r := recordOf(f, f.Seq())
			fmt.Fprintf(out, "%d %s %s %s event=%d.%d to=%s %s\n", r.Seq, at, r.Call, r.Kind, r.Source.Event, r.Source.Index, r.To, describe(r))
		}
	}}
}

// String lists the places: "0,3".
func (p Places) String() string {
	var list []string
	for place := range PlacesMax {
		if p&(1<<place) != 0 {
			list = append(list, strconv.Itoa(place))
		}
	}
	return strings.Join(list, ",")
}

// String is the kind as the support tool prints it.
func (k Kind) String() string {
	switch k {
	case EM:
		return "em"
	case CDR:
		return "cdr"
	}
	return fmt.Sprintf("kind-%d", uint8(k))
}
