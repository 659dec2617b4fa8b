package flash

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Device is a whole disk that nobody uses.
type Device struct {
	*os.File
	Size  int64  // octets
	Model string // as its maker names it; empty if the kernel does not know
}

// Open opens a disk, and refuses what is none and what is in use.
func Open(path string) (*Device, error) {
	device, err := open(path, "/sys", "/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return device, nil
}

func open(path, sys, mountinfo string) (*Device, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return nil, err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFBLK {
		return nil, errors.New("it is not a disk")
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(sys, "dev", "block", number(stat.Rdev)))
	if err != nil {
		return nil, fmt.Errorf("look it up: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		return nil, fmt.Errorf("it is a partition; the disk is /dev/%s", filepath.Base(filepath.Dir(dir)))
	}
	if text := read(dir, "ro"); text != "0" {
		return nil, errors.New("it cannot be written to")
	}
	if text := read(dir, "queue/logical_block_size"); text != strconv.Itoa(block) {
		return nil, fmt.Errorf("its blocks have %s octets, not %d: take the installer", text, block)
	}
	if err := unmounted(dir, mountinfo); err != nil {
		return nil, err
	}
	// The kernel refuses a disk that is mounted, swapped to, or part of another.
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_EXCL, 0)
	if errors.Is(err, unix.EBUSY) {
		return nil, errors.New("it is in use")
	}
	if err != nil {
		return nil, err
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Device{File: file, Size: size, Model: strings.TrimSpace(read(dir, "device/vendor") + " " + read(dir, "device/model"))}, nil
}

// String tells a disk from others: "SanDisk Ultra, 15.9 GB".
func (d *Device) String() string {
	return strings.TrimPrefix(fmt.Sprintf("%s, %.1f GB", d.Model, float64(d.Size)/1e9), ", ")
}

// number writes a device number as sysfs and mountinfo do.
func number(device uint64) string {
	return fmt.Sprintf("%d:%d", unix.Major(device), unix.Minor(device))
}

// read gives what stands in a file of sysfs; empty if it is not there.
func read(dir, name string) string {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(text))
}

// unmounted says where a disk with that directory in sysfs, or a partition of it,
// is mounted. What the kernel itself says later is only that it is busy.
func unmounted(dir, mountinfo string) error {
	devices := []string{read(dir, "dev")}
	partitions, err := filepath.Glob(filepath.Join(dir, "*", "partition"))
	if err != nil {
		return err
	}
	for _, partition := range partitions {
		devices = append(devices, read(filepath.Dir(partition), "dev"))
	}
	mounts, err := os.ReadFile(mountinfo)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line) // proc(5): id, parent, device, root, mount point, …
		for _, device := range devices {
			if len(fields) > 4 && fields[2] == device {
				return fmt.Errorf("it is mounted at %s", fields[4])
			}
		}
	}
	return nil
}

// WriteAt implements Target. Zeros are left to the kernel, which has most disks
// write them without being sent any.
func (d *Device) WriteAt(p []byte, at int64) (int, error) {
	if len(bytes.Trim(p, "\x00")) == 0 &&
		unix.Fallocate(int(d.Fd()), unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, at, int64(len(p))) == nil {
		return len(p), nil
	}
	return d.File.WriteAt(p, at)
}

// Flush implements Target.
func (d *Device) Flush() error {
	if err := d.Sync(); err != nil {
		return err
	}
	return unix.IoctlSetInt(int(d.Fd()), unix.BLKFLSBUF, 0)
}

// Reread has the kernel look at the disk's partitions anew.
func (d *Device) Reread() error { return unix.IoctlSetInt(int(d.Fd()), unix.BLKRRPART, 0) }
