package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Disk is a whole disk as sysfs shows it.
type Disk struct {
	Name       string // "vda", as below /dev
	Model      string // as its maker names it; empty if the kernel does not know
	Size       int64  // octets
	BlockSize  int    // logical, octets
	USB        bool
	ReadOnly   bool
	Partitions []Partition // in the order of their names
}

// Partition is one partition of a disk.
type Partition struct {
	Name  string // "vda1"
	Label string // its name in the partition table (PARTLABEL)
	Size  int64  // octets

	Number    int   // in the partition table, from 1 on
	Start     int64 // octets from the disk's
	BlockSize int   // the disk's
}

// Disks lists the disks below sys, where sysfs is mounted, in the order of
// their names. What has no device behind it (loop, RAM) and optical drives are
// no disks here.
func Disks(sys string) ([]Disk, error) {
	block := filepath.Join(sys, "block")
	entries, err := os.ReadDir(block)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // no block device was ever seen
	}
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	var disks []Disk
	for _, entry := range entries {
		dir := filepath.Join(block, entry.Name())
		if _, err := os.Stat(filepath.Join(dir, "device")); err != nil || strings.HasPrefix(entry.Name(), "sr") {
			continue
		}
		path, err := filepath.EvalSymlinks(dir)
		if err != nil {
			continue // it went away meanwhile
		}
		disk := Disk{
			Name:      entry.Name(),
			Model:     readLine(dir, "device/model"),
			Size:      readNumber(dir, "size") * sector, // the kernel's unit, whatever the disk's is
			BlockSize: int(max(readNumber(dir, "queue/logical_block_size"), sector)),
			ReadOnly:  readNumber(dir, "ro") == 1,
			USB:       strings.Contains(path, "/usb"),
		}
		if disk.Partitions, err = partitions(dir, disk.BlockSize); err != nil {
			return nil, fmt.Errorf("list partitions of %s: %w", disk.Name, err)
		}
		disks = append(disks, disk)
	}
	return disks, nil
}

func partitions(dir string, blockSize int) ([]Partition, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []Partition
	for _, entry := range entries {
		part := filepath.Join(dir, entry.Name())
		if _, err := os.Stat(filepath.Join(part, "partition")); err != nil {
			continue
		}
		found = append(found, Partition{
			Name:  entry.Name(),
			Label: readVariable(part, "PARTNAME"),
			Size:  readNumber(part, "size") * sector,

			Number:    int(readNumber(part, "partition")),
			Start:     readNumber(part, "start") * sector,
			BlockSize: blockSize,
		})
	}
	return found, nil
}

// readLine reads a file of sysfs that has one line of plain text; empty if there
// is none.
func readLine(dir, file string) string {
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return ""
	}
	return strings.Map(printable, strings.TrimSpace(string(text)))
}

// readNumber reads a decimal number from a file of sysfs; 0 if there is none.
func readNumber(dir, file string) int64 {
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n < 0 || n > 1<<53 {
		return 0
	}
	return n
}

// readVariable reads one NAME=value line of a device's uevent file.
func readVariable(dir, name string) string {
	text, err := os.ReadFile(filepath.Join(dir, "uevent"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return strings.TrimSuffix(value, "\n")
		}
	}
	return ""
}
