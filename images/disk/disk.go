// Package disk makes the disk images that are flashed. That of a box has a GPT
// with an EFI system partition for each of the two slots, and room for bootflash:
// and harddisk:, which the appliance formats itself at first boot; that of an
// installer has one EFI system partition. How the disks are divided is board/layout.
package disk

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/gpt"

	"causeway/board/layout"
)

// sector is that of a disk image, in octets.
const sector = 512

// Image is a disk image to be written.
type Image struct {
	Layout *layout.Layout
	Files  []File    // of the first partition
	Time   time.Time // of all of them
}

// File is one file of a disk image.
type File struct {
	Name    string // as board.Board.EFIFile: `\EFI\BOOT\BOOTX64.EFI`
	Content []byte
}

// Write makes the disk image, sparse.
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
	if err := f.Truncate(d.Layout.Size); err != nil {
		return err
	}
	t, err := d.Layout.Table(d.Layout.Size, sector)
	if err != nil {
		return err
	}
	if err := t.Write(f, d.Layout.Size); err != nil {
		return fmt.Errorf("partition table: %w", err)
	}
	storage := file.New(f, false)
	for i, p := range t.Partitions {
		if p.Type != gpt.EFISystemPartition {
			continue
		}
		fs, err := fat32.Create(storage, int64(p.Size), int64(p.Start)*sector, sector, strings.ToUpper(p.Name), true)
		if err == nil && i == 0 {
			err = d.fill(fs)
		}
		if err != nil {
			return fmt.Errorf("partition %s: %w", p.Name, err)
		}
	}
	return nil
}

// fill writes the files.
func (d *Image) fill(fs *fat32.FileSystem) error {
	for _, file := range d.Files {
		name := strings.ReplaceAll(file.Name, `\`, "/")
		if err := fs.Mkdir(path.Dir(name)); err != nil {
			return fmt.Errorf("make the directory of %s: %w", name, err)
		}
		f, err := fs.OpenFile(name, os.O_CREATE|os.O_RDWR)
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		if _, err := f.Write(file.Content); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if err := f.Close(); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// ESP gives where in the image of a box the EFI system partition of slot A lies,
// in octets: what two builds compare, and what mtools read.
func ESP() (start, length int64) {
	t, err := layout.Box.Table(layout.Box.Size, sector)
	if err != nil {
		panic(err) // an image is as large as it takes
	}
	return int64(t.Partitions[0].Start) * sector, int64(t.Partitions[0].Size)
}
