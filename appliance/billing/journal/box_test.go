package journal

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
)

var testBox = BoxOf("test")

// event makes event n of the kind, with a text that names it.
func event(kind model.CallEventKind, call, n int) *model.CallEvent {
	e := &model.CallEvent{Kind: kind, Time: time.Unix(1_800_000_000, int64(n)), CallID: fmt.Appendf(nil, "%d", n)}
	binary.BigEndian.PutUint32(e.Key[:], uint32(call))
	return e
}

// batchOf makes a batch of the events first to last, each of a call of its own.
func batchOf(first, last int) *Batch {
	batch := &Batch{}
	for n := first; n <= last; n++ {
		batch.Append(event(model.CallOffered, n, n))
	}
	return batch
}

// openTest opens a writer that the test closes.
func openTest(t testing.TB, dir string, options Options) (*Writer, *Recovery) {
	t.Helper()
	options.Box = testBox
	w, recovery, err := Open(dir, options)
	if err != nil {
		t.Fatalf("Open(%s) = %v; want nil", dir, err)
	}
	t.Cleanup(func() { w.die() })
	return w, recovery
}

// die ends the writer as a crash of the process would: nothing is written.
func (w *Writer) die() {
	select {
	case <-w.stop:
		return
	default:
	}
	close(w.stop)
	w.done.Wait()
	w.log.Close()
	if w.durable != nil {
		w.durable.Close()
	}
}

func commit(t testing.TB, w *Writer, batches ...*Batch) {
	t.Helper()
	if err := w.Commit(batches...); err != nil {
		t.Fatalf("Commit = %v; want nil", err)
	}
}

// drain gives the texts of the records that a reader has now.
func drain(t testing.TB, r *Reader) []string {
	t.Helper()
	var texts []string
	for {
		record, ok, err := r.Poll()
		if err != nil {
			t.Fatalf("Poll = %v; want nil", err)
		}
		if !ok {
			return texts
		}
		var e model.CallEvent
		if err := e.Decode(record.Payload); err != nil {
			t.Fatalf("Decode(record %d) = %v; want nil", record.Seq, err)
		}
		texts = append(texts, string(e.CallID))
	}
}

func openReader(t testing.TB, dir string) *Reader {
	t.Helper()
	r, err := OpenReader(dir, testBox)
	if err != nil {
		t.Fatalf("OpenReader(%s) = %v; want nil", dir, err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// readAll reads the journal from its acknowledged position on.
func readAll(t testing.TB, dir string) (texts []string, lost uint64) {
	t.Helper()
	r := openReader(t, dir)
	defer r.Close()
	return drain(t, r), r.Lost
}

func numbers(first, last int) []string {
	var texts []string
	for n := first; n <= last; n++ {
		texts = append(texts, fmt.Sprint(n))
	}
	return texts
}

func wantTexts(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s = %s; want %s", what, strings.Join(got, " "), strings.Join(want, " "))
	}
}

// segmentsIn gives the paths of the segments, in order.
func segmentsIn(t testing.TB, dir string) []string {
	t.Helper()
	l, err := dirOf(dir, testBox).List()
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, number := range l.Segments {
		paths = append(paths, filepath.Join(dir, format.Name(number)))
	}
	return paths
}

// size is that of the writer's segment, in octets.
func (w *Writer) size(t testing.TB) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(w.log.Path, format.Name(w.log.Number)))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func copyDir(t testing.TB, from string) (to string) {
	t.Helper()
	to = t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// waitFor waits for a condition that comes by itself.
func waitFor(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within a minute", what)
		}
	}
}
