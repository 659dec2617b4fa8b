package dhcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
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

// openStore opens the file at path, or makes it (database.OpenAside). With a
// store the error warns that a damaged file was set aside: hosts that renew get
// their addresses back, and others are asked for by ARP before they are given
// away. Without a store it says why there is none.
func openStore(path string) (s *store, records map[netip.Addr]record, err error) {
	db, err := database.OpenAside(path, func(tx *bbolt.Tx) error {
		records = map[netip.Addr]record{}
		return read(tx, records)
	})
	if err != nil {
		err = fmt.Errorf("the DHCP bindings: %w", err)
	}
	if db == nil {
		return nil, nil, err
	}
	return &store{path, db}, records, err
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
