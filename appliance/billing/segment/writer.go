package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"causeway/appliance/storage"
)

// Appendable is what a writer does with a segment.
type Appendable interface {
	Write([]byte) (int, error)
	Datasync() error
	Truncate(size int64) error
	Close() error
}

type osFile struct{ *os.File }

func (f osFile) Datasync() error { return datasync(f.File) }

// Create makes a new segment.
func Create(path string) (Appendable, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Flush makes a file last that an earlier life wrote.
func Flush(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return datasync(f)
}

// DefaultSize is how long a segment becomes, in octets.
const DefaultSize = 8 << 20

// Writer appends to segments that it makes. It belongs to one goroutine, or to
// who holds the lock of its owner.
type Writer struct {
	Dir
	Size   int64                                 // of a segment at the most, in octets
	Create func(path string) (Appendable, error) // Create, or a test's
	Report func(error)                           // told of faults that Append gets over
	// Head appends the frames that a segment begins with; the writer numbers them.
	Head func(b []byte) []byte
	// Begun is told of each segment that is begun and durable, and its octets so far.
	Begun func(h Header, octets int64)

	Number uint32 // of the newest segment in the directory
	Next   uint64 // the record that comes next

	file    Appendable // nil: the next Append begins a segment
	head    int64      // octets that it began with
	size    int64
	chain   uint32 // end of its chain
	failing bool   // the last Append failed
}

// Append numbers the frames and makes them last: a write and an fdatasync for
// each segment that they fill. It calls durable with each part that is on the
// disk for certain, in order. After a fault it tries once more in a new segment:
// what the kernel did with the pages of the old one cannot be known. What was
// not given to durable when it fails may come again, changed or not.
// Without frames it only sees that a segment is begun.
func (w *Writer) Append(frames []byte, durable func(part []byte)) error {
	for faults := 0; len(frames) > 0 || w.file == nil; {
		part, err := w.appendSome(frames)
		if err == nil {
			faults = 0
			if len(part) > 0 {
				durable(part)
			}
			frames = frames[len(part):]
			continue
		}
		w.abandon()
		if faults++; faults == 2 {
			w.failing = true
			return err
		}
		if !w.failing {
			w.Report(fmt.Errorf("going on in a new segment: %w", err))
		}
	}
	w.failing = false
	return nil
}

// appendSome writes as many of the frames as the segment takes. A full segment
// is followed by a new one, which takes at least one frame.
func (w *Writer) appendSome(frames []byte) (part []byte, err error) {
	part, records := w.fitting(frames)
	if w.file == nil || len(part) == 0 {
		if err := w.begin(); err != nil || len(frames) == 0 {
			return nil, err
		}
		if part, records = w.fitting(frames); len(part) == 0 {
			part, _ = FirstFrame(frames)
			records = 1
		}
	}
	chain, seq := w.chain, w.Next
	for f, rest := Frame(nil), part; len(rest) > 0; seq++ {
		f, rest = FirstFrame(rest)
		chain = f.link(seq, chain)
	}
	if _, err := w.file.Write(part); err != nil {
		return nil, fmt.Errorf("write segment %d: %w", w.Number, err)
	}
	if err := w.file.Datasync(); err != nil {
		return nil, fmt.Errorf("sync segment %d: %w", w.Number, err)
	}
	w.size, w.chain, w.Next = w.size+int64(len(part)), chain, w.Next+records
	return part, nil
}

// fitting is how many of the frames the segment has room for.
func (w *Writer) fitting(frames []byte) (part []byte, records uint64) {
	// Were its head longer than a segment, each record would get its own.
	room := max(w.Size, 2*w.head) - w.size
	octets := 0
	for f, rest := Frame(nil), frames; len(rest) > 0; records++ {
		f, rest = FirstFrame(rest)
		if int64(octets+len(f)) > room {
			break
		}
		octets += len(f)
	}
	return frames[:octets], records
}

// begin begins a new segment. The old one is complete and durable: every write
// was synced.
func (w *Writer) begin() error {
	w.Close()
	h := Header{Box: w.Box, Number: w.Number + 1, FirstSeq: w.Next, Created: time.Now()}
	b := h.appendTo(nil, w.Magic)
	chain := binary.LittleEndian.Uint32(b[HeaderSize-4:])
	b = w.Head(b)
	for f, rest := Frame(nil), b[HeaderSize:]; len(rest) > 0; {
		f, rest = FirstFrame(rest)
		chain = f.link(w.Next-1, chain)
	}
	path := w.path(h.Number)
	file, err := w.Create(path)
	if err != nil {
		return fmt.Errorf("begin a segment: %w", err)
	}
	w.Number = h.Number
	_, err = file.Write(b)
	if err == nil {
		err = file.Datasync()
	}
	if err == nil {
		err = storage.SyncDir(w.Path)
	}
	if err != nil {
		return fmt.Errorf("begin a segment: %w", errors.Join(err, file.Close(), os.Remove(path)))
	}
	w.file, w.head, w.size, w.chain = file, int64(len(b)), int64(len(b)), chain
	w.Begun(h, w.size)
	return nil
}

// abandon gives the segment up after a fault. Cutting off what is not durable
// only saves space: the next segment makes it void.
func (w *Writer) abandon() {
	if w.file == nil {
		return
	}
	if err := w.file.Truncate(w.size); err != nil {
		w.Report(fmt.Errorf("cut segment %d after a fault: %w", w.Number, err))
	}
	w.Close()
}

// Close ends the segment; the next Append begins a new one.
func (w *Writer) Close() {
	if w.file == nil {
		return
	}
	if err := w.file.Close(); err != nil {
		w.Report(fmt.Errorf("close segment %d: %w", w.Number, err))
	}
	w.file = nil
}
