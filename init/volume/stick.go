package volume

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// stick gives what usb0: would be: the first partition on USB, or whole disk
// without partitions, with a file system that we mount there; if there is none
// like that, the first that there is. nil: nothing is on USB.
func (v *Volumes) stick(disks []Disk) (part *Partition, content Content) {
	for _, disk := range disks {
		if !disk.USB {
			continue
		}
		places := slices.Clone(disk.Partitions)
		if len(places) == 0 {
			places = []Partition{{Name: disk.Name, Size: disk.Size}}
		}
		for _, place := range places {
			if place.Label == Bootflash || place.Label == Harddisk {
				continue // a box that runs from a stick
			}
			found, err := v.detect(&place)
			if err != nil {
				continue // pulled again, or a card reader without a card
			}
			if found == "ext4" || found == "vfat" {
				return &place, found
			}
			if part == nil {
				part, content = &place, found
			}
		}
	}
	return part, content
}

// Plugged mounts usb0: if a stick is there and none is mounted, and unmounts
// it when its device has gone. To be called when block devices change.
func (v *Volumes) Plugged() {
	v.work.Lock()
	defer v.work.Unlock()
	disks, status := v.disks(), v.get(USB)
	switch present := status.Device != "" && there(disks, status.Device); {
	case present && status.State != stateForeign:
		return // mounted, unmounted as asked, or not to be mounted
	case !present && v.inUse(USB):
		v.pulled(status.Device)
	case !present && status.Device != "":
		v.set(model.VolumeStatus{Name: USB, State: stateMissing})
	}
	part, content := v.stick(disks)
	if part == nil {
		return
	}
	if err := v.mountStick(part, content, false); err != nil {
		if status.State == stateForeign && status.Device == v.device(part.Name) {
			return // said already
		}
		failed := v.failed(USB, err)
		failed.Device = v.device(part.Name)
		v.set(failed)
	}
}

// pulled lets go of a stick that is gone. Files may be open on it: their
// users get errors, and the kernel forgets it when they close them.
func (v *Volumes) pulled(device string) {
	err := within(patience, func() error { return v.Kernel.Unmount(v.Point(USB), unix.MNT_DETACH) })
	if err != nil {
		v.Log("usb0: let go of the stick that was pulled: %v", err)
	}
	v.removePoint()
	text := problem(USB, statePulled, device+" was pulled while it was mounted: what was being written is lost")
	v.set(model.VolumeStatus{Name: USB, State: statePulled, Problem: text})
	v.Log("usb0: %s", text)
}

// removePoint removes the mount point of usb0:, so that nobody takes it for a
// stick. One that is not empty is a mount point still.
func (v *Volumes) removePoint() { os.Remove(v.Point(USB)) }

// mountStick mounts a stick. A FAT that was not unmounted the last time may be
// damaged where nobody has looked, and FAT has no journal: it is not written
// to, and so damaged further, unless forWriting says so.
func (v *Volumes) mountStick(part *Partition, content Content, forWriting bool) error {
	device := v.device(part.Name)
	var flags uintptr
	var wrong string
	if content == "vfat" {
		dirty, err := fatIsDirty(device)
		switch {
		case err != nil:
			return err
		case dirty && forWriting:
			if err := cleanFAT(device); err != nil {
				return err
			}
		case dirty:
			flags = unix.MS_RDONLY
			wrong = device + " was not unmounted before it was pulled or the power failed"
		}
	}
	status, err := v.mountAt(v.Point(USB), USB, device, content, flags)
	if err != nil {
		v.removePoint()
		return err
	}
	if wrong != "" && status.Problem == "" {
		status.Problem = problem(USB, stateReadOnly, wrong)
	}
	v.mounted(status, part)
	return nil
}

// Where FAT keeps its state, in octets: bit 0 is set while it is mounted
// (Microsoft's FAT specification 1.03, BS_Reserved1; Linux's fs/fat/inode.c,
// fat_set_state).
const (
	fat16State       = 0x25
	fat32State       = 0x41
	fatSizeOf16      = 0x16 // two octets, zero on FAT32 (BPB_FATSz16)
	fatDirty    byte = 1
)

// fatState reads the state of a FAT and where it stands.
func fatState(file *os.File) (state byte, offset int64, err error) {
	head := make([]byte, fat32State+1)
	if _, err := file.ReadAt(head, 0); err != nil {
		return 0, 0, fmt.Errorf("read the state of %s: %w", file.Name(), err)
	}
	offset = fat16State
	if head[fatSizeOf16] == 0 && head[fatSizeOf16+1] == 0 {
		offset = fat32State
	}
	return head[offset], offset, nil
}

// fatIsDirty reports whether a FAT was not unmounted when it was used last.
func fatIsDirty(device string) (bool, error) {
	file, err := os.Open(device)
	if err != nil {
		return false, err
	}
	defer file.Close()
	state, _, err := fatState(file)
	return state&fatDirty != 0, err
}

// cleanFAT takes a FAT that is not mounted for one that was unmounted.
func cleanFAT(device string) error {
	file, err := os.OpenFile(device, os.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		return err
	}
	state, offset, err := fatState(file)
	if err == nil {
		_, err = file.WriteAt([]byte{state &^ fatDirty}, offset)
	}
	return errors.Join(err, file.Sync(), file.Close())
}
