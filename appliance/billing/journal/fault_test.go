package journal

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/billing/segment"
)

// faultyFile is a segment on a disk that fails when told to.
type faultyFile struct {
	segment.Appendable
	write func(b []byte) (int, error) // instead of writing, unless nil
	sync  func() error                // before syncing, unless nil
}

func (f *faultyFile) Write(b []byte) (int, error) {
	if f.write != nil {
		return f.write(b)
	}
	return f.Appendable.Write(b)
}

func (f *faultyFile) Datasync() error {
	if f.sync != nil {
		if err := f.sync(); err != nil {
			return err
		}
	}
	return f.Appendable.Datasync()
}

// failOnce fails the nth call of a function, counted from 1.
func failOnce(nth int, err error) func() error {
	calls := 0
	return func() error {
		if calls++; calls == nth {
			return err
		}
		return nil
	}
}

// After a failed fdatasync the records are written again, into a new segment.
func TestSyncFails(t *testing.T) {
	dir := t.TempDir()
	sync := failOnce(3, syscall.EIO) // the list, commit 1, commit 2
	var reports []error
	w, _ := openTest(t, dir, Options{
		Report: func(err error) { reports = append(reports, err) },
		create: func(path string) (segment.Appendable, error) {
			f, err := segment.Create(path)
			return &faultyFile{Appendable: f, sync: sync}, err
		},
	})
	r := openReader(t, dir)
	commit(t, w, batchOf(1, 2))
	commit(t, w, batchOf(3, 5))
	commit(t, w, batchOf(6, 6))
	if len(reports) != 1 || !errors.Is(reports[0], syscall.EIO) {
		t.Errorf("reported %v; want the EIO", reports)
	}
	if paths := segmentsIn(t, dir); len(paths) != 2 {
		t.Errorf("segments %v; want a second one", paths)
	}
	wantTexts(t, "reading", drain(t, r), numbers(1, 6))
	if r.Lost != 0 {
		t.Errorf("Lost = %d; want 0", r.Lost)
	}
	if w.failing != nil || !w.Reserve(1) {
		t.Errorf("after the fault failing = %v; want a journal that takes calls", w.failing)
	}
}

// The copy of the records in the abandoned segment, if it is still there, is
// void, however much of the second copy a power cut leaves.
func TestSyncFailsAndTheOldCopyStays(t *testing.T) {
	for _, test := range []struct {
		what string
		left func(size int64) int64 // of the second segment
		want []string
	}{
		{"one record", func(size int64) int64 { return size - 2*frameOctets(3) + 10 }, []string{"1", "2", "3", "14", "15"}},
		{"no record", func(size int64) int64 { return size - 3*frameOctets(3) }, []string{"1", "2", "14", "15"}},
		{"a torn list", func(int64) int64 { return segment.HeaderSize + 20 }, []string{"1", "2", "14", "15"}},
	} {
		dir := t.TempDir()
		sync := failOnce(3, syscall.EIO)
		w, _ := openTest(t, dir, Options{create: func(path string) (segment.Appendable, error) {
			f, err := segment.Create(path)
			return &faultyFile{Appendable: noTruncate{f}, sync: sync}, err
		}})
		commit(t, w, batchOf(1, 2))
		commit(t, w, batchOf(3, 5))
		size := w.size(t)
		w.die()
		if err := errors.Join(os.Truncate(segmentsIn(t, dir)[1], test.left(size)), forgetMark(dir)); err != nil {
			t.Fatal(err)
		}
		w, recovery := openTest(t, dir, Options{})
		if got, want := len(recovery.Calls), len(test.want)-2; got != want {
			t.Errorf("%s left: %d calls open; want %d", test.what, got, want)
		}
		commit(t, w, batchOf(14, 15))
		w.die()
		got, lost := readAll(t, dir)
		wantTexts(t, "reading with "+test.what+" left", got, test.want)
		if lost != 0 {
			t.Errorf("%s left: Lost = %d; want 0", test.what, lost)
		}
	}
}

// frameOctets is what the test's event n takes.
func frameOctets(n int) int64 { return int64(len(batchOf(n, n).frames)) }

// A segment stays while the next one, and with it the list of open calls in
// it, is not durable, even if all its records are acknowledged.
func TestSegmentStaysUntilTheNextIsDurable(t *testing.T) {
	dir := t.TempDir()
	r := openReader(t, dir)
	syncs := 0
	w, _ := openTest(t, dir, Options{SegmentSize: 220, create: func(path string) (segment.Appendable, error) {
		f, err := segment.Create(path)
		return &faultyFile{Appendable: f, sync: func() error {
			if syncs++; syncs != 3 { // the first list, commit 1, the second list
				return nil
			}
			wantTexts(t, "reading", drain(t, r), numbers(1, 2))
			if err := r.Ack(2); err != nil {
				t.Errorf("Ack(2) = %v; want nil", err)
			}
			if paths := segmentsIn(t, dir); len(paths) != 2 {
				t.Errorf("before the second segment is durable there are %v; want both", paths)
			}
			return nil
		}}, err
	}})
	commit(t, w, batchOf(1, 2))
	commit(t, w, batchOf(3, 3))
	if syncs != 4 {
		t.Fatalf("%d syncs; want 4: two lists, two commits", syncs)
	}
}

type noTruncate struct{ segment.Appendable }

func (noTruncate) Truncate(int64) error { return nil }

// forgetMark takes the durable mark away, as a power cut may that comes before
// the kernel wrote it back.
func forgetMark(dir string) error { return os.Remove(filepath.Join(dir, durableName)) }

// A disk that fails for good makes Reserve say no; the events wait in memory
// and are all there, in order, when it is well again.
func TestDiskFailsForAWhile(t *testing.T) {
	dir := t.TempDir()
	broken := false
	w, _ := openTest(t, dir, Options{create: func(path string) (segment.Appendable, error) {
		if broken {
			return nil, syscall.EROFS
		}
		f, err := segment.Create(path)
		return &faultyFile{Appendable: f, write: func(b []byte) (int, error) {
			if broken {
				n, _ := f.Write(b[:len(b)/2])
				return n, syscall.EIO
			}
			return f.Write(b)
		}}, err
	}})
	commit(t, w, batchOf(1, 2))
	w.mu.Lock()
	broken = true
	w.mu.Unlock()
	for n := 3; n <= 8; n++ {
		if err := w.Commit(batchOf(n, n)); !errors.Is(err, syscall.EROFS) {
			t.Fatalf("Commit(%d) = %v; want EROFS", n, err)
		}
	}
	if w.Reserve(1) {
		t.Error("Reserve on a broken disk = true; want false")
	}
	w.mu.Lock()
	broken = false
	w.mu.Unlock()
	waitFor(t, "recovery of the disk", func() bool { return w.Reserve(1) })
	commit(t, w, batchOf(9, 9))
	got, lost := readAll(t, dir)
	wantTexts(t, "reading", got, numbers(1, 9))
	if lost != 0 {
		t.Errorf("Lost = %d; want 0", lost)
	}
}

// ENOSPC of a real file system: somebody else filled the disk.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatalf("mount a small file system: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	}()
	w, _ := openTest(t, dir, Options{SegmentSize: 16 << 10, space: func(string) (segment.Space, error) {
		return segment.Space{Total: 1 << 40, Free: 1 << 40}, nil // so that it is met unprepared
	}})
	commit(t, w, batchOf(1, 10))
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v; want ENOSPC", err)
	}
	n := 10
	for full := false; !full; {
		n += 10
		switch err := w.Commit(batchOf(n-9, n)); {
		case errors.Is(err, syscall.ENOSPC):
			full = true
		case err != nil:
			t.Fatalf("Commit on a full disk = %v; want ENOSPC", err)
		}
	}
	if w.Reserve(1) {
		t.Error("Reserve on a full disk = true; want false")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "room on the disk", func() bool { return w.Reserve(1) })
	commit(t, w, batchOf(n+1, n+1))
	if err := w.Close(); err != nil {
		t.Errorf("Close = %v; want nil", err)
	}
	r := openReader(t, dir)
	wantTexts(t, "reading", drain(t, r), numbers(1, n+1))
	r.Close()
}

// Close writes what could not be written before.
func TestCloseWritesWhatWaits(t *testing.T) {
	dir := t.TempDir()
	broken := true
	w, _ := openTest(t, dir, Options{create: func(path string) (segment.Appendable, error) {
		if broken {
			return nil, syscall.EIO
		}
		return segment.Create(path)
	}})
	w.mu.Lock()
	w.retryAt = time.Now().Add(time.Hour)
	w.mu.Unlock()
	if err := w.Commit(batchOf(1, 4)); err == nil {
		t.Fatal("Commit on a broken disk = nil; want an error")
	}
	w.mu.Lock()
	broken = false
	w.mu.Unlock()
	if err := w.Close(); err != nil {
		t.Fatalf("Close = %v; want nil", err)
	}
	got, _ := readAll(t, dir)
	wantTexts(t, "reading", got, numbers(1, 4))
}

// The order on the disk: a segment's list is synced before its directory
// entry counts, and records are synced before the mark moves.
func TestOrderOfSyncs(t *testing.T) {
	dir := t.TempDir()
	var steps []string
	w, _ := openTest(t, dir, Options{create: func(path string) (segment.Appendable, error) {
		f, err := segment.Create(path)
		return &faultyFile{
			Appendable: f,
			write:      func(b []byte) (int, error) { steps = append(steps, "write"); return f.Write(b) },
			sync: func() error {
				seq, err := segment.ReadMark(dir, durableName, testBox)
				steps = append(steps, "sync at "+string('0'+rune(seq)))
				return err
			},
		}, err
	}})
	commit(t, w, batchOf(1, 2))
	commit(t, w, batchOf(3, 3))
	want := []string{"write", "sync at 0", "write", "sync at 0", "write", "sync at 2"}
	if !slices.Equal(steps, want) {
		t.Errorf("steps = %v; want %v", steps, want)
	}
}

// What could never be written is said to be lost.
func TestCloseWithoutADisk(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "volume")
	if err := os.WriteFile(parent, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, events := range []int{0, 3} {
		w, _ := openTest(t, filepath.Join(parent, "billcache"), Options{})
		w.Commit(batchOf(1, events))
		if err := w.Close(); (err != nil) != (events > 0) {
			t.Errorf("Close with %d events = %v; want an error if there are any", events, err)
		}
	}
}
