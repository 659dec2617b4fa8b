package machine

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestVolumes looks at disks with the first fields of an ext4 superblock.
func TestVolumes(t *testing.T) {
	for _, test := range []struct {
		name         string
		magic, state uint16
		incompat     uint32
		want         []Volume
	}{
		{"empty", 0, 0, 0, nil},
		{"unmounted", magic, stateClean, 0x2c2, []Volume{{Size: 1 << 20, Unmounted: true}}},
		{"mounted", magic, 0, 0x2c2, []Volume{{Size: 1 << 20}}},
		{"journal to replay", magic, stateClean, 0x2c2 | incompatRecovery, []Volume{{Size: 1 << 20}}},
		{"errors", magic, stateClean | stateErrors, 0x2c2, []Volume{{Size: 1 << 20}}},
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
			got, err := Volumes(path)
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("Volumes = %+v, %v; want %+v", got, err, test.want)
			}
		})
	}
	if got, err := Volumes(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Errorf("Volumes of no disk = %+v; want an error", got)
	}
}
