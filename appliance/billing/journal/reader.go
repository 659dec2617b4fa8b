package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Record is one event out of the journal.
type Record struct {
	Seq     uint64 // its number; one greater than that of the record before
	Payload []byte // a model.CallEvent; valid until the next call of Poll or Next
}

// Reader gives out the durable events that are not acknowledged yet, and then
// the new ones as they come. It belongs to one goroutine.
type Reader struct {
	// Calls are those open when the reader was opened: before the first
	// record that Poll gives. The caller may take the table over.
	Calls Calls
	// Lost counts the records that should be there and are not, because a
	// segment is damaged or gone.
	Lost uint64

	dir     string
	box     Box
	ack     *mark
	durable uint64 // as last read
	last    uint64 // the record given out last

	file    *os.File // of the segment being read; nil before the first
	segment *scanner
	number  uint32          // of the segment
	void    uint64          // the first record that a later segment is the authority for
	damaged map[uint32]bool // segments to keep when they are done with
}

// OpenReader opens the journal in dir for reading. The writer need not be
// there yet, but no record comes before it was once. ErrInUse means that
// another reader is alive.
func OpenReader(dir string, box Box) (*Reader, error) {
	if err := os.MkdirAll(dir, 0o770); err != nil {
		return nil, fmt.Errorf("open journal for reading: %w", err)
	}
	ack, err := openMark(dir, ackName, box)
	if err != nil {
		return nil, fmt.Errorf("open journal %s for reading: %w", dir, err)
	}
	r := &Reader{dir: dir, box: box, ack: ack, last: ack.seq, damaged: map[uint32]bool{}}
	if err := r.start(); err != nil {
		ack.close()
		return nil, fmt.Errorf("open journal %s for reading: %w", dir, err)
	}
	return r, nil
}

// start finds the calls open at the acknowledged position and the segment to
// go on from.
func (r *Reader) start() error {
	l, err := list(r.dir)
	if err != nil {
		return err
	}
	var segments []header
	for _, number := range l.segments {
		h, err := headerOf(r.dir, number, r.box)
		if err == nil && (h.firstSeq <= r.last+1 || len(segments) == 0) {
			segments = append(segments, h)
		}
	}
	r.Calls, _, _ = replay(r.dir, segments, r.last+1)
	if len(segments) > 0 {
		r.number = segments[len(segments)-1].number - 1
	}
	return nil
}

// Poll gives the next record, or ok false when there is none at present. An
// error does not end the reading: what it says may pass.
func (r *Reader) Poll() (record Record, ok bool, err error) {
	if r.last >= r.durable {
		if r.durable, err = readMark(r.dir, durableName, r.box); err != nil {
			return Record{}, false, err
		}
		r.void = 0 // the writer may have begun a segment since
	}
	for r.last < r.durable {
		if r.void == 0 {
			if err := r.look(); err != nil || r.segment == nil {
				return Record{}, false, err
			}
		}
		if r.segment.last >= r.durable { // what is due should have come before
			r.Lost += r.durable - r.last
			r.last = r.durable
			break
		}
		f, err := r.segment.next()
		switch {
		case err == nil && (f.kind() != recordEvent || f.seq() <= r.last):
			continue
		case err == nil && f.seq() < r.void:
			r.Lost += f.seq() - r.last - 1
			r.last = f.seq()
			return Record{Seq: f.seq(), Payload: f.payload()}, true, nil
		case err != nil && err != io.EOF && !isDamage(err):
			return Record{}, false, err
		case r.void == math.MaxUint64:
			r.void = 0 // look again next time
			return Record{}, false, fmt.Errorf("journal segment %d: record %d is missing: %w", r.number, r.last+1, err)
		}
		if r.last+1 < r.void {
			r.damaged[r.number] = true
		}
		if err := r.advance(); err != nil {
			return Record{}, false, err
		}
	}
	return Record{}, false, nil
}

// look opens the first segment if none is open, and learns where the open one
// stops being the authority.
func (r *Reader) look() error {
	if r.segment == nil {
		if err := r.advance(); err != nil || r.segment == nil {
			return err
		}
	}
	next, err := r.following()
	if err != nil {
		return err
	}
	r.void = next.firstSeq
	return nil
}

// advance goes to the next segment, if there is one.
func (r *Reader) advance() error {
	r.void = 0
	next, err := r.following()
	if err != nil || next.number == 0 {
		return err
	}
	file, segment, err := openSegment(r.dir, next.number, r.box)
	if err != nil {
		return err
	}
	if r.file != nil {
		r.file.Close()
	}
	r.file, r.segment, r.number = file, segment, next.number
	return nil
}

// following gives the header of the first good segment after the current one;
// one that never begins, numbered 0, if there is none.
func (r *Reader) following() (header, error) {
	l, err := list(r.dir)
	if err != nil {
		return header{}, err
	}
	for _, number := range l.after(r.number) {
		h, err := headerOf(r.dir, number, r.box)
		switch {
		case err == nil:
			return h, nil
		case !errors.Is(err, ErrForeign) && !errors.Is(err, os.ErrNotExist) && !isDamage(err):
			return header{}, err
		}
	}
	return header{firstSeq: math.MaxUint64}, nil
}

// The interval of Next's polling grows from the first to the second.
const (
	pollFirst = 2 * time.Millisecond
	pollMost  = 100 * time.Millisecond
)

// Next waits for the next record. The error is that of ctx or of Poll.
func (r *Reader) Next(ctx context.Context) (Record, error) {
	for wait := pollFirst; ; wait = min(2*wait, pollMost) {
		record, ok, err := r.Poll()
		if ok || err != nil {
			return record, err
		}
		select {
		case <-ctx.Done():
			return Record{}, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// Ack says that the records up to seq, all given out, need not come again,
// and deletes the segments that hold nothing else. It costs a flush of the
// disk: call it for many records at once.
func (r *Reader) Ack(seq uint64) error {
	if seq > r.last {
		return fmt.Errorf("acknowledge record %d: only %d were given out", seq, r.last)
	}
	if seq <= r.ack.seq {
		return nil
	}
	if err := r.ack.move(seq); err != nil {
		return fmt.Errorf("acknowledge record %d: %w", seq, err)
	}
	if err := r.ack.sync(); err != nil {
		return fmt.Errorf("acknowledge record %d: %w", seq, err)
	}
	if err := r.deleteDone(); err != nil {
		return fmt.Errorf("delete acknowledged segments: %w", err)
	}
	return nil
}

// deleteDone deletes the segments whose successor begins at an acknowledged
// record; damaged ones are kept aside.
func (r *Reader) deleteDone() error {
	l, err := list(r.dir)
	if err != nil {
		return err
	}
	deleted := false
	var done uint32 // the segment of ours before the one looked at; 0 if none
	for _, number := range l.segments {
		h, err := headerOf(r.dir, number, r.box)
		if err != nil {
			continue // the writer's to set aside
		}
		if h.firstSeq > r.ack.seq || number > r.number {
			break
		}
		if done != 0 {
			if err := r.delete(done); err != nil {
				return err
			}
			deleted = true
		}
		done = number
	}
	if !deleted {
		return nil
	}
	return storage.SyncDir(r.dir)
}

// delete removes a segment, or keeps it aside if records of it are lost.
func (r *Reader) delete(number uint32) error {
	if !r.damaged[number] {
		return os.Remove(filepath.Join(r.dir, segmentName(number)))
	}
	delete(r.damaged, number)
	return setAside(r.dir, number, badSuffix)
}

// Status says how full the journal is.
func (r *Reader) Status() (model.JournalStatus, error) {
	durable, err := readMark(r.dir, durableName, r.box)
	if err != nil {
		return model.JournalStatus{}, err
	}
	return status(r.dir, r.box, durable)
}

// Close ends the reading. What was not acknowledged comes again to the next reader.
func (r *Reader) Close() error {
	var err error
	if r.file != nil {
		err = r.file.Close()
	}
	return errors.Join(err, r.ack.close())
}
