package volume

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Known reports whether there is a volume of that name.
func Known(volume string) error {
	if slices.Contains(storage.Volumes(), volume) {
		return nil
	}
	return fmt.Errorf("there is no volume %q: %s, %s, %s are the volumes", volume, Bootflash, Harddisk, USB)
}

// inUse reports whether the real volume is mounted.
func (v *Volumes) inUse(volume string) bool {
	mounted := v.get(volume).FileSystem
	return mounted != "" && mounted != inMemoryType
}

// partition finds the partition of a volume, and what it holds.
func (v *Volumes) partition(volume string) (*Partition, Content, error) {
	if volume == USB {
		part, content := v.stick(v.disks())
		if part == nil {
			return nil, "", errors.New("usb0: no stick is plugged in")
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

// Mount mounts a volume that is not mounted. With forWriting a stick that is
// mounted read-only is mounted again, and one that was not unmounted the last
// time is written to all the same.
func (v *Volumes) Mount(volume string, forWriting bool) error {
	if err := Known(volume); err != nil {
		return err
	}
	v.work.Lock()
	defer v.work.Unlock()
	again := forWriting && volume == USB && v.get(volume).ReadOnly
	switch {
	case v.inUse(volume) && !again:
		return fmt.Errorf("%s: is mounted already", volume)
	case v.inUse(volume):
		if err := v.unmountStick(); err != nil {
			return err
		}
	}
	part, content, err := v.partition(volume)
	if err != nil {
		return err
	}
	switch {
	case volume == USB:
		return v.mountStick(part, content, forWriting)
	case content.Formattable():
		return fmt.Errorf("%s: %s is %s, format it first", volume, v.device(part.Name), content)
	case content != "ext4":
		return errForeign{v.device(part.Name), content}
	}
	return v.Paused(func() error { return v.fromMemory(volume, part) })
}

// Unmount unmounts a volume. The box goes on with bootflash: or harddisk: in
// memory. A stick that was pulled is forgotten.
func (v *Volumes) Unmount(volume string) error {
	if err := Known(volume); err != nil {
		return err
	}
	v.work.Lock()
	defer v.work.Unlock()
	switch {
	case v.get(volume).State == statePulled && volume == USB && !v.inUse(USB):
		v.set(model.VolumeStatus{Name: USB, State: stateMissing})
		return nil
	case !v.inUse(volume):
		return fmt.Errorf("%s: is not mounted", volume)
	case volume == USB:
		return v.unmountStick()
	}
	return v.Paused(func() error { return v.release(volume) })
}

// unmountLimit is how long a disk has to take what was not written yet.
const unmountLimit = 30 * time.Second

// detach unmounts a volume. One whose device does not answer is off its mount
// point all the same, which the error says.
func (v *Volumes) detach(volume string) error {
	grown := v.grown[volume]
	err := within(unmountLimit, func() error {
		if grown != nil {
			<-grown // until then the kernel has it in use
		}
		return v.Kernel.Unmount(v.Point(volume), 0)
	})
	switch {
	case errors.Is(err, errSilent):
		// By now it hangs after leaving the mount point; EINVAL says so.
		if err := v.Kernel.Unmount(v.Point(volume), unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			v.Log("%s: detach: %v", volume, err)
		}
		return fmt.Errorf("unmount %s: %w: what was not written yet may be lost", volume, errSilent)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("unmount %s: %w: a file is open there", volume, err)
	case err != nil:
		return fmt.Errorf("unmount %s: %w", volume, err)
	}
	return nil
}

func (v *Volumes) unmountStick() error {
	err := v.detach(USB)
	if err != nil && !errors.Is(err, errSilent) {
		return err
	}
	v.removePoint()
	v.set(model.VolumeStatus{Name: USB, Device: v.get(USB).Device, State: stateUnmounted})
	v.Log("usb0: unmounted, the stick may be pulled")
	return err
}

// release puts memory in the place of a mounted bootflash: or harddisk:.
func (v *Volumes) release(volume string) error {
	err := v.detach(volume)
	if err != nil && !errors.Is(err, errSilent) {
		return err
	}
	v.inMemory(model.VolumeStatus{
		Name: volume, State: stateUnmounted, Problem: problem(volume, stateUnmounted, "it was unmounted as asked"),
	})
	return err
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

// Close unmounts all volumes at the end. What cannot be unmounted is made
// read-only and let go; the error says what that was.
func (v *Volumes) Close() error {
	v.work.Lock()
	defer v.work.Unlock()
	var errs []error
	for _, volume := range []string{Harddisk, Bootflash, USB} { // a stick may hang
		if !v.inUse(volume) {
			continue
		}
		point := v.Point(volume)
		err := v.Kernel.Unmount(point, 0)
		if err == nil {
			v.set(model.VolumeStatus{Name: volume, State: stateUnmounted})
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
