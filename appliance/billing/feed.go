package billing

import (
	"math"
	"path/filepath"
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
	newest   cache.Source      // what the cache has of events that come again: it is not made twice
	known    bool              // newest is
	folded   uint64            // the last event that the manager knows
	taken    uint64            // the last event that was read
	fresh    []cache.Record    // that the cache has not taken yet
	faults   map[string]string // what is wrong now, by place, as it was logged
	kept     time.Time         // when the last snapshot was made
	since    int64             // octets of events read since
	size     int               // of the last snapshot
	counters map[string]int64
}

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

// open opens the journal and takes up what an earlier life left.
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
	event, state, err := readSnapshot(p.file(snapshotName), p.box)
	if err == nil {
		err = p.manager.RestoreState(state)
	}
	switch lost := len(p.reader.Calls); {
	case err == nil:
		p.folded, p.size = event, len(state)
		return nil
	case lost > 0:
		p.counters[countStateless] = int64(lost)
		p.options.Log.Error("calls in progress will have no records", "calls", lost, "error", err)
	}
	// The events may be those of a new journal, numbered from 1: what the cache
	// has of an old one says nothing about them.
	p.known = true
	status, err := p.reader.Status()
	if err == nil {
		p.folded = status.FirstSeq - 1
		err = writeSnapshot(p.file(snapshotName), p.box, p.folded, p.manager.AppendState(nil))
	}
	if err != nil {
		p.options.Log.Error("billing", "error", err)
	}
	return nil
}

// batchEvents bounds the events that are taken at once.
const batchEvents = 1024

// read takes events from the journal and hands the records made of them to the
// cache. It reports whether there may be more that can be taken now.
func (p *process) read() (more bool) {
	if p.plan == nil || !p.flush() {
		return false
	}
	for range batchEvents {
		record, ok, err := p.reader.Poll()
		p.note("journal", err)
		if !ok {
			p.flush()
			return false
		}
		p.fold(record)
	}
	return p.flush()
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
	from := r.Source
	if from.Event != 0 && (from.Event < p.newest.Event || from.Event == p.newest.Event && (p.newest.Last || from.Index <= p.newest.Index)) {
		return
	}
	p.fresh = append(p.fresh, r)
}

// flush hands the records to the cache. False says that it does not take them
// now, or does not know yet what it has.
func (p *process) flush() bool {
	if p.cache == nil && p.plan.Configured {
		return false // another process has the directory still
	}
	if p.cache == nil {
		p.fresh = nil // there is no instance that could want them
		return true
	}
	if !p.known {
		if p.newest, p.known = p.cache.Newest(); !p.known {
			return false
		}
	}
	if len(p.fresh) == 0 {
		return true
	}
	err := p.sequence.secure()
	if err == nil {
		err = p.cache.Append(p.fresh)
	}
	p.note("cache", err)
	if err != nil {
		return false
	}
	clear(p.fresh)
	p.fresh = p.fresh[:0]
	return true
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

// keepSnapshot makes a snapshot, if one is due or must be, and acknowledges
// the events up to it. Records of them that are in memory only put it off.
func (p *process) keepSnapshot(now bool) {
	settled := uint64(math.MaxUint64)
	if p.cache != nil {
		settled = p.cache.Settled()
	}
	due := now || p.since >= max(snapshotOctets, int64(snapshotTimes*p.size)) || p.since > 0 && time.Since(p.kept) >= snapshotInterval
	if !due || p.plan == nil || len(p.fresh) > 0 || settled < p.folded {
		return
	}
	state := p.manager.AppendState(nil)
	err := writeSnapshot(p.file(snapshotName), p.box, p.folded, state)
	if err == nil {
		p.since, p.size, p.kept = 0, len(state), time.Now()
		err = p.reader.Ack(p.taken)
	}
	p.note("snapshot", err)
}
