package cache

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"causeway/appliance/billing/segment"
)

// found is what a directory holds.
type found struct {
	parts   []*part
	highest uint32 // number of a segment
	written uint64 // the last record on the disk
	last    uint64 // likewise, or that before the greatest mark: no number below it is given again
	total   tally  // of all records up to it
	newest  Source
	era     uint64 // of newest
	lost    int64  // records of segments that were set aside
	repairs segment.Repairs
	// unreadable is why something could not be read. That may pass.
	unreadable error
}

// recover finds out what the directory holds, mends it and takes it over.
func (c *Cache) recover() error {
	l, err := c.format.List()
	if err != nil {
		return err
	}
	f := &found{highest: l.Highest}
	var headers []segment.Header
	headers, f.unreadable = f.repairs.SortOut(c.format, l.Segments, c.note)
	c.survey(f, l.Segments, headers)
	c.format.DropOldBad(l.Bad, c.note)
	positions, orphans, err := c.openMarks(f)
	if err != nil {
		return err
	}
	if err := c.allowUnreadable(f, positions); err != nil {
		return err
	}
	c.adopt(f, positions, orphans)
	return nil
}

// allowUnreadable reports an error unless all could be read, or what could not
// was tried often enough on a disk that takes writes.
func (c *Cache) allowUnreadable(f *found, positions []uint64) error {
	if f.unreadable == nil {
		c.unreadable = 0
		return nil
	}
	for i, r := range c.cursors {
		if err := c.setMark(markName(r.Name), positions[i]); err != nil {
			return err
		}
	}
	if c.unreadable++; c.unreadable <= readTries {
		return f.unreadable
	}
	c.note(fmt.Errorf("given up: %w", f.unreadable))
	return nil
}

// survey fills the table of segments. It reads the heads of all, and the
// newest with a good head and those after it whole.
func (c *Cache) survey(f *found, numbers []uint32, headers []segment.Header) {
	heads := make([]*head, len(headers))
	from := 0
	for i, h := range headers {
		if heads[i] = c.headOf(h.Number); heads[i] != nil {
			from = i
		}
	}
	for i, h := range headers {
		p := &part{Header: h, last: h.FirstSeq - 1, before: f.total, counted: h.FirstSeq - 1}
		if 0 < i && i <= from { // unless its head says it
			p.before = f.parts[i-1].before
		}
		p.octets = c.format.Sizes([]uint32{h.Number})
		if heads[i] != nil {
			p.began, p.before, f.newest, f.era = heads[i].at, heads[i].before, heads[i].newest, heads[i].era
			f.written = max(f.written, heads[i].written)
		}
		void := ^uint64(0) // the first number that this segment is not the authority for
		if i+1 < len(headers) {
			void = headers[i+1].FirstSeq
		}
		switch {
		case i >= from || headers[i+1].Number != h.Number+1: // others are gone that were written after it
			c.scan(f, p, void, i+1 == len(headers))
		case heads[i+1] != nil:
			p.last = max(p.last, min(heads[i+1].written, void-1))
		default:
			p.last = void - 1
		}
		f.written = max(f.written, p.last)
		f.parts = append(f.parts, p)
	}
	f.last = f.written
	f.countAside(numbers, heads)
}

// headOf gives what a segment begins with; nil if that cannot be read.
func (c *Cache) headOf(number uint32) (found *head) {
	c.format.Scan(number, false, func(frame segment.Frame) bool {
		if h, err := decodeHead(frame.Payload()); frame.Type() == segment.Head && err == nil {
			h.at = frame.Time()
			found = &h
		}
		return false
	})
	return found
}

// scan reads a segment through and mends its end. Damage within is left for
// who reads it to find, unless it may be the newest segment's last write, torn
// by a power cut: of that a prefix counts.
func (c *Cache) scan(f *found, p *part, void uint64, newest bool) {
	f.total = p.before
	end := segment.Ending{Number: p.Number}
	var tears []*tear
	s, err := c.format.Open(p.Number)
	if err != nil {
		p.inexact = true
		f.unreadable = errors.Join(f.unreadable, err)
		return
	}
	for err == nil {
		var frame segment.Frame
		frame, err = s.Next()
		switch {
		case err == nil && isRecord(frame) && frame.Seq() < void:
			tears = slices.DeleteFunc(tears, func(d *tear) bool { return d.refuted(frame.Time()) })
			p.last = frame.Seq()
			f.take(frame)
		case err != nil && err != io.EOF:
			p.inexact = true
			if !segment.IsDamage(err) {
				f.unreadable = errors.Join(f.unreadable, err)
			}
			damage := &tear{Ending: segment.Ending{Number: p.Number, Good: s.Offset(), Fault: err}, last: p.last, total: f.total, newest: f.newest}
			damage.claimed, damage.claims = s.Claim()
			if s.Skip() {
				err = nil
				tears = append(tears, damage)
			} else {
				end = damage.Ending
			}
		}
	}
	s.Close()
	if newest && len(tears) > 0 {
		torn := tears[0]
		end, p.last, f.total, f.newest = torn.Ending, torn.last, torn.total, torn.newest
	}
	f.repairs.Mend(c.format, end, c.note)
	// The life before us may have ended before its fdatasync: what we read may
	// be in the kernel's memory only.
	if err := segment.Flush(filepath.Join(c.format.Path, c.format.Name(p.Number))); err != nil {
		c.note(fmt.Errorf("segment %d: flush what was found: %w", p.Number, err))
	}
}

// tear is a place of damage, and what was found before it.
type tear struct {
	segment.Ending
	last   uint64
	total  tally
	newest Source

	claimed time.Time // what the damaged record says it is of
	claims  bool      // that it says so
	behind  time.Time // of the first good record behind it
}

// refuted reports whether the damage was not in the last write, seeing a good
// record of time at behind it: all records of one write have the same time, and
// what comes before another write was durable.
func (d *tear) refuted(at time.Time) bool {
	if d.behind.IsZero() {
		d.behind = at
		return d.claims && !d.claimed.Equal(at)
	}
	return !d.behind.Equal(at)
}

func (f *found) take(frame segment.Frame) {
	f.total.add(frame)
	if source := sourceOf(frame); source.Event != 0 {
		f.newest = source
	}
}

// countAside counts the records of segments that are in the list of numbers
// but not in the table: each segment says what was written before it.
func (f *found) countAside(numbers []uint32, heads []*head) {
	i := 0
	for at, number := range numbers {
		if i < len(f.parts) && f.parts[i].Number == number {
			i++
			continue
		}
		next := at+1 < len(numbers) && i < len(f.parts) && f.parts[i].Number == numbers[at+1]
		if next && i > 0 && heads[i] != nil && heads[i].written > f.parts[i-1].last {
			f.lost += int64(heads[i].written - f.parts[i-1].last)
		}
	}
}

// knows reports whether the directory is the one that was in use before.
func (c *Cache) knows(f *found) bool {
	if len(c.parts) == 0 {
		return false
	}
	ours := c.parts[len(c.parts)-1]
	return slices.ContainsFunc(f.parts, func(p *part) bool { return p.Number == ours.Number && p.began.Equal(ours.began) })
}

// tallyAt counts the records before a number.
func (c *Cache) tallyAt(f *found, seq uint64) tally {
	for _, p := range f.parts {
		if p.last < seq {
			continue
		}
		t := p.before
		c.format.Scan(p.Number, true, func(frame segment.Frame) bool {
			if frame.Seq() >= seq {
				return false
			}
			if isRecord(frame) {
				t.add(frame)
			}
			return true
		})
		return t
	}
	return f.total
}

// adopt takes over what was found. In memory may be records that came while
// there was no disk, with numbers that this one has used: they get others.
func (c *Cache) adopt(f *found, positions []uint64, orphans []orphan) {
	same := c.knows(f)
	reads := make([]tally, len(positions))
	for i := range positions {
		if !same {
			reads[i] = c.tallyAt(f, positions[i])
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.repairs.Repaired += f.repairs.Repaired
	c.repairs.Cut += f.repairs.Cut
	c.repairs.Aside += f.repairs.Aside
	c.known, c.orphans, c.log.Number = true, orphans, f.highest
	first, shift := c.first(), uint64(0)
	if !same {
		if f.last >= first {
			shift = f.last + 1 - first
		}
		c.lost += f.lost
		c.parts, c.written, c.end = f.parts, f.written, c.end+shift
		c.total = c.total.minus(&c.before).plus(&f.total)
		c.before = f.total
		if f.era == c.options.Era && f.newest.Event > c.onDisk.Event {
			c.onDisk = f.newest
		}
	}
	c.visible, c.log.Next = c.end, c.first()
	for i, r := range c.cursors {
		if same {
			r.reopen()
		} else {
			r.move(positions[i], reads[i], first, shift)
		}
	}
}
