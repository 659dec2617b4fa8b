package volume

import (
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"
)

// Whatever happens to a file system while it is mounted is seen, said once, and
// over when it is over.
func TestLook(t *testing.T) {
	v, b := newBox(t)
	b.disk(pci, "vda", 2*gib)
	v.Boot(t.Context())
	var space Space
	var failure error
	b.spaces["/harddisk"] = func() (Space, error) { return space, failure }
	for _, tt := range []struct {
		what   string
		change func()
		state  string
		says   string
	}{
		{"all is well", func() { space = Space{TotalKB: 10, FreeKB: 7} }, stateMounted, ""},
		{"errors were recorded", func() { b.write("sys/fs/ext4/vda2/errors_count", "3\n") },
			stateMounted, "vda2 has recorded errors: 3; copy off what is needed, then format harddisk:"},
		{"the kernel gave up", func() { space.ReadOnly = true },
			stateReadOnly, "stopped writing to it (errors: 3); copy off what is needed and reload; if it stays read-only, format harddisk:"},
		{"the device does not answer", func() { failure = unix.EIO },
			stateSilent, "input/output error; reload"},
		{"it answers again", func() { failure, space.ReadOnly = nil, false; b.write("sys/fs/ext4/vda2/errors_count", "0\n") }, stateMounted, ""},
		{"the disk goes", func() { b.unplug("vda") }, statePulled, "vda2 is gone: what is written to it is lost; connect its disk and reload"},
	} {
		tt.change()
		b.lines = nil
		for range 2 {
			v.Look()
		}
		status := v.get(Harddisk)
		if status.State != tt.state || !strings.Contains(status.Problem, tt.says) || (tt.says == "") != (status.Problem == "") {
			t.Errorf("%s: %+v; want %s, %q", tt.what, status, tt.state, tt.says)
		}
		if len(b.lines) > 2 { // one for each volume on that disk
			t.Errorf("%s: said %q; want it once", tt.what, b.lines)
		}
		if v.OnDisk(Harddisk) != (tt.state == stateMounted) {
			t.Errorf("%s: OnDisk = %v", tt.what, v.OnDisk(Harddisk))
		}
	}
}

// A device that hangs holds up neither the status nor the other volumes, and
// is asked again only when it has answered.
func TestLookAtSilentDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, b := newBox(t)
		b.disk(pci, "vda", 2*gib)
		v.Boot(t.Context())
		var asked atomic.Int32
		answer := make(chan struct{})
		b.spaces["/harddisk"] = func() (Space, error) {
			asked.Add(1)
			<-answer
			return Space{TotalKB: 5}, nil
		}
		for range 3 {
			status := v.Status()
			if status[1].State != stateSilent || status[0].State != stateMounted || status[0].TotalKB != 1000 {
				t.Errorf("status = %+v; want harddisk: silent, bootflash: as ever", status)
			}
		}
		if asked.Load() != 1 {
			t.Errorf("the kernel was asked %d times; want once", asked.Load())
		}
		close(answer)
		synctest.Wait()
		if status := v.Status()[1]; status.State != stateMounted || status.TotalKB != 5 {
			t.Errorf("when it answers = %+v; want it mounted", status)
		}
	})
}

// An unmount that hangs ends, and the box goes on without the volume.
func TestUnmountOfSilentDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, b := newBox(t)
		b.disk(pci, "vda", 2*gib)
		v.Boot(t.Context())
		b.hangs["/harddisk"] = make(chan struct{})
		err := v.Unmount(Harddisk)
		if err == nil || err.Error() != "unmount harddisk: its device does not answer: what was not written yet may be lost" {
			t.Errorf("Unmount = %v; want that it does not answer", err)
		}
		expect(t, v, b, "bootflash mounted, harddisk unmounted, usb0 missing",
			map[string]string{"/bootflash": "/dev/vda1", "/harddisk": "tmpfs"})
		close(b.hangs["/harddisk"])
	})
}

// ReadSpace tells what the kernel mounted read-only.
func TestReadSpace(t *testing.T) {
	device, point := attach(t, image(t, 64*mib)), t.TempDir()
	command(t, "mke2fs", "-q", "-F", "-t", "ext4", device)
	for _, readOnly := range []bool{false, true} {
		var flags uintptr
		if readOnly {
			flags = unix.MS_RDONLY
		}
		if err := unix.Mount(device, point, "ext4", flags, ""); err != nil {
			t.Fatal(err)
		}
		space, err := ReadSpace(point)
		if err != nil || space.ReadOnly != readOnly || space.TotalKB < 40<<10 || space.FreeKB > space.TotalKB {
			t.Errorf("ReadSpace = %+v, %v; want about 64 MiB, read-only %v", space, err, readOnly)
		}
		if err := unix.Unmount(point, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ReadSpace(point + "/none"); err == nil {
		t.Error("ReadSpace of nothing = nil; want an error")
	}
}

func TestIsReadOnly(t *testing.T) {
	const mounts = "proc /proc proc rw,nosuid 0 0\n" +
		"/dev/vda1 /bootflash ext4 rw,nosuid,errors=remount-ro 0 0\n" +
		"/dev/vda2 /harddisk ext4 rw,errors=remount-ro,emergency_ro 0 0\n" +
		"tmpfs /run/volumes/usb0 tmpfs ro 0 0\n" +
		"/dev/sda1 /run/volumes/usb0 vfat ro,nosuid 0 0\n" +
		"tmpfs /x tmpfs ro 0 0\n/dev/x /x ext4 rw 0 0\n/x\n"
	for point, want := range map[string]bool{"/bootflash": false, "/harddisk": true, "/run/volumes/usb0": true, "/x": false, "/none": false} {
		if got := isReadOnly(mounts, point); got != want {
			t.Errorf("isReadOnly(%s) = %v; want %v", point, got, want)
		}
	}
}

// A real file system that finds itself damaged goes read-only under us.
func TestKernelStopsWriting(t *testing.T) {
	file := image(t, 64*mib)
	device, point := attach(t, file), t.TempDir()
	command(t, "mke2fs", "-q", "-F", "-t", "ext4", device)
	if err := unix.Mount(device, point, "ext4", 0, "errors=remount-ro"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(point, 0)
	trigger, err := os.OpenFile("/sys/fs/ext4/"+strings.TrimPrefix(device, "/dev/")+"/trigger_fs_error", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer trigger.Close()
	if _, err := trigger.WriteString("test"); err != nil {
		t.Fatal(err)
	}
	v, b := newBox(t)
	b.disk(pci, "vda", 2*gib)
	v.Boot(t.Context())
	b.spaces["/harddisk"] = func() (Space, error) { return ReadSpace(point) }
	v.Look()
	if got := v.get(Harddisk); got.State != stateReadOnly || !got.ReadOnly {
		t.Errorf("status = %+v; want %s", got, stateReadOnly)
	}
}
