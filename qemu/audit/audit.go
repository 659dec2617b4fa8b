package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway/appliance/billing/packetcable"
	"causeway/qemu/lab"
)

// Findings is what came out.
type Findings struct {
	Calls      int
	Records    int       // event messages stored, each once
	Lost       int       // event messages that should be there
	Oldest     time.Time // when the caller saw what the first of these tells of
	Duplicates int
	Wrong      []string // a sentence each
}

// Fault says what is wrong; nil: nothing.
func (f Findings) Fault() error {
	if f.Lost == 0 && len(f.Wrong) == 0 {
		return nil
	}
	wrong := f.Wrong[:min(len(f.Wrong), 20)]
	return fmt.Errorf("of %d calls %d event messages are stored, %d are missing; %d faults: %s", f.Calls, f.Records, f.Lost, len(f.Wrong), strings.Join(wrong, "; "))
}

// Compare holds the records against the calls. until is when the power failed,
// less the time in which events may be lost: what came later may be there or not,
// and so may other calls. Zero: all must be there, and nothing else.
func Compare(calls []Call, records *Records, until time.Time) Findings {
	f := Findings{Calls: len(calls), Records: records.Count, Duplicates: records.Duplicates, Wrong: slices.Clone(records.Wrong)}
	type side struct {
		number    string
		direction byte
	}
	halves := map[side]*Half{}
	for _, half := range records.Halves {
		at := side{half.Number, half.Direction}
		if halves[at] != nil {
			f.wrong("number %q has two half-calls of direction %d", half.Number, half.Direction)
		}
		halves[at] = half
	}
	for _, c := range calls {
		for _, direction := range []byte{packetcable.Originating, packetcable.Terminating} {
			at := side{c.Number, direction}
			half := halves[at]
			delete(halves, at)
			if half == nil {
				half = &Half{}
			}
			f.compare(c, direction, half, until)
		}
	}
	for at, half := range halves {
		if until.IsZero() {
			f.wrong("number %q, direction %d, is of no call: %v", at.number, at.direction, half.Types())
		}
	}
	return f
}

func (f *Findings) wrong(format string, args ...any) {
	f.Wrong = append(f.Wrong, fmt.Sprintf(format, args...))
}

// compare looks at one half of a call.
func (f *Findings) compare(c Call, direction byte, half *Half, until time.Time) {
	all := until.IsZero()
	if all {
		until = time.Now()
	}
	want, got := c.due(until), half.Types()
	n := 0
	for n < len(want) && n < len(got) && want[n].kind == got[n] {
		n++
	}
	f.Lost += len(want) - n
	if n < len(want) && (f.Oldest.IsZero() || want[n].seen.Before(f.Oldest)) {
		f.Oldest = want[n].seen
	}
	if n < len(want) || all && len(got) > n {
		f.wrong("number %s, direction %d, has %v; want %v", c.Number, direction, got, kinds(want))
		return
	}
	if !slices.Contains(got, packetcable.SignalingStop) || c.Over.IsZero() {
		return
	}
	at := packetcable.SignalingStop
	if !c.Answered.IsZero() {
		at = packetcable.CallDisconnect
	}
	value, _ := half.Find(at, packetcable.TypeTerminationCause)
	cause, err := packetcable.Attribute{Vendor: packetcable.CableLabs, Type: packetcable.TypeTerminationCause, Value: value}.Cause()
	if err != nil || cause != c.cause() {
		f.wrong("number %s, direction %d, has cause %d (%v) in %s; want %d", c.Number, direction, cause, err, at, c.cause())
	}
}

func kinds(messages []due) []packetcable.MessageType {
	all := make([]packetcable.MessageType, len(messages))
	for i, m := range messages {
		all[i] = m.kind
	}
	return all
}

// Keeper is where stored requests are read.
type Keeper interface {
	Stored() ([]lab.Stored, error)
}

// Await waits until the keepers together have all that the calls must have
// (Compare), and gives what it found last.
func Await(ctx context.Context, calls []Call, until time.Time, keepers ...Keeper) (Findings, *Records, error) {
	for {
		all := make([][]lab.Stored, len(keepers))
		for i, keeper := range keepers {
			var err error
			if all[i], err = keeper.Stored(); err != nil {
				return Findings{}, nil, err
			}
		}
		records, err := Read(all...)
		if err != nil {
			return Findings{}, nil, err
		}
		found := Compare(calls, records, until)
		fault := found.Fault()
		if fault == nil {
			return found, records, nil
		}
		select {
		case <-ctx.Done():
			return found, records, fault
		case <-time.After(50 * time.Millisecond):
		}
	}
}
