package volume

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Known reports whether there is a volume of that name.
func Known(volume string) error {
	switch volume {
	case Bootflash, Harddisk, USB:
		return nil
	}
	return fmt.Errorf("there is no volume %q: %s, %s, %s are the volumes", volume, Bootflash, Harddisk, USB)
}

// inUse reports whether the real volume is mounted.
func (v *Volumes) inUse(volume string) bool {
	state := v.get(volume).State
	return state == stateMounted || state == stateReadOnly
}

// partition finds the partition of a volume, and what it holds.
func (v *Volumes) partition(volume string) (*Partition, Content, error) {
	if volume == USB {
		part, content := v.stick()
		if part == nil {
			return nil, "", errors.New("usb0: no stick with a FAT or ext4 file system is plugged in")
		}
		return part, content, nil
	}
	part := labelled(v.disks(), volume)
	if part == nil {
		return nil, "", fmt.Errorf("%s: %w", volume, errMissing)
	}
	content, err := v.detect(part)
	return part, content, err
}

// Mount mounts a volume that is not mounted.
func (v *Volumes) Mount(volume string) error {
	if err := Known(volume); err != nil {
		return err
	}
	v.work.Lock()
	defer v.work.Unlock()
	if v.inUse(volume) {
		return fmt.Errorf("%s: is mounted already", volume)
	}
	part, content, err := v.partition(volume)
	if err != nil {
		return err
	}
	switch {
	case content.Formattable():
		return fmt.Errorf("%s: %s is %s, format it first", volume, v.device(part.Name), content)
	case volume == USB:
		return v.mount(volume, part, content)
	case content != "ext4":
		return errForeign{v.device(part.Name), content}
	}
	return v.Paused(func() error { return v.fromMemory(volume, part) })
}

// Unmount unmounts a volume. The box goes on with bootflash: or harddisk: in
// memory.
func (v *Volumes) Unmount(volume string) error {
	if err := Known(volume); err != nil {
		return err
	}
	v.work.Lock()
	defer v.work.Unlock()
	switch {
	case !v.inUse(volume):
		return fmt.Errorf("%s: is not mounted", volume)
	case volume == USB:
		if err := v.Kernel.Unmount(v.Point(volume), 0); err != nil {
			return fmt.Errorf("unmount usb0: %w", err)
		}
		v.set(volume, v.get(volume).Device, stateUnmounted)
		v.Log("usb0: unmounted, the stick may be pulled")
		return nil
	}
	return v.Paused(func() error { return v.release(volume) })
}

// release puts memory in the place of a mounted bootflash: or harddisk:.
func (v *Volumes) release(volume string) error {
	if err := v.Kernel.Unmount(v.Point(volume), 0); err != nil {
		return fmt.Errorf("unmount %s: %w", volume, err)
	}
	v.inMemory(volume, stateUnmounted)
	return nil
}

// Format makes an empty ext4 of a volume and mounts it. What holds anything is
// formatted only with erase. What was in memory for lack of the volume moves
// to it.
func (v *Volumes) Format(volume string, erase bool) error {
	if err := Known(volume); err != nil {
		return err
	}
	if volume == USB {
		return errors.New("usb0: sticks are not formatted here")
	}
	v.work.Lock()
	defer v.work.Unlock()
	part, content, err := v.partition(volume)
	if err != nil {
		return err
	}
	if !content.Formattable() && !erase {
		return fmt.Errorf("%s: %s holds %s, which formatting would erase", volume, v.device(part.Name), content)
	}
	v.Log("%s: formatting %s, which holds %s, as asked", volume, v.device(part.Name), content)
	return v.Paused(func() error {
		if v.inUse(volume) {
			if err := v.release(volume); err != nil {
				return err
			}
		}
		if err := v.format(volume, part); err != nil {
			return err
		}
		return v.fromMemory(volume, part)
	})
}

// Plugged mounts usb0: if a stick is there and none is mounted, and unmounts
// it when its device has gone. To be called when block devices change.
func (v *Volumes) Plugged() {
	v.work.Lock()
	defer v.work.Unlock()
	part, content := v.stick()
	status := v.get(USB)
	if part == nil || v.device(part.Name) != status.Device {
		if v.inUse(USB) {
			// Lazily: files may be open on a stick that was pulled.
			if err := v.Kernel.Unmount(v.Point(USB), unix.MNT_DETACH); err != nil {
				v.Log("usb0: unmount the stick that was pulled: %v", err)
			}
			v.Log("usb0: the stick was pulled")
		}
		if part == nil {
			v.set(USB, "", stateMissing)
			return
		}
	} else if status.State != stateMissing {
		return // mounted, unmounted as asked, or not to be mounted
	}
	if err := v.mount(USB, part, content); err != nil {
		v.set(USB, v.device(part.Name), v.failed(USB, err))
	}
}

// Close unmounts all volumes at the end. What cannot be unmounted is made
// read-only and let go; the error says what that was.
func (v *Volumes) Close() error {
	v.work.Lock()
	defer v.work.Unlock()
	var errs []error
	for _, volume := range []string{USB, Harddisk, Bootflash} {
		if !v.inUse(volume) {
			continue
		}
		point := v.Point(volume)
		err := v.Kernel.Unmount(point, 0)
		if err == nil {
			v.set(volume, "", stateUnmounted)
			continue
		}
		errs = append(errs, fmt.Errorf("unmount %s: %w", volume, err))
		if err := v.Kernel.Mount("", point, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			errs = append(errs, fmt.Errorf("make %s read-only: %w", volume, err))
		}
		if err := v.Kernel.Unmount(point, unix.MNT_DETACH); err != nil {
			errs = append(errs, fmt.Errorf("detach %s: %w", volume, err))
		}
	}
	return errors.Join(errs...)
}
