package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"causeway/appliance/billing/segment"
)

// window bounds how far the records that a consumer has in hand may be apart,
// in numbers: with the lowest one not done, no more than so many after it are
// given out.
const window = 1 << 17

// readTries is how often a sector is tried that cannot be read, once a second.
const readTries = 5

// Cursor is how far one consumer is. Its methods may be called from anywhere;
// Next as a rule from one goroutine.
type Cursor struct {
	Consumer
	cache   *Cache
	changed chan struct{} // something may be there for Next

	reading sync.Mutex       // over the two; taken before cache.mu, held while the disk works
	segment *segment.Scanner // nil: none is open
	opened  uint64           // the generation that it is of

	// Guarded by cache.mu.
	position   uint64              // the lowest record not done
	next       uint64              // to be given out
	inHand     []slot              // of record n at n % window
	again      uint64              // records below it are given out a second time
	held       bool                // the consumer cannot deliver
	earlier    map[uint64]struct{} // in hand since before the numbers changed: nothing is given out until they are done
	passFrom   uint64              // records from here up to
	passTo     uint64              // here were given out under other numbers
	read       tally               // of all records before next
	inexact    bool                // of lost records nobody knows what they were
	count      int64               // of what is in hand
	octets     int64               // likewise
	readAt     time.Time           // when the record before next was appended
	unread     time.Time           // when one was appended that was next at once
	generation uint64              // goes up when segment must be opened anew
	unreadable error               // why next cannot be read
	tries      int                 // how often, on a disk that is well
}

// slot is a record in hand; the zero value is none.
type slot struct {
	octets uint32 // on the disk
	at     uint32 // when it was appended, Unix s
}

func newCursor(c *Cache, consumer Consumer) *Cursor {
	return &Cursor{
		Consumer: consumer, cache: c, changed: make(chan struct{}, 1),
		position: 1, next: 1, inHand: make([]slot, window),
	}
}

// Next waits for the next record and gives it out: in order, each once, until
// Rewind or the next start. The payload is the caller's. The error is that of
// ctx, or ErrClosed; trouble with the disk makes it wait.
func (r *Cursor) Next(ctx context.Context) (Record, error) {
	for {
		record, ok, err := r.poll()
		r.cache.tell()
		if ok || err != nil {
			return record, err
		}
		select {
		case <-ctx.Done():
			return Record{}, ctx.Err()
		case <-r.changed:
		}
	}
}

// Done says that a record that was given out need not come again, in any order.
func (r *Cursor) Done(seq uint64) {
	c := r.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(r.earlier) > 0 {
		delete(r.earlier, seq)
		r.wakeUp()
		return
	}
	if seq < r.position || seq >= r.next || r.inHand[seq%window] == (slot{}) {
		return
	}
	r.putDown(seq)
	if seq == r.position {
		r.advance()
		c.dropDelivered()
		r.wakeUp()
	}
}

// Hold says that the consumer cannot deliver, or can again. With
// Options.OnFailure what is in memory is then written, and what comes after it.
func (r *Cursor) Hold(down bool) {
	c := r.cache
	c.writing.Lock()
	defer c.writing.Unlock()
	defer c.tell()
	c.mu.Lock()
	r.held = down
	c.mu.Unlock()
	c.flush()
}

// Held reports whether the consumer cannot deliver.
func (r *Cursor) Held() bool {
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	return r.held
}

// Rewind makes what was given out and is not done come again: for a consumer
// that was started anew.
func (r *Cursor) Rewind() {
	c := r.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(r.earlier) > 0 { // delivered or not, they come again under their new numbers
		r.earlier, r.passTo = nil, 0
	}
	r.again = max(r.again, r.next)
	r.next = r.position
	r.generation++
	r.wakeUp()
}

func (r *Cursor) wakeUp() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *Cursor) takes(f segment.Frame) bool { return placesOf(f)&r.Places() != 0 }

// mayPass reports whether next may become to.
func (r *Cursor) mayPass(to uint64) bool { return r.position == r.next || to-r.position <= window }

// pass makes to the next record to be given out: what is between is none of
// this cursor's, or lost.
func (r *Cursor) pass(to uint64) {
	for ; r.next < min(to, r.again); r.next++ {
		if r.inHand[r.next%window] != (slot{}) {
			r.putDown(r.next)
		}
	}
	empty := r.position == r.next
	r.next = to
	if empty {
		r.position = to
	}
	r.advance()
}

func (r *Cursor) putDown(seq uint64) {
	s := &r.inHand[seq%window]
	r.count--
	r.octets -= int64(s.octets)
	*s = slot{}
}

// advance moves position over what is done.
func (r *Cursor) advance() {
	for r.position < r.next && r.inHand[r.position%window] == (slot{}) {
		r.position++
	}
}

// poll gives the next record, or ok false when there is none at present.
func (r *Cursor) poll() (record Record, ok bool, err error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	c := r.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		r.correct()
		switch {
		case c.closed:
			return Record{}, false, ErrClosed
		case len(r.earlier) > 0 || r.next >= c.visible || r.next-r.position >= window:
			return Record{}, false, nil
		}
		f, again := r.find()
		switch seq := r.next; {
		case f == nil && !again:
			return Record{}, false, nil
		case f != nil && r.give(f):
			record = recordOf(f, seq)
			record.Payload = bytes.Clone(record.Payload)
			return record, true, nil
		}
	}
}

// find gives the record that is next. Nil and again mean that another is next
// now, nil alone that it cannot be had yet.
func (r *Cursor) find() (f segment.Frame, again bool) {
	c := r.cache
	to := c.first()
	if r.next >= to {
		return c.memory[r.next-to], false
	}
	if p := c.partOf(r.next); p != nil && p.FirstSeq <= r.next {
		return r.fetch(p)
	} else if p != nil {
		to = p.FirstSeq
	}
	if again = r.mayPass(to); again { // what is between was delivered from memory
		r.pass(to)
	}
	return nil, again
}

// give takes note of the record that is next, and reports whether it is one for
// the consumer.
func (r *Cursor) give(f segment.Frame) bool {
	seq := r.next
	mine := isRecord(f) && r.takes(f) && (seq < r.passFrom || seq >= r.passTo)
	if seq < r.again {
		mine = mine && r.inHand[seq%window] != (slot{})
	} else {
		r.readAt = f.Time()
		if isRecord(f) {
			r.read.add(f)
		}
		if mine {
			r.inHand[seq%window] = slot{uint32(len(f)), uint32(r.readAt.Unix())}
			r.count++
			r.octets += int64(len(f))
		}
	}
	r.next = seq + 1
	if !mine {
		r.advance()
		r.cache.dropDelivered()
	}
	return mine
}

// correct makes read exact again where a segment or memory begins.
func (r *Cursor) correct() {
	if !r.inexact {
		return
	}
	if r.next == r.cache.first() {
		r.read, r.inexact = r.cache.before, false
	} else if p := r.cache.partOf(r.next); p != nil && p.FirstSeq == r.next && !p.began.IsZero() {
		r.read, r.inexact = p.before, false
	}
}

// fetch reads the record that is next, or the first one behind damage, from the
// segment that should have it, and gives what find does. It lets go of cache.mu
// meanwhile.
func (r *Cursor) fetch(p *part) (f segment.Frame, again bool) {
	c := r.cache
	w := wanted{p.Number, p.began, r.next, p.last, r.generation, r.tries >= readTries}
	c.mu.Unlock()
	f, damage, err := r.scan(w)
	c.mu.Lock()
	if r.generation != w.generation || r.next != w.seq {
		return nil, true
	}
	if err != nil && !w.giveUp {
		if r.unreadable == nil {
			c.news = append(c.news, err)
		}
		r.unreadable = err
		return nil, false
	}
	r.unreadable, r.tries = nil, 0
	if damage != nil {
		if !p.damaged {
			c.news = append(c.news, damage)
		}
		p.damaged = true
		c.roll = c.roll || p == c.parts[len(c.parts)-1]
	}
	to := w.last + 1
	if f != nil {
		to = f.Seq()
	}
	if to == w.seq {
		return f, false
	}
	if !r.mayPass(to) { // not before all in hand is done
		return nil, false
	}
	p.damaged, r.inexact = true, true
	if from := max(w.seq, p.counted+1); from < to {
		c.lost += int64(to - from)
		p.counted = to - 1
	}
	r.pass(to)
	return f, f == nil
}

// wanted says where a record should be.
type wanted struct {
	number     uint32    // of the segment
	began      time.Time // likewise
	seq        uint64
	last       uint64 // record of the segment
	generation uint64
	giveUp     bool // do without what cannot be read
}

// scan gives the record or the first one behind it; nil if there is none.
// damage says what is wrong with the segment; err is one that may pass, unless
// who calls gives up.
func (r *Cursor) scan(w wanted) (f segment.Frame, damage, err error) {
	s := r.segment
	if s == nil || r.opened != w.generation || s.Number != w.number || s.Last() >= w.seq {
		r.close()
		if s, err = r.open(w.number, w.began); err != nil {
			if segment.IsDamage(err) {
				return nil, err, nil
			}
			return nil, err, err
		}
		r.segment, r.opened = s, w.generation
	}
	for {
		f, err := s.Next()
		switch {
		case err == nil && (f.Type() != segment.Record || f.Seq() < w.seq):
			continue
		case err == nil && f.Seq() <= w.last:
			return f, damage, nil
		case err == nil || err == io.EOF:
			return nil, errors.Join(damage, fmt.Errorf("segment %d: records up to %d are missing", w.number, w.last)), nil
		case !segment.IsDamage(err) && !w.giveUp:
			return nil, err, err
		}
		damage = fmt.Errorf("segment %d: %w", w.number, err)
		if !s.Skip() {
			return nil, damage, nil
		}
	}
}

// open opens a segment, and no other one that has its name since sticks changed.
func (r *Cursor) open(number uint32, began time.Time) (*segment.Scanner, error) {
	s, err := r.cache.format.Open(number)
	if err != nil || began.IsZero() {
		return s, err
	}
	if f, err := s.Next(); err == nil && !f.Time().Equal(began) {
		s.Close()
		return nil, fmt.Errorf("segment %d is another one", number)
	}
	return s, nil
}

func (r *Cursor) close() {
	if r.segment != nil {
		r.segment.Close()
		r.segment = nil
	}
}

// reopen makes the cursor go on in the same directory after a fault.
func (r *Cursor) reopen() {
	r.generation++
	r.unreadable, r.tries = nil, 0
	r.wakeUp()
}

// move makes the cursor go on in another directory from position on, before
// which there are the records that read has. Those in memory, from first on, have
// numbers greater by shift than before.
func (r *Cursor) move(position uint64, read tally, first, shift uint64) {
	if r.earlier == nil {
		r.earlier = map[uint64]struct{}{}
	}
	for seq := r.position; seq < max(r.next, r.again); seq++ {
		if r.inHand[seq%window] == (slot{}) {
			continue
		}
		if seq < r.next { // else Rewind took it back
			r.earlier[seq] = struct{}{}
		}
		r.putDown(seq)
	}
	r.passFrom, r.passTo = first+shift, max(first, r.next, r.passTo)+shift
	r.position, r.next, r.again, r.read = position, position, 0, read
	r.reopen()
}
