package cache

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/model"
)

// Status says how the cache stands.
func (c *Cache) Status() model.CacheStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := model.CacheStatus{
		Directory:     c.options.Dir,
		Segments:      len(c.parts),
		Bytes:         c.size(),
		MemoryRecords: int64(len(c.memory)),
		MemoryBytes:   c.octets,
		Refused:       c.refused,
		Lost:          c.lost,
		RepairedBytes: c.repairs.Cut,
		Aside:         c.repairs.Aside,
		Full:          c.full,
	}
	if c.fault != nil {
		s.Fault = c.fault.Error()
	}
	for _, r := range c.cursors {
		s.Consumers = append(s.Consumers, r.status())
	}
	for _, o := range c.orphans {
		s.Consumers = append(s.Consumers, c.orphanStatus(o))
	}
	for _, consumer := range s.Consumers {
		s.Records = max(s.Records, consumer.Records)
		if !consumer.Oldest.IsZero() && (s.Oldest.IsZero() || consumer.Oldest.Before(s.Oldest)) {
			s.Oldest = consumer.Oldest
		}
	}
	return s
}

// status says what waits for the consumer.
func (r *Cursor) status() model.CacheConsumerStatus {
	s := model.CacheConsumerStatus{Name: r.Name, Held: r.held}
	s.Records, s.Bytes = r.cache.total.since(&r.read, r.Place)
	s.Records, s.Bytes = s.Records+r.count+int64(len(r.earlier)), s.Bytes+r.octets
	switch {
	case r.count > 0 && r.position < r.next:
		s.Oldest = time.Unix(int64(r.inHand[r.position%window].at), 0)
	case s.Records > 0 && r.readAt.Before(r.unread):
		s.Oldest = r.unread
	case s.Records > 0:
		s.Oldest = r.readAt
	}
	return s
}

// orphanStatus counts what is kept for a consumer that is not there any more.
func (c *Cache) orphanStatus(o orphan) model.CacheConsumerStatus {
	s := model.CacheConsumerStatus{Name: o.name, Orphaned: true}
	for i, p := range c.parts {
		from, to := max(p.FirstSeq, o.position), min(p.last, o.end)
		records := int64(to) - int64(from) + 1
		if o.placed && !p.inexact {
			records = min(records, c.recordsIn(i, o.place))
		}
		if records <= 0 {
			continue
		}
		if s.Records == 0 {
			s.Oldest = p.Created
		}
		s.Records += records
		s.Bytes += p.octets
	}
	return s
}

// Clear gives up what waits for a consumer, by an operator's command, and
// gives the number of records. One that is not there any more is forgotten.
func (c *Cache) Clear(consumer string) (dropped int64, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	defer c.tell()
	if c.disk == nil {
		return 0, fmt.Errorf("clear the billing cache: %w", c.trouble())
	}
	c.mu.Lock()
	r := c.Cursor(consumer)
	orphaned := slices.IndexFunc(c.orphans, func(o orphan) bool { return o.name == consumer })
	switch {
	case r != nil:
		dropped = r.status().Records
		r.clear()
		c.dropDelivered()
	case orphaned >= 0:
		dropped = c.orphanStatus(c.orphans[orphaned]).Records
		c.orphans = slices.Delete(c.orphans, orphaned, orphaned+1)
	default:
		c.mu.Unlock()
		return 0, fmt.Errorf("the billing cache has nothing for %q", consumer)
	}
	c.mu.Unlock()
	if r == nil {
		err = c.forgetMarks(consumer)
	}
	return dropped, errors.Join(err, c.keepUp())
}

// clear makes the cursor begin anew at the end.
func (r *Cursor) clear() {
	clear(r.inHand)
	r.count, r.octets, r.again, r.earlier, r.passTo = 0, 0, 0, nil, 0
	r.position, r.next, r.read = r.cache.visible, r.cache.visible, r.cache.total
	r.reopen()
}
