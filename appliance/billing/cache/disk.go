package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"syscall"
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
		if err := mounted(o.Mount); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(o.Dir, 0o770); err != nil {
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

// mounted reports an error unless a file system is mounted at point.
func mounted(point string) error {
	device := func(path string) (uint64, error) {
		var st syscall.Stat_t
		err := syscall.Stat(path, &st)
		return uint64(st.Dev), err
	}
	here, err := device(point)
	above, errAbove := device(filepath.Dir(point))
	if errors.Is(err, os.ErrNotExist) || err == nil && errAbove == nil && here == above {
		err = storage.ErrNotMounted
	}
	if err := errors.Join(err, errAbove); err != nil {
		return fmt.Errorf("%s: %w", point, err)
	}
	return nil
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

// appendHead makes what a segment begins with.
func (c *Cache) appendHead(b []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begins = c.options.now()
	h := head{newest: c.onDisk, written: c.written, before: c.before}
	return h.appendTo(b, c.begins)
}

// begun takes a new segment into the table.
func (c *Cache) begun(h segment.Header, octets int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parts = append(c.parts, &part{Header: h, began: c.begins, last: h.FirstSeq - 1, octets: octets, before: c.before, counted: h.FirstSeq - 1})
	c.room -= octets
	c.roll = false
}

// beginSegment ends the newest segment and begins another. A disk without room
// for it is no error.
func (c *Cache) beginSegment() error {
	c.log.Close()
	err := c.log.Append(nil, nil)
	if isFull(err) {
		c.mu.Lock()
		c.setFull()
		c.mu.Unlock()
		err = nil
	}
	return err
}

// flush writes what is in memory, if it is to be written and there is room.
func (c *Cache) flush() {
	c.mu.Lock()
	c.dropDelivered()
	frames, first := c.writable()
	if len(frames) == 0 {
		c.mu.Unlock()
		return
	}
	c.flushing = true
	if c.roll || first != c.log.Next { // what stands between was delivered from memory
		c.log.Close()
		c.log.Next = first
	}
	c.mu.Unlock()
	err := c.log.Append(frames, c.durable)
	c.mu.Lock()
	c.flushing = false
	full := isFull(err)
	if full {
		c.room = 0
		c.setFull()
	}
	c.mu.Unlock()
	if err != nil && !full {
		c.fail(err)
	}
}

// writable gives a copy of what is in memory and is to be written, and the
// number of its first record.
func (c *Cache) writable() (frames []byte, first uint64) {
	if c.fault != nil || len(c.memory) == 0 || c.options.OnFailure && !c.closed && !c.held() && c.octets <= c.options.memory {
		return nil, 0
	}
	octets := 0
	for _, f := range c.memory {
		if int64(octets+len(f)) > c.room {
			c.setFull()
			break
		}
		octets += len(f)
	}
	frames = make([]byte, 0, octets)
	for _, f := range c.memory {
		if len(frames) == octets {
			break
		}
		frames = append(frames, f...)
	}
	return frames, c.first()
}

func (c *Cache) setFull() {
	if !c.full {
		c.full = true
		c.news = append(c.news, errors.New("full: records wait in memory"))
	}
}

// held reports whether a consumer cannot deliver.
func (c *Cache) held() bool {
	for _, r := range c.cursors {
		if r.held {
			return true
		}
	}
	return false
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// durable takes records that are on the disk now out of memory.
func (c *Cache) durable(frames []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	newest := c.parts[len(c.parts)-1]
	for rest := frames; len(rest) > 0; {
		var f segment.Frame
		f, rest = segment.FirstFrame(rest)
		if source := sourceOf(f); source.Event != 0 {
			c.onDisk = source
		}
		c.forget()
	}
	newest.octets += int64(len(frames))
	newest.last = c.log.Next - 1
	c.written = newest.last
	c.room -= int64(len(frames))
	c.full = c.full && len(c.memory) > 0
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

// moveMarks makes the cursors' positions last. The mark of one that could not
// read is written in any case: a disk that takes it has a bad sector, any
// other is in trouble as a whole.
func (c *Cache) moveMarks() error {
	if c.disk == nil {
		return nil
	}
	for _, r := range c.cursors {
		mark := c.disk.marks[markName(r.Name)]
		c.mu.Lock()
		position, stuck := r.position, r.unreadable != nil
		c.mu.Unlock()
		if mark.Seq == position && !stuck {
			continue
		}
		if err := mark.Move(position); err != nil {
			return err
		}
		if err := mark.Sync(); err != nil {
			return err
		}
		if stuck {
			c.mu.Lock()
			r.tries++
			c.mu.Unlock()
		}
	}
	return nil
}

// deleteDone deletes the segments that nobody needs, but the newest; damaged
// ones are kept aside. While the cache is full an empty newest one makes place
// for another.
func (c *Cache) deleteDone() error {
	c.mu.Lock()
	begin := false
	if count := len(c.parts); count > 0 && c.full {
		newest := c.parts[count-1]
		begin = newest.last >= newest.FirstSeq && !c.needed(newest)
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
		if i+1 < len(c.parts) && !c.needed(p) {
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
		if err != nil {
			return err
		}
	}
	return storage.SyncDir(c.options.Dir)
}

// needed reports whether a segment holds what somebody has not delivered.
func (c *Cache) needed(p *part) bool {
	for _, r := range c.cursors {
		if r.position <= p.last {
			return true
		}
	}
	for _, o := range c.orphans {
		if o.position <= p.last && p.FirstSeq <= o.end {
			return true
		}
	}
	return false
}

// refreshRoom finds out how much may be written. The cache stops at twice what
// the journal of call events leaves free: it shares the disk with it.
func (c *Cache) refreshRoom() error {
	there, err := c.options.space(c.options.Dir)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room = there.Free - 2*there.MinFree()
	if c.options.MaxSize > 0 {
		c.room = min(c.room, c.options.MaxSize-c.size())
	}
	return nil
}

// size is what the segments take, in octets.
func (c *Cache) size() (octets int64) {
	for _, p := range c.parts {
		octets += p.octets
	}
	return octets
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
