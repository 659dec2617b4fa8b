package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What a share of a processor is counted in, and the least of it in each period
// that the kernel takes.
const (
	throttlePeriod = 100 * time.Millisecond
	throttleLeast  = time.Millisecond
)

// Throttle lets a process have no more than that share of one processor, until
// release, and lets it run on the first one only: the kernel looks every few
// milliseconds how much of its share a thread has had, and what several of them
// have had too much in that time, all have to wait for. It takes the kernel's
// control groups, of whichever version is there, and needs root.
func Throttle(pid int, share float64) (release func() error, err error) {
	length := max(throttlePeriod, time.Duration(float64(throttleLeast)/share)+time.Microsecond)
	quota := strconv.FormatInt(time.Duration(share*float64(length)).Microseconds(), 10)
	period := strconv.FormatInt(length.Microseconds(), 10)
	const root = "/sys/fs/cgroup"
	parent, settings := root+"/cpu", [][2]string{{"cpu.cfs_period_us", period}, {"cpu.cfs_quota_us", quota}}
	if _, err := os.Stat(root + "/cgroup.controllers"); err == nil { // version 2
		if err := os.WriteFile(root+"/cgroup.subtree_control", []byte("+cpu"), 0o644); err != nil {
			return nil, fmt.Errorf("throttle process %d: %w", pid, err)
		}
		parent, settings = root, [][2]string{{"cpu.max", quota + " " + period}}
	}
	group := filepath.Join(parent, "causeway-"+strconv.Itoa(pid))
	if err := os.Mkdir(group, 0o755); err != nil {
		return nil, fmt.Errorf("throttle process %d: %w", pid, err)
	}
	release = func() error {
		back := os.WriteFile(filepath.Join(parent, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644)
		if errors.Is(back, os.ErrProcessDone) || back != nil && strings.Contains(back.Error(), "no such process") {
			back = nil // it has ended
		}
		return errors.Join(back, os.Remove(group))
	}
	for _, s := range append(settings, [2]string{"cgroup.procs", strconv.Itoa(pid)}) {
		if err := os.WriteFile(filepath.Join(group, s[0]), []byte(s[1]), 0o644); err != nil {
			return nil, fmt.Errorf("throttle process %d: %w", pid, errors.Join(err, release()))
		}
	}
	if err := pin(pid); err != nil {
		return nil, fmt.Errorf("throttle process %d: %w", pid, errors.Join(err, release()))
	}
	return release, nil
}

// pin has all threads of a process, and those that they start, run on the first
// processor.
func pin(pid int) error {
	var first unix.CPUSet
	first.Set(0)
	for pinned := -1; ; { // a thread may start another one meanwhile
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil || len(threads) == pinned {
			return err
		}
		pinned = len(threads)
		for _, thread := range threads {
			id, err := strconv.Atoi(filepath.Base(thread))
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(id, &first); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("pin thread %d: %w", id, err)
			}
		}
	}
}
