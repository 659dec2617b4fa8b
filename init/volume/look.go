package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// States of a volume (model.VolumeStatus).
const (
	stateMounted   = "mounted"
	stateReadOnly  = "mounted read-only"
	stateUnmounted = "unmounted"
	stateMissing   = "missing"
	statePulled    = "pulled"
	stateForeign   = "foreign"
	stateDamaged   = "damaged"
	stateSilent    = "silent"
)

// remedies say what to do about a state: of bootflash: or harddisk:, whose name
// is to be filled in, and of a stick.
var remedies = map[string]struct{ disk, stick string }{
	stateMounted:   {"copy off what is needed, then format %s:", "copy off what is needed and format the stick on a PC"},
	stateReadOnly:  {"copy off what is needed and reload; if it stays read-only, format %s:", "check the stick on a PC, or: mount usb0: write"},
	stateUnmounted: {"reload mounts it", ""},
	stateMissing:   {"connect its disk and reload", ""},
	statePulled:    {"connect its disk and reload", "plug it in again, or forget it: unmount usb0:"},
	stateForeign:   {"format %s: erases that", "use a stick with FAT or ext4"},
	stateDamaged:   {"reload tries again; format %s: makes it anew, empty", "check the stick on a PC"},
	stateSilent:    {"reload; if it stays silent, replace the disk", "pull it and plug it in again"},
}

// problem is what is wrong with a volume and what to do about it.
func problem(volume, state, wrong string) string {
	if volume == USB {
		return fmt.Sprintf("%s; %s", wrong, remedies[state].stick)
	}
	return fmt.Sprintf("%s; %s", wrong, strings.ReplaceAll(remedies[state].disk, "%s", volume))
}

// Space is how full a mounted file system is.
type Space struct {
	TotalKB, FreeKB uint64
	ReadOnly        bool // the kernel does not write to it (any more)
}

// ReadSpace asks the kernel.
func ReadSpace(point string) (Space, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(point, &fs); err != nil {
		return Space{}, fmt.Errorf("look at %s: %w", point, err)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return Space{}, fmt.Errorf("look at %s: %w", point, err)
	}
	block := uint64(fs.Bsize)
	return Space{fs.Blocks * block >> 10, fs.Bavail * block >> 10, isReadOnly(string(mounts), point)}, nil
}

// notWriting are the options that a file system shows which the kernel does not
// write to. Since Linux 6.15 an ext4 with errors is not "ro", and statfs calls
// it writable (fs/ext4/super.c, ext4_handle_error).
var notWriting = []string{"ro", "emergency_ro", "shutdown"}

// isReadOnly looks a mount point up in the kernel's table of mounts
// (fstab(5)); where several are mounted the last one counts.
func isReadOnly(mounts, point string) (readOnly bool) {
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line) // device, point, type, options, …
		if len(fields) < 4 || fields[1] != point {
			continue
		}
		readOnly = slices.ContainsFunc(strings.Split(fields[3], ","), func(option string) bool {
			return slices.Contains(notWriting, option)
		})
	}
	return readOnly
}

// patience is how long a device has for an answer.
const patience = 2 * time.Second

// errSilent says that a device does not answer.
var errSilent = errors.New("its device does not answer")

// within does what may hang on a device, and waits no longer than limit.
func within(limit time.Duration, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return errSilent
	}
}

// Look brings the status of what is mounted up to date: how full it is,
// whether the kernel has stopped writing to it, whether its disk is still
// there. A device that hangs does not hold it up.
func (v *Volumes) Look() {
	disks := v.disks()
	for _, volume := range storage.Volumes() {
		before := v.get(volume)
		if before.FileSystem == "" {
			continue
		}
		space, err := v.space(volume, before.Device)
		now := v.looked(before, space, err, disks)
		v.mu.Lock()
		current := v.status[volume] == before // nothing was mounted or unmounted meanwhile
		if current {
			v.status[volume] = now
		}
		v.mu.Unlock()
		if current && now.State != before.State {
			v.Log("%s: %s", volume, strings.TrimSuffix(now.State+": "+now.Problem, ": "))
		}
	}
}

// errAsked says that the answer to an earlier question is still awaited.
var errAsked = errors.New("it was asked already")

// space asks how full the device mounted as a volume is, unless a question to
// it is still out.
func (v *Volumes) space(volume, device string) (space Space, err error) {
	v.mu.Lock()
	since, waiting := v.asked[device]
	if !waiting {
		v.asked[device] = time.Now()
	}
	v.mu.Unlock()
	switch {
	case waiting && time.Since(since) > patience:
		return Space{}, errSilent
	case waiting:
		return Space{}, errAsked
	}
	answer := make(chan Space, 1)
	err = within(patience, func() error {
		space, err := v.Kernel.Space(v.Point(volume))
		answer <- space
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.asked, device)
		return err
	})
	if err != nil {
		return Space{}, err
	}
	return <-answer, nil
}

// looked is the status of a mounted volume after a look at it.
func (v *Volumes) looked(status model.VolumeStatus, space Space, err error, disks []Disk) model.VolumeStatus {
	onDisk := status.FileSystem != inMemoryType
	change := func(state, wrong string) {
		if status.State != state {
			status.State, status.Problem = state, problem(status.Name, state, wrong)
		}
	}
	if err == nil {
		status.TotalKB, status.FreeKB = space.TotalKB, space.FreeKB
		status.ReadOnly = space.ReadOnly
	}
	switch errorsFound := v.errorsOn(status); {
	case errors.Is(err, errAsked) || !onDisk:
	case !there(disks, status.Device):
		change(statePulled, status.Device+" is gone: what is written to it is lost")
	case errors.Is(err, errSilent):
		change(stateSilent, status.Device+" does not answer")
	case err != nil:
		change(stateSilent, err.Error())
	case space.ReadOnly:
		change(stateReadOnly, fmt.Sprintf("the kernel found %s damaged or failing and stopped writing to it (errors: %d)", status.Device, errorsFound))
	case errorsFound > 0:
		status.State = stateMounted
		status.Problem = problem(status.Name, stateMounted, fmt.Sprintf("%s has recorded errors: %d", status.Device, errorsFound))
	default:
		status.State, status.Problem = stateMounted, ""
	}
	return status
}

// errorsOn is how many errors an ext4 has recorded, from its first day on.
func (v *Volumes) errorsOn(status model.VolumeStatus) int64 {
	return readNumber(filepath.Join(v.Root, "sys/fs/ext4", filepath.Base(status.Device)), "errors_count")
}

// there reports whether a device, "/dev/sda1", is one of the disks or their
// partitions.
func there(disks []Disk, device string) bool {
	name := filepath.Base(device)
	for _, disk := range disks {
		if disk.Name == name {
			return true
		}
		for _, part := range disk.Partitions {
			if part.Name == name {
				return true
			}
		}
	}
	return false
}

// Status looks at all volumes and reports.
func (v *Volumes) Status() []model.VolumeStatus {
	v.Look()
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []model.VolumeStatus
	for _, name := range storage.Volumes() {
		all = append(all, v.status[name])
	}
	return all
}

// Problems says which volumes are not as they should be, a sentence each, as
// the last look found them.
func (v *Volumes) Problems() []string {
	var problems []string
	for _, name := range storage.Volumes() {
		status := v.get(name)
		if status.Problem == "" {
			continue
		}
		sentence := fmt.Sprintf("%s: %s: %s", name, status.State, status.Problem)
		if status.Device == inMemoryDevice {
			sentence += "; it is in memory and will be lost"
		}
		problems = append(problems, sentence)
	}
	return problems
}
