package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"causeway/appliance/billing/segment"
	"causeway/appliance/model"
)

// boxUnderTest is a journal and what must be true of it: given is everything
// that a reader ever got, committed what Commit said is durable.
type boxUnderTest struct {
	dir       string
	writer    *Writer
	reader    *Reader
	batch     Batch
	appended  []string // in batch
	committed []string
	given     int // of committed: seen by a reader, whatever was acknowledged
	acked     int
	open      map[int]bool // calls, as of committed
	pending   map[int]bool // calls, as of appended
	next      int
	faults    int // fdatasyncs to fail from now on
}

func (b *boxUnderTest) openWriter(t *rapid.T) {
	w, recovery, err := Open(b.dir, Options{Box: testBox, SegmentSize: 600, create: func(path string) (segment.Appendable, error) {
		f, err := segment.Create(path)
		return &faultyFile{Appendable: f, sync: func() error {
			if b.faults > 0 {
				b.faults--
				return syscall.EIO
			}
			return nil
		}}, err
	}})
	if err != nil {
		t.Fatalf("Open = %v; want nil", err)
	}
	b.writer = w
	if len(recovery.Calls) != len(b.open) {
		t.Fatalf("%d calls open after a restart; want %d", len(recovery.Calls), len(b.open))
	}
}

func (b *boxUnderTest) openReader(t *rapid.T) {
	r, err := OpenReader(b.dir, testBox)
	if err != nil {
		t.Fatalf("OpenReader = %v; want nil", err)
	}
	b.reader, b.given = r, b.acked
}

// read polls up to most records and checks that they are the next committed ones.
func (b *boxUnderTest) read(t *rapid.T, most int) {
	for range most {
		record, ok, err := b.reader.Poll()
		if err != nil {
			t.Fatalf("Poll = %v; want nil", err)
		}
		if !ok {
			return
		}
		var e model.CallEvent
		if err := e.Decode(record.Payload); err != nil {
			t.Fatalf("Decode = %v; want nil", err)
		}
		if b.given == len(b.committed) || string(e.CallID) != b.committed[b.given] || record.Seq != uint64(b.given+1) {
			t.Fatalf("Poll = record %d %q; want number %d of %v", record.Seq, e.CallID, b.given+1, b.committed)
		}
		b.given++
	}
}

// tear leaves behind the durable data what a power cut may: a part of the
// records that were not committed yet, zeros, or older octets of the file.
func (b *boxUnderTest) tear(t *rapid.T) {
	l, err := dirOf(b.dir, testBox).List()
	if err != nil || len(l.Segments) == 0 {
		t.Fatalf("List = %v, %v", l.Segments, err)
	}
	path := b.dir + "/" + format.Name(l.Segments[len(l.Segments)-1])
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var tail []byte
	switch rapid.IntRange(0, 2).Draw(t, "kind of tail") {
	case 0:
		tail = make([]byte, rapid.IntRange(0, 600).Draw(t, "zeros"))
	case 1:
		tail = content[rapid.IntRange(0, len(content)).Draw(t, "from"):]
	case 2:
		// The first record torn: whole ones would be as good as committed.
		whole := bytes.Clone(b.batch.frames)
		if len(whole) > 0 {
			f, _ := segment.FirstFrame(whole)
			forge(f, b.writer.log.Next, lastCRC(content))
			tail = whole[:rapid.IntRange(0, len(f)-1).Draw(t, "left")]
		}
	}
	if err := os.WriteFile(path, append(content, tail...), 0o640); err != nil {
		t.Fatal(err)
	}
}

// Any interleaving of what can happen gives exactly the durable records, in
// order, each once between two acknowledgements.
func TestAnyInterleaving(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "journal-property-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		b := &boxUnderTest{dir: dir, open: map[int]bool{}, pending: map[int]bool{}}
		b.openWriter(t)
		b.openReader(t)
		defer func() {
			b.writer.die()
			b.reader.Close()
		}()
		crash := func() {
			b.writer.die()
			b.batch.Reset()
			b.appended, b.pending = nil, copyOf(b.open)
			b.faults = 0
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				for range rapid.IntRange(1, 8).Draw(t, "events") {
					b.next++
					call := rapid.IntRange(1, 12).Draw(t, "call")
					kind := model.CallOffered
					if b.pending[call] {
						kind = model.CallEnded
						delete(b.pending, call)
					} else {
						b.pending[call] = true
					}
					b.batch.Append(event(kind, call, b.next))
					b.appended = append(b.appended, fmt.Sprint(b.next))
				}
			},
			"commit": func(t *rapid.T) {
				err := b.writer.Commit(&b.batch)
				for ; errors.Is(err, syscall.EIO); err = b.writer.Commit() {
					b.writer.mu.Lock()
					b.writer.retryAt = b.writer.retryAt.Add(-upkeepInterval)
					b.writer.mu.Unlock()
				}
				if err != nil {
					t.Fatalf("Commit = %v; want nil", err)
				}
				b.batch.Reset()
				b.committed = append(b.committed, b.appended...)
				b.appended, b.open = nil, copyOf(b.pending)
			},
			"syncs fail": func(t *rapid.T) { b.faults = rapid.IntRange(1, 5).Draw(t, "faults") },
			"read":       func(t *rapid.T) { b.read(t, rapid.IntRange(1, 20).Draw(t, "records")) },
			"acknowledge": func(t *rapid.T) {
				seq := rapid.IntRange(0, b.given).Draw(t, "seq")
				if err := b.reader.Ack(uint64(seq)); err != nil {
					t.Fatalf("Ack(%d) = %v; want nil", seq, err)
				}
				b.acked = max(b.acked, seq)
			},
			"proxy dies": func(t *rapid.T) {
				crash()
				b.openWriter(t)
			},
			"billing dies": func(t *rapid.T) {
				b.reader.Close()
				b.openReader(t)
			},
			"power cut": func(t *rapid.T) {
				b.reader.Close()
				b.tear(t)
				crash()
				if rapid.Bool().Draw(t, "the mark is lost") {
					if err := forgetMark(dir); err != nil {
						t.Fatal(err)
					}
				}
				b.openWriter(t)
				b.openReader(t)
			},
			"": func(t *rapid.T) {
				if b.reader.Lost != 0 {
					t.Fatalf("Lost = %d; want 0", b.reader.Lost)
				}
			},
		})
		b.read(t, len(b.committed)+1)
		if b.given != len(b.committed) {
			t.Fatalf("the reader got %d records; want all %d", b.given, len(b.committed))
		}
	})
}

func copyOf(calls map[int]bool) map[int]bool {
	again := map[int]bool{}
	for call := range calls {
		again[call] = true
	}
	return again
}
