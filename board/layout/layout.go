// Package layout says how disks are divided: those of boxes, and the installer's
// stick. Images are made by it, and disks that the installer finds.
package layout

import (
	"fmt"
	"slices"

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

// Made reports whether a table is one that Table gave for that disk: by its GUID,
// and by the places and names of all partitions.
func (l *Layout) Made(t *gpt.Table, size int64) bool {
	ours, err := l.Table(size, t.LogicalSectorSize)
	if err != nil || t.GUID != l.guid {
		return false
	}
	var found []gpt.Partition
	for _, p := range t.Partitions {
		if p != nil && p.Type != gpt.Unused {
			found = append(found, *p)
		}
	}
	return slices.EqualFunc(found, ours.Partitions, func(a gpt.Partition, b *gpt.Partition) bool {
		return a.Name == b.Name && a.GUID == b.GUID && a.Start == b.Start && a.Size == b.Size
	})
}
