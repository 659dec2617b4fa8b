package disk

import (
	"fmt"
	"strings"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/gpt"

	"causeway/board"
)

const mib = 1 << 20

// Layout is how a disk is divided. Its GUIDs are the same on every disk, so that
// images are the same: partitions are told by name, and disks by whether they are
// built in.
type Layout struct {
	guid       string
	partitions []partition // in the order they lie on the disk, each on whole MiB
	Size       int64       // octets of an image
	Smallest   int64       // octets of the smallest disk
}

type partition struct {
	name string
	kind gpt.Type
	guid string
	mib  uint64 // 0, for the last: all that is left
}

var (
	// Box is that of the disk in a box.
	Box = Layout{
		guid: "DC5830C1-2BB5-42D6-9563-8D19E25C98C7",
		partitions: []partition{
			{board.PartitionESPA, gpt.EFISystemPartition, board.GUIDESPA, 96},
			{board.PartitionESPB, gpt.EFISystemPartition, board.GUIDESPB, 96},
			{board.PartitionBootflash, gpt.LinuxFilesystem, "E57D5881-284C-450B-B141-30D0429C1040", 128},
			{board.PartitionHarddisk, gpt.LinuxFilesystem, "E4E6F583-FB86-4A04-BFD9-5C6743C6D8CD", 0},
		},
		Size:     1024 * mib,
		Smallest: 512 * mib,
	}
	// Installer is that of a USB stick which puts itself on the disk of a box.
	Installer = Layout{
		guid: "0C2A3B7B-9A63-4F0C-8C1A-51D1F6A9E3D2",
		partitions: []partition{
			{board.PartitionInstaller, gpt.EFISystemPartition, board.GUIDInstaller, 96},
		},
		Size:     98 * mib,
		Smallest: 98 * mib,
	}
)

// Table gives the partition table of a disk of size octets in blocks of block
// octets.
func (l *Layout) Table(size int64, block int) (*gpt.Table, error) {
	if size < l.Smallest {
		return nil, fmt.Errorf("the disk has %d MiB, fewer than the %d that it takes", size/mib, l.Smallest/mib)
	}
	t := &gpt.Table{LogicalSectorSize: block, PhysicalSectorSize: block, GUID: l.guid, ProtectiveMBR: true}
	start := uint64(1) // MiB; the first holds the table, the last its copy
	for i, p := range l.partitions {
		length := p.mib
		if length == 0 {
			length = uint64(size)/mib - 1 - start
		}
		t.Partitions = append(t.Partitions, &gpt.Partition{
			Index: i + 1,
			Start: start * mib / uint64(block),
			Size:  length * mib,
			Type:  p.kind,
			Name:  p.name,
			GUID:  p.guid,
		})
		start += length
	}
	return t, nil
}

// Format makes an empty FAT32 file system in a partition of a table on a disk.
func Format(disk backend.Storage, t *gpt.Table, p *gpt.Partition) (*fat32.FileSystem, error) {
	block := int64(t.LogicalSectorSize)
	return fat32.Create(disk, int64(p.Size), int64(p.Start)*block, block, strings.ToUpper(p.Name), true)
}
