package outbox

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"causeway/appliance/com/wire"
	"causeway/appliance/storage/database"
)

// The buckets of the file. The keys of entries are their numbers, 8 octets, the
// most significant first, so that they stand in their order.
var (
	bucketEntries = []byte("entries") // number → wire.Entry as JSON
	bucketNumbers = []byte("numbers")

	keyNumbers = []byte("numbers") // → numbers as JSON
)

// store is the file. It follows what the Outbox has in memory and is read only
// when it is opened.
type store struct {
	path string
	db   *bbolt.DB
}

// openStore opens the file at path, or makes it. One that cannot be used is
// renamed to path.bad and a new one made; the error then says so. Without a
// store the error says why nothing can be kept.
func openStore(path string) (s *store, n numbers, entries []kept, err error) {
	if s, n, entries, err = tryStore(path); err == nil {
		return s, n, entries, nil
	}
	const inMemory = "what COM is to be told is kept in memory only: %w"
	if database.IsPassing(err) {
		return nil, numbers{}, nil, fmt.Errorf(inMemory, err)
	}
	aside := path + ".bad"
	if renamed := os.Rename(path, aside); renamed != nil {
		return nil, numbers{}, nil, fmt.Errorf(inMemory, err)
	}
	err = fmt.Errorf("what COM was to be told is set aside as %s: %w", aside, err)
	s, n, entries, again := tryStore(path)
	if again != nil {
		err = fmt.Errorf("%w; "+inMemory, err, again)
	}
	return s, n, entries, err
}

// tryStore opens the file and reads all of it.
func tryStore(path string) (s *store, n numbers, entries []kept, err error) {
	err = database.Guard(func() error {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil { // init makes it; a plain host has no init
			return err
		}
		db, err := database.Open(path)
		if err != nil {
			return err
		}
		if err := db.View(func(tx *bbolt.Tx) (err error) {
			n, entries, err = read(tx)
			return err
		}); err != nil {
			return errors.Join(err, db.Close())
		}
		s = &store{path, db}
		return nil
	})
	if err != nil {
		return nil, numbers{}, nil, fmt.Errorf("open %s: %w", path, err)
	}
	return s, n, entries, nil
}

// read reads the whole file and checks that it makes sense.
func read(tx *bbolt.Tx) (n numbers, entries []kept, err error) {
	if name, _ := tx.Cursor().First(); name == nil {
		return n, nil, nil // a new file
	}
	if tx.Bucket(bucketEntries) == nil || tx.Bucket(bucketNumbers) == nil {
		return n, nil, fmt.Errorf("%w: a bucket is not there", database.ErrDamaged)
	}
	if err := json.Unmarshal(tx.Bucket(bucketNumbers).Get(keyNumbers), &n); err != nil {
		return n, nil, fmt.Errorf("%w: the numbers: %w", database.ErrDamaged, err)
	}
	err = tx.Bucket(bucketEntries).ForEach(func(key, text []byte) error {
		e := kept{octets: int64(len(text))}
		if err := json.Unmarshal(text, &e.Entry); err != nil {
			return fmt.Errorf("%w: an entry: %w", database.ErrDamaged, err)
		}
		if string(key) != string(keyOf(e.Entry)) || e.Sequence > n.Last {
			return fmt.Errorf("%w: entry %d is not where it belongs", database.ErrDamaged, e.Sequence)
		}
		entries = append(entries, e)
		return nil
	})
	return n, entries, err
}

func keyOf(e wire.Entry) []byte { return binary.BigEndian.AppendUint64(nil, e.Sequence) }

// write brings the file up to date, in one transaction that survives a power cut
// when it returns. After an error all is tried again with the next one.
func (s *store) write(n numbers, entries []kept) error {
	err := database.Guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			if err := writeEntries(tx, entries); err != nil {
				return err
			}
			bucket, err := tx.CreateBucketIfNotExists(bucketNumbers)
			if err != nil {
				return err
			}
			text, err := json.Marshal(n)
			if err != nil {
				return err
			}
			return bucket.Put(keyNumbers, text)
		})
	})
	if err != nil {
		return fmt.Errorf("keep what COM is to be told in %s: %w", s.path, err)
	}
	return nil
}

// writeEntries removes the entries that are not there any more and adds those
// that the file does not have. An entry never changes under its number.
func writeEntries(tx *bbolt.Tx, entries []kept) error {
	bucket, err := tx.CreateBucketIfNotExists(bucketEntries)
	if err != nil {
		return err
	}
	missing := map[string]wire.Entry{}
	for _, e := range entries {
		missing[string(keyOf(e.Entry))] = e.Entry
	}
	var gone [][]byte
	cursor := bucket.Cursor()
	for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
		if _, stays := missing[string(key)]; !stays {
			gone = append(gone, key)
		}
		delete(missing, string(key))
	}
	for _, key := range gone {
		if err := bucket.Delete(key); err != nil {
			return err
		}
	}
	for key, e := range missing {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if err := bucket.Put([]byte(key), text); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) close() error { return database.Guard(s.db.Close) }
