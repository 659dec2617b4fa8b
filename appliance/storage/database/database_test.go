package database

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

// TestDamaged: a file that is cut short while it is mapped is an error.
func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file.db")
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	bucket := []byte("bucket")
	fill := func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucket)
		for i := 0; i < 1000 && err == nil; i++ {
			err = b.Put(fmt.Appendf(nil, "%04d", i), make([]byte, 100))
		}
		return err
	}
	if err := Guard(func() error { return db.Update(fill) }); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	read := func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(_, _ []byte) error { return nil })
	}
	if err := Guard(func() error { return db.View(read) }); !errors.Is(err, ErrDamaged) {
		t.Errorf("Guard of a file that was cut = %v; want %v", err, ErrDamaged)
	}
}

func TestIsPassing(t *testing.T) {
	dir := t.TempDir()
	held, garbage := filepath.Join(dir, "held"), filepath.Join(dir, "garbage")
	db, err := Open(held)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := os.WriteFile(garbage, make([]byte, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path string
		want bool
	}{{held, true}, {filepath.Join(dir, "none", "file"), true}, {garbage, false}} {
		if _, err := Open(test.path); err == nil || IsPassing(err) != test.want {
			t.Errorf("IsPassing(%v) = %v; want %v", err, IsPassing(err), test.want)
		}
	}
}
