package alarm

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"causeway/appliance/model"
	"causeway/appliance/storage/database"
)

// The buckets of the file. Numbers are 8 octets, the most significant first,
// so that events stand in their order.
var (
	bucketNumbers = []byte("numbers") // base, last
	bucketEvents  = []byte("events")  // number → model.AlarmEvent as JSON
	bucketHeld    = []byte("held")    // number → held as JSON
	bucketCursors = []byte("cursors") // consumer → number

	keyBase = []byte("base")
	keyLast = []byte("last")
)

// store is the file that alarms are kept in. It follows what Alarms have in
// memory and is read only when it is opened.
type store struct {
	path   string
	db     *bbolt.DB
	stored uint64 // the number of the last event that is in the file
}

// kept is what the file holds.
type kept struct {
	history
	held []*held
}

// openStore opens the file at path, or makes it (database.OpenAside). Without a
// store the error says why nothing can be kept.
//
// A new file after a damaged one, and memory, begin with the Unix time as their
// base. That is beyond every number given before, as long as there is less
// than one event a second over the life of the box.
func openStore(path string, now time.Time) (content kept, s *store, err error) {
	db, err := database.OpenAside(path, func(tx *bbolt.Tx) error {
		content = kept{}
		return content.read(tx)
	})
	if err != nil {
		content = kept{history: history{cursors: map[string]uint64{}}}
		content.base = uint64(max(0, now.Unix()))
		content.last = content.base
	}
	switch {
	case db == nil:
		return content, nil, fmt.Errorf("alarms are kept in memory only: %w", err)
	case err != nil:
		err = fmt.Errorf("the alarms kept so far: %w", err)
	}
	return content, &store{path: path, db: db, stored: content.last}, err
}

// read reads the whole file and checks that it makes sense.
func (k *kept) read(tx *bbolt.Tx) error {
	k.cursors = map[string]uint64{}
	if name, _ := tx.Cursor().First(); name == nil {
		return nil // a new file
	}
	for _, name := range [][]byte{bucketNumbers, bucketEvents, bucketHeld, bucketCursors} {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: there is no bucket %s", database.ErrDamaged, name)
		}
	}
	if err := errors.Join(
		number(tx.Bucket(bucketNumbers).Get(keyBase), &k.base),
		number(tx.Bucket(bucketNumbers).Get(keyLast), &k.last),
		tx.Bucket(bucketEvents).ForEach(k.readEvent),
		tx.Bucket(bucketHeld).ForEach(k.readHeld),
		tx.Bucket(bucketCursors).ForEach(k.readCursor),
	); err != nil {
		return err
	}
	if len(k.events) > 0 && k.events[len(k.events)-1].Number != k.last || k.last < k.base {
		return fmt.Errorf("%w: the last event is not number %d", database.ErrDamaged, k.last)
	}
	return nil
}

func (k *kept) readEvent(_, value []byte) error {
	var event model.AlarmEvent
	if err := json.Unmarshal(value, &event); err != nil {
		return fmt.Errorf("%w: an event: %w", database.ErrDamaged, err)
	}
	if n := len(k.events); n > 0 && event.Number != k.events[n-1].Number+1 {
		return fmt.Errorf("%w: event %d follows event %d", database.ErrDamaged, event.Number, k.events[n-1].Number)
	}
	k.events = append(k.events, event)
	return nil
}

func (k *kept) readHeld(_, value []byte) error {
	h := &held{}
	if err := json.Unmarshal(value, h); err != nil || h.Number == 0 {
		return fmt.Errorf("%w: an alarm without a number or %w", database.ErrDamaged, err)
	}
	k.held = append(k.held, h)
	return nil
}

func (k *kept) readCursor(consumer, value []byte) error {
	var cursor uint64
	err := number(value, &cursor)
	k.cursors[string(consumer)] = cursor
	return err
}

// number reads 8 octets.
func number(octets []byte, n *uint64) error {
	if len(octets) != 8 {
		return fmt.Errorf("%w: a number of %d octets", database.ErrDamaged, len(octets))
	}
	*n = binary.BigEndian.Uint64(octets)
	return nil
}

func octets(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// write brings the file up to date, in one transaction that survives a power
// cut when it returns. After an error all is tried again with the next one.
func (s *store) write(h *history, active []*held) error {
	err := database.Guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			events, err := tx.CreateBucketIfNotExists(bucketEvents)
			if err != nil {
				return err
			}
			if err := s.writeEvents(events, h); err != nil {
				return err
			}
			entries := map[string][]byte{}
			for _, one := range active {
				if entries[string(octets(one.Number))], err = json.Marshal(one); err != nil {
					return err
				}
			}
			cursors := map[string][]byte{}
			for consumer, cursor := range h.cursors {
				cursors[consumer] = octets(cursor)
			}
			return errors.Join(
				replace(tx, bucketHeld, entries),
				replace(tx, bucketCursors, cursors),
				replace(tx, bucketNumbers, map[string][]byte{string(keyBase): octets(h.base), string(keyLast): octets(h.last)}),
			)
		})
	})
	if err != nil {
		return fmt.Errorf("keep alarms in %s: %w", s.path, err)
	}
	s.stored = h.last
	return nil
}

// writeEvents adds the events that the file does not have and removes those
// that the history does not have any more.
func (s *store) writeEvents(bucket *bbolt.Bucket, h *history) error {
	first := h.first()
	for number := max(first, s.stored+1); number <= h.last; number++ {
		text, err := json.Marshal(h.events[number-first])
		if err != nil {
			return err
		}
		if err := bucket.Put(octets(number), text); err != nil {
			return err
		}
	}
	var old [][]byte
	cursor := bucket.Cursor()
	for key, _ := cursor.First(); key != nil && binary.BigEndian.Uint64(key) < first; key, _ = cursor.Next() {
		old = append(old, key)
	}
	for _, key := range old {
		if err := bucket.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// replace makes entries the whole content of a bucket.
func replace(tx *bbolt.Tx, name []byte, entries map[string][]byte) error {
	if err := tx.DeleteBucket(name); err != nil && !errors.Is(err, bolterrors.ErrBucketNotFound) {
		return err
	}
	bucket, err := tx.CreateBucket(name)
	if err != nil {
		return err
	}
	for key, value := range entries {
		if err := bucket.Put([]byte(key), value); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) close() error { return database.Guard(s.db.Close) }
