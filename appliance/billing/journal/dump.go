package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"causeway/appliance/model"
)

// Dump prints what is in the journal in dir, whosever it is, as text for a
// person: one event a line, and lines that begin with # for everything else,
// the places of damage among them. It changes nothing and may run beside the
// writer and the reader. The error is one of reading dir or of writing.
func Dump(w io.Writer, dir string) error {
	l, err := list(dir)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	for _, name := range []string{durableName, ackName} {
		dumpMark(out, dir, name)
	}
	for _, number := range l.segments {
		dumpSegment(out, dir, segmentName(number))
	}
	for _, name := range append(l.foreign, l.bad...) {
		fmt.Fprintf(out, "# %s is kept aside\n", name)
	}
	return out.Flush()
}

func dumpMark(out io.Writer, dir, name string) {
	file, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		fmt.Fprintf(out, "# no mark %s: %v\n", name, err)
		return
	}
	defer file.Close()
	for i := range int64(slots) {
		var slot [slotSize]byte
		if _, err := file.ReadAt(slot[:], i*slotApart); err != nil {
			continue
		}
		box := Box(slot[:8])
		if seq, valid := decodeSlot(slot, box); valid {
			fmt.Fprintf(out, "# mark %s: record %d, box %x\n", name, seq, box)
		}
	}
}

func dumpSegment(out io.Writer, dir, name string) {
	file, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		fmt.Fprintf(out, "# %s: %v\n", name, err)
		return
	}
	defer file.Close()
	var b [headerSize]byte
	n, err := file.ReadAt(b[:], 0)
	if err != nil && err != io.EOF {
		fmt.Fprintf(out, "# %s: %v\n", name, err)
		return
	}
	h, _, err := decodeHeader(b[:n])
	if err != nil {
		fmt.Fprintf(out, "# %s: %v\n", name, err)
		return
	}
	fmt.Fprintf(out, "# %s: segment %d, box %x, from record %d, begun %s\n",
		name, h.number, h.box, h.firstSeq, h.created.Format(time.RFC3339))
	s, err := newScanner(file, h.box)
	for err == nil {
		var f frame
		if f, err = s.next(); err == nil {
			dumpFrame(out, f)
		}
	}
	if err == io.EOF {
		return
	}
	info, statErr := file.Stat()
	if statErr != nil {
		fmt.Fprintf(out, "# %s: %v\n", name, errors.Join(err, statErr))
		return
	}
	fmt.Fprintf(out, "# %s: %v; %d octets not read\n", name, err, info.Size()-s.off)
}

func dumpFrame(out io.Writer, f frame) {
	if f.kind() == recordCalls {
		calls := Calls{}
		calls.takePart(f.payload())
		fmt.Fprintf(out, "# after record %d: %d calls open\n", f.seq(), len(calls))
		for _, call := range calls.List() {
			fmt.Fprintf(out, "#   %s since %s\n", call.Key, call.Start.Format(time.RFC3339Nano))
		}
		return
	}
	var event model.CallEvent
	if err := event.Decode(f.payload()); err != nil {
		fmt.Fprintf(out, "# record %d of %s: %v\n", f.seq(), f.time().Format(time.RFC3339Nano), err)
		return
	}
	fmt.Fprintf(out, "%d %s\n", f.seq(), eventLine(&event))
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
