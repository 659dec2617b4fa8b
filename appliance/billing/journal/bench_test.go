package journal

import (
	"testing"

	"causeway/appliance/billing/segment"
	"causeway/appliance/model"
)

func BenchmarkAppend(b *testing.B) {
	e, batch := event(model.CallOffered, 1, 1), &Batch{}
	e.From, e.To = []byte("<sip:15551230001@a.example>;tag=1928301774"), []byte("<sip:15551230002@b.example>")
	b.ReportAllocs()
	for b.Loop() {
		batch.Append(e)
		if len(batch.frames) > 1<<20 {
			batch.Reset()
		}
	}
}

// BenchmarkCommit writes 100 records a commit; the figures are for one record.
func BenchmarkCommit(b *testing.B) {
	for _, disk := range []string{"disk", "no disk"} {
		b.Run(disk, func(b *testing.B) {
			options := Options{}
			if disk == "no disk" {
				options.create = func(string) (segment.Appendable, error) { return nothing{}, nil }
			}
			w, _ := openTest(b, b.TempDir(), options)
			batch := batchOf(1, 100)
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += 100 {
				commit(b, w, batch)
			}
		})
	}
}

type nothing struct{}

func (nothing) Write(b []byte) (int, error) { return len(b), nil }
func (nothing) Datasync() error             { return nil }
func (nothing) Truncate(int64) error        { return nil }
func (nothing) Close() error                { return nil }

func BenchmarkReserve(b *testing.B) {
	w, _ := openTest(b, b.TempDir(), Options{})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if w.Reserve(MaxRecord) {
				w.Release(MaxRecord)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	w, _ := openTest(b, dir, Options{})
	batch := &Batch{}
	for range 1000 {
		batch.Append(event(model.CallEnded, 1, 1))
	}
	for n := 0; n < b.N; n += 1000 {
		commit(b, w, batch)
	}
	r := openReader(b, dir)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, ok, err := r.Poll(); !ok || err != nil {
			b.Fatalf("Poll = %v, %v", ok, err)
		}
	}
}
