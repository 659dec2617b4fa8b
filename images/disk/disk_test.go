package disk

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/partition/gpt"

	"causeway/board"
	"causeway/board/layout"
)

// writeImage makes an image with a slot of the given size.
func writeImage(t *testing.T, dir string, bytes int) (file string, uki []byte) {
	t.Helper()
	uki = make([]byte, bytes)
	random := rand.NewChaCha8([32]byte{1})
	if _, err := random.Read(uki); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "disk.img")
	image := Image{
		Layout: &layout.Box, Time: time.Date(2026, 7, 1, 12, 0, 2, 0, time.UTC),
		Files: []File{{`\EFI\BOOT\BOOTX64.EFI`, uki}},
	}
	if err := image.Write(file); err != nil {
		t.Fatal(err)
	}
	return file, uki
}

func TestPartitions(t *testing.T) {
	file, _ := writeImage(t, t.TempDir(), 1000)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := gpt.Read(f, sector, sector)
	if err != nil {
		t.Fatal(err)
	}
	if table.RecoveredFromBackup || !table.ProtectiveMBR || !layout.Box.Made(table, layout.Box.Size) {
		t.Errorf("table: from the backup %v, protective MBR %v; want that of a box", table.RecoveredFromBackup, table.ProtectiveMBR)
	}
	var names []string
	for _, p := range table.Partitions {
		if p != nil && p.Type != gpt.Unused {
			names = append(names, p.Name)
		}
	}
	if got := strings.Join(names, " "); got != "esp-a esp-b bootflash harddisk" {
		t.Errorf("partitions %q", got)
	}
}

// TestESP: another FAT implementation reads what firmware will read.
func TestESP(t *testing.T) {
	dir := t.TempDir()
	image, uki := writeImage(t, dir, 45<<20+77)
	start, length := ESP()
	espA := fmt.Sprintf("%s@@%d", image, start)
	copied := filepath.Join(dir, "copied")
	mtools(t, "mcopy", "-i", espA, "::/EFI/BOOT/BOOTX64.EFI", copied)
	if got, err := os.ReadFile(copied); err != nil || !bytes.Equal(got, uki) {
		t.Errorf("the slot's file reads as %d bytes, %v; want the %d written", len(got), err, len(uki))
	}
	if got := mtools(t, "mdir", "-i", espA, "::/EFI/BOOT"); !strings.Contains(got, "2026-07-01  12:00") {
		t.Errorf("mdir of slot A: %s; want the time of the build information", got)
	}
	espB := fmt.Sprintf("%s@@%d", image, start+length)
	if got := mtools(t, "mdir", "-b", "-i", espB, "::/"); strings.TrimSpace(got) != "" {
		t.Errorf("slot B holds %q; want nothing", got)
	}
	for slot, esp := range map[string]string{"A": espA, "B": espB} {
		if got := mtools(t, "minfo", "-i", esp, "::"); !strings.Contains(got, `disk type="FAT32   "`) || !strings.Contains(got, "ESP-"+slot) {
			t.Errorf("minfo of slot %s: %s; want FAT32 with its name", slot, got)
		}
	}
}

func mtools(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "TZ=UTC", "MTOOLSRC=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

// TestSame: the same slot gives the same image, and a sparse one.
func TestSame(t *testing.T) {
	var sums [2][sha256.Size]byte
	for i := range sums {
		t.Setenv("TZ", [2]string{"UTC", "Asia/Tokyo"}[i])
		file, _ := writeImage(t, t.TempDir(), 3<<20)
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		start, length := ESP()
		h := sha256.New()
		// From the partition table to the end of both ESPs.
		if _, err := io.Copy(h, io.NewSectionReader(f, 0, start+2*length)); err != nil {
			t.Fatal(err)
		}
		h.Sum(sums[i][:0])
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if used := info.Sys().(*syscall.Stat_t).Blocks * 512; info.Size() != layout.Box.Size || used > 32<<20 {
			t.Errorf("image of %d bytes uses %d; want %d, mostly holes", info.Size(), used, layout.Box.Size)
		}
		f.Close()
	}
	if sums[0] != sums[1] {
		t.Error("two images of the same slot differ")
	}
}

func TestTooLarge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "disk.img")
	image := Image{Layout: &layout.Box, Files: []File{{`\EFI\BOOT\BOOTX64.EFI`, make([]byte, 97<<20)}}, Time: time.Unix(0, 0)}
	if err := image.Write(file); err == nil || !strings.Contains(err.Error(), board.PartitionESPA) {
		t.Errorf("Write of a slot larger than its partition = %v; want an error that names %s", err, board.PartitionESPA)
	}
}
