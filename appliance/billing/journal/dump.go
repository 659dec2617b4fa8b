package journal

import (
	"fmt"
	"io"
	"strings"
	"time"

	"causeway/appliance/billing/segment"
	"causeway/appliance/model"
)

// Printer prints call events for the support tool.
func Printer() segment.Printer { return segment.Printer{Format: format, Print: printFrame} }

func printFrame(out io.Writer, f segment.Frame) {
	if f.Type() == segment.Head {
		calls := Calls{}
		calls.takePart(f.Payload())
		fmt.Fprintf(out, "# after record %d: %d calls open\n", f.Seq(), len(calls))
		for _, call := range calls.List() {
			fmt.Fprintf(out, "#   %s since %s\n", call.Key, call.Start.Format(time.RFC3339Nano))
		}
		return
	}
	var event model.CallEvent
	if err := event.Decode(f.Payload()); err != nil {
		fmt.Fprintf(out, "# record %d of %s: %v\n", f.Seq(), f.Time().Format(time.RFC3339Nano), err)
		return
	}
	fmt.Fprintf(out, "%d %s\n", f.Seq(), eventLine(&event))
}

// eventLine is an event as one line of text; texts of the message are quoted.
func eventLine(event *model.CallEvent) string {
	var line strings.Builder
	fmt.Fprintf(&line, "%s %s %s", event.Time.Format("2006-01-02T15:04:05.000000Z07:00"), event.Key, event.Kind)
	if event.Status != 0 {
		fmt.Fprintf(&line, " status=%d", event.Status)
	}
	if event.Cause != model.EndUnknown {
		fmt.Fprintf(&line, " cause=%s", event.Cause)
	}
	for _, text := range []struct {
		name  string
		value []byte
	}{
		{"network", event.Network}, {"peer", event.Peer}, {"rule", event.Rule}, {"request-uri", event.RequestURI},
		{"from", event.From}, {"to", event.To}, {"call-id", event.CallID}, {"sdp", event.SDP},
	} {
		if len(text.value) > 0 {
			fmt.Fprintf(&line, " %s=%q", text.name, text.value)
		}
	}
	return line.String()
}
