package journal

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// Recovery is what Open found.
type Recovery struct {
	Calls    []OpenCall // offered and not ended
	Repaired int        // segments whose tail was cut off
	Cut      int64      // octets cut off and kept in .bad files
	Aside    int        // segments with a damaged header or of another box, renamed
}

// recover finds out what the journal holds, repairs it, and begins a segment.
func (w *Writer) recover() (*Recovery, error) {
	recovery := &Recovery{}
	l, err := list(w.dir)
	if err != nil {
		return nil, err
	}
	w.number = l.highest
	segments := w.sortOut(l.segments, recovery)
	calls, last, read := replay(w.dir, segments, math.MaxUint64)
	for _, end := range read {
		w.repair(end, recovery)
		// The writer before us may have died before its fdatasync: what we
		// read may be in the kernel's memory only.
		if err := w.options.flush(filepath.Join(w.dir, segmentName(end.number))); err != nil {
			w.options.Report(fmt.Errorf("journal segment %d: flush what was found: %w", end.number, err))
		}
	}
	w.dropOldBad(l.bad)

	// A disk that lost what it called durable must not make us use a number twice.
	acknowledged, err := readMark(w.dir, ackName, w.options.Box)
	if err != nil {
		return nil, err
	}
	w.last = max(last, w.durable.seq, acknowledged)
	w.calls, w.next = calls, w.last+1
	recovery.Calls = calls.List()
	w.publish()
	w.flush()
	w.refreshLimit()
	return recovery, nil
}

// repair cuts off what follows the valid data of a segment. A segment that
// cannot be read or repaired stays as it is: the next one makes the rest void.
func (w *Writer) repair(end ending, recovery *Recovery) {
	if end.fault == nil {
		return
	}
	if !isDamage(end.fault) {
		w.options.Report(fmt.Errorf("journal segment %d: not read to its end: %w", end.number, end.fault))
		return
	}
	octets, err := cut(w.dir, end.number, end.good)
	w.options.Report(errors.Join(fmt.Errorf("journal segment %d: %w; cut %d octets off", end.number, end.fault, octets), err))
	recovery.Repaired++
	recovery.Cut += octets
}

// sortOut gives the headers of our segments and renames those that are none.
func (w *Writer) sortOut(numbers []uint32, recovery *Recovery) (segments []header) {
	for _, number := range numbers {
		h, err := headerOf(w.dir, number, w.options.Box)
		switch {
		case err == nil:
			segments = append(segments, h)
			continue
		case errors.Is(err, ErrForeign):
			err = errors.Join(err, setAside(w.dir, number, foreignSuffix))
		case isDamage(err):
			err = errors.Join(err, setAside(w.dir, number, badSuffix))
		case errors.Is(err, os.ErrNotExist): // the reader deleted it
			continue
		}
		recovery.Aside++
		w.options.Report(fmt.Errorf("journal: not used: %w", err))
	}
	return segments
}

// dropOldBad keeps the number of .bad files bounded.
func (w *Writer) dropOldBad(bad []string) {
	for _, name := range bad[:max(0, len(bad)-keepBad)] {
		if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
			w.options.Report(fmt.Errorf("journal: %w", err))
		}
	}
}
