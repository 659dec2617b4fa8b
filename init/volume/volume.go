// Package volume owns the disks of the box: it finds bootflash: and harddisk:,
// makes their file systems on an empty disk, mounts them, and mounts usb0:
// while a stick is plugged in. What holds anything that is not ours is never
// written to unless an operator says so.
//
// Formatting takes the first 512 MiB of a partition and so less than a second;
// the kernel grows the mounted file system in the background. A power cut at
// any moment of either is made good at the next boot. A volume that cannot be
// had is in memory; what was put there moves to the disk when it comes.
package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// The volumes.
const (
	Bootflash = "bootflash"
	Harddisk  = "harddisk"
	USB       = "usb0"
)

// States of a volume beside an error's text.
const (
	stateMounted   = "mounted"
	stateReadOnly  = "mounted read-only"
	stateMissing   = "missing"
	stateForeign   = "foreign"
	stateUnmounted = "unmounted"
)

// Kernel is what volumes ask of the kernel.
type Kernel interface {
	Mount(source, target, fstype string, flags uintptr, data string) error
	Unmount(target string, flags int) error
	// Grow extends the ext4 mounted at point to size octets; see Grow.
	Grow(point string, size int64) error
	// RereadPartitions has the kernel read a disk's table again.
	RereadPartitions(device string) error
}

// Options are what Volumes works with. All are needed.
type Options struct {
	Root   string // "/": where sys, dev, bootflash, harddisk and usb0 are
	Kernel Kernel
	// Drivers loads kernel modules by name.
	Drivers func(names ...string)
	// SlowDisks has the disks found that take long to find.
	SlowDisks func()
	Log       func(format string, args ...any)
	// Mounted is called when something was mounted as a volume, to make the
	// directories that belong there.
	Mounted func(volume string)
	// Paused stops the processes that have files open on bootflash: and
	// harddisk:, makes the change and starts them again.
	Paused func(change func() error) error
	// Go runs f in the background.
	Go func(f func())
}

// Volumes are the volumes of one box.
type Volumes struct {
	Options
	work sync.Mutex // one change at a time

	mu     sync.Mutex
	status map[string]model.VolumeStatus
}

// New makes the volumes of a box; nothing is touched before Boot.
func New(options Options) *Volumes {
	v := &Volumes{Options: options, status: map[string]model.VolumeStatus{}}
	for _, name := range []string{Bootflash, Harddisk, USB} {
		v.status[name] = model.VolumeStatus{Name: name, State: stateMissing}
	}
	return v
}

func (v *Volumes) device(name string) string { return filepath.Join(v.Root, "dev", name) }

// Point gives where a volume is mounted.
func (v *Volumes) Point(volume string) string { return filepath.Join(v.Root, volume) }

func (v *Volumes) get(volume string) model.VolumeStatus {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.status[volume]
}

func (v *Volumes) set(volume, device, state string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status[volume] = model.VolumeStatus{Name: volume, Device: device, State: state}
}

// OnDisk reports whether a volume is mounted from a disk and can be written.
func (v *Volumes) OnDisk(volume string) bool { return v.get(volume).State == stateMounted }

// Boot finds, makes and mounts bootflash: and harddisk:. After it both can be
// used; what did not go well is in their status.
func (v *Volumes) Boot(ctx context.Context) {
	v.work.Lock()
	defer v.work.Unlock()
	found := v.find(ctx)
	for _, volume := range []string{Bootflash, Harddisk} {
		if err := v.boot(volume, found[volume]); err != nil {
			v.inMemory(volume, v.failed(volume, err))
		}
	}
}

// errMissing says that no disk has the volume.
var errMissing = errors.New("no disk has a partition of that name")

// boot mounts a volume from its partition, formatting that if it is empty.
func (v *Volumes) boot(volume string, part *Partition) error {
	if part == nil {
		return errMissing
	}
	content, err := v.detect(part)
	if err != nil {
		return err
	}
	if content.Formattable() {
		v.Log("%s: formatting %s, which is %s", volume, v.device(part.Name), content)
		return v.make(volume, part)
	}
	return v.mount(volume, part, content)
}

// make formats a partition and mounts it as a volume.
func (v *Volumes) make(volume string, part *Partition) error {
	if err := v.format(volume, part); err != nil {
		return err
	}
	return v.mount(volume, part, "ext4")
}

// errForeign is the refusal to touch what is not ours.
type errForeign struct {
	device  string
	content Content
}

func (e errForeign) Error() string {
	return fmt.Sprintf("%s holds %s, which is not ours to use", e.device, e.content)
}

// failed says why a volume cannot be had and gives its state for that.
func (v *Volumes) failed(volume string, err error) string {
	v.Log("%s: %v", volume, err)
	switch {
	case errors.As(err, new(errForeign)):
		return stateForeign
	case errors.Is(err, errMissing):
		return stateMissing
	}
	return err.Error()
}

// detect says what a partition holds.
func (v *Volumes) detect(part *Partition) (Content, error) {
	file, err := os.Open(v.device(part.Name))
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := Detect(file, part.Size)
	if err != nil {
		return "", fmt.Errorf("look at %s: %w", file.Name(), err)
	}
	return content, nil
}

// format makes an empty ext4 on a partition.
func (v *Volumes) format(volume string, part *Partition) error {
	// O_EXCL: refused while anything has the device mounted.
	file, err := os.OpenFile(v.device(part.Name), os.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		return err
	}
	err = FormatExt4(file, part.Size, volume)
	return errors.Join(err, file.Close())
}

// mount mounts a partition with the given content as a volume, read-only if
// the file system cannot be written any more.
func (v *Volumes) mount(volume string, part *Partition, content Content) error {
	device, point := v.device(part.Name), v.Point(volume)
	state, err := v.mountAt(point, volume, device, content)
	if err != nil {
		return err
	}
	v.set(volume, device, state)
	v.Log("%s: %s from %s", volume, state, device)
	if state == stateMounted && volume != USB {
		v.Go(func() {
			if err := v.Kernel.Grow(point, part.Size); err != nil {
				v.Log("%s: %v", volume, err)
			}
		})
	}
	v.Mounted(volume)
	return nil
}

// mountAt mounts a device at a point, and says whether it can be written.
func (v *Volumes) mountAt(point, volume, device string, content Content) (state string, err error) {
	flags := uintptr(unix.MS_NOATIME | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	data := ""
	switch {
	case content == "ext4":
		data = "errors=remount-ro"
	case content == "vfat" && volume == USB:
		// FAT has no owners: the group that all services share may write.
		data = fmt.Sprintf("uid=0,gid=%d,umask=0007", groupCauseway)
	default:
		return "", errForeign{device, content}
	}
	v.Drivers(drivers[content]...)
	if err := os.MkdirAll(point, 0o755); err != nil {
		return "", err
	}
	err = v.Kernel.Mount(device, point, string(content), flags, data)
	if err == nil {
		return stateMounted, nil
	}
	if again := v.Kernel.Mount(device, point, string(content), flags|unix.MS_RDONLY, data); again != nil {
		return "", fmt.Errorf("mount %s: %w", device, err)
	}
	v.Log("%s: %s cannot be written: %v", volume, device, err)
	return stateReadOnly, nil
}

// drivers are the modules a file system takes: FAT looks for its default
// tables of characters by itself, which needs a program we do not have.
var drivers = map[Content][]string{
	"ext4": {"ext4"},
	"vfat": {"vfat", "nls_cp437", "nls_ascii"},
}

// groupCauseway is the group of all services (docs/architecture.md).
const groupCauseway = 100

// inMemoryDevice is the device of a volume that is in memory.
const inMemoryDevice = "memory"

// memorySize bounds a volume in memory.
const memorySize = "size=16m,mode=0755"

// inMemory mounts memory as a volume, for the reason given as its state.
func (v *Volumes) inMemory(volume, state string) {
	point := v.Point(volume)
	err := os.MkdirAll(point, 0o755)
	if err == nil {
		err = v.Kernel.Mount("tmpfs", point, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, memorySize)
	}
	if err != nil {
		v.Log("%s: no memory for it: %v", volume, err)
	}
	v.set(volume, inMemoryDevice, state)
	v.Log("%s: in memory, nothing put there survives", volume)
	v.Mounted(volume)
}

// fromMemory puts a partition with ext4 in the place of a volume in memory and
// moves to it what was in memory. Nobody may have a file open there.
func (v *Volumes) fromMemory(volume string, part *Partition) error {
	aside := filepath.Join(v.Root, "run", "init", "mount-"+volume)
	state, err := v.mountAt(aside, volume, v.device(part.Name), "ext4")
	if err != nil {
		return err
	}
	if state == stateMounted {
		left, moveErr := move(v.Point(volume), aside)
		if err = moveErr; err == nil && len(left) > 0 {
			err = fmt.Errorf("%d files in memory are on %s too, such as %s", len(left), v.device(part.Name), left[0])
		}
	}
	if err = errors.Join(err, v.Kernel.Unmount(aside, 0)); err != nil {
		return fmt.Errorf("move %s from memory to disk: %w", volume, err)
	}
	if err := v.Kernel.Unmount(v.Point(volume), 0); err != nil {
		return fmt.Errorf("move %s from memory to disk: %w", volume, err)
	}
	return v.mount(volume, part, "ext4")
}

// Status reports on all volumes.
func (v *Volumes) Status() []model.VolumeStatus {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []model.VolumeStatus
	for _, name := range []string{Bootflash, Harddisk, USB} {
		status := v.status[name]
		var fs unix.Statfs_t
		mounted := status.State == stateMounted || status.State == stateReadOnly || status.Device == inMemoryDevice
		if mounted && unix.Statfs(v.Point(name), &fs) == nil {
			status.TotalKB = fs.Blocks * uint64(fs.Bsize) >> 10
			status.FreeKB = fs.Bavail * uint64(fs.Bsize) >> 10
		}
		all = append(all, status)
	}
	return all
}

// Problems says which volumes are not as they should be, a sentence each.
func (v *Volumes) Problems() []string {
	var problems []string
	for _, status := range v.Status() {
		if status.Name == USB || status.State == stateMounted {
			continue
		}
		problem := fmt.Sprintf("%s: %s", status.Name, status.State)
		if status.Device == inMemoryDevice {
			problem += ", it is in memory and will be lost"
		}
		problems = append(problems, problem)
	}
	return problems
}
