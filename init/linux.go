package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/u-root/u-root/pkg/efivarfs"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"causeway/init/drivers"
	"causeway/init/volume"
)

// linux is the running kernel.
type linux struct{}

func (linux) Mount(source, target, fstype string, flags uintptr, data string) error {
	return unix.Mount(source, target, fstype, flags, data)
}

func (linux) Unmount(target string, flags int) error { return unix.Unmount(target, flags) }

func (linux) Space(point string) (volume.Space, error) { return volume.ReadSpace(point) }

func (linux) Grow(point string, size int64) error { return volume.Grow(point, size) }

func (linux) RereadPartitions(device string) error {
	file, err := os.Open(device)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.IoctlSetInt(int(file.Fd()), unix.BLKRRPART, 0); err != nil {
		return fmt.Errorf("read the partitions of %s again: %w", device, err)
	}
	return nil
}

func (linux) LoadModule(path, parameters string) error { return drivers.LoadFile(path, parameters) }

func (linux) SetHostname(name string) error { return unix.Sethostname([]byte(name)) }

func (linux) SetTime(now time.Time) error {
	value := unix.NsecToTimeval(now.UnixNano())
	return unix.Settimeofday(&value)
}

func (linux) Uptime() time.Duration    { return readClock(unix.CLOCK_BOOTTIME) }
func (linux) RawUptime() time.Duration { return readClock(unix.CLOCK_MONOTONIC_RAW) }

// readClock reads a clock that Linux has; 0 without it.
func readClock(clock int32) time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(clock, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// NoNewPrivileges holds for all that is ever started from here: no program
// gains anything by being executed. The setting is a thread's, hence all.
func (linux) NoNewPrivileges() error {
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func (linux) LimitFiles(n uint64) error {
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n})
}

func (linux) RenameLink(from, to string) error {
	nic, err := netlink.LinkByName(from)
	if err != nil {
		return err
	}
	return netlink.LinkSetName(nic, to)
}

func (linux) LinkUp(name string) error {
	nic, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(nic)
	}
	if err != nil {
		return fmt.Errorf("bring %s up: %w", name, err)
	}
	return nil
}

func (linux) Variables(point string) (efivarfs.EFIVar, error) { return efivarfs.NewPath(point) }

func (linux) KillAll() error {
	if err := unix.Kill(-1, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

func (linux) Sync() { unix.Sync() }

func (linux) Reboot(mode string) error {
	command := unix.LINUX_REBOOT_CMD_RESTART
	if mode == modePowerOff {
		command = unix.LINUX_REBOOT_CMD_POWER_OFF
	}
	if err := unix.Reboot(command); err != nil {
		return fmt.Errorf("%s: %w", mode, err)
	}
	return nil
}
