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

	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"golang.org/x/sys/unix"

	"causeway/appliance/storage"
)

// unfinishedImage is an image's name beside its own until it was read back.
const unfinishedImage = "BOOT.NEW"

// SlotSum reads the EFI program of a slot, `\EFI\BOOT\…`, and gives its SHA-256
// in hexadecimal; fs.ErrNotExist if there is none.
func (v *Volumes) SlotSum(slot, program string) (string, error) {
	part := v.Slot(slot)
	if part == nil {
		return "", fmt.Errorf("slot %s: no disk has it: %w", slot, fs.ErrNotExist)
	}
	sum := make(chan string, 1)
	err := within(sumLimit, func() error {
		return v.inSlot(slot, part, unix.MS_RDONLY, func(point string) error {
			got, err := fileSum(programAt(point, program))
			sum <- got
			return err
		})
	})
	if err != nil {
		return "", fmt.Errorf("slot %s: %w", slot, err)
	}
	return <-sum, nil
}

// WriteSlot empties a slot and puts there the program that image writes, which
// must have that SHA-256 when it is read from the disk again. A cut anywhere
// leaves a slot that the firmware passes over, or the whole program.
func (v *Volumes) WriteSlot(slot, program, sum string, image func(io.Writer) error) error {
	part := v.Slot(slot)
	if part == nil {
		return fmt.Errorf("slot %s: no disk has it", slot)
	}
	steps := []func() error{
		func() error { return v.formatSlot(slot, part) },
		func() error {
			return v.inSlot(slot, part, 0, func(point string) error { return fillSlot(programAt(point, program), image) })
		},
		// Unmounted in between, so that it is the disk that is read.
		func() error {
			return v.inSlot(slot, part, 0, func(point string) error { return finishSlot(programAt(point, program), sum) })
		},
		func() error { return syncDevice(v.device(part.Name)) },
	}
	err := within(writeLimit, func() error {
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("slot %s: %w", slot, err)
	}
	return nil
}

// programAt gives the path of an EFI program where its partition is mounted.
func programAt(point, program string) string {
	return filepath.Join(point, filepath.FromSlash(strings.ReplaceAll(program, `\`, "/")))
}

// formatSlot makes an empty FAT: one that was cut off while it was written to
// loses room each time, and FAT has no way back.
func (v *Volumes) formatSlot(slot string, part *Partition) (err error) {
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

// fillSlot writes an image beside its place.
func fillSlot(program string, image func(io.Writer) error) error {
	dir := filepath.Dir(program)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, unfinishedImage))
	if err != nil {
		return err
	}
	if err := errors.Join(image(file), file.Sync(), file.Close()); err != nil {
		return err
	}
	return storage.SyncDir(dir)
}

// finishSlot reads an image back and puts it in its place.
func finishSlot(program, sum string) error {
	dir := filepath.Dir(program)
	unfinished := filepath.Join(dir, unfinishedImage)
	got, err := fileSum(unfinished)
	if err != nil {
		return err
	}
	if got != sum {
		return errors.New("the disk does not give back what was written to it")
	}
	if err := os.Rename(unfinished, program); err != nil {
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
