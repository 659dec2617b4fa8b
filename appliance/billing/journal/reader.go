package journal

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"causeway/appliance/billing/segment"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Record is one event out of the journal.
type Record struct {
	Seq     uint64 // its number; one greater than that of the record before
	Payload []byte // a model.CallEvent; valid until the next call of Poll
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

	dir     segment.Dir
	ack     *segment.Mark
	durable uint64 // as last read
	last    uint64 // the record given out last

	segment *segment.Scanner // being read; nil before the first
	number  uint32           // of the segment
	void    uint64           // the first record that a later segment is the authority for
	failed  int              // times in a row that the next record could not be read from a disk that is well
	damaged map[uint32]bool  // segments to keep when they are done with
}

// readTries is how often a sector is tried that cannot be read.
const readTries = 5

// unreadable notes that something could not be read, and reports whether to go
// on without it. While the disk does not take a write either, it is not a bad
// sector and nothing is given up.
func (r *Reader) unreadable() bool {
	if r.ack.Move(r.ack.Seq) == nil && r.ack.Sync() == nil {
		r.failed++
	}
	return r.failed >= readTries
}

// OpenReader opens the journal in dir for reading. The writer need not be
// there yet, but no record comes before it was once. ErrInUse means that
// another reader is alive.
func OpenReader(dir string, box Box) (*Reader, error) {
	if err := os.MkdirAll(dir, 0o770); err != nil {
		return nil, fmt.Errorf("open journal for reading: %w", err)
	}
	ack, err := segment.OpenMark(dir, ackName, box)
	if err != nil {
		return nil, fmt.Errorf("open journal %s for reading: %w", dir, err)
	}
	r := &Reader{dir: dirOf(dir, box), ack: ack, last: ack.Seq, damaged: map[uint32]bool{}}
	if err := r.start(); err != nil {
		ack.Close()
		return nil, fmt.Errorf("open journal %s for reading: %w", dir, err)
	}
	return r, nil
}

// start finds the calls open at the acknowledged position and the segment to
// go on from.
func (r *Reader) start() error {
	l, err := r.dir.List()
	if err != nil {
		return err
	}
	var segments []segment.Header
	for _, number := range l.Segments {
		h, err := r.dir.Header(number)
		if err == nil && (h.FirstSeq <= r.last+1 || len(segments) == 0) {
			segments = append(segments, h)
		}
	}
	r.Calls, _, _ = replay(r.dir, segments, r.last+1)
	if len(segments) > 0 {
		r.number = segments[len(segments)-1].Number - 1
	}
	return nil
}

// Poll gives the next record, or ok false when there is none at present. An
// error does not end the reading: what it says may pass.
func (r *Reader) Poll() (record Record, ok bool, err error) {
	if r.last >= r.durable {
		if r.durable, err = segment.ReadMark(r.dir.Path, durableName, r.dir.Box); err != nil {
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
		if r.segment.Last() >= r.durable { // what is due should have come before
			r.Lost += r.durable - r.last
			r.last = r.durable
			break
		}
		f, err := r.segment.Next()
		switch {
		case err == nil && (f.Type() != segment.Record || f.Seq() <= r.last):
			continue
		case err == nil && f.Seq() < r.void:
			r.Lost += f.Seq() - r.last - 1
			r.last, r.failed = f.Seq(), 0
			return Record{Seq: f.Seq(), Payload: f.Payload()}, true, nil
		case err != nil && err != io.EOF && !segment.IsDamage(err) && !r.unreadable():
			return Record{}, false, err
		case err != nil && err != io.EOF && r.segment.Skip():
			r.damaged[r.number] = true
			continue
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
	r.void = next.FirstSeq
	return nil
}

// advance goes to the next segment, if there is one.
func (r *Reader) advance() error {
	r.void = 0
	next, err := r.following()
	if err != nil || next.Number == 0 {
		return err
	}
	opened, err := r.dir.Open(next.Number)
	if err != nil {
		return err
	}
	if r.segment != nil {
		r.segment.Close()
	}
	r.segment, r.number, r.failed = opened, next.Number, 0
	return nil
}

// following gives the header of the first good segment after the current one;
// one that never begins, numbered 0, if there is none.
func (r *Reader) following() (segment.Header, error) {
	l, err := r.dir.List()
	if err != nil {
		return segment.Header{}, err
	}
	for _, number := range l.After(r.number) {
		h, err := r.dir.Header(number)
		switch {
		case err == nil:
			return h, nil
		case !errors.Is(err, segment.ErrForeign) && !errors.Is(err, os.ErrNotExist) && !segment.IsDamage(err) && !r.unreadable():
			return segment.Header{}, err
		}
	}
	return segment.Header{FirstSeq: math.MaxUint64}, nil
}

// Ack says that the records up to seq, all given out, need not come again,
// and deletes the segments that hold nothing else. It costs a flush of the
// disk: call it for many records at once.
func (r *Reader) Ack(seq uint64) error {
	if seq > r.last {
		return fmt.Errorf("acknowledge record %d: only %d were given out", seq, r.last)
	}
	if seq <= r.ack.Seq {
		return nil
	}
	if err := r.ack.Move(seq); err != nil {
		return fmt.Errorf("acknowledge record %d: %w", seq, err)
	}
	if err := r.ack.Sync(); err != nil {
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
	l, err := r.dir.List()
	if err != nil {
		return err
	}
	deleted := false
	var done uint32 // the segment of ours before the one looked at; 0 if none
	for _, number := range l.Segments {
		h, err := r.dir.Header(number)
		if err != nil {
			continue // the writer's to set aside
		}
		if h.FirstSeq > r.ack.Seq || number > r.number {
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
	return storage.SyncDir(r.dir.Path)
}

// delete removes a segment, or keeps it aside if records of it are lost.
func (r *Reader) delete(number uint32) error {
	if !r.damaged[number] {
		return r.dir.Remove(number)
	}
	delete(r.damaged, number)
	return r.dir.SetAside(number, segment.BadSuffix)
}

// Status says how full the journal is.
func (r *Reader) Status() (model.JournalStatus, error) {
	durable, err := segment.ReadMark(r.dir.Path, durableName, r.dir.Box)
	if err != nil {
		return model.JournalStatus{}, err
	}
	return status(r.dir, durable)
}

// Close ends the reading. What was not acknowledged comes again to the next reader.
func (r *Reader) Close() error {
	var err error
	if r.segment != nil {
		err = r.segment.Close()
	}
	return errors.Join(err, r.ack.Close())
}
