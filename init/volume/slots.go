package volume

import (
	"cmp"
	"debug/pe"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
	"causeway/board"
)

// slotPartitions are where the slots have their images.
var slotPartitions = []struct{ slot, label string }{{"A", board.PartitionESPA}, {"B", board.PartitionESPB}}

// How long a disk has to show what is in a slot, to have an image read, and to
// have one written and read back.
const (
	slotLimit  = 10 * time.Second
	sumLimit   = time.Minute
	writeLimit = 10 * time.Minute
)

// Slot gives the partition of a slot; nil if no disk has it.
func (v *Volumes) Slot(slot string) *Partition {
	for _, p := range slotPartitions {
		if p.slot == slot {
			return labelled(v.disks(), p.label)
		}
	}
	return nil
}

// Slots looks which images the slots have; none on a box without slots. Nothing
// is written there.
func (v *Volumes) Slots() (list []model.SlotStatus) {
	for _, p := range slotPartitions {
		part := v.Slot(p.slot)
		if part == nil {
			continue
		}
		status := model.SlotStatus{Name: p.slot, TotalKB: uint64(part.Size >> 10)}
		looked := make(chan model.SlotStatus, 1)
		err := within(slotLimit, func() error {
			found := model.SlotStatus{Name: p.slot}
			err := v.inSlot(p.slot, part, unix.MS_RDONLY, func(point string) error { return v.lookAtSlot(point, &found) })
			looked <- found
			return err
		})
		if err == nil {
			status = <-looked
		} else {
			v.Log("slot %s: %v", p.slot, err)
		}
		list = append(list, status)
	}
	return list
}

// inSlot does something where the file system of a slot is mounted, one slot
// at a time.
func (v *Volumes) inSlot(slot string, part *Partition, flags uintptr, do func(point string) error) error {
	v.slot.Lock()
	defer v.slot.Unlock()
	return v.inFAT("slot-"+slot, part, flags, do)
}

// inFAT does something where a FAT of ours is mounted, at a point of that name.
func (v *Volumes) inFAT(name string, part *Partition, flags uintptr, do func(point string) error) (err error) {
	point := filepath.Join(v.Root, "run", "init", name)
	v.Drivers(drivers["vfat"]...)
	if err := os.MkdirAll(point, 0o700); err != nil {
		return err
	}
	if err := v.Kernel.Mount(v.device(part.Name), point, "vfat", flags|unix.MS_NOATIME|inert, ""); err != nil {
		return fmt.Errorf("mount %s: %w", v.device(part.Name), err)
	}
	defer func() { err = errors.Join(err, v.Kernel.Unmount(point, 0)) }()
	return do(point)
}

// lookAtSlot looks at the slot that is mounted at a point.
func (v *Volumes) lookAtSlot(point string, status *model.SlotStatus) error {
	space, err := v.Kernel.Space(point)
	if err != nil {
		return err
	}
	status.TotalKB, status.UsedKB = space.TotalKB, space.TotalKB-min(space.FreeKB, space.TotalKB)
	status.Version, err = imageVersion(filepath.Join(point, "EFI", "BOOT"))
	return err
}

// imageVersion is the version of the image in a directory of EFI programs; empty
// if none is there.
func imageVersion(dir string) (version string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil // the slot was never filled
	}
	for _, entry := range entries {
		if !strings.EqualFold(filepath.Ext(entry.Name()), ".efi") {
			continue
		}
		file, openErr := os.Open(filepath.Join(dir, entry.Name()))
		if openErr != nil {
			return "", openErr
		}
		version, err = releaseVersion(file)
		return version, errors.Join(err, file.Close())
	}
	return "", err
}

// longestRelease bounds an os-release, in octets.
const longestRelease = 16 << 10

// releaseVersion reads the VERSION_ID of the os-release that a unified kernel
// image carries (images/uki; os-release(5)).
func releaseVersion(image io.ReaderAt) (string, error) {
	file, err := pe.NewFile(image)
	if err != nil {
		return "", fmt.Errorf("the image: %w", err)
	}
	section := file.Section(".osrel")
	if section == nil {
		return "", errors.New("the image does not say which version it is")
	}
	text := make([]byte, min(cmp.Or(section.VirtualSize, section.Size), section.Size, longestRelease))
	if _, err := section.ReadAt(text, 0); err != nil {
		return "", fmt.Errorf("the image's version: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if version, found := strings.CutPrefix(strings.TrimSpace(line), "VERSION_ID="); found {
			return strings.Map(printable, strings.Trim(version, `"`)), nil
		}
	}
	return "", errors.New("the image does not say which version it is")
}

// printable drops what is not plain text.
func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return -1
	}
	return r
}
