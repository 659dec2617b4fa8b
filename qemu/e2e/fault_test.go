//go:build e2e

package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/appliance/grammar"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// TestBootFaults boots boxes that lack something or were given something bad:
// each says what, and does what it still can.
func TestBootFaults(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		t.Run("no disk, one network card, a bad configuration", func(t *testing.T) {
			t.Parallel()
			bad := strings.Replace(grammar.BuiltIn(), "255.255.255.0", "255.0.255.0", 1)
			box := boot(t, smoke.Setup{Image: image, NoDisk: true, FewNICs: 1, Config: bad})
			expectMissing(t, box, "bootflash")
			expectMissing(t, box, "harddisk")
			expectMissing(t, box, "LAN2")
			powerOff(t, box)
			line := 2 + strings.Count(bad[:strings.Index(bad, "255.0.255.0")], "\n") // the first is the lab's own
			said := fmt.Sprintf("line %d", line)
			if transcript := box.Machine.Console.Transcript(); !strings.Contains(transcript, said) {
				t.Errorf("the console does not say %q of the configuration:\n%s", said, transcript)
			}
		})
		t.Run("no network card, no watchdog module", func(t *testing.T) {
			t.Parallel()
			box := start(t, smoke.Setup{Image: image, FewNICs: 2, Words: "module_blacklist=i6300esb"})
			expectMissing(t, box, "LAN1")
			expectMissing(t, box, "LAN2")
			expectMissing(t, box, "i6300esb")
			powerOff(t, box)
		})
		t.Run("foreign disk", func(t *testing.T) {
			t.Parallel()
			disk := foreignDisk(t)
			before := hash(t, disk)
			box := boot(t, smoke.Setup{Image: image, Disk: disk, Words: "unknown_nmi_panic"})
			expectMissing(t, box, "bootflash")
			if err := smoke.NotARelay(t.Context(), box.Lab); err != nil { // it proxies from memory
				t.Error(err)
			}
			if image.Board.GoArch == "amd64" { // only an x86 kernel can be told to panic at an NMI
				t.Run("kernel panic", func(t *testing.T) { panicKernel(t, box) })
			}
			powerOff(t, box)
			if after := hash(t, disk); !bytes.Equal(before, after) {
				t.Error("a disk with a foreign file system was written to")
			}
		})
		t.Run("full disk", func(t *testing.T) {
			t.Parallel()
			box, disk := goOn(t, image)
			commit(t, box, "sbc test", "sbe", "billing", "method xml", "xml 0", "attach", "exit", "activate", "exit", "exit", "exit")
			powerOff(t, box)
			fill(t, disk, "bootflash")
			fill(t, disk, "harddisk")
			box = boot(t, smoke.Setup{Image: image, Disk: disk})
			refusedWith(t, box.Lab, "503") // there is no room to record the call
			powerOff(t, box)
			if !strings.Contains(box.Machine.Console.Transcript(), "no space left") {
				t.Error("the console does not say that the disk is full")
			}
		})
	})
}

// panicKernel has the kernel of a box panic, and the box come back by itself.
func panicKernel(t *testing.T, box *smoke.Box) {
	if err := box.Machine.Execute(within(t, time.Minute), "inject-nmi", nil); err != nil {
		t.Fatal(err)
	}
	reset, err := box.Machine.Event(within(t, time.Minute), "RESET", 1)
	if err != nil || !reset.Data.Guest {
		t.Fatalf("after a panic: event %+v, %v; want a reset by the guest", reset, err)
	}
	if err := box.Answers(within(t, bootLimit)); err != nil {
		t.Fatal(err)
	}
}

// diskSize is the size of a disk on which there is room enough, in octets.
const diskSize = 256 << 20

// newDisk makes an empty disk that ends with the test.
func newDisk(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := machine.CreateDisk(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// foreignDisk makes a disk that somebody else's ext4 fills, without a
// partition table.
func foreignDisk(t *testing.T) string {
	t.Helper()
	path := newDisk(t, 128<<20)
	run(t, "mkfs.ext4", "-q", "-F", "-L", "photos", path)
	return path
}

// volume gives how e2fsprogs name a volume of the appliance within a disk.
func volume(t *testing.T, disk, name string) string {
	t.Helper()
	return fmt.Sprintf("%s?offset=%d", disk, findVolume(t, disk, name).Start)
}

// findVolume gives the place of a volume of the appliance on a disk.
func findVolume(t *testing.T, disk, name string) machine.Volume {
	t.Helper()
	volumes, err := machine.Volumes(disk)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range volumes {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("disk has %+v; want a volume %s", volumes, name)
	return machine.Volume{}
}

// fill takes all room of a volume.
func fill(t *testing.T, disk, name string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "filler")
	if err := os.WriteFile(file, bytes.Repeat([]byte{'f'}, int(findVolume(t, disk, name).Size)), 0o644); err != nil {
		t.Fatal(err)
	}
	debugfs(t, volume(t, disk, name), "write "+file+" /filler")
}

// debugfs edits an ext4 that is not mounted. It ends well even when a request did
// not: there is no room.
func debugfs(t *testing.T, volume string, requests ...string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "requests")
	if err := os.WriteFile(script, []byte(strings.Join(requests, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "debugfs", "-w", "-f", script, volume)
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, output)
	}
}

func hash(t *testing.T, path string) []byte {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, file); err != nil {
		t.Fatal(err)
	}
	return digest.Sum(nil)
}
