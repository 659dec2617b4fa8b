package journal

import (
	"fmt"
	"math"
	"path/filepath"

	"causeway/appliance/billing/segment"
)

// Recovery is what a writer found.
type Recovery struct {
	Calls []OpenCall // offered and not ended
	segment.Repairs
}

// recover finds out what the journal holds and repairs it.
func (w *Writer) recover() (*Recovery, error) {
	recovery := &Recovery{}
	dir := w.log.Dir
	l, err := dir.List()
	if err != nil {
		return nil, err
	}
	// A disk that lost what it called durable must not make us use a number twice.
	acknowledged, err := segment.ReadMark(dir.Path, ackName, dir.Box)
	if err != nil {
		return nil, err
	}
	segments, unreadable := recovery.SortOut(dir, l.Segments, w.report)
	if unreadable != nil {
		w.report(unreadable)
	}
	calls, last, read := replay(dir, segments, math.MaxUint64)
	for _, end := range read {
		recovery.Mend(dir, end, w.report)
		// The writer before us may have died before its fdatasync: what we
		// read may be in the kernel's memory only.
		if err := w.options.flush(filepath.Join(dir.Path, dir.Name(end.Number))); err != nil {
			w.report(fmt.Errorf("segment %d: flush what was found: %w", end.Number, err))
		}
	}
	dir.DropOldBad(l.Bad, w.report)

	w.log.Number = l.Highest
	w.last = max(last, w.durable.Seq, acknowledged)
	w.log.Next = w.last + 1
	w.calls = calls
	recovery.Calls = calls.List()
	return recovery, nil
}
