package machine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

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

// CopyDisk copies a disk. What is zero takes no room in the copy.
func CopyDisk(to, from string) error {
	if output, err := exec.Command("cp", "--sparse=always", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, output)
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

// Volume is a partition of a disk, or an ext4 file system on it.
type Volume struct {
	Name      string // of its partition; "" when it fills the whole disk
	GUID      string // likewise
	Start     int64  // octets
	Size      int64  // octets
	Unmounted bool   // it was unmounted as it should be, and holds no errors
}

// Volumes finds the ext4 file systems on the disk at path.
func Volumes(path string) ([]Volume, error) {
	disk, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("look at the disk: %w", err)
	}
	defer disk.Close()
	info, err := disk.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the disk: %w", err)
	}
	places := append([]Volume{{Size: info.Size()}}, partitions(disk)...)
	var volumes []Volume
	for _, place := range places {
		superblock := make([]byte, superblockSize)
		_, err := disk.ReadAt(superblock, place.Start+superblockAt)
		if errors.Is(err, io.EOF) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look at the disk: %w", err)
		}
		if binary.LittleEndian.Uint16(superblock[magicAt:]) != magic {
			continue
		}
		state := binary.LittleEndian.Uint16(superblock[stateAt:])
		incompat := binary.LittleEndian.Uint32(superblock[incompatAt:])
		place.Unmounted = state&stateClean != 0 && state&stateErrors == 0 && incompat&incompatRecovery == 0
		volumes = append(volumes, place)
	}
	return volumes, nil
}

// Partitions gives those of the disk at path; none if it has no table.
func Partitions(path string) ([]Volume, error) {
	disk, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("look at the disk: %w", err)
	}
	defer disk.Close()
	return partitions(disk), nil
}

func partitions(disk *os.File) (places []Volume) {
	table, err := gpt.Read(disk, sectorSize, sectorSize)
	if err != nil {
		return nil
	}
	for _, partition := range table.Partitions {
		if partition.Type != gpt.Unused {
			places = append(places, Volume{
				Name: partition.Name, GUID: partition.GUID, Start: int64(partition.Start) * sectorSize, Size: partition.GetSize(),
			})
		}
	}
	return places
}
