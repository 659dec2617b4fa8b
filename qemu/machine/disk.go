package machine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/diskfs/go-diskfs/partition/gpt"
)

// CreateDisk makes an empty disk of that size in octets at path. It takes no
// room until it is written to.
func CreateDisk(path string, size int64) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("create disk: %w", err)
	}
	if err := errors.Join(file.Truncate(size), file.Close()); err != nil {
		return fmt.Errorf("create disk: %w", err)
	}
	return nil
}

// sectorSize is the logical sector of all disks here, in octets.
const sectorSize = 512

// The ext4 superblock (kernel: Documentation/filesystems/ext4/super.rst).
const (
	superblockAt     = 1024
	superblockSize   = 1024
	magicAt          = 0x38
	magic            = 0xEF53
	stateAt          = 0x3A
	stateClean       = 1
	stateErrors      = 2
	incompatAt       = 0x60
	incompatRecovery = 4 // the journal holds changes that were not written back
)

// Unmounted says whether every ext4 file system on the disk at path was
// unmounted as it should be, and how many there are.
func Unmounted(path string) (volumes int, err error) {
	disk, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("look at the disk: %w", err)
	}
	defer disk.Close()
	starts := []int64{0} // a file system may fill the whole disk
	if table, err := gpt.Read(disk, sectorSize, sectorSize); err == nil {
		for _, partition := range table.Partitions {
			if partition.Type != gpt.Unused {
				starts = append(starts, int64(partition.Start)*sectorSize)
			}
		}
	}
	for _, start := range starts {
		superblock := make([]byte, superblockSize)
		_, err := disk.ReadAt(superblock, start+superblockAt)
		if errors.Is(err, io.EOF) {
			continue
		}
		if err != nil {
			return volumes, fmt.Errorf("look at the disk: %w", err)
		}
		if binary.LittleEndian.Uint16(superblock[magicAt:]) != magic {
			continue
		}
		volumes++
		state := binary.LittleEndian.Uint16(superblock[stateAt:])
		incompat := binary.LittleEndian.Uint32(superblock[incompatAt:])
		if state&stateClean == 0 || state&stateErrors != 0 || incompat&incompatRecovery != 0 {
			return volumes, fmt.Errorf("the ext4 file system at octet %d was not unmounted: state %#x, features %#x", start, state, incompat)
		}
	}
	return volumes, nil
}
