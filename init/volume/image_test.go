package volume

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// newSlots is a box with the two slots.
func newSlots(t *testing.T) (*Volumes, *fakeBox) {
	t.Helper()
	v, b := newBox(t)
	b.disk("pci", "vda", 200<<20)
	b.partition("vda", "vda1", "esp-a", 96<<20)
	b.partition("vda", "vda2", "esp-b", 96<<20)
	return v, b
}

// TestWriteSlot: an image is on a new file system, under the name that it was
// given, and read back; what does not come back as it was is an error.
func TestWriteSlot(t *testing.T) {
	const trial, proven = `\EFI\BOOT\TRIAL.EFI`, `\EFI\BOOT\BOOTX64.EFI`
	v, b := newSlots(t)
	write := func(w io.Writer) error { _, err := io.WriteString(w, "new image"); return err }
	if _, err := v.SlotSum("B", proven, trial); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("SlotSum of an empty slot = %v; want that there is none", err)
	}
	if err := v.WriteSlot("B", trial, strings.Repeat("0", 64), write); err == nil || !strings.Contains(err.Error(), "slot B: the disk does not give back") {
		t.Errorf("WriteSlot of another sum = %v; want that it is not what was read", err)
	}
	const sum = "41c04b3f2d0c69a66494faa96f05b622709379f3a5251078e0cd39fa9c44d67e" // sha256sum's
	if err := v.WriteSlot("B", trial, sum, write); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 512)
	device, err := os.Open(b.path("dev/vda2"))
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	if _, err := io.ReadFull(device, head); err != nil || string(head[82:87]) != "FAT32" || head[510] != 0x55 || head[511] != 0xaa {
		t.Errorf("the partition begins with %q, %v; want a FAT", head, err)
	}
	if err := v.RenameSlot("B", trial, proven); err != nil {
		t.Fatal(err)
	}
	if err := v.RenameSlot("B", trial, proven); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("RenameSlot again = %v; want that there is none", err)
	}
	if got, err := v.SlotSum("B", proven); err != nil || got != sum {
		t.Errorf("SlotSum = %s, %v; want %s", got, err, sum)
	}
	if len(b.mounts) > 0 {
		t.Errorf("left mounted: %v", b.mounts)
	}
}

// TestWriteSlotFails: whatever fails is told, with the slot, and nothing is left
// mounted.
func TestWriteSlotFails(t *testing.T) {
	broken := errors.New("it broke")
	v, b := newSlots(t)
	if err := v.WriteSlot("B", `\X.EFI`, "", func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("WriteSlot = %v; want %v", err, broken)
	}
	b.refuse = func(_ string, flags uintptr) error {
		if flags&unix.MS_RDONLY == 0 {
			return broken
		}
		return nil
	}
	if err := v.WriteSlot("B", `\X.EFI`, "", func(io.Writer) error { return nil }); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "slot B: mount ") {
		t.Errorf("WriteSlot = %v; want %v", err, broken)
	}
	if len(b.mounts) > 0 {
		t.Errorf("left mounted: %v", b.mounts)
	}
	empty, _ := newBox(t)
	if err := empty.WriteSlot("B", `\X.EFI`, "", nil); err == nil || !strings.HasPrefix(err.Error(), "slot B: no disk has it") {
		t.Errorf("WriteSlot without a disk = %v", err)
	}
}
