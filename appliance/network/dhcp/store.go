package dhcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"causeway/appliance/storage/database"
)

// record is what the file holds of a binding. It has no time in it: how long
// the box was off is not known before the clock is right, so a binding that
// has not lapsed lasts for its whole lease time after each start. No address
// is then given away before its host has let go of it, whatever the clock did,
// and a renewal needs no write.
type record struct {
	Client []byte        `json:"client"` // its key
	MAC    MAC           `json:"mac"`
	Host   string        `json:"host,omitempty"`
	Lease  time.Duration `json:"lease"`
	Lapsed bool          `json:"lapsed,omitempty"` // expired or released: kept for a host that returns
}

// bucketBindings has a record as JSON for each address of 4 octets.
var bucketBindings = []byte("bindings")

// store is the file of the bindings (bbolt). What it is told survives a power
// cut when the call returns.
type store struct {
	path string
	db   *bbolt.DB
}

// openStore opens the file at path, or makes it. A damaged one is set aside as
// path.bad, which the warning says: hosts that renew get their addresses back,
// and others are asked for by ARP before they are given away.
func openStore(path string) (s *store, records map[netip.Addr]record, warning, err error) {
	s, records, err = tryStore(path)
	if err == nil || database.IsPassing(err) {
		return s, records, nil, err
	}
	warning = fmt.Errorf("the DHCP bindings are set aside as %s.bad: %w", path, err)
	if err := os.Rename(path, path+".bad"); err != nil {
		return nil, nil, warning, fmt.Errorf("set aside the DHCP bindings: %w", err)
	}
	s, records, err = tryStore(path)
	return s, records, warning, err
}

func tryStore(path string) (s *store, records map[netip.Addr]record, err error) {
	err = database.Guard(func() error {
		db, err := database.Open(path)
		if err != nil {
			return err
		}
		s, records = &store{path, db}, map[netip.Addr]record{}
		if err := db.View(func(tx *bbolt.Tx) error { return read(tx, records) }); err != nil {
			return errors.Join(err, db.Close())
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", path, err)
	}
	return s, records, nil
}

func read(tx *bbolt.Tx, records map[netip.Addr]record) error {
	bucket := tx.Bucket(bucketBindings)
	if bucket == nil {
		return nil // a new file
	}
	return bucket.ForEach(func(key, value []byte) error {
		address := addr(key)
		if !address.Is4() {
			return fmt.Errorf("a key of %d octets is no address", len(key))
		}
		var r record
		if err := json.Unmarshal(value, &r); err != nil {
			return fmt.Errorf("the binding of %v: %w", address, err)
		}
		records[address] = r
		return nil
	})
}

// write puts the records in, in one transaction; a nil one is deleted.
func (s *store) write(records map[netip.Addr]*record) error {
	err := database.Guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists(bucketBindings)
			if err != nil {
				return err
			}
			for address, r := range records {
				if r == nil {
					err = errors.Join(err, bucket.Delete(address.AsSlice()))
					continue
				}
				value, fault := json.Marshal(r)
				err = errors.Join(err, fault, bucket.Put(address.AsSlice(), value))
			}
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	return nil
}

func (s *store) close() error { return s.db.Close() }
