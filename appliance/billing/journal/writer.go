package journal

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Options of Open. The zero value is right but for Box.
type Options struct {
	Box         Box
	MaxSize     int64       // octets of all segments together; 0: the free space is the limit
	SegmentSize int64       // octets; 0: 8 MiB
	Report      func(error) // told of each fault as it happens, never two at a time; nil: nobody is

	space  func(dir string) (space, error)
	create func(path string) (segmentFile, error)
	flush  func(path string) error // a file that an earlier life wrote
}

const (
	defaultSegmentSize = 8 << 20
	keepBad            = 16          // .bad files; older ones go
	upkeepInterval     = time.Second // of asking for free space, and of trying again after a fault
)

// segmentFile is what the writer does with a segment.
type segmentFile interface {
	Write([]byte) (int, error)
	Datasync() error
	Truncate(size int64) error
	Close() error
}

type osSegment struct{ *os.File }

func (f osSegment) Datasync() error { return datasync(f.File) }

func createSegment(path string) (segmentFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return nil, err
	}
	return osSegment{f}, nil
}

func flushFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return datasync(f)
}

// Writer appends to the journal. Reserve, Overdraw and Release may be called
// from anywhere at any time and never wait; Commit waits for the disk.
type Writer struct {
	credits
	dir     string
	options Options

	mu      sync.Mutex
	durable *mark  // last, as published to the reader
	last    uint64 // number of the last event that is on the disk
	calls   Calls  // open after it
	waiting []byte // frames of the events last+1 to next-1
	next    uint64
	number  uint32 // of the newest segment
	segment segmentFile
	size    int64  // of segment
	chain   uint32 // end of segment's chain
	failing error  // why waiting could not be written; nil when the disk is well
	retryAt time.Time

	stop chan struct{}
	done sync.WaitGroup
}

// Open opens the journal in dir for writing, and makes dir if it is not there.
// Damage is repaired, reported and no error; neither is a disk that is full or
// refuses to be written: Reserve then says no until it recovers. ErrInUse
// means that another writer is alive.
func Open(dir string, options Options) (*Writer, *Recovery, error) {
	if options.SegmentSize == 0 {
		options.SegmentSize = defaultSegmentSize
	}
	if options.Report == nil {
		options.Report = func(error) {}
	}
	if options.space == nil {
		options.space = spaceOf
	}
	if options.create == nil {
		options.create = createSegment
	}
	if options.flush == nil {
		options.flush = flushFile
	}
	if err := os.MkdirAll(dir, 0o770); err != nil {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	durable, err := openMark(dir, durableName, options.Box)
	if err != nil {
		return nil, nil, fmt.Errorf("open journal %s: %w", dir, err)
	}
	w := &Writer{dir: dir, options: options, durable: durable, stop: make(chan struct{})}
	recovery, err := w.recover()
	if err != nil {
		durable.close()
		return nil, nil, fmt.Errorf("open journal %s: %w", dir, err)
	}
	w.done.Go(w.upkeep)
	return w, recovery, nil
}

// Commit makes the batches' events last: when it returns nil they are on the
// disk. Whatever it returns, it has taken them over and the batches can be
// reset; events that could not be written wait in memory, go before any others
// and are tried again by every Commit and once a second. Their amount is
// bounded by what was reserved.
func (w *Writer) Commit(batches ...*Batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	start := len(w.waiting)
	for _, batch := range batches {
		w.waiting = append(w.waiting, batch.frames...)
	}
	for f, rest := frame(nil), w.waiting[start:]; len(rest) > 0; w.next++ {
		f, rest = firstFrame(rest)
		f.setSeq(w.next)
	}
	if w.failing != nil && time.Now().Before(w.retryAt) {
		return w.failing
	}
	return w.flush()
}

// flush writes what waits. After a fault it tries once more on a new segment:
// what the kernel did with the pages of the old one cannot be known.
func (w *Writer) flush() error {
	for faults := 0; len(w.waiting) > 0 || w.segment == nil; {
		err := w.writeSome()
		if err == nil {
			faults = 0
			continue
		}
		w.abandonSegment()
		if faults++; faults == 2 {
			return w.fail(err)
		}
		if w.failing == nil {
			w.options.Report(fmt.Errorf("journal: going on in a new segment: %w", err))
		}
	}
	if w.failing != nil {
		w.failing = nil
		w.refreshLimit()
	}
	return nil
}

// writeSome writes as much of what waits as the segment takes and publishes it
// once it is durable. A full segment is followed by a new one, which takes at
// least one frame.
func (w *Writer) writeSome() error {
	octets, events := w.fitting()
	if w.segment == nil || octets == 0 {
		if err := w.roll(); err != nil || len(w.waiting) == 0 {
			return err
		}
		if octets, events = w.fitting(); octets == 0 {
			first, _ := firstFrame(w.waiting)
			octets, events = int64(len(first)), 1
		}
	}
	chain := w.chain
	for f, rest := frame(nil), w.waiting[:octets]; len(rest) > 0; {
		f, rest = firstFrame(rest)
		chain = f.link(chain)
	}
	written := w.waiting[:octets]
	if _, err := w.segment.Write(written); err != nil {
		return fmt.Errorf("write segment %d: %w", w.number, err)
	}
	if err := w.segment.Datasync(); err != nil {
		return fmt.Errorf("sync segment %d: %w", w.number, err)
	}
	w.size, w.chain = w.size+octets, chain
	w.last += events
	w.publish()
	w.applyToCalls(written)
	w.waiting = w.waiting[:copy(w.waiting, w.waiting[octets:])]
	w.limit.Add(-octets)
	w.reserved.Add(-octets)
	return nil
}

// fitting is how much of what waits, in whole frames, the segment has room for.
func (w *Writer) fitting() (octets int64, events uint64) {
	// Were the list of open calls longer than a segment, each record would get its own.
	room := max(w.options.SegmentSize, 2*w.calls.size()) - w.size
	for f, rest := frame(nil), w.waiting; len(rest) > 0; events++ {
		f, rest = firstFrame(rest)
		if octets+int64(len(f)) > room {
			break
		}
		octets += int64(len(f))
	}
	return octets, events
}

// publish lets the reader have what is durable. A disk that does not take the
// mark only delays the reader: the next publishing counts.
func (w *Writer) publish() {
	if w.durable.seq == w.last {
		return
	}
	if err := w.durable.move(w.last); err != nil {
		w.options.Report(err)
	}
}

func (w *Writer) applyToCalls(frames []byte) {
	var event model.CallEvent
	for len(frames) > 0 {
		var f frame
		f, frames = firstFrame(frames)
		if err := event.Decode(f.payload()); err != nil {
			panic(err) // Batch.Append encoded it
		}
		w.calls.Apply(&event)
	}
}

// roll begins a new segment with the list of open calls. The old one is
// complete and durable: every write was synced.
func (w *Writer) roll() error {
	w.closeSegment()
	number := w.number + 1
	path := filepath.Join(w.dir, segmentName(number))
	now := time.Now()
	head := header{box: w.options.Box, number: number, firstSeq: w.last + 1, created: now}
	b := head.appendTo(make([]byte, 0, headerSize+w.calls.size()))
	_, chain, err := decodeHeader(b)
	if err != nil {
		panic(err) // we just encoded it
	}
	b, chain = w.calls.appendTo(b, w.last, chain, now)
	file, err := w.options.create(path)
	if err != nil {
		return fmt.Errorf("begin a segment: %w", err)
	}
	w.number = number
	_, err = file.Write(b)
	if err == nil {
		err = file.Datasync()
	}
	if err == nil {
		err = storage.SyncDir(w.dir)
	}
	if err != nil {
		return fmt.Errorf("begin a segment: %w", errors.Join(err, file.Close(), os.Remove(path)))
	}
	w.segment, w.size, w.chain = file, int64(len(b)), chain
	w.limit.Add(-w.size)
	return nil
}

func (w *Writer) closeSegment() {
	if w.segment == nil {
		return
	}
	if err := w.segment.Close(); err != nil {
		w.options.Report(fmt.Errorf("close segment %d: %w", w.number, err))
	}
	w.segment = nil
}

// abandonSegment gives a segment up after a fault. Cutting off what is not
// durable only saves space: the next segment makes it void.
func (w *Writer) abandonSegment() {
	if w.segment == nil {
		return
	}
	if err := w.segment.Truncate(w.size); err != nil {
		w.options.Report(fmt.Errorf("cut segment %d after a fault: %w", w.number, err))
	}
	w.closeSegment()
}

// fail notes that the disk does not take what waits.
func (w *Writer) fail(err error) error {
	err = fmt.Errorf("journal: %d octets of events wait in memory: %w", len(w.waiting), err)
	if w.failing == nil {
		w.options.Report(err)
	}
	w.failing, w.retryAt = err, time.Now().Add(upkeepInterval)
	w.limit.Store(math.MinInt64 / 2)
	return err
}

// upkeep asks for free space and tries failed writes again until Close.
func (w *Writer) upkeep() {
	ticker := time.NewTicker(upkeepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-ticker.C:
		}
		w.mu.Lock()
		if w.failing != nil {
			w.flush() // reported by fail if it is news
		} else {
			w.publish()
			w.refreshLimit()
		}
		w.mu.Unlock()
	}
}

// refreshLimit sets the room that is left: what the reader deleted and what
// others wrote to the disk shows here.
func (w *Writer) refreshLimit() {
	if w.failing != nil {
		return
	}
	there, err := w.options.space(w.dir)
	if err != nil {
		w.options.Report(err)
		return
	}
	room := there.free - there.minFree()
	if w.options.MaxSize > 0 {
		l, err := list(w.dir)
		if err != nil {
			w.options.Report(err)
			return
		}
		room = min(room, w.options.MaxSize-sizes(w.dir, l.segments))
	}
	w.limit.Store(room)
}

// Status says how full the journal is.
func (w *Writer) Status() (model.JournalStatus, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return status(w.dir, w.options.Box, w.last)
}

func status(dir string, box Box, durable uint64) (model.JournalStatus, error) {
	l, err := list(dir)
	acknowledged, ackErr := readMark(dir, ackName, box)
	return model.JournalStatus{
		Directory: dir,
		Segments:  len(l.segments),
		Bytes:     sizes(dir, l.segments),
		FirstSeq:  acknowledged + 1,
		NextSeq:   durable + 1,
		Repaired:  len(l.bad),
	}, errors.Join(err, ackErr)
}

// Close writes what waits and closes the journal. Its error says what is lost.
func (w *Writer) Close() error {
	close(w.stop)
	w.done.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.flush()
	w.closeSegment()
	w.limit.Store(math.MinInt64 / 2)
	return errors.Join(err, w.durable.close())
}
