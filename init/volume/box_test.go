package volume

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/partition/gpt"
	"golang.org/x/sys/unix"
)

// fakeBox is a machine's root directory: sysfs and devices are files, mounts
// are only written down.
type fakeBox struct {
	t       *testing.T
	root    string
	mounts  map[string]string // mount point → what is there
	refuse  func(source string, flags uintptr) error
	slow    func()          // plugs in disks that are found late
	busy    map[string]bool // points that do not unmount
	lines   []string
	drivers []string
	grown   map[string]int64
	paused  int
	made    []string        // volumes that were mounted
	fixed   map[string]bool // points that are mounted read-only
	// spaces are the answers about mount points; without one it is 1000 KB, half full.
	spaces map[string]func() (Space, error)
	hangs  map[string]chan struct{} // unmounts of a point return when it is closed
}

func newBox(t *testing.T) (*Volumes, *fakeBox) {
	t.Helper()
	b := &fakeBox{t: t, root: t.TempDir(), mounts: map[string]string{}, busy: map[string]bool{}, grown: map[string]int64{},
		fixed: map[string]bool{}, spaces: map[string]func() (Space, error){}, hangs: map[string]chan struct{}{}}
	for _, dir := range []string{"dev", "sys/block"} {
		b.must(os.MkdirAll(filepath.Join(b.root, dir), 0o755))
	}
	return New(Options{
		Root:    b.root,
		Kernel:  b,
		Drivers: func(names ...string) { b.drivers = append(b.drivers, names...) },
		SlowDisks: func() {
			if b.slow != nil {
				b.slow()
			}
		},
		Log:     func(format string, args ...any) { b.lines = append(b.lines, fmt.Sprintf(format, args...)) },
		Mounted: func(volume string) { b.made = append(b.made, volume) },
		Paused:  func(change func() error) error { b.paused++; return change() },
		Go:      func(f func()) { f() },
	}), b
}

func (b *fakeBox) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *fakeBox) path(name string) string { return filepath.Join(b.root, name) }

func (b *fakeBox) name(path string) string { return strings.TrimPrefix(path, b.root) }

func (b *fakeBox) Mount(source, target, fstype string, flags uintptr, data string) error {
	if b.refuse != nil {
		if err := b.refuse(b.name(source), flags); err != nil {
			return err
		}
	}
	if flags&unix.MS_REMOUNT == 0 {
		b.mounts[b.name(target)] = b.name(source)
		b.fixed[b.name(target)] = flags&unix.MS_RDONLY != 0
	}
	if must := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOSYMFOLLOW); flags&must != must && flags&unix.MS_REMOUNT == 0 {
		b.t.Errorf("mount of %s has flags %#x; want nosuid, nodev, noexec, nosymfollow", target, flags)
	}
	return nil
}

func (b *fakeBox) Unmount(target string, flags int) error {
	if hang := b.hangs[b.name(target)]; hang != nil && flags == 0 {
		<-hang
		return unix.EIO
	}
	if b.busy[b.name(target)] && flags == 0 {
		return unix.EBUSY
	}
	if _, there := b.mounts[b.name(target)]; !there {
		return unix.EINVAL
	}
	delete(b.mounts, b.name(target))
	return nil
}

func (b *fakeBox) Space(point string) (Space, error) {
	if answer := b.spaces[b.name(point)]; answer != nil {
		return answer()
	}
	return Space{TotalKB: 1000, FreeKB: 500, ReadOnly: b.fixed[b.name(point)]}, nil
}

func (b *fakeBox) Grow(point string, size int64) error {
	b.grown[b.name(point)] = size
	return nil
}

// RereadPartitions shows in sysfs what the table on the disk says.
func (b *fakeBox) RereadPartitions(device string) error {
	file, err := os.Open(device)
	b.must(err)
	defer file.Close()
	table, err := gpt.Read(file, sector, sector)
	b.must(err)
	for i, part := range table.Partitions {
		b.partition(filepath.Base(device), fmt.Sprint(filepath.Base(device), i+1), part.Name, part.GetSize())
	}
	return nil
}

// write writes a file below the root.
func (b *fakeBox) write(name, text string) {
	b.t.Helper()
	b.must(os.MkdirAll(filepath.Dir(b.path(name)), 0o755))
	b.must(os.WriteFile(b.path(name), []byte(text), 0o644))
}

// disk plugs a disk in; bus is a path below /sys/devices.
func (b *fakeBox) disk(bus, name string, size int64) *os.File {
	b.t.Helper()
	dir := filepath.Join("sys/devices", bus, "block", name)
	b.write(dir+"/size", fmt.Sprint(size/sector, "\n"))
	b.write(dir+"/ro", "0\n")
	b.write(dir+"/queue/logical_block_size", "512\n")
	b.write(dir+"/device/model", "fake\n")
	b.must(os.Symlink(b.path(dir), b.path("sys/block/"+name)))
	return b.node(name, size)
}

func (b *fakeBox) node(name string, size int64) *os.File {
	b.t.Helper()
	file, err := os.Create(b.path("dev/" + name))
	b.must(err)
	b.t.Cleanup(func() { file.Close() })
	b.must(file.Truncate(size))
	return file
}

func (b *fakeBox) partition(disk, name, label string, size int64) *os.File {
	b.t.Helper()
	dir := "sys/block/" + disk + "/" + name
	b.write(dir+"/partition", "1\n")
	b.write(dir+"/size", fmt.Sprint(size/sector, "\n"))
	b.write(dir+"/uevent", "MAJOR=253\nDEVNAME="+name+"\nDEVTYPE=partition\nPARTN=1\nPARTNAME="+label+"\n")
	return b.node(name, size)
}

// unplug takes a disk out.
func (b *fakeBox) unplug(name string) { b.must(os.Remove(b.path("sys/block/" + name))) }

func (b *fakeBox) said(text string) bool {
	return slices.ContainsFunc(b.lines, func(line string) bool { return strings.Contains(line, text) })
}

func states(v *Volumes) string {
	var all []string
	for _, status := range v.Status() {
		all = append(all, status.Name+" "+status.State)
	}
	return strings.Join(all, ", ")
}

func expect(t *testing.T, v *Volumes, b *fakeBox, want string, mounts map[string]string) {
	t.Helper()
	if got := states(v); got != want {
		t.Errorf("states = %s; want %s", got, want)
	}
	if fmt.Sprint(b.mounts) != fmt.Sprint(mounts) {
		t.Errorf("mounts = %v; want %v", b.mounts, mounts)
	}
}

const pci = "pci0000:00/0000:00:04.0/virtio1"

var inMemoryMounts = map[string]string{"/bootflash": "tmpfs", "/harddisk": "tmpfs"}
