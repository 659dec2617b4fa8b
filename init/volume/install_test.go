package volume

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/partition/gpt"

	"causeway/board/layout"
)

// TestInstall divides a disk on which somebody's data was everywhere, and fills
// slot A.
func TestInstall(t *testing.T) {
	v, b := newBox(t)
	const size = 600 * mib
	file := b.disk(pci, "vda", size)
	junk := bytes.Repeat([]byte("somebody's"), mib/10)
	for at := int64(0); at < size; at += 8 * mib {
		if _, err := file.WriteAt(junk, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := file.WriteAt(junk, size-int64(len(junk))); err != nil {
		t.Fatal(err)
	}
	b.disk(usb, "sda", size)
	b.partition("sda", "sda1", "installer", 96*mib)

	disks := v.InstallDisks()
	if len(disks) != 1 || disks[0].Name != "vda" || disks[0].Model != "fake" {
		t.Fatalf("InstallDisks = %+v; want vda alone", disks)
	}
	if content, ours, err := v.Content(disks[0]); err != nil || ours || content != Unknown {
		t.Errorf("Content = %s, ours %v, %v; want unknown data", content, ours, err)
	}
	if err := v.Divide(disks[0]); err != nil {
		t.Fatal(err)
	}
	if content, ours, err := v.Content(disks[0]); err != nil || !ours || content != "a partition table" {
		t.Errorf("Content afterwards = %s, ours %v, %v; want ours", content, ours, err)
	}
	table, err := gpt.Read(file, sector, sector)
	if err != nil || !layout.Box.Made(table, size) {
		t.Fatalf("the table is %+v, %v; want that of a box", table, err)
	}
	// What init formats at the first boot must look empty to it.
	for _, p := range table.Partitions[2:4] {
		part := io.NewSectionReader(file, p.GetStart(), p.GetSize())
		if content, err := Detect(part, p.GetSize()); err != nil || content != Blank {
			t.Errorf("%s holds %s, %v; want it blank", p.Name, content, err)
		}
	}

	const program = `\EFI\BOOT\BOOTX64.EFI`
	image := func(text string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
	}
	for name, tt := range map[string]struct{ disk, text, want string }{
		"another program": {"vda", "another", "does not give back"},
		"the one":         {"vda", "program", ""},
		"no such disk":    {"vdb", "program", "/dev/vdb has no slots"},
		"not divided":     {"sda", "program", "/dev/sda has no slots"},
	} {
		// SHA-256 of "program".
		const sum = "1310ca2c8932dbd118668bd97442558a3e1f546b5e15c69699dfbd6024f548d8"
		err := v.InstallOn(tt.disk, program, sum, image(tt.text))
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: InstallOn = %v; want %q", name, err, tt.want)
		}
	}
	if len(b.mounts) > 0 {
		t.Errorf("still mounted: %v", b.mounts)
	}
	if err := v.FromInstaller(func(point string) error {
		if b.mounts[b.name(point)] != "/dev/sda1" || !b.fixed[b.name(point)] {
			t.Errorf("mounted: %v, read-only %v; want the stick, read-only", b.mounts, b.fixed)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	b.unplug("sda")
	if err := v.FromInstaller(nil); !os.IsNotExist(err) && !strings.Contains(err.Error(), "not exist") {
		t.Errorf("FromInstaller without a stick = %v; want that there is none", err)
	}
}

// TestDivideCut: a disk that was cut off while it was divided is nobody's.
func TestDivideCut(t *testing.T) {
	v, b := newBox(t)
	file := b.disk(pci, "vda", 600*mib)
	if _, err := stage(file, sector); err != nil {
		t.Fatal(err)
	}
	if content, ours, err := v.Content(v.InstallDisks()[0]); err != nil || ours || content != Unfinished {
		t.Errorf("Content = %s, ours %v, %v; want half formatted", content, ours, err)
	}
	if err := v.Divide(Disk{Name: "vda", Size: layout.Box.Smallest - 1, BlockSize: sector}); err == nil {
		t.Error("Divide of a disk that is too small = nil; want an error")
	}
}
