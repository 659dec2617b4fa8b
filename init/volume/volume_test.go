package volume

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

func TestBootWithoutDisk(t *testing.T) {
	v, b := newBox(t)
	v.Boot(t.Context())
	expect(t, v, b, "bootflash missing, harddisk missing, usb0 missing", inMemoryMounts)
	if problems := v.Problems(); len(problems) != 2 ||
		problems[0] != "bootflash: missing: no disk has a partition of that name; connect its disk and reload; it is in memory and will be lost" {
		t.Errorf("Problems = %q; want both volumes in memory", problems)
	}
	if !slices.Equal(b.made, []string{Bootflash, Harddisk}) {
		t.Errorf("Mounted was called for %q; want both", b.made)
	}
}

func TestBootWithEmptyDisk(t *testing.T) {
	v, b := newBox(t)
	b.disk(pci, "vda", 2*gib)
	v.Boot(t.Context())
	expect(t, v, b, "bootflash mounted, harddisk mounted, usb0 missing",
		map[string]string{"/bootflash": "/dev/vda1", "/harddisk": "/dev/vda2"})
	if want := int64(2*gib - 2*mib - 256*mib); b.grown["/harddisk"] != want {
		t.Errorf("harddisk grown to %d; want %d", b.grown["/harddisk"], want)
	}
	if len(v.Problems()) != 0 {
		t.Errorf("Problems = %q; want none", v.Problems())
	}
	for _, name := range []string{"vda1", "vda2"} {
		command(t, "e2fsck", "-fn", b.path("dev/"+name))
	}

	// The next boot formats nothing.
	again := New(v.Options)
	b.mounts, b.lines = map[string]string{}, nil
	again.Boot(t.Context())
	expect(t, again, b, "bootflash mounted, harddisk mounted, usb0 missing",
		map[string]string{"/bootflash": "/dev/vda1", "/harddisk": "/dev/vda2"})
	if b.said("formatting") || b.said("divided") {
		t.Errorf("second boot said %q; want no formatting", b.lines)
	}
}

// An empty disk is not divided when the real one is only found later; and
// nobody looks for more when all is there.
func TestBootWithSlowDisk(t *testing.T) {
	v, b := newBox(t)
	b.disk(pci, "vda", 2*gib)
	b.slow = func() {
		b.disk("pci0000:00/0000:00:1f.2/ata1", "sda", gib)
		b.partition("sda", "sda3", Bootflash, 64*mib)
		b.partition("sda", "sda4", Harddisk, 64*mib)
	}
	want := map[string]string{"/bootflash": "/dev/sda3", "/harddisk": "/dev/sda4"}
	v.Boot(t.Context())
	expect(t, v, b, "bootflash mounted, harddisk mounted, usb0 missing", want)

	b.slow = func() { t.Error("more disks were looked for") }
	again := New(v.Options)
	again.Boot(t.Context())
	expect(t, again, b, "bootflash mounted, harddisk mounted, usb0 missing", want)
}

// What was cut off while it was made is made again.
func TestBootAfterCutOffFormatting(t *testing.T) {
	v, b := newBox(t)
	disk := b.disk(pci, "vda", 2*gib)
	if _, err := stage(disk, sector); err != nil {
		t.Fatal(err)
	}
	v.Boot(t.Context())
	if !b.said("disk "+b.path("dev/vda")+": was half formatted") || !v.OnDisk(Bootflash) {
		t.Errorf("states %s, said %q; want the disk divided again", states(v), b.lines)
	}
	flash, err := os.OpenFile(b.path("dev/vda1"), os.O_RDWR, 0)
	b.must(err)
	defer flash.Close()
	if _, err := stage(flash, 4096); err != nil {
		t.Fatal(err)
	}
	b.lines = nil
	again := New(v.Options)
	again.Boot(t.Context())
	if !b.said("bootflash: formatting") || !again.OnDisk(Bootflash) {
		t.Errorf("states %s, said %q; want bootflash formatted again", states(again), b.lines)
	}
}

// A disk that anyone may need is not written to.
func TestBootTouchesNothingForeign(t *testing.T) {
	const size = 128 * mib
	for _, tt := range []struct {
		name string
		plug func(*fakeBox) *os.File // gives what must stay as it is
	}{
		{"file system on the whole disk", func(b *fakeBox) *os.File {
			file := b.disk(pci, "vda", size)
			command(b.t, "mke2fs", "-q", "-F", "-t", "ext4", file.Name())
			return file
		}},
		{"partitions of others", func(b *fakeBox) *os.File {
			file := b.disk(pci, "vda", size)
			b.partition("vda", "vda1", "Windows", size/2)
			return file
		}},
		{"unknown data", func(b *fakeBox) *os.File {
			file := b.disk(pci, "vda", size)
			_, err := file.WriteAt([]byte("treasure"), size-8)
			b.must(err)
			return file
		}},
		{"a stick", func(b *fakeBox) *os.File { return b.disk("pci0000:00/0000:00:05.0/usb1/1-1/host0", "sda", size) }},
		{"a tiny disk", func(b *fakeBox) *os.File { return b.disk(pci, "vda", smallestDisk-mib) }},
		{"a read-only disk", func(b *fakeBox) *os.File {
			file := b.disk(pci, "vda", size)
			b.write("sys/block/vda/ro", "1\n")
			return file
		}},
		{"an optical drive", func(b *fakeBox) *os.File { return b.disk(pci, "sr0", size) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, b := newBox(t)
			file := tt.plug(b)
			before := command(t, "sha256sum", file.Name())
			v.Boot(t.Context())
			expect(t, v, b, "bootflash missing, harddisk missing, usb0 missing", inMemoryMounts)
			if command(t, "sha256sum", file.Name()) != before {
				t.Error("the disk was changed")
			}
		})
	}
}

// A foreign file system in a partition of ours stays until someone says erase.
func TestForeignPartition(t *testing.T) {
	v, b := newBox(t)
	b.disk(pci, "vda", 2*gib)
	b.partition("vda", "vda1", Bootflash, 64*mib)
	hard := b.partition("vda", "vda2", Harddisk, 64*mib)
	command(t, "mkswap", hard.Name())
	v.Boot(t.Context())
	expect(t, v, b, "bootflash mounted, harddisk foreign, usb0 missing",
		map[string]string{"/bootflash": "/dev/vda1", "/harddisk": "tmpfs"})
	if !b.said("/dev/vda2 holds swap, which is not ours to use") {
		t.Errorf("said %q; want what it holds", b.lines)
	}
	if err := v.Mount(Harddisk, false); !errors.As(err, new(errForeign)) {
		t.Errorf("Mount = %v; want that it is foreign", err)
	}
	if err := v.Format(Harddisk, false); err == nil || !strings.Contains(err.Error(), "holds swap, which formatting would erase") {
		t.Errorf("Format without erase = %v; want a refusal", err)
	}
	b.write("harddisk/billcache/segment", "call records")
	if err := v.Format(Harddisk, true); err != nil || b.paused != 1 {
		t.Errorf("Format with erase = %v, services paused %d times; want once", err, b.paused)
	}
	expect(t, v, b, "bootflash mounted, harddisk mounted, usb0 missing",
		map[string]string{"/bootflash": "/dev/vda1", "/harddisk": "/dev/vda2"})
	if text, err := os.ReadFile(b.path("run/init/mount-harddisk/billcache/segment")); string(text) != "call records" {
		t.Errorf("what was in memory is %q on the disk, %v; want it moved", text, err)
	}
	if _, err := os.Stat(b.path("harddisk/billcache/segment")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was in memory is still there: %v", err)
	}
}

func TestDamagedFileSystem(t *testing.T) {
	for _, tt := range []struct {
		name   string
		refuse func(source string, flags uintptr) error
		want   string
		mount  string
		says   string
	}{
		{"read-only", func(source string, flags uintptr) error {
			if source == "/dev/vda1" && flags&unix.MS_RDONLY == 0 {
				return unix.EROFS
			}
			return nil
		}, "bootflash mounted read-only, harddisk mounted, usb0 missing", "/dev/vda1",
			"bootflash: mounted read-only: mounting DEVICE for writing: read-only file system; copy off what is needed and reload; " +
				"if it stays read-only, format bootflash:"},
		{"beyond use", func(source string, _ uintptr) error {
			if source == "/dev/vda1" {
				return unix.EUCLEAN
			}
			return nil
		}, "bootflash damaged, harddisk mounted, usb0 missing", "tmpfs",
			"bootflash: damaged: mount DEVICE: structure needs cleaning; reload tries again; format bootflash: makes it anew, empty; " +
				"it is in memory and will be lost"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, b := newBox(t)
			b.disk(pci, "vda", 2*gib)
			b.refuse = tt.refuse
			v.Boot(t.Context())
			expect(t, v, b, tt.want, map[string]string{"/bootflash": tt.mount, "/harddisk": "/dev/vda2"})
			says := strings.ReplaceAll(tt.says, "DEVICE", b.path("dev/vda1"))
			if got := v.Problems(); !slices.Equal(got, []string{says}) {
				t.Errorf("Problems = %q; want %q", got, says)
			}
		})
	}
}

func TestUnmountAndMountAgain(t *testing.T) {
	v, b := newBox(t)
	b.disk(pci, "vda", 2*gib)
	v.Boot(t.Context())
	if err := v.Mount(Harddisk, false); err == nil {
		t.Error("Mount of a mounted volume = nil; want an error")
	}
	if err := v.Unmount(Harddisk); err != nil {
		t.Fatal(err)
	}
	expect(t, v, b, "bootflash mounted, harddisk unmounted, usb0 missing",
		map[string]string{"/bootflash": "/dev/vda1", "/harddisk": "tmpfs"})
	if err := v.Unmount(Harddisk); err == nil {
		t.Error("Unmount of an unmounted volume = nil; want an error")
	}
	// The same name on disk and in memory: both are kept, the one on disk in
	// its place. What has that place already was from an earlier time.
	b.write("run/init/mount-harddisk/proxy/call.key", "disk")
	b.write("run/init/mount-harddisk/proxy/call.key.memory", "older memory")
	b.write("harddisk/proxy/call.key", "memory")
	b.write("harddisk/segment", "new")
	if err := v.Mount(Harddisk, false); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"proxy/call.key": "disk", "proxy/call.key.memory": "memory", "segment": "new"} {
		if got, err := os.ReadFile(b.path("run/init/mount-harddisk/" + name)); string(got) != want {
			t.Errorf("%s on disk = %q, %v; want %q", name, got, err, want)
		}
	}
	if !b.said("harddisk: proxy/call.key was on disk too; the one from memory is proxy/call.key.memory") {
		t.Errorf("said %q; want the conflict", b.lines)
	}
	expect(t, v, b, "bootflash mounted, harddisk mounted, usb0 missing",
		map[string]string{"/bootflash": "/dev/vda1", "/harddisk": "/dev/vda2"})
}

func TestRequestsRefused(t *testing.T) {
	v, b := newBox(t)
	b.disk(pci, "vda", 2*gib)
	b.partition("vda", "vda1", Bootflash, 64*mib)
	v.Boot(t.Context())
	for _, tt := range []struct {
		what string
		err  error
		want string
	}{
		{"Mount of nothing", v.Mount("floppy", false), `there is no volume "floppy": bootflash, harddisk, usb0 are the volumes`},
		{"Unmount of nothing", v.Unmount(""), `there is no volume ""`},
		{"Format of nothing", v.Format("../etc", true), `there is no volume "../etc"`},
		{"Mount without partition", v.Mount(Harddisk, false), "no disk has a partition of that name"},
		{"Format without partition", v.Format(Harddisk, true), "no disk has a partition of that name"},
		{"Mount without stick", v.Mount(USB, false), "no stick is plugged in"},
		{"Unmount without stick", v.Unmount(USB), "is not mounted"},
		{"Format of a stick", v.Format(USB, true), "sticks are not formatted here"},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s = %v; want %s", tt.what, tt.err, tt.want)
		}
	}
}

// A stick with the image of a box on it is not taken for the box's disk,
// whatever the kernel calls it.
func TestStickIsNotTakenForTheDisk(t *testing.T) {
	v, b := newBox(t)
	for _, disk := range []struct{ bus, name string }{{"pci0000:00/usb1/1-1", "sda"}, {"pci0000:00/virtio1", "vda"}} {
		b.disk(disk.bus, disk.name, 128*mib)
		b.partition(disk.name, disk.name+"3", Bootflash, 32*mib)
		b.partition(disk.name, disk.name+"4", Harddisk, 32*mib)
	}
	for volume, want := range map[string]string{Bootflash: "vda3", Harddisk: "vda4"} {
		if part, _, err := v.partition(volume); err != nil || part.Name != want {
			t.Errorf("%s is %+v, %v; want %s", volume, part, err, want)
		}
	}
	b.unplug("vda")
	if part, _, err := v.partition(Harddisk); err != nil || part.Name != "sda4" {
		t.Errorf("on a box that runs from a stick harddisk: is %+v, %v; want sda4", part, err)
	}
}

// What is not mounted has no size: not that of the root file system.
func TestStatusOfUnmounted(t *testing.T) {
	v, b := newBox(t)
	b.must(os.MkdirAll(b.path("run/volumes/usb0"), 0o755))
	v.set(model.VolumeStatus{Name: USB, Device: "/dev/sda1", State: stateUnmounted})
	if status := v.Status()[2]; status.TotalKB != 0 {
		t.Errorf("usb0: unmounted has %d KB; want 0", status.TotalKB)
	}
}

func TestClose(t *testing.T) {
	v, b := newBox(t)
	b.disk(pci, "vda", 2*gib)
	v.Boot(t.Context())
	b.busy["/harddisk"] = true
	err := v.Close()
	if err == nil || !strings.Contains(err.Error(), "unmount harddisk: device or resource busy") {
		t.Errorf("Close = %v; want that harddisk is busy", err)
	}
	if len(b.mounts) != 0 {
		t.Errorf("still mounted: %v", b.mounts)
	}
	if err := v.Close(); err == nil {
		t.Error("Close of what was only detached = nil; want it to be said again")
	}
}

func TestMoveKeepsOwners(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "to")
	if err := os.MkdirAll(filepath.Join(from, "a/b"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, step := range []error{
		os.WriteFile(filepath.Join(from, "a/b/f"), []byte("text"), 0o640),
		os.Chown(filepath.Join(from, "a/b/f"), 101, 110),
		os.Chown(filepath.Join(from, "a"), 0, 110),
		os.Chmod(filepath.Join(from, "a"), 0o770|os.ModeSetgid),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	// A cut left a torn copy and a whole one whose original was not removed.
	if err := os.MkdirAll(filepath.Join(to, "a/b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to, "a/b/f.moving"), []byte("te"), 0o600); err != nil {
		t.Fatal(err)
	}
	if left, err := move(from, to); len(left) != 0 || err != nil {
		t.Fatalf("move = %q, %v", left, err)
	}
	out := command(t, "find", to, "-type", "f", "-printf", "%P %m %U %G\n")
	if out != "a/b/f 640 101 110\n" {
		t.Errorf("moved %q; want one file with its owners", out)
	}
	if _, err := os.Stat(filepath.Join(from, "a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the source is still there: %v", err)
	}
	if left, err := move(from, to); left != nil || err != nil {
		t.Errorf("move of nothing = %q, %v; want nothing", left, err)
	}
}
