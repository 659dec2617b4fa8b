package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"causeway/appliance/com/wire"
)

// Bolt is a Store in one file (bbolt). What was put survives a power cut.
type Bolt struct{ db *bbolt.DB }

// The buckets. Entries have one for each box below theirs.
var (
	settings  = []byte("settings")
	partners  = []byte("partners")
	tokens    = []byte("tokens")
	customers = []byte("customers")
	boxes     = []byte("boxes")
	states    = []byte("states")
	entries   = []byte("entries")
	audit     = []byte("audit")
)

const (
	// fileWait is how long another process may hold the file.
	fileWait = 5 * time.Second
	// others is how long a change waits for others to be written with it.
	others = 2 * time.Millisecond
)

// OpenBolt opens the file, or makes it.
func OpenBolt(file string) (*Bolt, error) {
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: fileWait}) // there are keys in it
	if err != nil {
		return nil, fmt.Errorf("open the store %s: %w", file, err)
	}
	db.MaxBatchDelay = others
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{settings, partners, tokens, customers, boxes, states, entries, audit} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the store %s: %w", file, err), db.Close())
	}
	return &Bolt{db}, nil
}

// Close implements Store.
func (b *Bolt) Close() error { return b.db.Close() }

// get reads one record.
func (b *Bolt) get(bucket []byte, key string, into any) error {
	return b.db.View(func(tx *bbolt.Tx) error { return read(tx.Bucket(bucket), bucket, key, into) })
}

// read reads one record of a bucket.
func read(from *bbolt.Bucket, kind []byte, key string, into any) error {
	text := from.Get([]byte(key))
	if text == nil {
		return fmt.Errorf("%s %q: %w", kind, key, ErrNotFound)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read %s %q: %w", kind, key, err)
	}
	return nil
}

// put writes one record.
func (b *Bolt) put(bucket []byte, key string, value any) error {
	text, err := json.Marshal(value)
	if err == nil {
		err = b.db.Batch(func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put([]byte(key), text) })
	}
	if err != nil {
		return fmt.Errorf("keep %s %q: %w", bucket, key, err)
	}
	return nil
}

// all reads a bucket, in the order of the keys.
func all[T any](b *Bolt, bucket []byte) ([]T, error) {
	list := []T{}
	err := b.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(key, text []byte) error {
			var one T
			if err := json.Unmarshal(text, &one); err != nil {
				return fmt.Errorf("read %s %q: %w", bucket, key, err)
			}
			list = append(list, one)
			return nil
		})
	})
	return list, err
}

// Setting implements Store.
func (b *Bolt) Setting(name string, into any) error { return b.get(settings, name, into) }

// PutSetting implements Store.
func (b *Bolt) PutSetting(name string, value any) error { return b.put(settings, name, value) }

// PutPartner implements Store.
func (b *Bolt) PutPartner(p Partner) error { return b.put(partners, p.Name, p) }

// Partners implements Store.
func (b *Bolt) Partners() ([]Partner, error) { return all[Partner](b, partners) }

// Token implements Store.
func (b *Bolt) Token(hash string) (t Token, err error) {
	err = b.get(tokens, hash, &t)
	return t, err
}

// PutToken implements Store.
func (b *Bolt) PutToken(hash string, t Token) error { return b.put(tokens, hash, t) }

// Customer implements Store.
func (b *Bolt) Customer(id string) (c Customer, err error) {
	err = b.get(customers, id, &c)
	return c, err
}

// Customers implements Store.
func (b *Bolt) Customers() ([]Customer, error) { return all[Customer](b, customers) }

// PutCustomer implements Store.
func (b *Bolt) PutCustomer(c Customer) error { return b.put(customers, c.ID, c) }

// Box implements Store.
func (b *Bolt) Box(serial string) (box Box, err error) {
	err = b.get(boxes, serial, &box)
	return box, err
}

// Boxes implements Store.
func (b *Bolt) Boxes() ([]Box, error) { return all[Box](b, boxes) }

// UpdateBox implements Store. An update that changes nothing writes nothing.
func (b *Bolt) UpdateBox(serial string, change func(*Box) error) error {
	update := func(tx *bbolt.Tx, write bool) (changed bool, err error) {
		bucket, box := tx.Bucket(boxes), Box{Serial: serial}
		if err := read(bucket, boxes, serial, &box); err != nil && !errors.Is(err, ErrNotFound) {
			return false, err
		}
		if err := change(&box); err != nil {
			return false, err
		}
		text, err := json.Marshal(box)
		if err != nil || bytes.Equal(text, bucket.Get([]byte(serial))) {
			return false, err
		}
		if write {
			err = bucket.Put([]byte(serial), text)
		}
		return true, err
	}
	changed := false
	err := b.db.View(func(tx *bbolt.Tx) (err error) {
		changed, err = update(tx, false)
		return err
	})
	if err != nil || !changed {
		return err
	}
	return b.db.Batch(func(tx *bbolt.Tx) error {
		_, err := update(tx, true)
		return err
	})
}

// State implements Store.
func (b *Bolt) State(serial string) (s State, err error) {
	err = b.get(states, serial, &s)
	return s, err
}

// States implements Store.
func (b *Bolt) States() ([]State, error) { return all[State](b, states) }

// PutStates implements Store.
func (b *Bolt) PutStates(list []State) error {
	err := b.db.Update(func(tx *bbolt.Tx) error {
		for _, s := range list {
			text, err := json.Marshal(s)
			if err == nil {
				err = tx.Bucket(states).Put([]byte(s.Serial), text)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep %d states: %w", len(list), err)
	}
	return nil
}

// AddEntries implements Store. A key is an epoch and the sequence number: a box
// that has lost its outbox numbers from 1 again, which begins the next epoch.
func (b *Bolt) AddEntries(serial string, list []wire.Entry) error {
	err := b.db.Batch(func(tx *bbolt.Tx) error {
		bucket, err := tx.Bucket(entries).CreateBucketIfNotExists([]byte(serial))
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := addEntry(bucket, e); err != nil {
				return err
			}
		}
		return prune(bucket, MostEntries)
	})
	if err != nil {
		return fmt.Errorf("keep %d entries of %s: %w", len(list), serial, err)
	}
	return nil
}

// addEntry adds an entry to those of its box, unless it is there.
func addEntry(bucket *bbolt.Bucket, e wire.Entry) error {
	epoch, first := uint64(0), uint64(0)
	if last, _ := bucket.Cursor().Last(); last != nil {
		epoch = binary.BigEndian.Uint64(last)
	}
	if key, _ := bucket.Cursor().Seek(number(epoch)); key != nil {
		first = binary.BigEndian.Uint64(key[8:])
	}
	key := append(number(epoch), number(e.Sequence)...)
	var same wire.Entry
	switch err := read(bucket, entries, string(key), &same); {
	case err == nil && same.Time.Equal(e.Time):
		return nil
	case err == nil, e.Sequence < first:
		key = append(number(epoch+1), number(e.Sequence)...)
	case !errors.Is(err, ErrNotFound):
		return err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return bucket.Put(key, text)
}

// number is a key that lies where the number does among others.
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// prune deletes the oldest records of a bucket down to the most that may be.
func prune(bucket *bbolt.Bucket, most int) error {
	cursor, there := bucket.Cursor(), 0
	for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
		there++
	}
	for ; there > most; there-- {
		cursor.First()
		if err := cursor.Delete(); err != nil {
			return err
		}
	}
	return nil
}

// Entries implements Store.
func (b *Bolt) Entries(serial string, most int) (list []wire.Entry, err error) {
	err = b.db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(entries).Bucket([]byte(serial))
		if bucket == nil {
			return nil
		}
		list, err = newest[wire.Entry](bucket, most)
		return err
	})
	return list, err
}

// newest are the last records of a bucket, at most so many, oldest first.
func newest[T any](bucket *bbolt.Bucket, most int) ([]T, error) {
	cursor := bucket.Cursor()
	key, _ := cursor.Last()
	for range most - 1 {
		before, _ := cursor.Prev()
		if before == nil {
			break
		}
		key = before
	}
	list := []T{}
	for key, text := cursor.Seek(key); key != nil && len(list) < most; key, text = cursor.Next() {
		var one T
		if err := json.Unmarshal(text, &one); err != nil {
			return nil, fmt.Errorf("read record %x: %w", key, err)
		}
		list = append(list, one)
	}
	return list, nil
}

// AddAudit implements Store.
func (b *Bolt) AddAudit(a Audit) error {
	text, err := json.Marshal(a)
	if err == nil {
		err = b.db.Batch(func(tx *bbolt.Tx) error {
			bucket := tx.Bucket(audit)
			next, err := bucket.NextSequence()
			if err == nil {
				err = bucket.Put(number(next), text)
			}
			if err == nil && next > MostAudit {
				err = bucket.Delete(number(next - MostAudit))
			}
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("keep what %s did: %w", a.Who, err)
	}
	return nil
}

// AuditTrail implements Store.
func (b *Bolt) AuditTrail(most int) (list []Audit, err error) {
	err = b.db.View(func(tx *bbolt.Tx) error {
		list, err = newest[Audit](tx.Bucket(audit), most)
		return err
	})
	return list, err
}
