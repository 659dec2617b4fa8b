package cache

import (
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"causeway/appliance/billing/segment"
)

// typical is a record as an event message of a call has it.
func typical() Record {
	r := event(1)
	r.Payload = make([]byte, 200)
	return r
}

// BenchmarkAppend writes batches of 64, each with its fdatasync.
func BenchmarkAppend(b *testing.B) {
	for _, policy := range []string{"write-ahead", "on-failure"} {
		b.Run(policy, func(b *testing.B) {
			c := openTest(b, Options{Dir: b.TempDir(), OnFailure: policy == "on-failure"}, em0)
			batch := slices.Repeat([]Record{typical()}, 64)
			r := c.Cursor(em0.Name)
			b.ReportAllocs()
			for b.Loop() {
				appendAll(b, c, batch...)
				done(r, r.now(b))
			}
			b.ReportMetric(64*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// backlog makes a cache with so many records waiting.
func backlog(b *testing.B, dir string, records int) {
	b.Helper()
	c := openTest(b, Options{Dir: dir, create: func(path string) (segment.Appendable, error) {
		f, err := segment.Create(path)
		return unsynced{f}, err
	}}, em0, em1)
	batch := slices.Repeat([]Record{typical()}, 1000)
	for range records / 1000 {
		appendAll(b, c, batch...)
	}
	c.die()
}

type unsynced struct{ segment.Appendable }

func (unsynced) Datasync() error { return nil }

// BenchmarkDrain takes records out of a backlog, Next and Done each.
func BenchmarkDrain(b *testing.B) {
	dir := b.TempDir()
	records := 0
	var c *Cache
	b.ReportAllocs()
	for b.Loop() {
		if records == 0 {
			b.StopTimer()
			if c != nil {
				c.die()
				if err := os.RemoveAll(dir); err != nil {
					b.Fatal(err)
				}
			}
			records = 200_000
			backlog(b, dir, records)
			c = openTest(b, Options{Dir: dir}, em0)
			b.StartTimer()
		}
		record, err := c.Cursor(em0.Name).Next(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		c.Cursor(em0.Name).Done(record.Seq)
		records--
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkBacklog opens a cache in which a million records wait for two
// consumers, and measures how long that takes and what memory the cache takes
// then and half way through the backlog.
func BenchmarkBacklog(b *testing.B) {
	const records = 1_000_000
	dir := b.TempDir()
	backlog(b, dir, records)
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / (1 << 20)
	}
	for b.Loop() {
		before, start := heap(), time.Now()
		c := openTest(b, Options{Dir: dir}, em0, em1)
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "open-ms")
		b.ReportMetric(heap()-before, "opened-MiB")
		if waiting := c.Status().Records; waiting != records {
			b.Fatalf("%d records wait; want %d", waiting, records)
		}
		for range records / 2 {
			for _, r := range c.cursors {
				record, err := r.Next(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				r.Done(record.Seq)
			}
		}
		b.ReportMetric(heap()-before, "halfway-MiB")
		c.die()
	}
}
