package kernel

import (
	"bytes"
	"compress/gzip"
	"context"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"causeway/board"
	"causeway/rootfs/cache"
	"causeway/rootfs/debian"
)

// TestDebianKernels: the kernels of all boards, as Debian ships them, have what
// the boards ask for, in an order in which it can be loaded.
func TestDebianKernels(t *testing.T) {
	c, err := cache.Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range board.Names() {
		t.Run(name, func(t *testing.T) {
			b, err := board.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			k, err := Fetch(context.Background(), b, &debian.Archive{Architecture: b.DebianArch, Cache: c, Log: t.Output()})
			if err != nil {
				t.Fatal(err)
			}
			checkOrder(t, k)
			if !slices.Equal(k.Table.Always, b.Always) {
				t.Errorf("Always = %q; want %q", k.Table.Always, b.Always)
			}
			for device, want := range map[string]string{
				"virtio:d00000001v00001AF4":                             "virtio_net",
				"virtio:d00000002v00001AF4":                             "virtio_blk",
				"pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00": "virtio_pci",
				"pci:v00008086d00001533sv00000000sd00000000bc02sc00i00": "igb",
				"pci:v00008086d000025ABsv00001AF4sd00001100bc08sc80i00": "i6300esb",
				"pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02": "nvme",
				"usb:v0781p5567d0126dc00dsc00dp00ic08isc06ip50in00":     "usb_storage",
				"acpi:QEMU0002:": "qemu_fw_cfg",
				"fs-ext4":        "ext4",
				"scsi:t-0x00":    "sd_mod",
			} {
				if got := k.Table.ForDevice(device); !slices.Contains(got, want) {
					t.Errorf("ForDevice(%s) = %q; want %s among them", device, got, want)
				}
			}
			for module, need := range map[string]string{"ext4": "crc32c_generic", "sd_mod": "crct10dif_generic", "vfat": "nls_cp437"} {
				if got := k.Table.Modules[module].Needs; !slices.Contains(got, need) {
					t.Errorf("%s needs %q; want %s among them", module, got, need)
				}
			}
			if b.GOARCH == "amd64" {
				checkPVH(t, k.Direct)
			}
		})
	}
}

// checkOrder: every module's file is there, and what it needs comes after
// what that needs itself.
func checkOrder(t *testing.T, k *Kernel) {
	t.Helper()
	for name, module := range k.Table.Modules {
		if _, err := os.Stat(filepath.Join(k.Modules, module.Path)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i, need := range module.Needs {
			for _, deeper := range k.Table.Modules[need].Needs {
				if !slices.Contains(module.Needs[:i], deeper) {
					t.Errorf("%s: %s is loaded before %s, which it needs", name, need, deeper)
				}
			}
		}
	}
}

// checkPVH: QEMU starts the file directly only if it has a PVH entry, an ELF
// note of type 18 by Xen.
func checkPVH(t *testing.T, file string) {
	t.Helper()
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var note bytes.Buffer
	binary.Write(&note, binary.LittleEndian, uint32(18))
	note.WriteString("Xen\x00")
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		notes := make([]byte, p.Filesz)
		if _, err := p.ReadAt(notes, 0); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(notes, note.Bytes()) {
			return
		}
	}
	t.Errorf("%s has no PVH entry", file)
}

func TestVmlinuxRefuses(t *testing.T) {
	image := func(change func([]byte)) []byte {
		b := make([]byte, 4096)
		copy(b[headerMagic:], "HdrS")
		binary.LittleEndian.PutUint16(b[bootVersion:], 0x20f)
		b[setupSectors] = 1
		binary.LittleEndian.PutUint32(b[payloadLength:], 1024)
		copy(b[1024:], xzMagic)
		change(b)
		return b
	}
	var zipped bytes.Buffer
	gzip.NewWriter(&zipped).Close()
	for name, tt := range map[string]struct {
		image []byte
		want  string
	}{
		"empty":         {nil, "not an x86 kernel image"},
		"no header":     {make([]byte, 4096), "not an x86 kernel image"},
		"old protocol":  {image(func(b []byte) { b[bootVersion] = 7 }), "boot protocol"},
		"too long":      {image(func(b []byte) { b[payloadLength+3] = 0xff }), "not within the image"},
		"too far":       {image(func(b []byte) { copy(b[payloadOffset:], "\xff\xff\xff\xff") }), "not within the image"},
		"no length":     {image(func(b []byte) { b[payloadLength+1] = 0 }), "not within the image"},
		"gzip":          {image(func(b []byte) { copy(b[1024:], zipped.Bytes()) }), "only XZ is known"},
		"xz of nothing": {image(func([]byte) {}), "unpack kernel with xz"},
	} {
		_, err := vmlinux(tt.image)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: vmlinux = %v; want %q", name, err, tt.want)
		}
	}
}
