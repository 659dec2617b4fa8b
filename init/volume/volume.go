// Package volume owns the disks of the box: it finds bootflash: and harddisk:,
// makes their file systems on an empty disk, mounts them, and mounts usb0:
// while a stick is plugged in. volume.go has the boot, request.go what an
// operator asks, wipe.go what a factory reset does, stick.go what plugging does, look.go how it is all doing. What holds
// anything that is not ours is never written to unless an operator says so.
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
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// The volumes.
const (
	Bootflash = storage.Bootflash
	Harddisk  = storage.Harddisk
	USB       = storage.USB
)

// Kernel is what volumes ask of the kernel.
type Kernel interface {
	Mount(source, target, fstype string, flags uintptr, data string) error
	Unmount(target string, flags int) error
	// Space says how full the file system mounted at point is; see ReadSpace.
	Space(point string) (Space, error)
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
	slot sync.Mutex // one slot is mounted at a time; apart from the volumes, since writing takes long
	// grown has a channel for each volume on disk, closed when the kernel has
	// extended it to its partition; guarded by work.
	grown map[string]chan struct{}

	mu     sync.Mutex
	status map[string]model.VolumeStatus
	asked  map[string]time.Time // when a device was asked for its space that has not answered yet
}

// New makes the volumes of a box; nothing is touched before Boot.
func New(options Options) *Volumes {
	v := &Volumes{Options: options, grown: map[string]chan struct{}{}, status: map[string]model.VolumeStatus{}, asked: map[string]time.Time{}}
	for _, name := range storage.Volumes() {
		v.status[name] = model.VolumeStatus{Name: name, State: stateMissing}
	}
	return v
}

func (v *Volumes) device(name string) string { return filepath.Join(v.Root, "dev", name) }

// sticks is the directory of the mount point of usb0:, to which /usb0 leads. It
// lasts while sticks come and go, so a service can be let in there for good
// (Landlock: a rule for a mount point holds for what is mounted there then), and
// it is in memory: the root is read-only.
const sticks = "run/volumes"

// Point gives where a volume is mounted.
func (v *Volumes) Point(volume string) string {
	if volume == USB {
		return filepath.Join(v.Root, sticks, volume)
	}
	return filepath.Join(v.Root, volume)
}

func (v *Volumes) get(volume string) model.VolumeStatus {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.status[volume]
}

func (v *Volumes) set(status model.VolumeStatus) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status[status.Name] = status
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
			v.inMemory(v.failed(volume, err))
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
	if e.content.Formattable() {
		return fmt.Sprintf("%s is %s", e.device, e.content)
	}
	return fmt.Sprintf("%s holds %s, which is not ours to use", e.device, e.content)
}

// failed says why a volume cannot be had, and gives its status for that.
func (v *Volumes) failed(volume string, err error) model.VolumeStatus {
	v.Log("%s: %v", volume, err)
	state := stateDamaged
	switch {
	case errors.As(err, new(errForeign)):
		state = stateForeign
	case errors.Is(err, errMissing):
		state = stateMissing
	}
	return model.VolumeStatus{Name: volume, State: state, Problem: problem(volume, state, err.Error())}
}

// detect says what a partition holds.
func (v *Volumes) detect(part *Partition) (Content, error) {
	content, _, err := v.look(part)
	return content, err
}

// look says what a partition holds, and what its file system is called.
func (v *Volumes) look(part *Partition) (content Content, name string, err error) {
	file, err := os.Open(v.device(part.Name))
	if err != nil {
		return "", "", err
	}
	defer file.Close()
	if content, err = Detect(file, part.Size); err != nil {
		return "", "", fmt.Errorf("look at %s: %w", file.Name(), err)
	}
	return content, label(file, content), nil
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
	status, err := v.mountAt(v.Point(volume), volume, v.device(part.Name), content, 0)
	if err != nil {
		return err
	}
	v.mounted(status, part)
	return nil
}

// mounted makes it known that a partition is mounted as a volume.
func (v *Volumes) mounted(status model.VolumeStatus, part *Partition) {
	v.set(status)
	v.Log("%s: %s from %s", status.Name, status.State, status.Device)
	if status.State == stateMounted && status.Name != USB {
		grown := make(chan struct{})
		v.grown[status.Name] = grown
		v.Go(func() {
			defer close(grown)
			if err := v.Kernel.Grow(v.Point(status.Name), part.Size); err != nil {
				v.Log("%s: %v", status.Name, err)
			}
		})
	}
	v.Mounted(status.Name)
}

// inert are the flags of every volume. Links are not followed there: what init
// does by path, as root, is not led elsewhere by whoever writes to the volume.
const inert = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOSYMFOLLOW

// mountAt mounts a device at a point, with further flags, and gives the status
// of the volume for that. A file system that the kernel does not write to is
// mounted read-only.
func (v *Volumes) mountAt(point, volume, device string, content Content, flags uintptr) (model.VolumeStatus, error) {
	status := model.VolumeStatus{Name: volume, Device: device, State: stateMounted, FileSystem: string(content)}
	flags |= unix.MS_NOATIME | inert
	data := ""
	switch {
	case content == "ext4":
		data = "errors=remount-ro"
	case content == "vfat" && volume == USB:
		// FAT has no owners: the group that all services share may write.
		data = fmt.Sprintf("uid=0,gid=%d,umask=0007", model.GIDCauseway)
	default:
		return status, errForeign{device, content}
	}
	v.Drivers(drivers[content]...)
	// Nobody but init may use the directory before it is covered.
	if err := os.MkdirAll(point, 0o700); err != nil {
		return status, err
	}
	err := v.Kernel.Mount(device, point, string(content), flags, data)
	switch {
	case err == nil && flags&unix.MS_RDONLY == 0:
		if content == "ext4" {
			if err := share(point); err != nil {
				v.Log("%s: %v", volume, err)
			}
		}
		return status, nil
	case err != nil:
		if again := v.Kernel.Mount(device, point, string(content), flags|unix.MS_RDONLY, data); again != nil {
			return status, fmt.Errorf("mount %s: %w", device, err)
		}
		v.Log("%s: %s cannot be written: %v", volume, device, err)
		status.Problem = problem(volume, stateReadOnly, fmt.Sprintf("mounting %s for writing: %v", device, err))
	}
	status.State, status.ReadOnly = stateReadOnly, true
	return status, nil
}

// The top directory of a volume belongs to root; all services may make files
// there, and nobody may remove another's.
const (
	topGroup = model.GIDCauseway
	topMode  = 0o775 | os.ModeSticky
)

// share opens the top directory of an ext4 to the services. On a stick that is
// the one thing changed without being told.
func share(point string) error {
	info, err := os.Stat(point)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	if owner.Uid == 0 && owner.Gid == topGroup && info.Mode() == topMode|os.ModeDir {
		return nil
	}
	if err := os.Chown(point, 0, topGroup); err != nil {
		return err
	}
	return os.Chmod(point, topMode)
}

// LoadDrivers loads all that volumes of any kind will take.
func (v *Volumes) LoadDrivers() {
	for _, names := range drivers {
		v.Drivers(names...)
	}
}

// drivers are the modules a file system takes: FAT looks for its default
// tables of characters by itself, which needs a program we do not have.
var drivers = map[Content][]string{
	"ext4": {"ext4"},
	"vfat": {"vfat", "nls_cp437", "nls_ascii"},
}

// A volume in memory: its device, file system and options.
const (
	inMemoryDevice = "memory"
	inMemoryType   = "tmpfs"
)

var inMemoryData = fmt.Sprintf("size=16m,mode=1775,gid=%d", topGroup)

// inMemory mounts memory as a volume, for the reason that its status gives.
func (v *Volumes) inMemory(status model.VolumeStatus) {
	point := v.Point(status.Name)
	err := os.MkdirAll(point, 0o755)
	if err == nil {
		err = v.Kernel.Mount(inMemoryType, point, inMemoryType, inert, inMemoryData)
	}
	if err != nil {
		v.Log("%s: no memory for it: %v", status.Name, err)
	}
	status.Device, status.FileSystem = inMemoryDevice, inMemoryType
	v.set(status)
	v.Log("%s: in memory, nothing put there survives", status.Name)
	v.Mounted(status.Name)
}

// fromMemory puts a partition with ext4 in the place of a volume in memory and
// moves to it what was in memory; where both have a file of a name, that on
// disk stays and the other is kept beside it as NAME.memory. Nobody may have a
// file open there.
func (v *Volumes) fromMemory(volume string, part *Partition) error {
	aside := filepath.Join(v.Root, "run", "init", "mount-"+volume)
	status, err := v.mountAt(aside, volume, v.device(part.Name), "ext4", 0)
	if err != nil {
		return err
	}
	if status.State == stateMounted {
		var beside []string
		beside, err = move(v.Point(volume), aside)
		for _, name := range beside {
			v.Log("%s: %s was on disk too; the one from memory is %s%s", volume, name, name, memorySuffix)
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
