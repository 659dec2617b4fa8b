// Package disk makes the disk image that is flashed: a GPT with an EFI system
// partition for each of the two slots, and room for bootflash: and harddisk:,
// which the appliance formats itself at first boot.
package disk

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/gpt"

	"causeway/board"
)

const (
	sector = 512
	mib    = 1 << 20
	size   = 1024 * mib
	// guid is the disk's. Like those of its partitions it is the same on every
	// disk, so that images are the same: partitions are told by name, and disks
	// by whether they are built in.
	guid = "DC5830C1-2BB5-42D6-9563-8D19E25C98C7"
)

// partitions in the order they lie on the disk, each on whole MiB; the last has
// all that is left.
var partitions = []struct {
	name string
	kind gpt.Type
	guid string
	mib  uint64
}{
	{board.PartitionESPA, gpt.EFISystemPartition, "46E62606-7198-4485-BD4F-AA2C34D7D4CC", 96},
	{board.PartitionESPB, gpt.EFISystemPartition, "4F93101B-5D8F-476F-A8EE-2A77414D8322", 96},
	{board.PartitionBootflash, gpt.LinuxFilesystem, "E57D5881-284C-450B-B141-30D0429C1040", 128},
	{board.PartitionHarddisk, gpt.LinuxFilesystem, "E4E6F583-FB86-4A04-BFD9-5C6743C6D8CD", 0},
}

// table gives the partition table.
func table() *gpt.Table {
	t := &gpt.Table{LogicalSectorSize: sector, PhysicalSectorSize: sector, GUID: guid, ProtectiveMBR: true}
	start := uint64(1) // MiB; the first holds the table, the last its copy
	for i, p := range partitions {
		length := p.mib
		if length == 0 {
			length = size/mib - 1 - start
		}
		t.Partitions = append(t.Partitions, &gpt.Partition{
			Index: i + 1,
			Start: start * mib / sector,
			Size:  length * mib,
			Type:  p.kind,
			Name:  p.name,
			GUID:  p.guid,
		})
		start += length
	}
	return t
}

// Image is a disk to be written.
type Image struct {
	EFIFile string    // the removable path of the board, `\EFI\BOOT\BOOTX64.EFI`
	UKI     []byte    // the unified kernel image of slot A
	Time    time.Time // of all files in it
}

// Write makes the disk image, sparse, with slot A filled and slot B empty.
func (d *Image) Write(name string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("disk image %s: %w", name, err)
		}
	}()
	// go-diskfs takes the time for what it writes from here and nowhere else.
	if err := os.Setenv("SOURCE_DATE_EPOCH", strconv.FormatInt(d.Time.Unix(), 10)); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(size); err != nil {
		return err
	}
	t := table()
	if err := t.Write(f, size); err != nil {
		return fmt.Errorf("partition table: %w", err)
	}
	storage := file.New(f, false)
	for _, p := range t.Partitions {
		if p.Type != gpt.EFISystemPartition {
			continue
		}
		if err := d.format(storage, p); err != nil {
			return fmt.Errorf("partition %s: %w", p.Name, err)
		}
	}
	return nil
}

// format makes a FAT32 file system in the partition, and fills that of slot A.
func (d *Image) format(storage backend.Storage, p *gpt.Partition) error {
	label := strings.ToUpper(p.Name)
	fs, err := fat32.Create(storage, int64(p.Size), int64(p.Start)*sector, sector, label, true)
	if err != nil {
		return err
	}
	if p.Name != board.PartitionESPA {
		return nil
	}
	name := strings.ReplaceAll(d.EFIFile, `\`, "/")
	if err := fs.Mkdir(path.Dir(name)); err != nil {
		return fmt.Errorf("make the directory of %s: %w", name, err)
	}
	f, err := fs.OpenFile(name, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	if _, err := f.Write(d.UKI); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return f.Close()
}

// ESP gives where in the image the EFI system partition of slot A lies, in
// bytes: what two builds compare, and what mtools read.
func ESP() (start, length int64) {
	p := table().Partitions[0]
	return int64(p.Start) * sector, int64(p.Size)
}
