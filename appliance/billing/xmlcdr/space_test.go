package xmlcdr

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/billing/segment"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

func TestLevel(t *testing.T) {
	set := model.XMLMethod{Minor: 2000, Major: 1000, Critical: 500}
	for _, c := range []struct {
		set    model.XMLMethod
		before string
		free   int64
		want   string
	}{
		{set, "", 2000, ""},
		{set, "", 1999, "minor"},
		{set, "minor", 2099, "minor"},
		{set, "minor", 2100, ""},
		{set, "minor", 1000, "minor"},
		{set, "", 999, "major"},
		{set, "major", 1049, "major"},
		{set, "major", 1050, "minor"},
		{set, "major", 2099, "minor"},
		{set, "", 499, "critical"},
		{set, "critical", 524, "critical"},
		{set, "critical", 525, "major"},
		{set, "critical", 1049, "major"},
		{set, "critical", 2100, ""},
		{set, "major", 499, "critical"},
		{model.XMLMethod{}, "", 0, ""},
		{model.XMLMethod{Critical: 500}, "", 499, "critical"},
		{model.XMLMethod{Critical: 500}, "", 500, ""},
	} {
		if got := level(&c.set, c.free, c.before); got != c.want {
			t.Errorf("level(%d/%d/%d, %d, %q) = %q; want %q", c.set.Minor, c.set.Major, c.set.Critical, c.free, c.before, got, c.want)
		}
	}
}

// On the file system of the journal CDR files stop while the journal, and the
// cache, have room; Status counts what is free for CDR files.
func TestLeavesRoomToTheJournal(t *testing.T) {
	space := segment.Space{Total: 1 << 30}
	least := 3 * space.MinFree()
	set := model.XMLMethod{Minor: 20, Critical: 10}
	for journal, free := range map[string]int64{os.TempDir(): least, "": 0, "/proc": 0} {
		space.Free = free + 15<<10
		o := Options{Dir: t.TempDir(), Journal: journal, Settings: set, space: func(string) (segment.Space, error) { return space, nil }}
		f := openTest(t, o)
		appendAll(t, f, numbered(1))
		if status := f.Status(); status.FreeKB != 15 || status.Level != "minor" {
			t.Errorf("journal in %q: Status = %+v; want 15 KB free, minor", journal, *status)
		}
		space.Free = free + 100
		if err := f.Append(numbered(2)); !errors.Is(err, errRoom) {
			t.Errorf("journal in %q: Append = %v; want errRoom", journal, err)
		}
		if status := f.Status(); status.FreeKB != 0 || status.Level != "critical" || status.Problem == "" || status.CurrentCalls != 1 {
			t.Errorf("journal in %q: Status = %+v; want it full and the part as it was", journal, *status)
		}
		space.Free = free + 15<<10
		appendAll(t, f, numbered(2))
		if status := f.Status(); status.Problem != "" || status.CurrentCalls != 2 {
			t.Errorf("journal in %q: Status = %+v; want no problem", journal, *status)
		}
		f.close()
	}
}

func tmpfs(t *testing.T, point, size string) {
	t.Helper()
	if err := unix.Mount("none", point, "tmpfs", 0, "size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(point, unix.MNT_DETACH) })
}

// A full disk: finished files stay, what is half-written goes, and it goes on
// when there is room.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	tmpfs(t, dir, "256k")
	// Space is what a disk says that fills up by others just now.
	o := Options{Dir: dir, Settings: model.XMLMethod{Size: 32}, space: func(string) (segment.Space, error) { return segment.Space{Total: 1 << 30, Free: 1 << 30}, nil }}
	f := openTest(t, o)
	next := 1
	for f.Append(records(next, next+9)...) == nil {
		next += 10
	}
	if status := f.Status(); next < 300 || status.Files < 3 || status.Problem == "" {
		t.Fatalf("the disk is full at call %d, Status = %+v", next, *status)
	}
	if err := f.Append(records(next, next+9)...); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Append = %v; want ENOSPC", err)
	}
	copied := finishedIn(t, dir) // and deleted
	names, err := filepath.Glob(filepath.Join(dir, "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	appendAll(t, f, records(next, next+9)...)
	f.close()
	wantCalls(t, "copied and in files", append(copied, finishedIn(t, dir)...), numbers(1, next+9))
}

// Nothing is written below a mount point whose volume is gone; another one is
// begun anew; the first one goes on where it was.
func TestSticks(t *testing.T) {
	dir := t.TempDir()
	point := filepath.Join(dir, "usb0")
	sticks := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	for _, path := range append(sticks, point) {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, stick := range sticks {
		tmpfs(t, stick, "1m")
	}
	plug := func(stick string) {
		t.Helper()
		if err := unix.Mount(stick, point, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
	}
	pull := func() {
		t.Helper()
		if err := unix.Unmount(point, unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
	}
	f := openTest(t, Options{Dir: filepath.Join(point, "cdr"), Mount: point})
	gone := func(call int) {
		t.Helper()
		if err := f.Append(numbered(call)); !errors.Is(err, storage.ErrNotMounted) {
			t.Errorf("Append without a stick = %v; want ErrNotMounted", err)
		}
		if names := namesIn(t, point); names != nil {
			t.Errorf("%v stand below the mount point", names)
		}
	}
	gone(1)
	plug(sticks[0])
	appendAll(t, f, records(1, 2)...)
	pull()
	gone(3)
	plug(sticks[1])
	appendAll(t, f, numbered(3))
	pull()
	plug(sticks[0]) // while nobody looked
	appendAll(t, f, numbered(4))
	f.close()
	pull()
	wantCalls(t, "on the first stick", finishedIn(t, filepath.Join(sticks[0], "cdr")), []string{"1", "2", "4"})
	plug(sticks[1])
	openTest(t, Options{Dir: filepath.Join(point, "cdr"), Mount: point}).close()
	pull()
	wantCalls(t, "on the second stick", finishedIn(t, filepath.Join(sticks[1], "cdr")), []string{"3"})
}

// Run finds out by itself that a directory cannot be used, and that it can
// again, every 10 s.
func TestRunTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{now: map[string]*content{}}
		var broken atomic.Bool
		var tries atomic.Int64
		fault := func() error {
			if broken.Load() {
				return unix.EIO
			}
			return nil
		}
		f := openTest(t, Options{Dir: t.TempDir(),
			open: func(path string) (directory, error) {
				tries.Add(1)
				if err := fault(); err != nil {
					return nil, err
				}
				return d.enter(path)
			},
			space: func(string) (segment.Space, error) { return segment.Space{Free: 1 << 30}, fault() },
		})
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- f.Run(ctx) }()
		problem := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := f.Status().Problem; got != want {
				t.Errorf("Problem = %q; want %q", got, want)
			}
		}
		appendAll(t, f, numbered(1))
		broken.Store(true)
		time.Sleep(2 * time.Second)
		problem(unix.EIO.Error())
		if tries.Store(0); f.Append(numbered(2)) == nil {
			t.Error("Append = nil; want EIO")
		}
		time.Sleep(time.Minute)
		if tries := tries.Load(); tries < 6 || tries > 7 {
			t.Errorf("the directory was tried %d times in a minute; want 6", tries)
		}
		broken.Store(false)
		time.Sleep(11 * time.Second)
		problem(unix.EIO.Error()) // until the call is written
		if status := f.Status(); status.Files != 1 {
			t.Errorf("Files = %d; want what was left to be finished", status.Files)
		}
		appendAll(t, f, numbered(2))
		problem("")
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run = %v", err)
		}
		wantCalls(t, "in files", finished(t, d), numbers(1, 2))
	})
}
