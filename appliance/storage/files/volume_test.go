package files

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func mkfifo(path string) error { return unix.Mkfifo(path, 0o644) }

// stick mounts a small ext4 as usb0: and gives its device.
func (b *box) stick() (device string) {
	b.t.Helper()
	image := b.path("image")
	for _, command := range [][]string{
		{"truncate", "-s", "16M", image},
		{"mke2fs", "-q", "-F", "-t", "ext4", image},
		{"mount", "-o", "loop,errors=remount-ro", image, b.path("usb0")},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			b.t.Fatalf("%q: %v\n%s", command, err, out)
		}
	}
	b.t.Cleanup(func() {
		if err := unix.Unmount(b.path("usb0"), 0); err != nil {
			b.t.Error(err)
		}
	})
	out, err := exec.Command("findmnt", "-no", "SOURCE", b.path("usb0")).Output()
	b.must(err)
	return strings.TrimSpace(string(out))
}

// A stick that fills up or stops being written leaves no half file, and the
// operator is told what it was.
func TestSmallStick(t *testing.T) {
	b := newBox(t)
	device := b.stick()
	b.fill("harddisk/large", strings.Repeat("x", 14<<20))
	b.fill("harddisk/small", strings.Repeat("x", 1<<20))
	copyOf := func(name string) error {
		return b.call("copy", `{"from":"harddisk:`+name+`","to":"usb0:`+name+`"}`, nil)
	}
	if err := copyOf("large"); err == nil || !strings.HasPrefix(err.Error(), "usb0:/large: no space left on device: 14680064 octets are to be written, free are ") {
		t.Errorf("copy of what does not fit = %v", err)
	}
	b.must(copyOf("small"))
	trigger := "/sys/fs/ext4/" + strings.TrimPrefix(device, "/dev/") + "/trigger_fs_error"
	b.must(os.WriteFile(trigger, []byte("test"), 0))
	if err := b.call("copy", `{"from":"harddisk:small","to":"usb0:again"}`, nil); err == nil || err.Error() != "usb0:/again: read-only file system" {
		t.Errorf("copy to a damaged stick = %v", err)
	}
	b.must(b.call("copy", `{"from":"usb0:small","to":"harddisk:rescued"}`, nil))
	entries, err := os.ReadDir(b.path("usb0"))
	b.must(err)
	for _, entry := range entries {
		if name := entry.Name(); name != "small" && name != "lost+found" {
			t.Errorf("left on the stick: %s", name)
		}
	}
}
