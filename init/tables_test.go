package main

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

func TestKernelMounts(t *testing.T) {
	m, k, _ := newTest(t)
	m.write(t, "dev/kmsg", "")
	k.fail["mount pstore /sys/fs/pstore"] = unix.ENODEV
	if err := m.mountKernel(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"mount proc /proc", "mount sysfs /sys", "mount devtmpfs /dev", "mount devpts /dev/pts",
		"mount tmpfs /run", "mount tmpfs /tmp", "mount cgroup2 /sys/fs/cgroup", "mount pstore /sys/fs/pstore", "mount securityfs /sys/kernel/security",
	}
	if !slices.Equal(k.all(), want) {
		t.Errorf("mounted %q; want %q", k.all(), want)
	}
	if want := []string{"mount pstore on /sys/fs/pstore: no such device"}; !slices.Equal(m.missing, want) {
		t.Errorf("missing = %q; want %q", m.missing, want)
	}
	for _, mount := range append(kernelMounts, efiMount) {
		if mount.flags&unix.MS_NOSUID == 0 || mount.flags&unix.MS_NOEXEC == 0 {
			t.Errorf("%v: flags %#x lack nosuid or noexec", mount, mount.flags)
		}
		if mount.flags&unix.MS_NODEV == 0 && !strings.HasPrefix(mount.target, "/dev") {
			t.Errorf("%v: flags %#x lack nodev", mount, mount.flags)
		}
	}
}

func TestVitalMountFails(t *testing.T) {
	for _, mount := range kernelMounts {
		m, k, _ := newTest(t)
		m.write(t, "dev/kmsg", "")
		k.fail["mount "+mount.fstype+" "+mount.target] = unix.EPERM
		if err := m.mountKernel(); (err != nil) != mount.vital {
			t.Errorf("without %s: %v; want an error: %v", mount.target, err, mount.vital)
		}
	}
}

func TestDirectories(t *testing.T) {
	m, _, _ := newTest(t)
	for range 2 { // the second time they are there
		for _, below := range []string{"/run", "/bootflash", "/harddisk"} {
			m.makeDirectories(below)
		}
	}
	if len(m.missing) != 0 {
		t.Fatalf("missing = %q", m.missing)
	}
	for _, directory := range directories {
		info, err := os.Stat(m.path(directory.path))
		if err != nil {
			t.Error(err)
			continue
		}
		owner := info.Sys().(*syscall.Stat_t)
		if int(owner.Uid) != directory.uid || int(owner.Gid) != directory.gid || info.Mode() != directory.mode|os.ModeDir {
			t.Errorf("%s is %v %d:%d; want %v %d:%d", directory.path, info.Mode(), owner.Uid, owner.Gid,
				directory.mode, directory.uid, directory.gid)
		}
	}
	// What is right is not touched: the volume may be read-only.
	unwritable := directory{"/proc/self", 0o555, 0, 0}
	real, _, _ := newTest(t)
	real.root = "/"
	if err := unwritable.Create(real); err != nil {
		t.Errorf("%v, which is right as it is: %v", unwritable, err)
	}
	m.makeDirectories("/run") // and "/runaway" is not below it
	if err := os.WriteFile(m.path("file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := (directory{"/file/below", 0o755, 0, 0}).Create(m); err == nil || !strings.Contains(err.Error(), "make directory /file/below") {
		t.Errorf("Create below a file = %v; want an error that names it", err)
	}
}

func TestDevices(t *testing.T) {
	m, _, _ := newTest(t)
	if err := m.giveDevices(); err != nil {
		t.Errorf("giveDevices of a machine without = %v; want nil", err)
	}
	for _, device := range devices {
		m.write(t, device.path, "")
	}
	if err := m.giveDevices(); err != nil {
		t.Fatal(err)
	}
	for _, device := range devices {
		info, err := os.Stat(m.path(device.path))
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); int(owner.Uid) != device.uid || owner.Gid != 0 || info.Mode() != 0o600 {
			t.Errorf("%s is %v %d:%d; want 0600 %d:0", device.path, info.Mode(), owner.Uid, owner.Gid, device.uid)
		}
	}
	m.write(t, "file", "")
	if err := (device{"/file/below", 0}).Create(m); err == nil || !strings.Contains(err.Error(), "give /file/below") {
		t.Errorf("Create below a file = %v; want an error that names it", err)
	}
}

func TestSysctls(t *testing.T) {
	m, _, _ := newTest(t)
	seen := map[string]bool{}
	for _, sysctl := range append(trackingSysctls, sysctls...) {
		if seen[sysctl.name] {
			t.Errorf("%s stands twice", sysctl.name)
		}
		seen[sysctl.name] = true
		m.write(t, "proc/sys/"+sysctl.name, "before")
	}
	if err := m.setSysctls(); err != nil {
		t.Fatal(err)
	}
	for _, sysctl := range sysctls {
		if got, _ := os.ReadFile(m.path("proc/sys", sysctl.name)); string(got) != sysctl.value+"\n" {
			t.Errorf("%s = %q; want %q", sysctl.name, got, sysctl.value)
		}
	}
	if err := os.Remove(m.path("proc/sys/kernel/sysrq")); err != nil {
		t.Fatal(err)
	}
	if err := m.setSysctls(); err == nil || !strings.HasPrefix(err.Error(), "set kernel.sysrq to 0: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("without sysrq: %v; want that alone", err)
	}
}

// Every service has its row, its directories, and a limit.
func TestServices(t *testing.T) {
	uids := map[uint32]bool{}
	for _, s := range services {
		process := s.supervised(256<<20, "/dev/ttyS0")
		if !slices.Equal(process.Argv, []string{"/bin/appliance", s.name, "-confine", "/"}) {
			t.Errorf("%s runs %q", s.name, process.Argv)
		}
		if process.UID == 0 || uids[process.UID] || process.GID != model.GIDCauseway {
			t.Errorf("%s runs as %d:%d; want a user of its own", s.name, process.UID, process.GID)
		}
		uids[process.UID] = true
		if process.MemoryMax < 16<<20 || process.MemoryMax > 256<<20 {
			t.Errorf("%s may use %d octets of 256 MiB", s.name, process.MemoryMax)
		}
		if got := process.Terminal != ""; got != (s.name == console) {
			t.Errorf("%s has the terminal: %v", s.name, got)
		}
		for _, below := range []string{"/run/", "/bootflash/"} {
			if !slices.ContainsFunc(directories, func(d directory) bool {
				return d.path == below+s.name && d.uid == int(s.uid) && d.mode == 0o750
			}) {
				t.Errorf("%s%s is not made for user %d", below, s.name, s.uid)
			}
		}
	}
}

func TestTerminal(t *testing.T) {
	m, _, _ := newTest(t)
	if got := m.terminal(); got != "" {
		t.Errorf("terminal without a console = %q; want none", got)
	}
	m.write(t, "sys/class/tty/console/active", "tty0 ttyS0\n")
	if got, want := m.terminal(), m.path("dev/ttyS0"); got != want {
		t.Errorf("terminal = %q; want %q", got, want)
	}
}

func TestReadMemory(t *testing.T) {
	m, _, _ := newTest(t)
	if got := m.readMemory(); got != (memory{}) {
		t.Errorf("readMemory without /proc = %+v; want zeros", got)
	}
	m.write(t, "proc/meminfo", "MemTotal:         262144 kB\nMemFree: x kB\n\nMemAvailable:     131072 kB\n")
	if got, want := m.readMemory(), (memory{256 << 20, 128 << 20}); got != want {
		t.Errorf("readMemory = %+v; want %+v", got, want)
	}
}
