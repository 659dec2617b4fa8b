package database

import (
	"errors"
	"fmt"
	"maps"
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

// TestOpenAside: what cannot be used is set aside, once; what another process
// holds is left alone.
func TestOpenAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file.db")
	reads := 0
	refuse := func(n int) func(*bbolt.Tx) error {
		reads = 0
		return func(*bbolt.Tx) error {
			if reads++; reads <= n {
				return ErrDamaged
			}
			return nil
		}
	}
	for _, test := range []struct {
		name             string
		damaged          int // reads that find damage
		opens, ok, aside bool
	}{
		{"new", 0, true, true, false},
		{"there", 0, true, true, false},
		{"damaged", 1, true, false, true},
		{"damaged again", 2, false, false, true},
	} {
		os.Remove(path + ".bad")
		db, err := OpenAside(path, refuse(test.damaged))
		_, missing := os.Stat(path + ".bad")
		if (db != nil) != test.opens || (err == nil) != test.ok || (missing == nil) != test.aside || err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: OpenAside = %v, %v, and what is set aside: %v", test.name, db, err, missing)
		}
		if db != nil {
			db.Close()
		}
	}
	held, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	os.Remove(path + ".bad")
	if db, err := OpenAside(path, refuse(0)); db != nil || !IsPassing(err) || reads != 0 {
		t.Errorf("OpenAside of a file that is held = %v, %v after %d reads; want it refused for now", db, err, reads)
	}
	if _, err := os.Stat(path + ".bad"); err == nil {
		t.Error("a file that is held was set aside")
	}
}

// TestMirror: a bucket becomes what there is, and what it has already is not
// written again.
func TestMirror(t *testing.T) {
	db, err := Open(filepath.Join(t.TempDir(), "file.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	bucket := []byte("bucket")
	for _, step := range []struct {
		now   map[string]string
		wrote int
	}{
		{map[string]string{"a": "1", "b": "2"}, 2},
		{map[string]string{"b": "2", "c": "3", "d": "4"}, 2},
		{map[string]string{"b": "2"}, 0},
		{nil, 0},
	} {
		wrote, got := 0, map[string]string{}
		err := db.Update(func(tx *bbolt.Tx) error {
			err := Mirror(tx, bucket, step.now, func(value string) ([]byte, error) { wrote++; return []byte(value), nil })
			if err != nil {
				return err
			}
			return tx.Bucket(bucket).ForEach(func(key, value []byte) error { got[string(key)] = string(value); return nil })
		})
		if err != nil || !maps.Equal(got, step.now) || wrote != step.wrote {
			t.Errorf("Mirror of %v = %v; the bucket has %v, %d written; want %d", step.now, err, got, wrote, step.wrote)
		}
	}
}
