package outbox

import (
	"encoding/binary"
	"encoding/json"
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

// openStore opens the file at path, or makes it (database.OpenAside). Without a
// store the error says why nothing can be kept.
func openStore(path string) (s *store, n numbers, entries []kept, err error) {
	_ = os.MkdirAll(filepath.Dir(path), 0o750) // init makes it; a plain host has no init
	db, err := database.OpenAside(path, func(tx *bbolt.Tx) (err error) {
		n, entries, err = read(tx)
		return err
	})
	switch {
	case db == nil:
		return nil, numbers{}, nil, fmt.Errorf("what COM is to be told is kept in memory only: %w", err)
	case err != nil:
		err = fmt.Errorf("what COM is to be told: %w", err)
	}
	return &store{path, db}, n, entries, err
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
	waiting := map[string]wire.Entry{}
	for _, e := range entries {
		waiting[string(keyOf(e.Entry))] = e.Entry
	}
	err := database.Guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			err := database.Mirror(tx, bucketEntries, waiting, func(e wire.Entry) ([]byte, error) { return json.Marshal(e) })
			if err != nil {
				return err
			}
			return database.PutJSON(tx, bucketNumbers, keyNumbers, n)
		})
	})
	if err != nil {
		return fmt.Errorf("keep what COM is to be told in %s: %w", s.path, err)
	}
	return nil
}

func (s *store) close() error { return database.Guard(s.db.Close) }
