package volume

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// program is an EFI program whose one section has that text.
func program(section, text string) string {
	const headerAt, textAt = 64, 256
	var file bytes.Buffer
	file.WriteString("MZ")
	file.Write(make([]byte, 0x3c-2))
	for _, part := range []any{
		uint32(headerAt), [4]byte{'P', 'E'},
		pe.FileHeader{Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: 1},
		pe.SectionHeader32{
			Name: [8]uint8([]byte(section + strings.Repeat("\x00", 8-len(section)))), VirtualSize: uint32(len(text)),
			SizeOfRawData: 512, PointerToRawData: textAt,
		},
	} {
		if err := binary.Write(&file, binary.LittleEndian, part); err != nil {
			panic(err)
		}
	}
	file.Write(make([]byte, textAt-file.Len()))
	file.WriteString(text)
	file.Write(make([]byte, 512-len(text)))
	return file.String()
}

const osRelease = "ID=causeway\nNAME=Causeway\nVERSION_ID=v1.2-3\n"

// TestSlots: the images of both slots are known, and nothing is left mounted.
func TestSlots(t *testing.T) {
	for name, test := range map[string]struct {
		a, b   string // images
		refuse error
		want   []model.SlotStatus
	}{
		"both": {program(".osrel", osRelease), program(".osrel", "VERSION_ID=\"v2\\x1b\"\n"), nil, []model.SlotStatus{
			{Name: "A", Version: "v1.2-3", TotalKB: 1000, UsedKB: 500}, {Name: "B", Version: `v2\x1b`, TotalKB: 1000, UsedKB: 500},
		}},
		"one":       {program(".osrel", osRelease), "", nil, []model.SlotStatus{{Name: "A", Version: "v1.2-3", TotalKB: 1000, UsedKB: 500}, {Name: "B", TotalKB: 1000, UsedKB: 500}}},
		"damaged":   {"MZ", program(".other", osRelease), nil, []model.SlotStatus{{Name: "A", TotalKB: 1024}, {Name: "B", TotalKB: 2048}}},
		"unmounted": {"", "", errors.New("bad"), []model.SlotStatus{{Name: "A", TotalKB: 1024}, {Name: "B", TotalKB: 2048}}},
	} {
		t.Run(name, func(t *testing.T) {
			v, b := newBox(t)
			b.disk("pci", "vda", 4<<20)
			b.partition("vda", "vda1", "esp-a", 1<<20)
			b.partition("vda", "vda2", "esp-b", 2<<20)
			for slot, image := range map[string]string{"A": test.a, "B": test.b} {
				if image != "" {
					b.write("run/init/slot-"+slot+"/EFI/BOOT/BOOTX64.EFI", image)
				}
			}
			b.refuse = func(_ string, flags uintptr) error {
				if flags&unix.MS_RDONLY == 0 {
					t.Error("a slot is mounted for writing")
				}
				return test.refuse
			}
			if got := v.Slots(); !slices.Equal(got, test.want) {
				t.Errorf("Slots = %+v; want %+v", got, test.want)
			}
			if len(b.mounts) > 0 {
				t.Errorf("left mounted: %v", b.mounts)
			}
		})
	}
	v, _ := newBox(t)
	if got := v.Slots(); len(got) > 0 {
		t.Errorf("Slots of a box without = %+v; want none", got)
	}
}

func FuzzReleaseVersion(f *testing.F) {
	f.Add([]byte(program(".osrel", osRelease)))
	f.Add([]byte(program(".osrel", strings.Repeat("x", 500))))
	f.Fuzz(func(t *testing.T, image []byte) {
		version, err := releaseVersion(bytes.NewReader(image))
		if strings.ContainsFunc(version, func(r rune) bool { return r < ' ' || r > '~' }) || err != nil && version != "" {
			t.Errorf("releaseVersion = %q, %v; want plain text or an error", version, err)
		}
	})
}
