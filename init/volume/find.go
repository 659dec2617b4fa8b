package volume

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// A disk on USB appears some time after its controller: at the least the
// kernel's usb-storage delay of a second.
const (
	usbPatience = 4 * time.Second
	usbPoll     = 50 * time.Millisecond
)

// find gives the partitions of bootflash: and harddisk: that there are. Only
// if no disk has either, an empty disk is divided.
func (v *Volumes) find(ctx context.Context) map[string]*Partition {
	disks := v.disks()
	if labelled(disks, Bootflash) == nil || labelled(disks, Harddisk) == nil {
		v.SlowDisks()
		disks = v.disks()
	}
	for deadline := time.Now().Add(usbPatience); labelled(disks, Bootflash) == nil && v.expectUSB() && time.Now().Before(deadline) && ctx.Err() == nil; {
		time.Sleep(usbPoll)
		disks = v.disks()
	}
	if labelled(disks, Bootflash) == nil && labelled(disks, Harddisk) == nil {
		disks = v.divide(disks)
	}
	return map[string]*Partition{Bootflash: labelled(disks, Bootflash), Harddisk: labelled(disks, Harddisk)}
}

func (v *Volumes) disks() []Disk {
	disks, err := Disks(filepath.Join(v.Root, "sys"))
	if err != nil {
		v.Log("disks: %v", err)
	}
	return disks
}

// expectUSB reports whether this machine has USB at all.
func (v *Volumes) expectUSB() bool {
	devices, err := os.ReadDir(filepath.Join(v.Root, "sys/bus/usb/devices"))
	return err == nil && len(devices) > 0
}

// labelled gives the first partition with that label, or nil. A stick with our
// image on it never stands in for a disk that is built in.
func labelled(disks []Disk, label string) *Partition {
	for _, onUSB := range []bool{false, true} {
		for _, disk := range disks {
			if disk.USB != onUSB {
				continue
			}
			for i := range disk.Partitions {
				if disk.Partitions[i].Label == label {
					return &disk.Partitions[i]
				}
			}
		}
	}
	return nil
}

// divide makes partitions on the first disk that is empty, built in and large
// enough, and gives the disks as they are then.
func (v *Volumes) divide(disks []Disk) []Disk {
	for _, disk := range disks {
		if disk.USB || disk.ReadOnly || disk.Size < smallestDisk || len(disk.Partitions) > 0 {
			continue
		}
		device := v.device(disk.Name)
		content, err := v.divideDisk(device, disk)
		switch {
		case err != nil:
			v.Log("disk %s: %v", device, err)
		case content.Formattable():
			v.Log("disk %s: was %s, now divided into %s and %s", device, content, Bootflash, Harddisk)
			return v.disks()
		default:
			v.Log("disk %s: holds %s, left alone", device, content)
		}
	}
	return disks
}

// divideDisk divides a disk if it is empty, and says what was on it.
func (v *Volumes) divideDisk(device string, disk Disk) (Content, error) {
	file, err := os.OpenFile(device, os.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := Detect(file, disk.Size)
	if err != nil || !content.Formattable() {
		return content, err
	}
	if err := WritePartitions(file, disk.Size, disk.BlockSize); err != nil {
		return content, err
	}
	if err := file.Close(); err != nil {
		return content, fmt.Errorf("finish %s: %w", device, err)
	}
	return content, v.Kernel.RereadPartitions(device)
}
