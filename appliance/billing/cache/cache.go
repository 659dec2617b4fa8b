// Package cache is the durable queue of finished billing records: event
// messages and call records wait in it until each method instance has delivered
// them (the "cache" of the source documents). Nothing is lost through power
// cuts, dead servers, bad sectors, full disks and pulled sticks but what Status
// counts.
//
// In: records of the Billing Manager, in order, each with the consumers that it
// is for. Out: the same, in order, to each of those, through a cursor of its
// own, each at least once until it says Done.
//
// A directory holds segments em-00000001.jnl, em-00000002.jnl … (package
// segment) and for each consumer a mark "at-NAME": the lowest record that it
// has not delivered. Besides the rules of segments:
//
//   - A record is on the disk before a consumer gets it; with Options.OnFailure,
//     and while the disk does not take it, it waits in memory, and is given out.
//     What all have delivered from there is never written, so that numbers on
//     the disk have gaps. A gap begins a new segment.
//   - Each segment begins with what was written before it: the last number, the
//     newest source and its era, and how many records for each consumer.
//   - A segment goes when nothing in it waits for a consumer; a damaged one is
//     kept as .bad. Consumers read from the disk, so memory does not grow with
//     the backlog. One that is idle keeps what is for it and nothing else.
//   - A cursor whose consumer is not there any more keeps its records until
//     Clear; "end-NAME" says up to where.
//   - At the greatest size, or when others fill the disk, records wait in
//     memory, and beyond its bound they are refused and counted. Old ones are
//     never overwritten.
//   - After a fault everything is opened anew, for the directory may come back as
//     that of another stick. Nothing is written below a mount point whose
//     volume is gone.
//
// The owner calls Upkeep once a second; there is no goroutine and no timer here.
package cache

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"causeway/appliance/billing/segment"
	"causeway/appliance/model"
)

// Kind says what a record is. Values are part of the format.
type Kind uint8

// Kinds of record.
const (
	EM  Kind = 1 // an event message: EM_Header VSA and attribute VSAs
	CDR Kind = 2 // an XML call record
)

// Places are a set of consumers: bit n is the one at place n.
type Places uint16

// PlacesMax is how many places there are. Their number is part of the format.
const PlacesMax = 9

// Record is one finished billing record.
type Record struct {
	Seq     uint64 // given by Append: 1, 2, 3 …
	Kind    Kind
	To      Places // whom it is for
	Call    model.CallKey
	Source  Source
	Payload []byte // at most MaxPayload octets
}

// Source says what a record was made of.
type Source struct {
	Event uint64 // number of the call event; 0: not made of an event
	Index uint16 // among the records of that event
	Last  bool   // of them
}

// Consumer is one who delivers records.
type Consumer struct {
	Name  string // lower-case letters, digits and "-", as "packetcable-em-0"
	Place uint8  // 0 to PlacesMax-1: it gets the records for this place
}

// Places is the set of the consumer alone.
func (c Consumer) Places() Places { return 1 << c.Place }

// Options of Open.
type Options struct {
	Dir string
	// Mount is the mount point that Dir is below. Unless something is mounted
	// there nothing is written. Empty: that is not looked at.
	Mount     string
	Box       segment.Box
	MaxSize   int64  // octets of all segments together; 0: the free space is the limit
	Era       uint64 // what was written in another one says nothing about the events that come
	OnFailure bool   // records wait in memory and are written while a consumer holds
	// Place says which place a consumer had that is not there any more; nil: nobody knows.
	Place  func(consumer string) (place uint8, known bool)
	Report func(error) // told of faults when they begin, from any goroutine; nil: nobody is

	segmentSize int64 // 0: as MaxSize has it
	memory      int64 // octets; 0: maxMemory
	space       func(dir string) (segment.Space, error)
	create      func(path string) (segment.Appendable, error)
	open        func(path string) (segment.File, error)
	now         func() time.Time
}

const maxMemory = 16 << 20 // octets of records that are not on the disk

// Errors.
var (
	// ErrBusy says that the disk is in trouble and memory is full.
	ErrBusy = errors.New("the billing cache cannot be written and its memory is full")
	// ErrClosed says that the cache was closed.
	ErrClosed = errors.New("the billing cache is closed")
)

// Cache is the queue. Its methods may be called from anywhere.
type Cache struct {
	options Options
	format  segment.Dir // of the directory

	writing    sync.Mutex // over what changes the disk; taken before mu, held while the disk works
	log        segment.Writer
	disk       *disk // in use; nil while there is a fault
	unreadable int   // times in a row that it could not be read when it was opened

	mu       sync.Mutex // over what follows; never held while the disk works
	cursors  []*Cursor  // in the order of Open
	orphans  []orphan
	parts    []*part         // segments, in order
	memory   []segment.Frame // not on the disk, numbered from end-len(memory) on
	octets   int64           // of memory
	flushing bool            // memory is being written: nothing is dropped from it
	end      uint64          // number of the next record
	visible  uint64          // records below it may be given out
	before   tally           // of all records before memory
	total    tally           // of all records before end
	begins   time.Time       // the segment being begun
	newest   Source          // taken by Append
	onDisk   Source          // the newest written
	written  uint64          // the last record written
	known    bool            // the disk could be read once
	room     int64           // octets that may be written
	full     bool            // room is less than what waits needs
	refusing bool            // and records were refused since
	fault    error           // why the disk cannot be used; nil: it can
	roll     bool            // the newest segment is damaged: write into another one
	closed   bool
	refused  int64
	lost     int64
	repairs  segment.Repairs
	news     []error // to be reported
}

// Open opens the cache and makes its directory if it is not there. A disk that
// is full, broken, missing or damaged is no error: the records wait in memory,
// and Status says so. The errors are ErrInUse of package segment, and that a
// consumer has no good name. A consumer that was never here starts at the end.
func Open(o Options, consumers []Consumer) (*Cache, error) {
	if o.Report == nil {
		o.Report = func(error) {}
	}
	if o.Place == nil {
		o.Place = func(string) (uint8, bool) { return 0, false }
	}
	if o.segmentSize == 0 {
		o.segmentSize = segment.DefaultSize
		if o.MaxSize > 0 { // so that room comes back in steps
			o.segmentSize = min(max(o.MaxSize/8, 64<<10), segment.DefaultSize)
		}
	}
	if o.memory == 0 {
		o.memory = maxMemory
	}
	if o.space == nil {
		o.space = segment.SpaceOf
	}
	if o.create == nil {
		o.create = segment.Create
	}
	if o.now == nil {
		o.now = time.Now
	}
	c := &Cache{
		options: o, end: 1, visible: 1,
		format: segment.Dir{Path: o.Dir, Format: format, Box: o.Box, OpenFile: o.open},
	}
	for _, consumer := range consumers {
		if !goodName(consumer.Name) || c.Cursor(consumer.Name) != nil || consumer.Place >= PlacesMax {
			return nil, fmt.Errorf("consumer %q at place %d of the billing cache: not a name of its own, or no place", consumer.Name, consumer.Place)
		}
		c.cursors = append(c.cursors, newCursor(c, consumer))
	}
	c.log = segment.Writer{
		Dir: c.format, Size: o.segmentSize, Create: c.createSegment, Report: c.note,
		Head: c.appendHead, Begun: c.begun,
	}
	err := c.openDisk()
	c.tell()
	if errors.Is(err, segment.ErrInUse) {
		return nil, fmt.Errorf("open the billing cache %s: %w", o.Dir, err)
	}
	return c, nil
}

// Newest gives the newest source of a record that was written in this era, for
// the start: what the events give again up to there is in the cache or delivered. Known is
// false while the disk could not be read yet.
func (c *Cache) Newest() (newest Source, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.onDisk, c.known
}

// Append takes records over. When it returns nil the cache sees to each of
// them: it is on the disk, waits in memory (Settled says which), or was refused
// for lack of room and counted. ErrBusy means that none was taken: to be called
// again later. It copies what it needs.
func (c *Cache) Append(records []Record) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	defer c.tell()
	frames := c.encode(records)
	c.mu.Lock()
	switch {
	case c.closed:
		c.mu.Unlock()
		return ErrClosed
	case c.fault != nil && c.octets+octetsOf(frames) > c.options.memory:
		c.mu.Unlock()
		return ErrBusy
	}
	c.take(frames)
	c.mu.Unlock()
	c.flush()
	c.mu.Lock()
	c.refuse()
	c.show(frames)
	c.mu.Unlock()
	return nil
}

// take adds frames to memory; they are not given out yet.
func (c *Cache) take(frames []segment.Frame) {
	for _, f := range frames {
		c.memory = append(c.memory, f)
		c.octets += int64(len(f))
		c.end++
		c.total.add(f)
		if source := sourceOf(f); source.Event != 0 {
			c.newest = source
		}
	}
}

// refuse gives up what is beyond the bound of memory, newest first, and was
// not given out yet.
func (c *Cache) refuse() {
	for c.octets > c.options.memory && c.end > c.visible && len(c.memory) > 0 && c.fault == nil {
		f := c.memory[len(c.memory)-1]
		c.memory = c.memory[:len(c.memory)-1]
		c.octets -= int64(len(f))
		c.end--
		c.total.take(f)
		c.refused++
		if !c.refusing {
			c.refusing = true
			c.news = append(c.news, errors.New("full: records are refused"))
		}
	}
	c.refusing = c.refusing && c.full
}

// show lets the consumers have the new frames, the last ones there are. Who
// has read all others and takes none of these need not look.
func (c *Cache) show(frames []segment.Frame) {
	for _, r := range c.cursors {
		if r.next == c.visible && !slices.ContainsFunc(frames, r.takes) && r.mayPass(c.end) {
			r.pass(c.end)
			r.read = c.total
			continue
		}
		if r.next == c.visible {
			r.unread = c.options.now()
		}
		r.wakeUp()
	}
	c.visible = c.end
	c.dropDelivered()
}

// wake makes every cursor look again.
func (c *Cache) wake() {
	for _, r := range c.cursors {
		r.wakeUp()
	}
}

// first is the number of the first record in memory; end if there is none.
func (c *Cache) first() uint64 { return c.end - uint64(len(c.memory)) }

// dropDelivered forgets what was delivered from memory by all that it is for.
func (c *Cache) dropDelivered() {
	if len(c.memory) == 0 || c.flushing {
		return
	}
	for c.first() < c.visible && !c.wanted(c.memory[0], c.first()) {
		c.forget()
	}
	c.full = c.full && len(c.memory) > 0
}

// wanted reports whether a frame of that number waits for a consumer.
func (c *Cache) wanted(f segment.Frame, seq uint64) bool {
	return slices.ContainsFunc(c.cursors, func(r *Cursor) bool { return r.position <= seq && r.takes(f) })
}

// forget takes the first record out of memory.
func (c *Cache) forget() {
	f := c.memory[0]
	c.memory[0] = nil
	c.memory = c.memory[1:]
	c.octets -= int64(len(f))
	c.before.add(f)
}

// Settled is the highest event number such that all records of the events up
// to it that were given to Append are on the disk or delivered by all;
// math.MaxUint64 if all are. While a record of no event is in memory it is 0:
// nobody makes that again.
func (c *Cache) Settled() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	settled := ^uint64(0)
	if c.newest.Event != 0 && !c.newest.Last {
		settled = c.newest.Event - 1
	}
	for _, f := range c.memory {
		if source := sourceOf(f); source.Event != 0 {
			settled = min(settled, source.Event-1)
		} else {
			return 0
		}
	}
	return settled
}

// Cursor gives the cursor of a consumer; nil if it was not given to Open.
func (c *Cache) Cursor(consumer string) *Cursor {
	i := slices.IndexFunc(c.cursors, func(r *Cursor) bool { return r.Name == consumer })
	if i < 0 {
		return nil
	}
	return c.cursors[i]
}

// Close writes what is in memory and closes the cache. The error says how many
// records could not be written: they were not settled.
func (c *Cache) Close() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	c.flush()
	err := c.moveMarks()
	c.closeDisk()
	for _, r := range c.cursors {
		r.reading.Lock()
		r.close()
		r.reading.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wake()
	if len(c.memory) > 0 {
		err = errors.Join(fmt.Errorf("close the billing cache: %d records are in memory only: %w", len(c.memory), c.trouble()), err)
	}
	return err
}

// Unwritten gives the records that were in memory only when the cache was
// closed, for the one that takes its place.
func (c *Cache) Unwritten() (records []Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, f := range c.memory {
		records = append(records, recordOf(f, c.first()+uint64(i)))
	}
	return records
}

// trouble is why records wait in memory.
func (c *Cache) trouble() error {
	if c.fault == nil {
		return errors.New("there is no room")
	}
	return c.fault
}

// Upkeep is to be called once a second: it moves the marks, deletes what is
// not needed any more, looks for room, writes what waits, and opens the disk
// again after a fault.
func (c *Cache) Upkeep() {
	c.writing.Lock()
	defer c.writing.Unlock()
	defer c.tell()
	c.mu.Lock()
	closed, faulty := c.closed, c.fault != nil
	c.mu.Unlock()
	if closed {
		return
	}
	if faulty {
		if c.openDisk() != nil {
			return
		}
	} else if err := c.keepUp(); err != nil {
		c.fail(err)
		return
	}
	c.flush()
	c.mu.Lock()
	c.dropDelivered()
	c.wake()
	c.mu.Unlock()
}

// goodName reports whether a consumer's name may be part of a file's.
func goodName(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return name != "" && len(name) <= 64
}
