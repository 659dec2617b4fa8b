package billing

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/halfcall"
	"causeway/appliance/billing/journal"
	"causeway/appliance/model"
)

// feed is the way of events to records.
type feed struct {
	reader   *journal.Reader
	manager  *halfcall.Manager
	sequence *sequence
	terms    *terms            // that events are folded by; nil: none yet
	sealed   bool              // the snapshot says so, and has what must not be made twice: no record leaves before
	era      uint64            // goes on over a restart; another begins when no cache says anything about the events that come
	newest   cache.Source      // what the cache has of events that come again: it is not made twice
	known    bool              // newest is
	folded   uint64            // the last event that the manager knows
	taken    uint64            // the last event that was read
	fresh    []cache.Record    // that the cache has not taken yet
	left     []left            // caches that are not in use any more
	faults   map[string]string // what is wrong now, by place, as it was logged
	kept     time.Time         // when the last snapshot was made
	since    int64             // octets of events read since
	size     int               // of the last snapshot
	counters map[string]int64

	unreadable int // times that the snapshot could not be read
}

// readTries is how often a sector is tried that cannot be read, once a second.
const readTries = 5

// Counters besides those of the kinds of event.
const (
	countUnreadable = "unreadable" // records that are no call event
	countLost       = "lost"       // records that damage to the journal took
	countStateless  = "calls-lost" // calls whose state was lost, so that their records are
	countLong       = "long-calls" // calls of more than 24 hours that were reported
	countFoundDead  = "found-dead" // calls that ended while nobody was there to see it
)

const (
	snapshotName = "calls.state"
	sequenceName = "sequence"
)

func (p *process) file(name string) string { return filepath.Join(p.options.Journal, name) }

// open opens the journal and takes up what an earlier life left. After an error
// it may be called again.
func (p *process) open() (err error) {
	if p.reader, err = journal.OpenReader(p.options.Journal, p.box); err != nil {
		return err
	}
	p.counters, p.faults, p.kept = map[string]int64{}, map[string]string{}, time.Now()
	p.sequence, err = openSequence(p.file(sequenceName))
	if err != nil {
		p.options.Log.Error("event messages are numbered anew", "error", err)
	}
	p.manager = halfcall.New(halfcall.Settings{NextSequence: p.sequence.take})
	kept, err := readSnapshot(p.file(snapshotName), p.box)
	if unreadable := new(fs.PathError); errors.As(err, &unreadable) {
		if p.unreadable++; p.unreadable < readTries {
			return errors.Join(err, p.reader.Close())
		}
	}
	if err == nil {
		err = p.manager.RestoreState(kept.state)
	}
	switch lost := len(p.reader.Calls); {
	case err == nil:
		p.folded, p.era, p.terms, p.fresh, p.left, p.size = kept.Event, kept.Era, kept.Terms, kept.Fresh, kept.Left, len(kept.state)
		p.sealed, p.known = true, p.terms == nil
		if p.terms != nil {
			p.manager.Use(p.terms.settings(p.sequence.take))
		}
		return nil
	case lost > 0:
		p.counters[countStateless] = int64(lost)
		p.options.Log.Error("calls in progress will have no records", "calls", lost, "error", err)
	}
	// The events may be those of a new journal, numbered from 1: what the cache
	// has of an old one says nothing about them.
	p.era, p.known = rand.Uint64(), true
	status, err := p.reader.Status()
	if err == nil {
		p.folded = status.FirstSeq - 1
		err = p.seal()
	}
	if err != nil {
		p.options.Log.Error("billing", "error", err)
	}
	return nil
}

// batchEvents bounds the events that are taken at once.
const batchEvents = 1024

// read takes events from the journal and hands the records made of them to the
// cache. It reports whether there may be more that can be taken now; the error
// says why what there is cannot be taken.
func (p *process) read() (more bool, err error) {
	if p.plan == nil || p.terms == nil {
		return false, nil
	}
	if err := p.flush(); err != nil {
		return false, err
	}
	for range batchEvents {
		// Terms that bill nothing say how what the cache has was made, and no more:
		// the proxy has written what follows because calls are billed.
		if p.terms.Bills == 0 && p.folded >= p.newest.Event && !p.terms.same(p.plan.terms()) {
			return false, p.flush()
		}
		record, ok, err := p.reader.Poll()
		p.note("journal", err)
		if !ok {
			return false, errors.Join(err, p.flush())
		}
		p.fold(record)
	}
	return true, p.flush()
}

// catchUp folds all events that are there.
func (p *process) catchUp() error {
	for {
		if more, err := p.read(); err != nil || !more {
			return err
		}
	}
}

// fold takes one event in.
func (p *process) fold(record journal.Record) {
	p.taken = record.Seq
	p.since += int64(len(record.Payload))
	if record.Seq <= p.folded {
		return
	}
	p.folded = record.Seq
	var event model.CallEvent
	if event.Decode(record.Payload) != nil {
		p.counters[countUnreadable]++
		return
	}
	p.counters[event.Kind.String()]++
	p.manager.Event(record.Seq, &event, p.emit)
}

// emit takes a record from the manager, unless the cache has it from an
// earlier life.
func (p *process) emit(r cache.Record) {
	if !p.has(r) {
		p.fresh = append(p.fresh, r)
	}
}

// has reports whether the cache has a record from an earlier life.
func (p *process) has(r cache.Record) bool {
	from := r.Source
	return from.Event != 0 && (from.Event < p.newest.Event || from.Event == p.newest.Event && (p.newest.Last || from.Index <= p.newest.Index))
}

// Why records have to wait.
var (
	errNotKept = errors.New("the state of open calls cannot be kept")
	errNoCache = errors.New("the directory of the cache cannot be opened")
)

// flush hands the records to the cache. The error says why it does not take
// them now.
func (p *process) flush() (err error) {
	switch {
	case !p.sealed:
		return errNotKept
	case p.cache == nil && p.keepsRecords():
		return errNoCache // another process has it still
	case p.cache == nil:
		return nil
	case !p.known:
		if p.newest, p.known = p.cache.Newest(); !p.known {
			return fmt.Errorf("cache %v: %s", p.terms.Cache, p.cache.Status().Fault)
		}
		p.fresh = slices.DeleteFunc(p.fresh, p.has)
	}
	if len(p.fresh) == 0 {
		return nil
	}
	if err = p.sequence.secure(); err == nil {
		err = p.cache.Append(p.fresh)
	}
	if errors.Is(err, cache.ErrBusy) {
		err = fmt.Errorf("%w: %s", err, p.cache.Status().Fault)
	}
	p.note("cache", err)
	if err != nil {
		return fmt.Errorf("cache %v: %w", p.terms.Cache, err)
	}
	clear(p.fresh)
	p.fresh = p.fresh[:0]
	return nil
}

// note says how it went at a place: a fault is logged once, until another one
// or none follows.
func (p *process) note(place string, err error) {
	if err == nil {
		delete(p.faults, place)
		return
	}
	if text := err.Error(); text != p.faults[place] {
		p.faults[place] = text
		p.options.Log.Error("billing", "at", place, "error", err)
	}
}

// When a snapshot is due, besides at a change of the configuration: after so
// many octets of events, at least this many times its own size, or after so
// long.
const (
	snapshotOctets   = 16 << 20
	snapshotTimes    = 4
	snapshotInterval = 10 * time.Minute
)

// keepSnapshot makes a snapshot, if one is due. Records of events that are in
// memory only put it off: they are to come again.
func (p *process) keepSnapshot() {
	if p.terms == nil {
		return
	}
	if !p.sealed {
		p.keepNow()
		return
	}
	due := p.since >= max(snapshotOctets, int64(snapshotTimes*p.size)) || p.since > 0 && time.Since(p.kept) >= snapshotInterval
	if due && (p.cache == nil || p.cache.Settled() >= p.folded) {
		p.note("snapshot", p.seal())
	}
}

// keepNow makes a snapshot, whatever the disk of the cache does: the records
// that it has not taken stand in the snapshot. Those that no event gives again
// leave only afterwards, so that after a crash they leave as they are, and not
// a second time with other numbers and times. The events that the cache in use
// has records of must be folded (catchUp): what comes after it is new to it.
func (p *process) keepNow() {
	p.closeCache()
	p.sealed = false
	p.note("snapshot", p.seal())
	p.openCache()
	p.note("cache", p.flush())
}

// seal writes the snapshot and acknowledges the events up to it.
func (p *process) seal() error {
	if err := p.sequence.secure(); err != nil {
		return err
	}
	s := &snapshot{Event: p.folded, Era: p.era, Terms: p.terms, Fresh: p.fresh, Left: p.left, state: p.manager.AppendState(nil)}
	if err := writeSnapshot(p.file(snapshotName), p.box, s); err != nil {
		return err
	}
	p.sealed, p.since, p.size, p.kept = true, 0, len(s.state), time.Now()
	return p.reader.Ack(p.taken)
}
