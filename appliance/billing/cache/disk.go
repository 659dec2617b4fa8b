package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"time"

	"causeway/appliance/billing/segment"
	"causeway/appliance/storage"
)

// disk is the directory while it is in use.
type disk struct {
	handle *os.File // has the lock that keeps another process out
	info   os.FileInfo
	marks  map[string]*segment.Mark // by file name
}

// part is a segment on the disk.
type part struct {
	segment.Header
	began   time.Time // as its head says; with that no other segment is taken for it; zero: the head is damaged
	last    uint64    // number of the last record that was made durable in it; FirstSeq-1: there is none
	octets  int64
	before  tally  // of all records before it
	counted uint64 // lost records up to here are counted
	damaged bool   // to be kept as .bad
	inexact bool   // it may have records that before of the next one does not count
}

// openDisk takes the directory into use, at the start and after a fault.
func (c *Cache) openDisk() error {
	d, err := c.enter()
	if err == nil {
		c.disk = d
		err = c.recover()
	}
	if err == nil {
		err = c.refreshRoom()
	}
	if err == nil {
		err = c.beginSegment()
	}
	if err != nil {
		c.fail(err)
		return err
	}
	c.mu.Lock()
	c.fault = nil
	c.mu.Unlock()
	c.flush()
	return nil
}

// enter makes the directory if need be and locks it.
func (c *Cache) enter() (*disk, error) {
	o := &c.options
	if o.Mount != "" {
		if err := storage.Mounted(o.Mount); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(o.Dir, 0o770); err != nil {
		return nil, err
	}
	if err := storage.SyncDir(filepath.Dir(o.Dir)); err != nil {
		return nil, err
	}
	handle, err := os.Open(o.Dir)
	if err != nil {
		return nil, err
	}
	info, err := handle.Stat()
	if err == nil {
		err = segment.Lock(handle)
	}
	if err != nil {
		handle.Close()
		return nil, err
	}
	return &disk{handle: handle, info: info, marks: map[string]*segment.Mark{}}, nil
}

// moved reports an error if the path of the directory leads to another one
// than that in use: its volume is gone, or another is in its place.
func (c *Cache) moved() error {
	info, err := os.Stat(c.options.Dir)
	if err == nil && !os.SameFile(info, c.disk.info) {
		err = fmt.Errorf("%s: %w any more", c.options.Dir, storage.ErrNotMounted)
	}
	return err
}

// createSegment makes a segment where the directory in use is, and nowhere else.
func (c *Cache) createSegment(path string) (segment.Appendable, error) {
	file, err := c.options.create(path)
	if err != nil {
		return nil, err
	}
	if err := c.moved(); err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(path))
	}
	return file, nil
}

// closeDisk lets go of the directory.
func (c *Cache) closeDisk() {
	if c.disk == nil {
		return
	}
	c.log.Close()
	for _, mark := range c.disk.marks {
		mark.Close()
	}
	c.disk.handle.Close()
	c.disk = nil
}

// fail notes that the disk cannot be used. Upkeep opens it again.
func (c *Cache) fail(err error) {
	c.closeDisk()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault == nil {
		c.news = append(c.news, err)
	}
	c.fault = err
}

// tell reports what is new. It is called without locks but writing, so that who
// is told may ask for Status.
func (c *Cache) tell() {
	c.mu.Lock()
	news := c.news
	c.news = nil
	c.mu.Unlock()
	for _, err := range news {
		c.options.Report(fmt.Errorf("billing cache: %w", err))
	}
}

// note has an error reported at the next occasion.
func (c *Cache) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.news = append(c.news, err)
}

// keepUp does the work of one second on a disk that is well.
func (c *Cache) keepUp() error {
	if err := c.moved(); err != nil {
		return err
	}
	if err := c.moveMarks(); err != nil {
		return err
	}
	if err := c.deleteDone(); err != nil {
		return err
	}
	return c.refreshRoom()
}

// deleteDone deletes the segments that nobody needs, but the newest; damaged
// ones are kept aside. While the cache is full an empty newest one makes place
// for another.
func (c *Cache) deleteDone() error {
	c.mu.Lock()
	begin := false
	if count := len(c.parts); count > 0 && c.full {
		newest := c.parts[count-1]
		begin = newest.last >= newest.FirstSeq && !c.needed(count-1)
	}
	c.mu.Unlock()
	if begin {
		if err := c.beginSegment(); err != nil {
			return err
		}
	}
	c.mu.Lock()
	var done, kept []*part
	for i, p := range c.parts {
		if i+1 < len(c.parts) && !c.needed(i) {
			done = append(done, p)
		} else {
			kept = append(kept, p)
		}
	}
	c.parts = kept
	c.mu.Unlock()
	if len(done) == 0 {
		return nil
	}
	for _, p := range done {
		var err error
		if p.damaged {
			err = c.format.SetAside(p.Number, segment.BadSuffix)
		} else {
			err = c.format.Remove(p.Number)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return storage.SyncDir(c.options.Dir)
}

// needed reports whether segment i of the table holds what somebody has not
// delivered.
func (c *Cache) needed(i int) bool {
	p := c.parts[i]
	for _, r := range c.cursors {
		if r.position <= p.last && (p.inexact || c.recordsIn(i, r.Place) > 0) {
			return true
		}
	}
	for _, o := range c.orphans {
		if o.position <= p.last && p.FirstSeq <= o.end && (p.inexact || !o.placed || c.recordsIn(i, o.place) > 0) {
			return true
		}
	}
	return false
}

// recordsIn counts the records for a place in segment i of the table, or a few
// more.
func (c *Cache) recordsIn(i int, place uint8) int64 {
	behind := &c.before
	for _, next := range c.parts[i+1:] {
		if !next.began.IsZero() { // else nobody knows what was before it
			behind = &next.before
			break
		}
	}
	records, _ := behind.since(&c.parts[i].before, place)
	return records
}

// partOf gives the segment that has the record seq, or else the first one
// behind it; nil if there is none.
func (c *Cache) partOf(seq uint64) *part {
	i := sort.Search(len(c.parts), func(i int) bool { return c.parts[i].last >= seq })
	if i == len(c.parts) {
		return nil
	}
	return c.parts[i]
}
