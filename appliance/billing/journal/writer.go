package journal

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	"causeway/appliance/billing/segment"
	"causeway/appliance/model"
)

// Options of Open. The zero value is right but for Box.
type Options struct {
	Box         Box
	MaxSize     int64       // octets of all segments together; 0: the free space is the limit
	SegmentSize int64       // octets; 0: 8 MiB
	Report      func(error) // told of each fault as it happens, never two at a time; nil: nobody is
	// Recovered is told what the journal held when the disk could not be used at
	// Open and can be now, once at the most and from another goroutine.
	Recovered func(*Recovery)

	space  func(dir string) (segment.Space, error)
	create func(path string) (segment.Appendable, error)
	flush  func(path string) error // a file that an earlier life wrote
}

// upkeepInterval is that of asking for free space, and of trying again after a fault.
const upkeepInterval = time.Second

// Writer appends to the journal. Reserve, Overdraw and Release may be called
// from anywhere at any time and never wait; Commit waits for the disk.
type Writer struct {
	credits
	options Options

	mu      sync.Mutex
	log     segment.Writer
	durable *segment.Mark // last, as published to the reader; nil until the disk could be used
	last    uint64        // number of the last event that is on the disk
	calls   Calls         // open after it
	waiting []byte        // frames of the events after it
	failing error         // why waiting could not be written; nil when the disk is well
	retryAt time.Time

	stop chan struct{}
	done sync.WaitGroup
}

// Open opens the journal in dir for writing, and makes dir if it is not there.
// Damage is repaired, reported and no error; neither is a disk that is full,
// broken, missing or refuses to be written: Reserve then says no until it
// recovers, and the Recovery is nil where nothing could be read: Recovered gets
// it. The error is ErrInUse: another writer is alive.
func Open(dir string, options Options) (*Writer, *Recovery, error) {
	if options.SegmentSize == 0 {
		options.SegmentSize = segment.DefaultSize
	}
	if options.Report == nil {
		options.Report = func(error) {}
	}
	if options.Recovered == nil {
		options.Recovered = func(*Recovery) {}
	}
	if options.space == nil {
		options.space = segment.SpaceOf
	}
	if options.create == nil {
		options.create = segment.Create
	}
	if options.flush == nil {
		options.flush = segment.Flush
	}
	w := &Writer{options: options, calls: Calls{}, stop: make(chan struct{})}
	w.log = segment.Writer{
		Dir: dirOf(dir, options.Box), Size: options.SegmentSize, Create: options.create, Report: w.report,
		Head:  func(b []byte) []byte { return w.calls.appendTo(b, time.Now()) },
		Begun: func(_ segment.Header, octets int64) { w.limit.Add(-octets) },
	}
	recovery, err := w.open()
	if errors.Is(err, ErrInUse) {
		return nil, nil, err
	}
	w.done.Go(w.upkeep)
	return w, recovery, nil
}

// open takes the directory into use. After an error but ErrInUse it may be
// called again.
func (w *Writer) open() (*Recovery, error) {
	fail := func(err error) (*Recovery, error) {
		return nil, w.fail(fmt.Errorf("open journal %s: %w", w.log.Path, err))
	}
	if err := os.MkdirAll(w.log.Path, 0o770); err != nil {
		return fail(err)
	}
	durable, err := segment.OpenMark(w.log.Path, durableName, w.options.Box)
	if err != nil {
		return fail(err)
	}
	w.durable = durable
	recovery, err := w.recover()
	if err != nil {
		w.durable = nil
		return fail(errors.Join(err, durable.Close()))
	}
	w.publish()
	w.flush() // reported by fail
	w.refreshLimit()
	return recovery, nil
}

func (w *Writer) report(err error) { w.options.Report(fmt.Errorf("journal: %w", err)) }

// Commit makes the batches' events last: when it returns nil they are on the
// disk. Whatever it returns, it has taken them over and the batches can be
// reset; events that could not be written wait in memory, go before any others
// and are tried again by every Commit and once a second. Their amount is
// bounded by what was reserved.
func (w *Writer) Commit(batches ...*Batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, batch := range batches {
		w.waiting = append(w.waiting, batch.frames...)
	}
	if w.failing != nil && time.Now().Before(w.retryAt) || w.durable == nil {
		return w.failing
	}
	return w.flush()
}

// flush writes what waits.
func (w *Writer) flush() error {
	written := 0
	err := w.log.Append(w.waiting, func(part []byte) {
		written += len(part)
		w.last = w.log.Next - 1
		w.publish()
		w.applyToCalls(part)
		w.limit.Add(-int64(len(part)))
		w.reserved.Add(-int64(len(part)))
	})
	w.waiting = w.waiting[:copy(w.waiting, w.waiting[written:])]
	if err != nil {
		return w.fail(fmt.Errorf("%d octets of events wait in memory: %w", len(w.waiting), err))
	}
	if w.failing != nil {
		w.failing = nil
		w.refreshLimit()
	}
	return nil
}

// publish lets the reader have what is durable. A disk that does not take the
// mark only delays the reader: the next publishing counts.
func (w *Writer) publish() {
	if w.durable.Seq == w.last {
		return
	}
	if err := w.durable.Move(w.last); err != nil {
		w.report(err)
	}
}

func (w *Writer) applyToCalls(frames []byte) {
	var event model.CallEvent
	for len(frames) > 0 {
		var f segment.Frame
		f, frames = segment.FirstFrame(frames)
		if err := event.Decode(f.Payload()); err != nil {
			panic(err) // Batch.Append encoded it
		}
		w.calls.Apply(&event)
	}
}

// fail notes that the disk does not take what waits.
func (w *Writer) fail(err error) error {
	err = fmt.Errorf("journal: %w", err)
	if w.failing == nil {
		w.options.Report(err)
	}
	w.failing, w.retryAt = err, time.Now().Add(upkeepInterval)
	w.limit.Store(math.MinInt64 / 2)
	return err
}

// upkeep asks for free space and tries again what failed until Close.
func (w *Writer) upkeep() {
	ticker := time.NewTicker(upkeepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-ticker.C:
		}
		if found := w.look(); found != nil {
			w.options.Recovered(found)
		}
	}
}

// look does the work of one second. It gives what was found when the disk
// could be used for the first time.
func (w *Writer) look() (found *Recovery) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.durable == nil:
		if recovery, err := w.open(); err == nil {
			return recovery
		}
	case w.failing != nil:
		w.flush() // reported by fail if it is news
	default:
		w.publish()
		w.refreshLimit()
	}
	return nil
}

// refreshLimit sets the room that is left: what the reader deleted and what
// others wrote to the disk shows here.
func (w *Writer) refreshLimit() {
	if w.failing != nil {
		return
	}
	there, err := w.options.space(w.log.Path)
	if err != nil {
		w.report(err)
		return
	}
	room := there.Free - there.MinFree()
	if w.options.MaxSize > 0 {
		l, err := w.log.List()
		if err != nil {
			w.report(err)
			return
		}
		room = min(room, w.options.MaxSize-w.log.Sizes(l.Segments))
	}
	w.limit.Store(room)
}

// Status says how full the journal is.
func (w *Writer) Status() (model.JournalStatus, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return status(w.log.Dir, w.last)
}

func status(dir segment.Dir, durable uint64) (model.JournalStatus, error) {
	l, err := dir.List()
	acknowledged, ackErr := segment.ReadMark(dir.Path, ackName, dir.Box)
	return model.JournalStatus{
		Directory: dir.Path,
		Segments:  len(l.Segments),
		Bytes:     dir.Sizes(l.Segments),
		FirstSeq:  acknowledged + 1,
		NextSeq:   durable + 1,
		Repaired:  len(l.Bad),
	}, errors.Join(err, ackErr)
}

// Close writes what waits and closes the journal. Its error says what is lost.
func (w *Writer) Close() error {
	close(w.stop)
	w.done.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.limit.Store(math.MinInt64 / 2)
	if w.durable == nil {
		if len(w.waiting) > 0 {
			return w.failing
		}
		return nil
	}
	err := w.flush()
	w.log.Close()
	return errors.Join(err, w.durable.Close())
}
