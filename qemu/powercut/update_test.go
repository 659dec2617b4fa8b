package powercut

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/partition/gpt"

	"causeway/board"
	"causeway/qemu/edition"
	"causeway/qemu/machine"
	"causeway/qemu/nvram"
)

// paper is a box with two slots on paper: a disk, and the variables of its firmware
// behind it.
type paper struct {
	t     *testing.T
	image string
	r     *Updating
	gone  bool   // there are no variables
	next  []byte // BootNext
	order []byte // BootOrder
}

// The images that are whole, and what the numbers of the entries are.
var (
	oldImage = bytes.Repeat([]byte("old"), 20_000)
	newImage = bytes.Repeat([]byte("new"), 20_000)
	entryA   = []byte{0xf0, 0}
	entryB   = []byte{0xf1, 0}
)

const espSize = 8 << 20

func newPaper(t *testing.T) *paper {
	t.Helper()
	dir := t.TempDir()
	x86, err := machine.FindBoard("x86_64")
	if err != nil {
		t.Fatal(err)
	}
	p := &paper{t: t, image: filepath.Join(dir, "image"), order: slices.Concat(entryA, entryB)}
	p.r = &Updating{
		editions: &edition.Maker{Image: machine.Image{Board: x86}}, dir: dir, diskSize: 4 * espSize,
		marks: [...]int{0, 100, 200, 300, 400}, sums: map[string]string{},
	}
	if err := machine.CreateDisk(p.image, p.r.diskSize); err != nil {
		t.Fatal(err)
	}
	disk, err := os.OpenFile(p.image, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	table := &gpt.Table{LogicalSectorSize: 512, PhysicalSectorSize: 512, ProtectiveMBR: true}
	for i, part := range []struct{ name, guid string }{
		{board.PartitionESPA, board.GUIDESPA}, {board.PartitionESPB, board.GUIDESPB}, {storeVolume, "E57D5881-284C-450B-B141-30D0429C1040"},
	} {
		table.Partitions = append(table.Partitions, &gpt.Partition{
			Index: i + 1, Start: uint64(1<<20+i*espSize) / 512, Size: espSize, Type: gpt.EFISystemPartition, Name: part.name, GUID: part.guid,
		})
	}
	if err := table.Write(disk, p.r.diskSize); err != nil {
		t.Fatal(err)
	}
	for n, content := range [][]byte{oldImage, newImage} {
		p.run("mformat", "-i", p.esp(n), "-h", "16", "-s", "32", "-T", fmt.Sprint(espSize/512), "::")
		p.run("mmd", "-i", p.esp(n), "::/EFI", "::/EFI/BOOT")
		file := p.put(n, content)
		sum, err := fileSum(file)
		if err != nil {
			t.Fatal(err)
		}
		p.r.sums[sum] = "an image"
	}
	p.run("mkfs.ext4", "-q", "-F", "-E", fmt.Sprintf("offset=%d", 1<<20+2*espSize), p.image, fmt.Sprintf("%dk", espSize>>10))
	p.run("debugfs", "-w", "-R", "mkdir /init", p.volume())
	return p
}

func (p *paper) run(name string, args ...string) {
	p.t.Helper()
	if output, err := exec.CommandContext(p.t.Context(), name, args...).CombinedOutput(); err != nil {
		p.t.Fatalf("%s %q: %v: %s", name, args, err, output)
	}
}

func (p *paper) esp(n int) string { return fmt.Sprintf("%s@@%d", p.image, 1<<20+n*espSize) }

func (p *paper) volume() string { return fmt.Sprintf("%s?offset=%d", p.image, 1<<20+2*espSize) }

// put fills a slot, 0 or 1, and gives a file with what is there now.
func (p *paper) put(slot int, content []byte) (file string) {
	p.t.Helper()
	file = filepath.Join(p.t.TempDir(), "file")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.run("mcopy", "-o", "-i", p.esp(slot), file, "::/EFI/BOOT/BOOTX64.EFI")
	return file
}

func (p *paper) remove(slot int) { p.run("mdel", "-i", p.esp(slot), "::/EFI/BOOT/BOOTX64.EFI") }

// state writes the state of the slots.
func (p *paper) state(text string) {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "slots")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.run("debugfs", "-w", "-R", "write "+file+" /init/slots", p.volume())
}

// look writes the variables behind the disk and looks at the whole.
func (p *paper) look(at int) error {
	p.t.Helper()
	image, err := os.OpenFile(p.image, os.O_WRONLY, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	defer image.Close()
	flash := flashOf(map[string][]byte{
		"BootNext": p.next, "BootOrder": p.order, "Boot00F0": loadOption(board.GUIDESPA), "Boot00F1": loadOption(board.GUIDESPB),
	})
	if p.gone {
		clear(flash)
	}
	if _, err := image.WriteAt(flash, p.r.diskSize); err != nil {
		p.t.Fatal(err)
	}
	return p.r.look(p.t.Context(), p.image, at)
}

// loadOption is a boot entry of the removable path on a partition.
func loadOption(guid string) []byte {
	file := nvram.UTF16(`\EFI\BOOT\BOOTX64.EFI`)
	path := slices.Concat([]byte{4, 1, 42, 0}, make([]byte, 20), nvram.GUID(guid), []byte{2, 2},
		[]byte{4, 4, byte(4 + len(file)), 0}, file, []byte{0x7f, 0xff, 4, 0})
	return slices.Concat([]byte{1, 0, 0, 0, byte(len(path)), 0}, nvram.UTF16("Causeway"), path)
}

// flashOf makes a flash with variables of UEFI's own.
func flashOf(variables map[string][]byte) []byte {
	const size, header, store = 16 << 10, 72, 28
	flash := bytes.Repeat([]byte{0xff}, size)
	copy(flash[40:], "_FVH")
	copy(flash[48:], []byte{header, 0})
	copy(flash[header:], nvram.GUID("aaf32c78-947b-439a-a180-2e144ec37792"))
	copy(flash[header+16:], []byte{0, 0x20, 0, 0, 0x5a, 0xfe})
	at := header + store
	for name, data := range variables {
		if data == nil {
			continue
		}
		variable := make([]byte, 60)
		copy(variable, []byte{0xaa, 0x55, 0x3f})
		named := nvram.UTF16(name)
		variable[36], variable[40] = byte(len(named)), byte(len(data))
		copy(variable[44:], nvram.GUID("8be4df61-93ca-11d2-aa0d-00e098032b8c"))
		at += copy(flash[at:], slices.Concat(variable, named, data))
		at += -(at - header - store) & 3
	}
	return flash
}

// TestLook looks at boxes after cuts: those that work, and those that do one
// thing wrong.
func TestLook(t *testing.T) {
	const whileStaged, whileWritten, whileTried, whileBlessed = 50, 150, 250, 350
	for _, test := range []struct {
		name  string
		at    int
		leave func(p *paper)
		want  string // in the fault; empty: none
	}{
		{"nothing was done", whileStaged, func(*paper) {}, ""},
		{"the other slot is half written", whileWritten, func(p *paper) { p.put(1, newImage[:30_000]) }, ""},
		{"the other slot is empty", whileWritten, func(p *paper) { p.remove(1) }, ""},
		{"the new image is next", whileTried, func(p *paper) { p.next = entryB }, ""},
		{"the image next is not there", whileTried, func(p *paper) { p.next = entryB; p.remove(1) }, ""},
		{"no variables are left, and one slot has an image", whileWritten, func(p *paper) { p.order = nil; p.remove(1) }, ""},
		{"the new image is blessed", whileBlessed, func(p *paper) {
			p.order = slices.Concat(entryB, entryA)
			p.state("{\"blessed\":\"B\"}\n0\n")
		}, ""},

		{"the image next is half written", whileTried, func(p *paper) { p.next = entryB; p.put(1, newImage[:30_000]) }, "program of esp-b: it is not whole"},
		{"what is blessed is half written", whileWritten, func(p *paper) { p.put(0, newImage[:30_000]) }, "program of esp-a: it is not whole"},
		{"both slots are empty", whileWritten, func(p *paper) { p.remove(0); p.remove(1) }, "nothing to start"},
		{"the new image is first in the order", whileTried, func(p *paper) { p.order = slices.Concat(entryB, entryA) }, "esp-b for good"},
		{"the old image went away", whileWritten, func(p *paper) { p.remove(0) }, "esp-b for good"},
		{"the new image is blessed too early", whileTried, func(p *paper) { p.state("{\"blessed\":\"B\"}\n0\n") }, "slot B is blessed"},
		{"the state is half written", whileBlessed, func(p *paper) { p.state("{\"bles") }, "the state of the slots"},
		{"the variables are gone", whileBlessed, func(p *paper) { p.gone = true }, "no firmware volume"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPaper(t)
			test.leave(p)
			switch err := p.look(test.at); {
			case test.want == "" && err != nil:
				t.Errorf("look() = %v; want nothing", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("look() = %v; want %q", err, test.want)
			}
		})
	}
}

// TestUpdateCuts has as many cuts in each phase, however long it is, in ascending
// order.
func TestUpdateCuts(t *testing.T) {
	r := &Updating{marks: [...]int{1000, 1010, 5000, 5100, 90_000}}
	for _, n := range []int{1, 4, 5, 50} {
		cuts := r.cuts(n, testRandom())
		if !slices.IsSorted(cuts) || len(cuts) != n {
			t.Fatalf("cuts(%d) = %d", n, cuts)
		}
		in := map[Kind]int{}
		for _, cut := range cuts {
			if cut < 1000 || cut >= 90_000 {
				t.Errorf("cut %d is not in the update", cut)
			}
			in[r.phase(cut)]++
		}
		for _, phase := range updatePhases {
			if in[phase] < n/len(updatePhases) {
				t.Errorf("%d cuts: %v; want as many in each phase", n, in)
			}
		}
	}
}
