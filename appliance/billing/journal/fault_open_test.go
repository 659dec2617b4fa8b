package journal

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"causeway/appliance/billing/segment"
	"causeway/appliance/model"
)

// A disk that is broken at start does not keep the process from running.
func TestDiskIsBrokenAtOpen(t *testing.T) {
	dir := t.TempDir()
	broken := true
	w, _ := openTest(t, dir, Options{create: func(path string) (segment.Appendable, error) {
		if broken {
			return nil, syscall.ENOSPC
		}
		return segment.Create(path)
	}})
	if w.Reserve(1) {
		t.Error("Reserve on a broken disk = true; want false")
	}
	w.mu.Lock()
	broken = false
	w.mu.Unlock()
	waitFor(t, "recovery of the disk", func() bool { return w.Reserve(1) })
}

// What a killed writer left in the kernel's memory is on the disk before the
// reader may have it.
func TestRecoveryFlushesBeforePublishing(t *testing.T) {
	dir := t.TempDir()
	w, _ := openTest(t, dir, Options{})
	commit(t, w, batchOf(1, 3))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := forgetMark(dir); err != nil {
		t.Fatal(err)
	}
	var flushed []string
	openTest(t, dir, Options{flush: func(path string) error {
		if seq, err := segment.ReadMark(dir, durableName, testBox); seq != 0 || err != nil {
			t.Errorf("record %d is published before %s is flushed (%v)", seq, path, err)
		}
		flushed = append(flushed, filepath.Base(path))
		return nil
	}})
	if want := []string{format.Name(1)}; !slices.Equal(flushed, want) {
		t.Errorf("flushed %v; want %v", flushed, want)
	}
}

// A segment that cannot be read just now is not cut: it may be read later.
func TestUnreadableIsNotCut(t *testing.T) {
	dir := t.TempDir()
	w, _ := openTest(t, dir, Options{})
	commit(t, w, batchOf(1, 3))
	path := filepath.Join(dir, format.Name(1))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var recovery Recovery
	recovery.Mend(w.log.Dir, segment.Ending{Number: 1, Fault: syscall.EIO}, w.report)
	if after, err := os.ReadFile(path); err != nil || len(after) != len(before) || recovery.Repaired != 0 {
		t.Errorf("%d octets are left of %d, %v, %d repaired; want all and none", len(after), len(before), err, recovery.Repaired)
	}
}

// A disk that is read-only when the process starts keeps calls out and not the
// process down. When it can be written, what an earlier life left open is said,
// and what was committed meanwhile follows it.
func TestDiskIsReadOnlyAtOpen(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatalf("mount a small file system: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	}()
	path := filepath.Join(dir, "billcache")
	w, _ := openTest(t, path, Options{})
	commit(t, w, batchOf(1, 2))
	w.die()
	remount := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatalf("remount: %v", err)
		}
	}
	remount(unix.MS_RDONLY)
	found := make(chan *Recovery, 2)
	w, recovery := openTest(t, path, Options{Recovered: func(r *Recovery) { found <- r }})
	if recovery != nil || w.Reserve(1) {
		t.Errorf("recovery = %v, or Reserve possible; want none and a refusal", recovery)
	}
	if err := w.Commit(batchOf(3, 4)); !errors.Is(err, syscall.EROFS) {
		t.Errorf("Commit = %v; want EROFS", err)
	}
	remount(0)
	if late := <-found; len(late.Calls) != 2 {
		t.Errorf("%d calls found open; want 2", len(late.Calls))
	}
	waitFor(t, "room on the disk", func() bool { return w.Reserve(1) })
	commit(t, w, batchOf(5, 5))
	if err := w.Close(); err != nil {
		t.Errorf("Close = %v; want nil", err)
	}
	got, lost := readAll(t, path)
	wantTexts(t, "reading", got, numbers(1, 5))
	if lost != 0 {
		t.Errorf("Lost = %d; want 0", lost)
	}
}

// The directory is made once it can be.
func TestDirectoryCannotBeMadeAtOpen(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "volume")
	if err := os.WriteFile(parent, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "billcache")
	w, _ := openTest(t, dir, Options{})
	if err := w.Commit(batchOf(1, 3)); !errors.Is(err, syscall.ENOTDIR) || w.Reserve(1) {
		t.Errorf("Commit = %v; want ENOTDIR, and no reservation", err)
	}
	if err := os.Remove(parent); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "journal", func() bool { return w.Reserve(1) })
	got, _ := readAll(t, dir)
	wantTexts(t, "reading", got, numbers(1, 3))
}

// badSector is a file with a sector that cannot be read.
type badSector struct {
	segment.File
	from, to int64
}

func (b badSector) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case off >= b.to || off+int64(len(p)) <= b.from:
		return b.File.ReadAt(p, off)
	case off >= b.from:
		return 0, syscall.EIO
	}
	n, err := b.File.ReadAt(p[:b.from-off], off)
	return n, errors.Join(err, syscall.EIO)
}

// A bad sector costs the records in it and no others, in an earlier segment
// as in the one being written.
func TestBadSector(t *testing.T) {
	for _, bad := range []uint32{1, 2} {
		dir := t.TempDir()
		w, _ := openTest(t, dir, Options{})
		commit(t, w, batchOf(1, 300))
		w.die()
		w, _ = openTest(t, dir, Options{})
		commit(t, w, batchOf(301, 600))
		r := openReader(t, dir)
		r.dir.OpenFile = func(path string) (segment.File, error) {
			file, err := os.Open(path)
			if filepath.Base(path) != format.Name(bad) {
				return file, err
			}
			return badSector{file, 16384, 20480}, err
		}
		var texts []string
		failures := 0
		for len(texts) == 0 || texts[len(texts)-1] != "600" {
			record, ok, err := r.Poll()
			switch {
			case err != nil && errors.Is(err, syscall.EIO):
				failures++
			case err != nil || !ok:
				t.Fatalf("Poll after %d records = %v, %v", len(texts), ok, err)
			default:
				var e model.CallEvent
				if err := e.Decode(record.Payload); err != nil {
					t.Fatal(err)
				}
				texts = append(texts, string(e.CallID))
			}
		}
		want := 600 - int(r.Lost)
		if failures != readTries-1 || len(texts) != want || r.Lost == 0 || r.Lost > 4096/uint64(frameOctets(1))+3 {
			t.Errorf("segment %d: %d failures, %d records, Lost = %d; want %d, %d and what one sector holds",
				bad, failures, len(texts), r.Lost, readTries-1, want)
		}
		if err := r.Ack(600); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "ev-00000001.bad")); (err == nil) != (bad == 1) {
			t.Errorf("segment %d: after Ack: %v; want the first segment kept if it is the bad one", bad, err)
		}
	}
}

// While the whole disk fails nothing is given up.
func TestDiskDoesNotReadOrWrite(t *testing.T) {
	dir := t.TempDir()
	w, _ := openTest(t, dir, Options{})
	commit(t, w, batchOf(1, 9))
	r := openReader(t, dir)
	broken := true
	r.dir.OpenFile = func(path string) (segment.File, error) {
		if broken {
			return nil, syscall.EIO
		}
		return os.Open(path)
	}
	if err := r.ack.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 * readTries {
		if _, ok, err := r.Poll(); ok || !errors.Is(err, syscall.EIO) {
			t.Fatalf("Poll = %v, %v; want EIO", ok, err)
		}
	}
	ack, err := segment.OpenMark(dir, ackName, testBox)
	if err != nil {
		t.Fatal(err)
	}
	broken, r.ack = false, ack
	wantTexts(t, "reading", drain(t, r), numbers(1, 9))
	if r.Lost != 0 {
		t.Errorf("Lost = %d; want 0", r.Lost)
	}
}
