package volume

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const usb = "pci0000:00/0000:00:05.0/usb1/1-1/host0"

// fat plugs in a stick with one FAT partition: FAT32 if large, else FAT16.
func (b *fakeBox) fat(disk string, large bool) *os.File {
	b.t.Helper()
	b.disk(usb, disk, 256*mib)
	size, sectors, kind := int64(64*mib), "131072", ""
	if large {
		size, sectors, kind = 128*mib, "262144", "-F"
	}
	stick := b.partition(disk, disk+"1", "DATA", size)
	words := []string{"-T", sectors, "-h", "16", "-s", "32", "-i", stick.Name(), "::"}
	if kind != "" {
		words = append([]string{kind}, words...)
	}
	command(b.t, "mformat", words...)
	return stick
}

// want fails the test unless usb0: is in that state, mounted from that device,
// with that said about it.
func (b *fakeBox) want(v *Volumes, state, device, says string) {
	b.t.Helper()
	status := v.get(USB)
	if status.State != state || b.mounts["/run/volumes/usb0"] != device || !strings.Contains(status.Problem, says) || (says == "") != (status.Problem == "") {
		b.t.Errorf("usb0: is %+v, mounted from %q; want %s from %q, problem %q", status, b.mounts["/run/volumes/usb0"], state, device, says)
	}
	if _, err := os.Stat(b.path("run/volumes/usb0")); (err == nil) != (device != "") {
		b.t.Errorf("mount point: %v; want one: %v", err, device != "")
	}
}

func TestStick(t *testing.T) {
	v, b := newBox(t)
	v.Plugged()
	b.want(v, stateMissing, "", "")
	b.fat("sda", false)
	for range 2 { // each partition makes an event
		v.Plugged()
	}
	b.want(v, stateMounted, "/dev/sda1", "")
	if !slices.Contains(b.drivers, "nls_cp437") {
		t.Errorf("drivers = %q; want FAT's", b.drivers)
	}
	b.must(v.Unmount(USB))
	v.Plugged()
	b.want(v, stateUnmounted, "", "")
	b.must(v.Mount(USB, false))
	b.want(v, stateMounted, "/dev/sda1", "")
	b.must(v.Unmount(USB))
	b.unplug("sda")
	v.Plugged()
	b.want(v, stateMissing, "", "")
}

func TestStickIsPulled(t *testing.T) {
	v, b := newBox(t)
	b.fat("sda", false)
	v.Plugged()
	b.unplug("sda")
	b.busy["/run/volumes/usb0"] = true // files are open on it
	v.Look()
	if got := v.get(USB).State; got != statePulled {
		t.Errorf("a look finds the stick %s; want %s", got, statePulled)
	}
	v.Plugged()
	b.want(v, statePulled, "", "was pulled while it was mounted: what was being written is lost; plug it in again")
	v.Plugged() // another event
	b.want(v, statePulled, "", "was pulled")
	if problems := v.Problems(); len(problems) != 1 || !strings.HasPrefix(problems[0], "usb0: pulled: ") {
		t.Errorf("Problems = %q; want that usb0: was pulled", problems)
	}
	b.busy["/run/volumes/usb0"] = false
	b.fat("sdb", false) // the kernel gives it another name as long as the old one is in use
	v.Plugged()
	b.want(v, stateMounted, "/dev/sdb1", "")

	b.unplug("sdb")
	v.Look() // only a look has noticed: it is mounted still
	b.must(v.Unmount(USB))
	b.want(v, stateUnmounted, "", "")
	v.Plugged()
	b.want(v, stateMissing, "", "")

	b.fat("sdc", false)
	v.Plugged()
	b.unplug("sdc")
	v.Plugged()
	b.must(v.Unmount(USB)) // who pulled it does not want it back
	b.want(v, stateMissing, "", "")
}

// One stick goes and another comes before anyone looks.
func TestStickIsExchanged(t *testing.T) {
	v, b := newBox(t)
	b.fat("sda", false)
	v.Plugged()
	b.unplug("sda")
	b.fat("sdb", true)
	v.Plugged()
	b.want(v, stateMounted, "/dev/sdb1", "")
	if !b.said("sda1 was pulled while it was mounted") {
		t.Errorf("said %q; want that the first was pulled", b.lines)
	}
}

func TestStickWithoutPartitions(t *testing.T) {
	v, b := newBox(t)
	command(t, "mke2fs", "-q", "-F", "-t", "ext4", b.disk(usb, "sda", 64*mib).Name())
	v.Plugged()
	b.want(v, stateMounted, "/dev/sda", "")
	info, err := os.Stat(b.path("run/volumes/usb0"))
	b.must(err)
	if info.Mode() != topMode|os.ModeDir {
		t.Errorf("top directory has mode %v; want %v", info.Mode(), topMode|os.ModeDir)
	}
}

// A stick with anything else is not touched, and said to be of no use, once.
func TestForeignStick(t *testing.T) {
	v, b := newBox(t)
	stick := b.disk(usb, "sda", 64*mib)
	v.Plugged()
	b.want(v, stateForeign, "", "sda is blank; use a stick with FAT or ext4")
	before, said := command(t, "sha256sum", stick.Name()), len(b.lines)
	v.Plugged()
	b.want(v, stateForeign, "", "sda is blank")
	if command(t, "sha256sum", stick.Name()) != before || len(b.lines) != said {
		t.Errorf("a second look said %q or wrote to the stick", b.lines[said:])
	}
	command(t, "mke2fs", "-q", "-F", "-t", "ext4", stick.Name()) // someone helps
	v.Plugged()
	b.want(v, stateMounted, "/dev/sda", "")
}

func TestDamagedStick(t *testing.T) {
	v, b := newBox(t)
	b.fat("sda", false)
	b.refuse = func(string, uintptr) error { return unix.EIO }
	v.Plugged()
	b.want(v, stateDamaged, "", "input/output error; check the stick on a PC")
	v.Plugged()
	if n := len(slices.DeleteFunc(b.lines, func(line string) bool { return !strings.Contains(line, "input/output") })); n != 1 {
		t.Errorf("it was tried %d times; want once", n)
	}
	b.unplug("sda")
	v.Plugged()
	b.want(v, stateMissing, "", "")
}

// A FAT that was not unmounted is read only until an operator says so.
func TestDirtyStick(t *testing.T) {
	for _, large := range []bool{false, true} {
		v, b := newBox(t)
		stick := b.fat("sda", large)
		offset := int64(fat16State)
		if large {
			offset = fat32State
		}
		var state [1]byte
		_, err := stick.ReadAt(state[:], offset)
		b.must(err)
		_, err = stick.WriteAt([]byte{state[0] | stateDirty}, offset)
		b.must(err)
		command(t, "sync", stick.Name())

		v.Plugged()
		b.want(v, stateReadOnly, "/dev/sda1", "was not unmounted before it was pulled or the power failed; check the stick on a PC, or: mount usb0: write")
		v.Look()
		b.want(v, stateReadOnly, "/dev/sda1", "was not unmounted")
		if !b.fixed["/run/volumes/usb0"] {
			t.Error("it was mounted for writing")
		}
		if err := v.Mount(USB, false); err == nil {
			t.Error("Mount of what is mounted = nil; want an error")
		}
		b.must(v.Mount(USB, true))
		b.want(v, stateMounted, "/dev/sda1", "")
		if fat, err := lookAtFAT(stick.Name()); fat.dirty || err != nil || b.fixed["/run/volumes/usb0"] {
			t.Errorf("large %v: %+v, %v, mounted for writing %v; want it clean and written to", large, fat, err, !b.fixed["/run/volumes/usb0"])
		}

		// With the table overwritten it is not written to even if asked.
		b.must(v.Unmount(USB))
		_, err = stick.WriteAt(slices.Repeat([]byte{0xa5}, 8<<10), sector*int64(map[bool]int{false: 1, true: 32}[large]))
		b.must(err)
		b.must(v.Mount(USB, true))
		b.want(v, stateReadOnly, "/dev/sda1", "the file allocation table of "+stick.Name()+" is damaged; check the stick on a PC")
	}
}

func FuzzReadFAT(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, sector))
	f.Add(slices.Repeat([]byte{1}, 2*sector))
	path := filepath.Join(f.TempDir(), "fat")
	f.Fuzz(func(t *testing.T, image []byte) {
		if err := os.WriteFile(path, image, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := lookAtFAT(path); err != nil {
			return
		}
		if err := cleanFAT(path); err != nil {
			t.Fatal(err)
		}
		if fat, err := lookAtFAT(path); fat.dirty || err != nil {
			t.Errorf("after cleanFAT: %+v, %v", fat, err)
		}
	})
}
