package volume

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// wipeStep is how much is overwritten between two words about it, in octets.
const wipeStep = 64 * mib

// Wipe overwrites every octet of the volume's partition, journal, free blocks
// and what was deleted long ago included, and makes an empty file system there.
// progress is told how much is done; a disk that cannot make zeros by itself
// takes hours for a terabyte. No file may be open on the volume. A cut on the
// way leaves what the next boot takes for half formatted. If Wipe fails the
// volume is as it was, or in memory.
func (v *Volumes) Wipe(volume string, progress func(done, all int64)) error {
	v.work.Lock()
	defer v.work.Unlock()
	if !v.OnDisk(volume) {
		return fmt.Errorf("wipe %s: it is not mounted for writing", volume)
	}
	part := labelled(v.disks(), volume)
	if part == nil {
		return fmt.Errorf("wipe %s: %w", volume, errMissing)
	}
	if err := v.detach(volume); err != nil {
		return err
	}
	err := v.wipe(part, progress)
	if err == nil {
		err = v.make(volume, part)
	}
	if err != nil {
		v.inMemory(v.failed(volume, err))
	}
	return err
}

func (v *Volumes) wipe(part *Partition, progress func(done, all int64)) error {
	// O_EXCL: refused while anything has the device mounted.
	file, err := os.OpenFile(v.device(part.Name), os.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		return err
	}
	return errors.Join(overwrite(file, part.Size, progress), file.Close())
}

// overwrite makes zeros of the first size octets of a file, but for the mark of
// what is unfinished in its first sector.
func overwrite(file *os.File, size int64, progress func(done, all int64)) error {
	disk, err := stage(file, sector)
	if err != nil {
		return err
	}
	for at := int64(sector); at < size; {
		length := min(wipeStep-at%wipeStep, size-at)
		if err := disk.clear(at, length); err != nil {
			return err
		}
		at += length
		progress(at, size)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("wipe %s: %w", file.Name(), err)
	}
	return nil
}

// clear has the disk forget octets, which then read as zeros; one that cannot
// promise that gets zeros written (fallocate(2); block/fops.c,
// blkdev_fallocate).
func (s *staged) clear(offset, length int64) error {
	err := unix.Fallocate(int(s.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, length)
	if err == nil {
		return nil
	}
	return s.zero(offset, length)
}
