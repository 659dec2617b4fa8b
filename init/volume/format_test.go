package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/partition/gpt"
	"golang.org/x/sys/unix"
)

// attach makes a block device of an image.
func attach(t *testing.T, file *os.File) string {
	t.Helper()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	for {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			t.Fatal(err)
		}
		loop, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", number), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		err = unix.IoctlSetInt(int(loop.Fd()), unix.LOOP_SET_FD, int(file.Fd()))
		if err == unix.EBUSY { // someone else was faster
			loop.Close()
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.IoctlSetInt(int(loop.Fd()), unix.LOOP_CLR_FD, 0); err != nil {
				t.Errorf("detach %s: %v", loop.Name(), err)
			}
			loop.Close()
		})
		return loop.Name()
	}
}

func TestFormatExt4(t *testing.T) {
	for _, size := range []int64{smallestExt4, 65 * mib, 256 * mib, 700 * mib, 3 * gib, 600 * gib} {
		t.Run(fmt.Sprintf("%dMiB", size/mib), func(t *testing.T) {
			file := image(t, size)
			// Remains of another life, beyond what Detect looks at.
			if _, err := file.WriteAt(bytes.Repeat([]byte("\xc0\x3b\x39\x98"), 1<<20), 2*mib); err != nil {
				t.Fatal(err)
			}
			if err := FormatExt4(file, size, Harddisk); err != nil {
				t.Fatal(err)
			}
			if got, err := Detect(file, size); got != "ext4" || err != nil {
				t.Errorf("Detect = %q, %v; want ext4", got, err)
			}
			command(t, "e2fsck", "-fn", file.Name())
		})
	}
	if err := FormatExt4(image(t, smallestExt4), smallestExt4-1, "x"); err == nil {
		t.Error("FormatExt4 of a tiny volume = nil; want an error")
	}
}

// TestInodesFillBlocks walks all sizes of volumes of small disks: the kernel
// wants whole blocks of inodes in each group.
func TestInodesFillBlocks(t *testing.T) {
	for size := int64(smallestExt4); size <= firstSize; size += mib {
		blocks := size / ext4Block
		groups := (blocks + 8*ext4Block - 1) / (8 * ext4Block)
		if n := int64(inodes(size)); n%(16*groups) != 0 || n < size/octetsPerInode(size) {
			t.Errorf("inodes(%d MiB) = %d; want a multiple of %d, %d or more", size/mib, n, 16*groups, size/octetsPerInode(size))
		}
	}
	const inodesPerGroup, odd = 1024 + 0x28, 382 * mib
	file := image(t, odd)
	if err := FormatExt4(file, odd, Harddisk); err != nil {
		t.Fatal(err)
	}
	var field [4]byte
	if _, err := file.ReadAt(field[:], inodesPerGroup); err != nil {
		t.Fatal(err)
	}
	if n := binary.LittleEndian.Uint32(field[:]); n%16 != 0 {
		t.Errorf("a volume of 382 MiB has %d inodes in each group; want a multiple of 16", n)
	}
}

// The journal lies where FormatExt4 has zeroed.
func TestJournalIsZeroed(t *testing.T) {
	for _, size := range []int64{256 * mib, 600 * gib} {
		file := image(t, size)
		if err := FormatExt4(file, size, Harddisk); err != nil {
			t.Fatal(err)
		}
		out := command(t, "debugfs", "-R", "blocks <8>", file.Name())
		last := 0
		for _, word := range regexp.MustCompile(`\b\d+\b`).FindAllString(out[strings.Index(out, "\n")+1:], -1) {
			block, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			last = max(last, block)
		}
		if last == 0 || (last+1)*4096 > firstSize {
			t.Errorf("%d GiB: the journal's last block is %d; want it within the first %d octets", size/gib, last, firstSize)
		}
	}
}

// The kernel mounts it, keeps files, and replays its journal.
func TestKernelMountsIt(t *testing.T) {
	const size = 200 * mib
	file := image(t, size)
	device := attach(t, file)
	opened, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = FormatExt4(opened, size, Bootflash)
	if err = errors.Join(err, opened.Close()); err != nil {
		t.Fatal(err)
	}
	point := t.TempDir()
	for i := range 2 {
		if err := unix.Mount(device, point, "ext4", unix.MS_NOATIME, "errors=remount-ro"); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(point, fmt.Sprint("file", i))
		if err := os.WriteFile(name, bytes.Repeat([]byte("journal"), 1<<18), 0o644); err != nil {
			t.Error(err)
		}
		entries, err := os.ReadDir(point)
		if err != nil || len(entries) != i+1 {
			t.Errorf("mount %d has %v, %v; want %d files", i, entries, err, i+1)
		}
		if err := unix.Unmount(point, 0); err != nil {
			t.Fatal(err)
		}
	}
	command(t, "e2fsck", "-fn", device)
}

// Grow extends a mounted file system, while files are there. The kernel wants
// CAP_SYS_RESOURCE for it; without that it must say so and leave all as it is.
func TestGrow(t *testing.T) {
	for _, size := range []int64{256 * mib, 3*gib + 12345*sector, 40 * gib} {
		file := image(t, size)
		if err := FormatExt4(file, size, Harddisk); err != nil {
			t.Fatal(err)
		}
		device, point := attach(t, file), t.TempDir()
		if err := unix.Mount(device, point, "ext4", 0, ""); err != nil {
			t.Fatal(err)
		}
		text := bytes.Repeat([]byte("before"), 1<<18)
		name := filepath.Join(point, "file")
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Error(err)
		}
		want := size
		for range 2 { // again is no error
			if err := Grow(point, size); err != nil {
				if !errors.Is(err, unix.EPERM) || mayGrow(t) {
					t.Errorf("Grow to %d MiB: %v", size/mib, err)
				}
				want = min(size, firstSize)
			}
		}
		var now unix.Statfs_t
		if err := unix.Statfs(point, &now); err != nil {
			t.Fatal(err)
		}
		if got := int64(now.Blocks) * now.Bsize; got < want*9/10 {
			t.Errorf("size after Grow = %d MiB; want most of %d", got/mib, want/mib)
		}
		if got, err := os.ReadFile(name); !bytes.Equal(got, text) || err != nil {
			t.Errorf("file after Grow has %d octets, %v; want %d", len(got), err, len(text))
		}
		if err := unix.Unmount(point, 0); err != nil {
			t.Fatal(err)
		}
		command(t, "e2fsck", "-fn", device)
	}
	if err := Grow("/proc", 1*gib); err == nil {
		t.Error("Grow of what is not ext4 = nil; want an error")
	}
}

// mayGrow reports whether this process holds CAP_SYS_RESOURCE.
func mayGrow(t *testing.T) bool {
	t.Helper()
	var data [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}

func TestWritePartitions(t *testing.T) {
	for _, tt := range []struct {
		size         int64
		blockSize    int
		flash, whole int64 // MiB
	}{
		{smallestDisk, 512, 16, 62},
		{600 * mib, 512, 150, 598},
		{8 * gib, 512, 256, 8190},
		{8*gib + 12345*512, 512, 256, 8196},
		{8 * gib, 4096, 256, 8190},
	} {
		t.Run(fmt.Sprintf("%d-%d", tt.size, tt.blockSize), func(t *testing.T) {
			file := image(t, tt.size)
			if err := WritePartitions(file, tt.size, tt.blockSize); err != nil {
				t.Fatal(err)
			}
			if got, err := Detect(file, tt.size); got.Formattable() || err != nil {
				t.Errorf("Detect = %q, %v; want a partition table", got, err)
			}
			table, err := gpt.Read(file, tt.blockSize, tt.blockSize)
			if err != nil {
				t.Fatal(err)
			}
			if err := table.Verify(file, uint64(tt.size)); err != nil {
				t.Error(err)
			}
			flash, hard := table.Partitions[0], table.Partitions[1]
			if flash.Name != Bootflash || hard.Name != Harddisk {
				t.Errorf("partitions %q, %q; want %q, %q", flash.Name, hard.Name, Bootflash, Harddisk)
			}
			if got := flash.GetSize() / mib; got != tt.flash {
				t.Errorf("bootflash has %d MiB; want %d", got, tt.flash)
			}
			if got := (flash.GetSize() + hard.GetSize()) / mib; got != tt.whole {
				t.Errorf("both have %d MiB; want %d", got, tt.whole)
			}
			if hard.GetStart() != flash.GetStart()+flash.GetSize() || flash.GetStart() != mib {
				t.Errorf("start at %d and %d; want at 1 MiB and right behind", flash.GetStart(), hard.GetStart())
			}
		})
	}
	if err := WritePartitions(image(t, 1*mib), 1*mib, 512); err == nil {
		t.Error("WritePartitions of a tiny disk = nil; want an error")
	}
}

// A cut after any number of writes leaves what Detect lets us begin again, or
// the finished thing: never something half that passes for whole or foreign.
func TestCutAtAnyWrite(t *testing.T) {
	for _, tt := range []struct {
		name string
		size int64
		make func(*staged) error
		done Content
	}{
		{"partitions", smallestDisk, func(s *staged) error {
			table := &gpt.Table{LogicalSectorSize: sector, PhysicalSectorSize: sector, ProtectiveMBR: true}
			return table.Write(s, smallestDisk)
		}, "a partition table"},
		{"whole sectors", smallestDisk, func(s *staged) error {
			if _, err := s.WriteAt(bytes.Repeat([]byte("data"), 4096), 0); err != nil {
				return err
			}
			_, err := s.WriteAt([]byte("\x53\xef"), 0x438)
			return err
		}, "ext4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := image(t, tt.size)
			disk, err := stage(file, 4096)
			if err != nil {
				t.Fatal(err)
			}
			check := func(when string, want Content) {
				t.Helper()
				if got, err := Detect(file, tt.size); got != want || err != nil {
					t.Errorf("Detect %s = %q, %v; want %q", when, got, err, want)
				}
			}
			check("after the mark", Unfinished)
			if err := tt.make(disk); err != nil {
				t.Fatal(err)
			}
			check("before commit", Unfinished)
			if _, err := file.WriteAt(disk.head[sector:], sector); err != nil {
				t.Fatal(err)
			}
			check("in the middle of commit", Unfinished)
			if err := disk.commit(); err != nil {
				t.Fatal(err)
			}
			check("after commit", tt.done)
		})
	}
}

// The first sector is the last thing that FormatExt4 writes, so a cut before
// that leaves the mark: shown by a file that fails from the nth write on.
func TestFormatCutOff(t *testing.T) {
	const size = 64 * mib
	whole := image(t, size)
	if err := FormatExt4(whole, size, "x"); err != nil {
		t.Fatal(err)
	}
	// The same octets with the mark still in the first sector: formatted anew.
	mark := make([]byte, sector)
	copy(mark, unfinished)
	if _, err := whole.WriteAt(mark, 0); err != nil {
		t.Fatal(err)
	}
	if got, err := Detect(whole, size); got != Unfinished || err != nil {
		t.Errorf("Detect = %q, %v; want %q", got, err, Unfinished)
	}
	if err := FormatExt4(whole, size, "x"); err != nil {
		t.Fatal(err)
	}
	command(t, "e2fsck", "-fn", whole.Name())
}

func TestStagedReadsBackWhatItHolds(t *testing.T) {
	disk, err := stage(image(t, mib), 4096)
	if err != nil {
		t.Fatal(err)
	}
	text := bytes.Repeat([]byte("0123456789"), 1000)
	if n, err := disk.WriteAt(text, 100); n != len(text) || err != nil {
		t.Errorf("WriteAt = %d, %v; want %d", n, err, len(text))
	}
	for _, at := range []int64{0, 100, 4000, 4096, 5000} {
		got := make([]byte, 500)
		if n, err := disk.ReadAt(got, 100+at); n != len(got) || err != nil || !bytes.Equal(got, text[at:at+500]) {
			t.Errorf("ReadAt(%d) = %d, %v, %q; want what was written", 100+at, n, err, got[:10])
		}
	}
}
