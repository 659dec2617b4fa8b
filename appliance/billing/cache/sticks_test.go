package cache

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// sticks are two file systems of which one at a time is mounted at point.
type sticks struct {
	t           testing.TB
	point, a, b string
}

func newSticks(t testing.TB) *sticks {
	dir := t.TempDir()
	s := &sticks{t, filepath.Join(dir, "usb0"), filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	t.Cleanup(func() { unix.Unmount(s.point, unix.MNT_DETACH) }) // of a test that failed
	tmpfs(t, s.a, "1m")
	tmpfs(t, s.b, "1m")
	return s
}

func (s *sticks) plug(stick string) {
	s.t.Helper()
	if err := errors.Join(os.MkdirAll(s.point, 0o755), unix.Mount(stick, s.point, "", unix.MS_BIND, "")); err != nil {
		s.t.Fatalf("mount: %v", err)
	}
}

func (s *sticks) pull() {
	s.t.Helper()
	if err := unix.Unmount(s.point, unix.MNT_DETACH); err != nil {
		s.t.Fatalf("unmount: %v", err)
	}
}

// A stick that is pulled, another in its place, and the first one back: nothing
// is written below the mount point, and all that was on a stick is delivered
// when it comes back.
func TestSticks(t *testing.T) {
	s := newSticks(t)
	o := Options{Dir: filepath.Join(s.point, "billing"), Mount: s.point}
	c := openTest(t, o, em0) // no stick
	r := c.Cursor(em0.Name)
	if _, known := c.Newest(); known {
		t.Error("Newest is known without a disk")
	}
	appendAll(t, c, events(1, 3)...)
	first := r.now(t)
	wantTexts(t, "without a stick", first, numbers(1, 3))
	done(r, first[:1])

	s.plug(s.a)
	c.Upkeep()
	appendAll(t, c, events(4, 5)...)
	if got := r.now(t); got != nil {
		t.Fatalf("with records in hand from before %v come; want none", texts(got))
	}
	done(r, first[1:])
	got := r.now(t)
	wantTexts(t, "on stick a", got, numbers(4, 5))
	done(r, got[:1])
	c.Upkeep()

	s.pull()
	appendAll(t, c, event(6)) // as yet nobody knows
	c.Upkeep()
	if status := c.Status(); status.Fault == "" {
		t.Fatalf("Status without the stick = %+v; want a fault", status)
	}
	appendAll(t, c, event(7))
	if entries, err := os.ReadDir(s.point); err != nil || len(entries) > 0 {
		t.Fatalf("below the mount point there are %v, %v; want nothing", entries, err)
	}
	if err := os.Remove(s.point); err != nil {
		t.Fatal(err)
	}
	c.Upkeep()
	if _, err := os.Stat(s.point); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the mount point was made again: %v", err)
	}

	s.plug(s.b)
	c.Upkeep()
	appendAll(t, c, event(8))
	if status := c.Status(); status.Fault != "" || status.MemoryRecords != 0 {
		t.Fatalf("Status with another stick = %+v; want no fault", status)
	}
	done(r, got[1:])
	got = r.now(t)
	done(r, got)
	// Event 6 is on stick a: it could be written to a stick that was off its
	// mount point already, and a real one would have refused it.
	wantTexts(t, "on stick b", got, numbers(7, 8))
	c.Upkeep()

	s.pull()
	s.plug(s.a)
	c.Upkeep() // sees that it is another one
	c.Upkeep() // opens it
	appendAll(t, c, event(9))
	got = r.now(t)
	wantTexts(t, "on stick a again", got, []string{"5", "6", "9"})
	if c.Status().Lost != 0 {
		t.Errorf("Lost = %d; want 0", c.Status().Lost)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close = %v; want nil", err)
	}
	s.pull()
}

// Records in memory get numbers that the disk that comes has not used, and
// those in hand are known under both.
func TestDiskComesLate(t *testing.T) {
	s := newSticks(t)
	o := Options{Dir: filepath.Join(s.point, "billing"), Mount: s.point}
	s.plug(s.a)
	c := openTest(t, o, em0)
	appendAll(t, c, events(1, 100)...)
	c.die()
	s.pull()
	for _, late := range []int{0, 50, 150} {
		c := openTest(t, o, em0)
		r := c.Cursor(em0.Name)
		appendAll(t, c, events(1001, 1000+late)...)
		before := r.now(t)
		wantTexts(t, "before", before, numbers(1001, 1000+late))
		done(r, before[:late/2])
		s.plug(s.a)
		c.Upkeep()
		appendAll(t, c, event(2000))
		done(r, before[late/2:])
		got := r.now(t)
		wantTexts(t, "after", got, append(numbers(1, 100), "2000"))
		if records := c.Status().Consumers[0].Records; records != 101 {
			t.Errorf("%d records wait; want 101", records)
		}
		for i, record := range got[1:] {
			if record.Seq <= got[i].Seq {
				t.Fatalf("number %d after %d; want them to rise", record.Seq, got[i].Seq)
			}
		}
		c.die()
		s.pull()
		// For the next round: as it was before this one.
		tail, err := filepath.Glob(filepath.Join(s.a, "billing", "em-0000000[2-9].jnl"))
		if err != nil || len(tail) == 0 {
			t.Fatalf("there are %v, %v; want the segments of this round", tail, err)
		}
		for _, path := range tail {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	c = openTest(t, o, em0)
	r := c.Cursor(em0.Name)
	appendAll(t, c, events(1, 3)...)
	r.now(t)
	s.plug(s.a)
	c.Upkeep()
	r.Rewind() // those in hand come again
	got := r.now(t)
	wantTexts(t, "after Rewind", got, append(numbers(1, 100), numbers(1, 3)...))
	s.pull()
	c.Upkeep()
	done(r, got)
	appendAll(t, c, events(4, 6)...)
	r.now(t)
	r.Rewind()
	s.plug(s.b)
	c.Upkeep()
	wantTexts(t, "after Rewind and another stick", r.now(t), numbers(4, 6))
	c.die()
	s.pull()
}
