package volume

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// stick gives what usb0: would be: of the partitions on USB, and whole disks
// without partitions, the first that is called updateLabel; else the first with
// a file system that we mount there; else the first that there is. nil: nothing
// is on USB.
func (v *Volumes) stick(disks []Disk) (part *Partition, content Content) {
	best := 0
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
			found, name, err := v.look(&place)
			if err != nil {
				continue // pulled again, or a card reader without a card
			}
			rank := 1
			switch mountable := found == "ext4" || found == "vfat"; {
			case mountable && name == updateLabel:
				rank = 3
			case mountable:
				rank = 2
			}
			if rank > best {
				best, part, content = rank, &place, found
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
// to, and so damaged further, unless forWriting says so. One that is seen to be
// damaged is never written to.
func (v *Volumes) mountStick(part *Partition, content Content, forWriting bool) error {
	device := v.device(part.Name)
	var flags uintptr
	var wrong string // why it is mounted read-only
	if content == "vfat" {
		fat, err := lookAtFAT(device)
		switch {
		case err != nil:
			return err
		case fat.damaged:
			flags = unix.MS_RDONLY
			wrong = problem(USB, stateDamaged, "the file allocation table of "+device+" is damaged")
		case fat.dirty && forWriting:
			if err := cleanFAT(device); err != nil {
				return err
			}
		case fat.dirty:
			flags = unix.MS_RDONLY
			wrong = problem(USB, stateReadOnly, device+" was not unmounted before it was pulled or the power failed")
		}
	}
	status, err := v.mountAt(v.Point(USB), USB, device, content, flags)
	if err != nil {
		v.removePoint()
		return err
	}
	if wrong != "" {
		status.Problem = wrong
	}
	v.mounted(status, part)
	return nil
}
