package cache

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/billing/segment"
	"causeway/appliance/model"
)

var (
	testBox = segment.Box{7}
	em0     = Consumer{"packetcable-em-0", 0}
	em1     = Consumer{"packetcable-em-1", 1}
	xml1    = Consumer{"xml-1", 8}
)

// Whom the records of tests are for.
const (
	toEM  Places = 1<<0 | 1<<1
	toCDR Places = 1 << 8
)

var openTestTime = time.Unix(1_800_000_000, 0)

// event makes a record of event n, with a payload that names it.
func event(n int) Record {
	return Record{Kind: EM, To: toEM, Call: model.CallKey{byte(n)}, Source: Source{Event: uint64(n), Last: true}, Payload: fmt.Appendf(nil, "%d", n)}
}

// events makes the records of the events first to last.
func events(first, last int) (records []Record) {
	for n := first; n <= last; n++ {
		records = append(records, event(n))
	}
	return records
}

func cdr(n int) Record {
	r := event(n)
	r.Kind, r.To = CDR, toCDR
	return r
}

// openTest opens a cache that the test closes. Its clock goes on by a
// millisecond with each look.
func openTest(t testing.TB, o Options, consumers ...Consumer) *Cache {
	t.Helper()
	o.Box = testBox
	if o.now == nil {
		now := openTestTime
		o.now = func() time.Time {
			now = now.Add(time.Millisecond)
			return now
		}
	}
	c, err := Open(o, consumers)
	if err != nil {
		t.Fatalf("Open(%s) = %v; want nil", o.Dir, err)
	}
	t.Cleanup(c.die)
	return c
}

// die ends the cache as a crash of the process would: nothing is written.
func (c *Cache) die() {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.closeDisk()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	for _, r := range c.cursors {
		r.close()
	}
}

func appendAll(t testing.TB, c *Cache, records ...Record) {
	t.Helper()
	if err := c.Append(records); err != nil {
		t.Fatalf("Append = %v; want nil", err)
	}
}

// now gives the records that a cursor gives out at once.
func (r *Cursor) now(t testing.TB) (records []Record) {
	t.Helper()
	for {
		record, ok, err := r.poll()
		if err != nil {
			t.Fatalf("poll = %v; want nil", err)
		}
		if !ok {
			return records
		}
		records = append(records, record)
	}
}

// texts gives the payloads.
func texts(records []Record) (all []string) {
	for _, r := range records {
		all = append(all, string(r.Payload))
	}
	return all
}

func numbers(first, last int) (all []string) {
	for n := first; n <= last; n++ {
		all = append(all, fmt.Sprint(n))
	}
	return all
}

func wantTexts(t testing.TB, what string, got []Record, want []string) {
	t.Helper()
	if !slices.Equal(texts(got), want) {
		t.Fatalf("%s = %s; want %s", what, strings.Join(texts(got), " "), strings.Join(want, " "))
	}
}

func done(r *Cursor, records []Record) {
	for _, record := range records {
		r.Done(record.Seq)
	}
}

func segmentsIn(t testing.TB, dir string) (paths []string) {
	t.Helper()
	d := segment.Dir{Path: dir, Format: format}
	l, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range l.Segments {
		paths = append(paths, filepath.Join(dir, format.Name(number)))
	}
	return paths
}
