package volume

import (
	"fmt"
	"os"
	"unsafe"

	"github.com/diskfs/go-diskfs/filesystem/ext4"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"golang.org/x/sys/unix"
)

const (
	mib = 1 << 20
	gib = 1 << 30

	// firstSize is how much of a partition FormatExt4 formats: go-diskfs takes
	// time in proportion, and the first call should not wait for a terabyte.
	// All of it is zeroed first, lest an old journal's transactions be replayed.
	firstSize = 512 * mib

	ext4Block = 4096 // octets

	// smallestExt4 is the least that holds a journal and something besides.
	smallestExt4 = 16 * mib
)

// octetsPerInode gives how many octets of volume there are for each file. Fewer
// files on a large volume make its tables, which are all written at once,
// small: 1 TiB takes 1 GiB of zeros.
func octetsPerInode(size int64) int64 {
	if size < 4*gib {
		return 16 << 10
	}
	return 256 << 10
}

// inodes gives how many files a volume of size octets begins with. Those of each
// group of blocks fill whole blocks: go-diskfs would take any multiple of 8, and the
// kernel then takes the file system for damaged when it clears the rest of their
// table (fs/ext4/ialloc.c, ext4_init_inode_table).
func inodes(size int64) uint32 {
	const inBlock, groupSize = ext4Block / 256, 8 * ext4Block * ext4Block
	made := min(size, firstSize)
	groups := (made + groupSize - 1) / groupSize
	inGroup := (made/octetsPerInode(size) + groups - 1) / groups
	return uint32(groups * ((inGroup + inBlock - 1) / inBlock * inBlock))
}

// FormatExt4 makes an empty ext4 file system in file, a partition of size
// octets. It takes the first 512 MiB of a larger one: Grow does the rest when it is
// mounted. Until it is whole, and after a cut on the way, Detect finds
// Unfinished there.
func FormatExt4(file *os.File, size int64, label string) error {
	if size < smallestExt4 {
		return fmt.Errorf("format %s: %d octets are too few, ext4 needs %d", file.Name(), size, smallestExt4)
	}
	disk, err := stage(file, 4096) // the superblock is at 1024
	if err != nil {
		return err
	}
	for _, area := range []struct{ from, to int64 }{
		{4096, min(size, firstSize)},
		{size - blankTail, size}, // what RAID left there would be found again
	} {
		if err := disk.zero(area.from, area.to-area.from); err != nil {
			return err
		}
	}
	_, err = ext4.Create(disk, min(size, firstSize), 0, 0, &ext4.Params{
		SectorsPerBlock: ext4Block / sector,
		InodeCount:      inodes(size),
		VolumeName:      label,
		Features: []ext4.FeatureOpt{
			// go-diskfs lays it out for blocks of 1 KiB only; the kernel grows
			// a file system without it too.
			ext4.WithFeatureReservedGDTBlocksForExpansion(false),
		},
	})
	if err != nil {
		return fmt.Errorf("format %s as ext4: %w", file.Name(), err)
	}
	return disk.commit()
}

// Grow has the kernel extend the ext4 mounted at point to size octets, while
// it is in use. A cut leaves it smaller than that but whole, so Grow is for
// every mount. It does nothing if the file system is as large as it gets, and
// takes some seconds a TiB otherwise.
func Grow(point string, size int64) error {
	directory, err := os.Open(point)
	if err != nil {
		return fmt.Errorf("grow: %w", err)
	}
	defer directory.Close()
	const resize = 0x40086610 // EXT4_IOC_RESIZE_FS, fs/ext4/ext4.h
	blocks := uint64(size / ext4Block)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, directory.Fd(), resize, uintptr(unsafe.Pointer(&blocks))); errno != 0 {
		return fmt.Errorf("grow %s to %d blocks: %w", point, blocks, errno)
	}
	return nil
}

// linuxData is the partition type for Linux file systems.
const linuxData = gpt.LinuxFilesystem

// smallestDisk is the least that WritePartitions divides, in octets.
const smallestDisk = 64 * mib

// WritePartitions divides the disk of size octets into bootflash: (256 MiB, or
// a quarter of a disk below 1 GiB) and harddisk: (the rest). blockSize is the
// disk's logical block size. Until the table is whole, and after a cut on the
// way, Detect finds Unfinished there.
func WritePartitions(file *os.File, size int64, blockSize int) error {
	if size < smallestDisk {
		return fmt.Errorf("divide %s: %d octets are too few, it takes %d", file.Name(), size, smallestDisk)
	}
	disk, err := stage(file, blockSize)
	if err != nil {
		return err
	}
	block := uint64(blockSize)
	start := uint64(mib) / block
	middle := start + uint64(min(256*mib, size/4)/mib*mib)/block
	// The backup table takes the last 33 blocks of 512 octets, fewer of larger ones.
	end := uint64(size-mib) / mib * mib / block
	table := &gpt.Table{
		LogicalSectorSize:  blockSize,
		PhysicalSectorSize: blockSize,
		ProtectiveMBR:      true,
		Partitions: []*gpt.Partition{
			{Index: 1, Start: start, End: middle - 1, Type: linuxData, Name: Bootflash},
			{Index: 2, Start: middle, End: end - 1, Type: linuxData, Name: Harddisk},
		},
	}
	if err := table.Write(disk, size); err != nil {
		return fmt.Errorf("write the partition table of %s: %w", file.Name(), err)
	}
	return disk.commit()
}
