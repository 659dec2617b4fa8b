package volume

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"golang.org/x/sys/unix"

	"causeway/appliance/storage"
)

// SlotSum reads the first of the EFI programs, `\EFI\BOOT\…`, that a slot has, and
// gives its SHA-256 in hexadecimal; fs.ErrNotExist if there is none.
func (v *Volumes) SlotSum(slot string, programs ...string) (string, error) {
	sum := make(chan string, 1)
	err := v.withSlot(slot, sumLimit, func(part *Partition) error {
		return v.inSlot(slot, part, unix.MS_RDONLY, func(point string) (err error) {
			got := ""
			for _, program := range programs {
				if got, err = fileSum(ProgramAt(point, program)); !errors.Is(err, fs.ErrNotExist) {
					break
				}
			}
			sum <- got
			return err
		})
	})
	if err != nil {
		return "", err
	}
	return <-sum, nil
}

// WriteSlot empties a slot and puts there the program that image writes, which
// must have that SHA-256 when it is read from the disk again.
func (v *Volumes) WriteSlot(slot, program, sum string, image func(io.Writer) error) error {
	return v.withSlot(slot, writeLimit, func(part *Partition) error { return v.writeSlot(slot, part, program, sum, image) })
}

// writeSlot is WriteSlot on a partition.
func (v *Volumes) writeSlot(slot string, part *Partition, program, sum string, image func(io.Writer) error) error {
	if err := v.formatSlot(part); err != nil {
		return err
	}
	if err := v.inSlot(slot, part, 0, func(point string) error { return fillSlot(ProgramAt(point, program), image) }); err != nil {
		return err
	}
	// Unmounted in between, so that it is the disk that is read.
	return v.inSlot(slot, part, unix.MS_RDONLY, func(point string) error {
		got, err := fileSum(ProgramAt(point, program))
		if err == nil && got != sum {
			err = errors.New("the disk does not give back what was written to it")
		}
		return err
	})
}

// RenameSlot gives the program of a slot another name; fs.ErrNotExist if it has
// none of the old.
func (v *Volumes) RenameSlot(slot, from, to string) error {
	return v.withSlot(slot, slotLimit, func(part *Partition) error { return v.renameIn(slot, part, from, to) })
}

// renameIn is RenameSlot on a partition.
func (v *Volumes) renameIn(slot string, part *Partition, from, to string) error {
	err := v.inSlot(slot, part, 0, func(point string) error {
		if err := os.Rename(ProgramAt(point, from), ProgramAt(point, to)); err != nil {
			return err
		}
		return storage.SyncDir(filepath.Dir(ProgramAt(point, to)))
	})
	if err != nil {
		return err
	}
	return syncDevice(v.device(part.Name))
}

// withSlot does something with the partition of a slot, and waits no longer
// than limit.
func (v *Volumes) withSlot(slot string, limit time.Duration, do func(*Partition) error) error {
	err := fmt.Errorf("no disk has it: %w", fs.ErrNotExist)
	if part := v.Slot(slot); part != nil {
		err = within(limit, func() error { return do(part) })
	}
	if err != nil {
		return fmt.Errorf("slot %s: %w", slot, err)
	}
	return nil
}

// ProgramAt gives the path of an EFI program where its partition is mounted.
func ProgramAt(point, program string) string {
	return filepath.Join(point, filepath.FromSlash(strings.ReplaceAll(program, `\`, "/")))
}

// formatSlot makes an empty FAT: one that was cut off while it was written to
// loses room each time, and FAT has no way back.
func (v *Volumes) formatSlot(part *Partition) (err error) {
	v.slot.Lock()
	defer v.slot.Unlock()
	file, err := os.OpenFile(v.device(part.Name), os.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	disk, err := stage(file, sector)
	if err != nil {
		return err
	}
	if _, err := fat32.Create(disk, part.Size, 0, int64(part.BlockSize), strings.ToUpper(part.Label), true); err != nil {
		return fmt.Errorf("format %s as FAT: %w", file.Name(), err)
	}
	return disk.commit()
}

// fillSlot writes an image.
func fillSlot(program string, image func(io.Writer) error) error {
	dir := filepath.Dir(program)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file, err := os.Create(program)
	if err != nil {
		return err
	}
	if err := errors.Join(image(file), file.Sync(), file.Close()); err != nil {
		return err
	}
	return storage.SyncDir(dir)
}

func fileSum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

// syncDevice brings all that a device has in its own memory to its medium.
func syncDevice(device string) error {
	file, err := os.Open(device)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
