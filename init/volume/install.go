package volume

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/diskfs/go-diskfs/partition/gpt"
	"golang.org/x/sys/unix"

	"causeway/board"
	"causeway/board/layout"
)

// InstallDisks gives the disks that may be there to install on: those that are
// built in and can be written.
func (v *Volumes) InstallDisks() (list []Disk) {
	for _, disk := range v.disks() {
		if !disk.USB && !disk.ReadOnly && labelled([]Disk{disk}, board.PartitionInstaller) == nil {
			list = append(list, disk)
		}
	}
	return list
}

// Content says what a disk holds: ours if it is divided as those of boxes are.
func (v *Volumes) Content(disk Disk) (content Content, ours bool, err error) {
	file, err := os.Open(v.device(disk.Name))
	if err != nil {
		return "", false, err
	}
	defer file.Close()
	if content, err = Detect(file, disk.Size); err != nil {
		return "", false, err
	}
	table, err := gpt.Read(file, disk.BlockSize, disk.BlockSize)
	return content, err == nil && layout.Box.Made(table, disk.Size), nil
}

// Divide divides a disk as those of boxes are, for an empty box: all that is on it
// is lost. A cut leaves what Detect takes for Unfinished.
func (v *Volumes) Divide(disk Disk) error {
	table, err := layout.Box.Table(disk.Size, disk.BlockSize)
	if err != nil {
		return err
	}
	device := v.device(disk.Name)
	file, err := os.OpenFile(device, os.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	made, err := stage(file, disk.BlockSize)
	if err != nil {
		return err
	}
	for _, p := range table.Partitions {
		start, size := int64(p.Start)*int64(disk.BlockSize), int64(p.Size)
		// What Detect would take for somebody's.
		if err := errors.Join(made.zero(start, min(size, blankHead)), made.zero(start+size-blankTail, blankTail)); err != nil {
			return err
		}
	}
	if err := table.Write(made, disk.Size); err != nil {
		return fmt.Errorf("write the partition table of %s: %w", device, err)
	}
	if err := errors.Join(made.commit(), file.Close()); err != nil {
		return err
	}
	return v.Kernel.RereadPartitions(device)
}

// FromInstaller does something where the installer's stick is mounted, as far as
// there is one now.
func (v *Volumes) FromInstaller(do func(point string) error) error {
	part := labelled(v.disks(), board.PartitionInstaller)
	if part == nil {
		return fmt.Errorf("the installer's stick: %w", os.ErrNotExist)
	}
	return v.inFAT("installer", part, unix.MS_RDONLY, do)
}

// unfinishedImage is the image's name until it was read back: firmware does not
// start it.
const unfinishedImage = `\EFI\BOOT\INSTALL.NEW`

// InstallOn makes both slots of a disk that is divided empty, and fills slot A as
// WriteSlot does.
func (v *Volumes) InstallOn(name, program, sum string, image func(io.Writer) error) error {
	var disk []Disk
	for _, d := range v.disks() {
		if d.Name == name {
			disk = append(disk, d)
		}
	}
	a, b := labelled(disk, board.PartitionESPA), labelled(disk, board.PartitionESPB)
	if a == nil || b == nil {
		return fmt.Errorf("%s has no slots", v.device(name))
	}
	return within(writeLimit, func() error {
		if err := v.formatSlot(b); err != nil {
			return fmt.Errorf("slot B: %w", err)
		}
		if err := v.writeSlot("A", a, unfinishedImage, sum, image); err != nil {
			return fmt.Errorf("slot A: %w", err)
		}
		return v.renameIn("A", a, unfinishedImage, program)
	})
}
