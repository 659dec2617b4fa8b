// Package database is what all files of bbolt have in common here: how they are
// opened, and what a damaged one does. bbolt maps its file into memory and
// trusts it, so a damaged one panics, or faults where the disk gives less than
// is mapped. What becomes of such a file is for its owner to say; OpenAside is
// what most of them want.
package database

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

// ErrDamaged means that the content of a file contradicts itself.
var ErrDamaged = errors.New("damaged")

// lockWait is how long another process may hold a file: an earlier life of the
// same one that is about to end.
const lockWait = time.Second

// Open opens the file at path, or makes it, with mode 0600. It belongs to this
// process until it is closed. Call it in Guard.
func Open(path string) (*bbolt.DB, error) {
	return bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait})
}

// Guard does something with a database. What a damaged file makes of that is an
// ErrDamaged; the database must not be used after it.
func Guard(use func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, fault)
		}
	}()
	return use()
}

// passing are the errors of Open that say nothing against the file.
var passing = []error{
	bolterrors.ErrTimeout, unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOSPC, unix.EROFS, unix.EACCES, unix.ENOENT, unix.EIO,
}

// IsPassing says whether an error of Open says nothing against the file: it may
// be opened later as it is.
func IsPassing(err error) bool {
	return slices.ContainsFunc(passing, func(one error) bool { return errors.Is(err, one) })
}

// OpenAside opens the file at path, or makes it, and has all of it read. One that
// cannot be used is renamed to path.bad and a new one made; the error then says
// so. Without a database the error says why there is none. read may be called
// twice: the last call counts, and none does without a database.
func OpenAside(path string, read func(*bbolt.Tx) error) (*bbolt.DB, error) {
	db, err := openAndRead(path, read)
	if err == nil || IsPassing(err) {
		return db, err
	}
	aside := path + ".bad"
	if os.Rename(path, aside) != nil {
		return nil, err
	}
	err = fmt.Errorf("set aside as %s: %w", aside, err)
	db, again := openAndRead(path, read)
	if again != nil {
		err = fmt.Errorf("%w; %w", again, err)
	}
	return db, err
}

func openAndRead(path string, read func(*bbolt.Tx) error) (db *bbolt.DB, err error) {
	err = Guard(func() (err error) {
		if db, err = Open(path); err != nil {
			return err
		}
		if err = db.View(read); err != nil {
			return errors.Join(err, db.Close())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// Mirror makes the content of a bucket what there is now: keys that are gone are
// removed, and the values of new ones added, in their octets. A value never
// changes under its key.
func Mirror[V any](tx *bbolt.Tx, name []byte, now map[string]V, octets func(V) ([]byte, error)) error {
	bucket, err := tx.CreateBucketIfNotExists(name)
	if err != nil {
		return err
	}
	had := map[string]bool{}
	var gone [][]byte
	cursor := bucket.Cursor()
	for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
		had[string(key)] = true
		if _, stays := now[string(key)]; !stays {
			gone = append(gone, key)
		}
	}
	for _, key := range gone {
		if err := bucket.Delete(key); err != nil {
			return err
		}
	}
	for key, value := range now {
		if had[key] {
			continue
		}
		text, err := octets(value)
		if err != nil {
			return err
		}
		if err := bucket.Put([]byte(key), text); err != nil {
			return err
		}
	}
	return nil
}

// PutJSON puts a value into a bucket, which is made if it is not there.
func PutJSON(tx *bbolt.Tx, name, key []byte, value any) error {
	bucket, err := tx.CreateBucketIfNotExists(name)
	if err != nil {
		return err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return bucket.Put(key, text)
}
