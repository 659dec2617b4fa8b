package cache

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"causeway/appliance/billing/segment"
)

// faultyDisk fails when told to.
type faultyDisk struct {
	create error // of making a segment
	write  error // of writing, after the half of it
	sync   error // of fdatasync, once
	read   error // of opening and reading
}

func (d *faultyDisk) options(dir string) Options {
	return Options{
		Dir: dir,
		create: func(path string) (segment.Appendable, error) {
			if d.create != nil {
				return nil, d.create
			}
			f, err := segment.Create(path)
			return faultyFile{f, d}, err
		},
		open: func(path string) (segment.File, error) {
			if d.read != nil {
				return nil, d.read
			}
			f, err := os.Open(path)
			return unreadable{f, d}, err
		},
	}
}

type faultyFile struct {
	segment.Appendable
	disk *faultyDisk
}

func (f faultyFile) Write(b []byte) (int, error) {
	if f.disk.write != nil {
		n, _ := f.Appendable.Write(b[:len(b)/2])
		return n, f.disk.write
	}
	return f.Appendable.Write(b)
}

func (f faultyFile) Datasync() error {
	if err := f.disk.sync; err != nil {
		f.disk.sync = nil
		return err
	}
	return f.Appendable.Datasync()
}

type unreadable struct {
	*os.File
	disk *faultyDisk
}

func (f unreadable) ReadAt(b []byte, off int64) (int, error) {
	if f.disk.read != nil {
		return 0, f.disk.read
	}
	return f.File.ReadAt(b, off)
}

// restarted gives what a consumer gets after a crash.
func restarted(t testing.TB, c *Cache) []Record {
	t.Helper()
	c.die()
	again := openTest(t, Options{Dir: c.options.Dir}, em0)
	defer again.die()
	if lost := again.Status().Lost; lost != 0 {
		t.Errorf("Lost = %d; want 0", lost)
	}
	return again.Cursor(em0.Name).now(t)
}

// After a failed fdatasync the records are written again into a new segment.
func TestSyncFails(t *testing.T) {
	disk := &faultyDisk{}
	o, reports := disk.options(t.TempDir()), 0
	o.Report = func(err error) {
		if reports++; !errors.Is(err, syscall.EIO) {
			t.Errorf("reported %v; want the EIO", err)
		}
	}
	c := openTest(t, o, em0)
	appendAll(t, c, events(1, 3)...)
	disk.sync = syscall.EIO
	appendAll(t, c, events(4, 6)...)
	appendAll(t, c, events(7, 8)...)
	wantTexts(t, "reading", c.Cursor(em0.Name).now(t), numbers(1, 8))
	if status := c.Status(); status.MemoryRecords != 0 || status.Fault != "" || status.Segments != 2 || reports != 1 {
		t.Errorf("Status = %+v, %d reports; want a second segment, and one", status, reports)
	}
	wantTexts(t, "after a restart", restarted(t, c), numbers(1, 8))
}

// While the disk does not take records they wait in memory and are delivered
// from there; at its bound none is taken, and when the disk is well again all
// that were not delivered are written.
func TestDiskFailsForAWhile(t *testing.T) {
	for what, broken := range map[string]faultyDisk{
		"create":            {create: syscall.EROFS},
		"write":             {write: syscall.EIO},
		"write, then close": {write: syscall.EIO, create: syscall.EIO},
	} {
		t.Run(what, func(t *testing.T) {
			disk := &faultyDisk{}
			o := disk.options(t.TempDir())
			o.memory = 20 * int64(segment.FrameSize(recordHeader+2))
			c := openTest(t, o, em0)
			r := c.Cursor(em0.Name)
			appendAll(t, c, events(10, 19)...)
			done(r, r.now(t)[:5])
			*disk = broken
			c.log.Close() // the fault of create shows when the next one begins
			appendAll(t, c, events(20, 39)...)
			if status := c.Status(); status.Fault == "" || status.MemoryRecords != 20 {
				t.Fatalf("Status = %+v; want a fault and 20 records in memory", status)
			}
			if settled := c.Settled(); settled != 19 {
				t.Errorf("Settled = %d; want 19", settled)
			}
			for range 3 {
				if err := c.Append(events(40, 41)); !errors.Is(err, ErrBusy) {
					t.Fatalf("Append beyond the bound = %v; want ErrBusy", err)
				}
				c.Upkeep()
			}
			got := r.now(t)
			wantTexts(t, "from memory", got, numbers(20, 39))
			for n := 15; n <= 19; n++ {
				r.Done(uint64(n - 9))
			}
			done(r, got[:3])
			appendAll(t, c, events(40, 41)...) // three went, two come
			*disk = faultyDisk{}
			c.Upkeep()
			if status := c.Status(); status.Fault != "" || status.MemoryRecords != 0 {
				t.Fatalf("Status of a disk that is well = %+v; want no fault and nothing in memory", status)
			}
			if settled := c.Settled(); settled != ^uint64(0) {
				t.Errorf("Settled = %d; want all", settled)
			}
			appendAll(t, c, event(42))
			wantTexts(t, "reading on", r.now(t), numbers(40, 42))
			if got := restarted(t, c); !slices.Equal(texts(got[len(got)-20:]), numbers(23, 42)) {
				t.Errorf("after a restart = %v; want 23 to 42 at the end", texts(got))
			}
		})
	}
}

// A disk that is broken at start is no reason not to start.
func TestDiskIsBrokenAtOpen(t *testing.T) {
	disk := &faultyDisk{create: syscall.EROFS}
	c := openTest(t, disk.options(t.TempDir()), em0)
	appendAll(t, c, events(1, 3)...)
	r := c.Cursor(em0.Name)
	got := r.now(t)
	wantTexts(t, "from memory", got, numbers(1, 3))
	disk.create = nil
	c.Upkeep()
	appendAll(t, c, event(4))
	done(r, got[:2])
	if early := r.now(t); early != nil {
		t.Errorf("with a record in hand from before %v come; want none", texts(early))
	}
	done(r, got[2:])
	wantTexts(t, "reading on", r.now(t), numbers(4, 4))
	wantTexts(t, "after a restart", restarted(t, c), numbers(1, 4))
}

// tmpfs mounts a small file system.
func tmpfs(t testing.TB, dir, size string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}

// ENOSPC of a real file system, met unprepared: records wait in memory, and
// beyond its bound they are refused and counted.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	tmpfs(t, dir, "256k")
	space := segment.Space{Total: 1 << 40, Free: 1 << 40}
	const inMemory = 100
	o := Options{Dir: dir, segmentSize: 16 << 10, memory: inMemory * int64(segment.FrameSize(recordHeader+4)),
		space: func(string) (segment.Space, error) { return space, nil }}
	c := openTest(t, o, em0)
	appendAll(t, c, events(1000, 1010)...)
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v; want ENOSPC", err)
	}
	n := 1010
	for c.Status().Refused == 0 {
		n += 10
		appendAll(t, c, events(n-9, n)...)
		if n%100 == 0 {
			c.Upkeep()
		}
	}
	status := c.Status()
	if !status.Full || status.Fault != "" || status.MemoryRecords != inMemory {
		t.Errorf("Status = %+v; want a full cache without a fault, and %d records in memory", status, inMemory)
	}
	taken := n - int(status.Refused)
	r := c.Cursor(em0.Name)
	wantTexts(t, "reading", r.now(t), numbers(1000, taken))
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	c.Upkeep()
	appendAll(t, c, event(n+1))
	if status := c.Status(); status.Full || status.MemoryRecords != 0 {
		t.Errorf("Status with room = %+v; want nothing in memory", status)
	}
	wantTexts(t, "after a restart", restarted(t, c), append(numbers(1000, taken), fmt.Sprint(n+1)))
}

// The cache stops before the disk is so full that the journal of call events
// has no room: at twice what that leaves.
func TestLeavesRoomToTheJournal(t *testing.T) {
	space := segment.Space{Total: 1 << 30, Free: 110 << 20}
	o := Options{Dir: t.TempDir(), space: func(string) (segment.Space, error) { return space, nil }}
	c := openTest(t, o, em0)
	appendAll(t, c, event(1))
	if status := c.Status(); status.Full || space.Free < space.MinFree() {
		t.Errorf("Status = %+v; want a cache that takes records", status)
	}
	space.Free = 100 << 20
	c.Upkeep()
	appendAll(t, c, event(2))
	if status := c.Status(); !status.Full || space.Free < space.MinFree() {
		t.Errorf("Status = %+v; want a full cache while the journal has room", status)
	}
	space.Free = 110 << 20
	c.Upkeep()
	wantTexts(t, "after a restart", restarted(t, c), numbers(1, 2))
}

func TestMaxSize(t *testing.T) {
	const most = 256 << 10
	reports := 0
	o := Options{Dir: t.TempDir(), MaxSize: most, memory: 10 * int64(segment.FrameSize(recordHeader+5)), Report: func(err error) {
		if strings.Contains(err.Error(), "records are refused") {
			reports++
		}
	}}
	c := openTest(t, o, em0)
	r := c.Cursor(em0.Name)
	n, delivered := 10_000, 10_000
	var batch []Record
	for round := range 3 {
		before := c.Status().Refused
		for c.Status().Refused == before {
			n++
			batch = append(batch, event(n))
			if n%10 == 0 {
				appendAll(t, c, batch...)
				batch = batch[:0]
			}
			if n%100 == 0 {
				c.Upkeep()
			}
		}
		if size := c.Status().Bytes; size > most+500 || size < most/2 {
			t.Fatalf("round %d: the segments take %d octets; want no more than %d", round, size, most)
		}
		got := r.now(t)
		wantTexts(t, "reading", got, numbers(delivered+1, n-int(c.Status().Refused-before)))
		done(r, got)
		delivered = n
		c.Upkeep()
		if status := c.Status(); status.Full || status.MemoryRecords != 0 || status.Bytes > 100<<10 {
			t.Fatalf("round %d: with all delivered Status = %+v; want room", round, status)
		}
		if reports != round+1 {
			t.Errorf("round %d: refusals were reported %d times; want once a round", round, reports)
		}
	}
}

// A disk that gives neither reads nor writes keeps what is on it.
func TestDiskDoesNotReadOrWrite(t *testing.T) {
	dir := t.TempDir()
	tmpfs(t, dir, "1m")
	disk := &faultyDisk{}
	c := openTest(t, disk.options(dir), em0)
	appendAll(t, c, events(1, 9)...)
	r := c.Cursor(em0.Name)
	*disk = faultyDisk{read: syscall.EIO, write: syscall.EIO, create: syscall.EIO}
	appendAll(t, c, event(10))
	remount := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatalf("remount: %v", err)
		}
	}
	remount(unix.MS_RDONLY) // so that marks are not written either
	for range 3 * readTries {
		if got := r.now(t); got != nil {
			t.Fatalf("reading = %v; want nothing before 1 can be read", texts(got))
		}
		c.Upkeep()
	}
	*disk = faultyDisk{}
	remount(0)
	c.Upkeep()
	wantTexts(t, "reading", r.now(t), numbers(1, 10))
	if c.Status().Lost != 0 {
		t.Errorf("Lost = %d; want 0", c.Status().Lost)
	}
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
	if err == nil || errors.Is(err, io.EOF) {
		err = syscall.EIO
	}
	return n, err
}

// A bad sector costs the records in it and no others, and holds nobody up for ever.
func TestBadSector(t *testing.T) {
	for _, bad := range []uint32{1, 2} {
		dir := t.TempDir()
		o := Options{Dir: dir, open: func(path string) (segment.File, error) {
			file, err := os.Open(path)
			if filepath.Base(path) != format.Name(bad) {
				return file, err
			}
			return badSector{file, 16384, 20480}, err
		}}
		c := openTest(t, o, em0, em1)
		appendAll(t, c, events(1, 500)...)
		c.log.Close()
		appendAll(t, c, events(501, 1000)...)
		r := c.Cursor(em0.Name)
		got := r.now(t)
		for range readTries {
			if c.Status().Lost != 0 {
				t.Fatalf("after %d records some are given up at once", len(got))
			}
			c.Upkeep()
			got = append(got, r.now(t)...)
		}
		appendAll(t, c, event(1001))
		got = append(got, r.now(t)...)
		lost := int(c.Status().Lost)
		octets := segment.FrameSize(recordHeader + 3)
		if lost < 4096/octets || lost > 4096/octets+3 || len(got)+lost != 1001 {
			t.Errorf("segment %d: %d records come and %d are lost; want 1001 together, and those of one sector lost", bad, len(got), lost)
		}
		other := c.Cursor(em1.Name)
		again := other.now(t)
		for range readTries {
			c.Upkeep()
			again = append(again, other.now(t)...)
		}
		if !slices.Equal(texts(again), texts(got)) || int(c.Status().Lost) != lost {
			t.Errorf("segment %d: another consumer gets %d records and %d are lost; want %d, %d", bad, len(again), c.Status().Lost, len(got), lost)
		}
		done(r, got)
		done(other, again)
		c.Upkeep()
		if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf("em-%08d.bad", bad))); err != nil {
			t.Errorf("segment %d: %v; want it kept aside", bad, err)
		}
	}
}
