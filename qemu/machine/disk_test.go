package machine

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// TestUnmounted looks at disks with the first fields of an ext4 superblock.
func TestUnmounted(t *testing.T) {
	for _, test := range []struct {
		name            string
		magic, state    uint16
		incompat        uint32
		volumes         int
		wantsToBeUnsafe bool
	}{
		{"empty", 0, 0, 0, 0, false},
		{"unmounted", magic, stateClean, 0x2c2, 1, false},
		{"mounted", magic, 0, 0x2c2, 1, true},
		{"journal to replay", magic, stateClean, 0x2c2 | incompatRecovery, 1, true},
		{"errors", magic, stateClean | stateErrors, 0x2c2, 1, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk")
			if err := CreateDisk(path, 1<<20); err != nil {
				t.Fatal(err)
			}
			superblock := make([]byte, superblockSize)
			binary.LittleEndian.PutUint16(superblock[magicAt:], test.magic)
			binary.LittleEndian.PutUint16(superblock[stateAt:], test.state)
			binary.LittleEndian.PutUint32(superblock[incompatAt:], test.incompat)
			disk, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer disk.Close()
			if _, err := disk.WriteAt(superblock, superblockAt); err != nil {
				t.Fatal(err)
			}
			volumes, err := Unmounted(path)
			if volumes != test.volumes || (err != nil) != test.wantsToBeUnsafe {
				t.Errorf("Unmounted = %d, %v; want %d and an error: %v", volumes, err, test.volumes, test.wantsToBeUnsafe)
			}
		})
	}
	if _, err := Unmounted(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("Unmounted of no disk = nil; want an error")
	}
}
