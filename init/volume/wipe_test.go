package volume

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
)

// secret stands in all places of a device, one of them across two steps.
const secret = "a secret that nobody may find again"

// plant writes the secret to places all over a device.
func (b *fakeBox) plant(name string, size int64) {
	b.t.Helper()
	file, err := os.OpenFile(b.path("dev/"+name), os.O_WRONLY, 0)
	b.must(err)
	defer file.Close()
	for _, at := range []int64{100 << 10, wipeStep - 10, size / 3, size - int64(len(secret))} {
		_, err := file.WriteAt([]byte(secret), at)
		b.must(err)
	}
}

// holds counts the secrets on a device.
func (b *fakeBox) holds(name string) (count int) {
	b.t.Helper()
	file, err := os.Open(b.path("dev/" + name))
	b.must(err)
	defer file.Close()
	part := make([]byte, mib+len(secret)-1) // so that none falls between two parts
	for at := int64(0); ; at += mib {
		n, err := file.ReadAt(part, at)
		count += bytes.Count(part[:n], []byte(secret))
		if err == io.EOF {
			return count
		}
		b.must(err)
	}
}

// TestWipe: nothing that was on the partition can be read from it, whatever
// the file system knows of it; then it is as new.
func TestWipe(t *testing.T) {
	v, b := newBox(t)
	const size = 512 * mib
	b.disk(pci, "vda", size)
	v.Boot(t.Context())
	for _, volume := range []string{Bootflash, Harddisk} {
		name := map[string]string{Bootflash: "vda1", Harddisk: "vda2"}[volume]
		part := labelled(v.disks(), volume)
		b.plant(name, part.Size)
		if got := b.holds(name); got != 4 {
			t.Fatalf("%s holds %d secrets; want 4", name, got)
		}
		last := int64(0)
		err := v.Wipe(volume, func(done, all int64) {
			if done <= last || done > all || all != part.Size {
				t.Errorf("progress %d of %d after %d", done, all, last)
			}
			last = done
		})
		if err != nil || last != part.Size {
			t.Errorf("Wipe(%s) = %v, told of %d octets; want %d", volume, err, last, part.Size)
		}
		if got := b.holds(name); got != 0 {
			t.Errorf("%s holds %d secrets after a wipe", name, got)
		}
		command(t, "e2fsck", "-fn", b.path("dev/"+name))
	}
	expect(t, v, b, "bootflash mounted, harddisk mounted, usb0 missing",
		map[string]string{"/bootflash": "/dev/vda1", "/harddisk": "/dev/vda2"})
}

// A cut in the middle of a wipe leaves what the next boot makes anew.
func TestWipeIsCutOff(t *testing.T) {
	v, b := newBox(t)
	b.disk(pci, "vda", 512*mib)
	v.Boot(t.Context())
	file, err := os.OpenFile(b.path("dev/vda2"), os.O_RDWR, 0)
	b.must(err)
	defer file.Close()
	part := labelled(v.disks(), Harddisk)
	b.must(overwrite(file, part.Size, func(int64, int64) {
		if got, err := Detect(file, part.Size); got != Unfinished || err != nil {
			t.Errorf("in the middle of a wipe Detect = %q, %v; want %q", got, err, Unfinished)
		}
	}))
	again := New(v.Options)
	b.mounts = map[string]string{}
	again.Boot(t.Context())
	expect(t, again, b, "bootflash mounted, harddisk mounted, usb0 missing",
		map[string]string{"/bootflash": "/dev/vda1", "/harddisk": "/dev/vda2"})
}

func TestWipeRefused(t *testing.T) {
	v, b := newBox(t)
	b.disk(pci, "vda", 512*mib)
	ignore := func(int64, int64) {}
	if err := v.Wipe(Harddisk, ignore); err == nil || !strings.Contains(err.Error(), "harddisk: it is not mounted for writing") {
		t.Errorf("Wipe before the boot = %v; want a refusal", err)
	}
	v.Boot(t.Context())
	b.plant("vda2", 256*mib)
	b.busy["/harddisk"] = true
	if err := v.Wipe(Harddisk, ignore); err == nil || b.holds("vda2") == 0 || !v.OnDisk(Harddisk) {
		t.Errorf("Wipe of a volume in use = %v, states %s; want a refusal, and nothing touched", err, states(v))
	}
	b.busy["/harddisk"] = false
	b.must(os.Remove(b.path("dev/vda2")))
	if err := v.Wipe(Harddisk, ignore); err == nil || b.mounts["/harddisk"] != "tmpfs" {
		t.Errorf("Wipe of a device that is gone = %v, mounts %v; want the volume in memory", err, b.mounts)
	}
}
