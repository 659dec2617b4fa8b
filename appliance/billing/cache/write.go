package cache

import (
	"errors"
	"slices"
	"syscall"

	"causeway/appliance/billing/segment"
)

// appendHead makes what a segment begins with.
func (c *Cache) appendHead(b []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begins = c.options.now()
	h := head{newest: c.onDisk, era: c.options.Era, written: c.written, before: c.before}
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

// held reports whether something waits for a consumer that cannot deliver.
func (c *Cache) held() bool {
	return slices.ContainsFunc(c.cursors, func(r *Cursor) bool { return r.held && r.status().Records > 0 })
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
	c.full = c.full && (c.room <= 0 || len(c.memory) > 0)
	return nil
}

// size is what the segments take, in octets.
func (c *Cache) size() (octets int64) {
	for _, p := range c.parts {
		octets += p.octets
	}
	return octets
}
