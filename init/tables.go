package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// mount is one kernel file system and where it belongs.
type mount struct {
	target, fstype string
	flags          uintptr
	data           string
	vital          bool // without it nothing can live
}

// Flags that every kernel file system takes.
const inert = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// kernelMounts in their order.
var kernelMounts = []mount{
	{"/proc", "proc", inert, "", true},
	{"/sys", "sysfs", inert, "", true},
	{"/dev", "devtmpfs", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0755", true},
	{"/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666", false},
	{"/run", "tmpfs", inert, "mode=0755,size=25%", true},
	{"/tmp", "tmpfs", inert, "mode=1777,size=10%", false},
	{"/sys/fs/cgroup", "cgroup2", inert, "nsdelegate", false},
	{"/sys/fs/pstore", "pstore", inert, "", false},
	{"/sys/kernel/security", "securityfs", inert, "", false},
}

// efiMount needs its module, and a machine with EFI.
var efiMount = mount{"/sys/firmware/efi/efivars", "efivarfs", inert, "", false}

func (t mount) String() string { return fmt.Sprintf("mount %s on %s", t.fstype, t.target) }

// Create makes the mount point and mounts.
func (t mount) Create(m *machine) error {
	point := m.path(t.target)
	if err := os.MkdirAll(point, 0o755); err != nil {
		return fmt.Errorf("%v: %w", t, err)
	}
	if err := m.kernel.Mount(t.fstype, point, t.fstype, t.flags, t.data); err != nil {
		return fmt.Errorf("%v: %w", t, err)
	}
	return nil
}

// directory is one that init makes for someone.
type directory struct {
	path     string
	mode     os.FileMode
	uid, gid int
}

// certificates is what the directories of the purposes begin with.
const certificates = model.CertificateDir + "/"

// directories in their order: what is below a volume is made when that is
// mounted.
var directories = []directory{
	{"/run/init", 0o750 | os.ModeSetgid, 0, model.GIDCauseway}, // setgid: what init makes there is the group's
	{"/run/proxy", 0o750, model.UIDProxy, model.GIDCauseway},
	{"/run/billing", 0o750, model.UIDBilling, model.GIDCauseway},
	{"/run/control", 0o750, model.UIDControl, model.GIDCauseway},
	{"/run/console", 0o750, model.UIDConsole, model.GIDCauseway},
	{"/run/volumes", 0o755, 0, 0}, // the mount point of usb0: comes and goes there
	{"/bootflash/init", 0o750, 0, model.GIDCauseway},
	{"/bootflash/proxy", 0o750, model.UIDProxy, model.GIDCauseway},
	{"/bootflash/billing", 0o750, model.UIDBilling, model.GIDCauseway},
	{"/bootflash/control", 0o750, model.UIDControl, model.GIDCauseway},
	{"/bootflash/control/revisions", 0o700, model.UIDControl, model.GIDCauseway},
	{"/bootflash/license", 0o700, model.UIDControl, model.GIDCauseway},
	{"/bootflash/com", 0o750, model.UIDControl, model.GIDCauseway},
	{"/bootflash/callhome", 0o700, model.UIDControl, model.GIDCauseway},
	{"/bootflash/keys", 0o750 | os.ModeSetgid, model.UIDControl, model.GIDKeys},
	{model.CertificateDir, 0o750, model.UIDControl, model.GIDCauseway},
	{certificates + string(model.ForSIP), 0o750 | os.ModeSetgid, model.UIDControl, model.GIDProxyTLS},
	{certificates + string(model.ForRADIUS), 0o750 | os.ModeSetgid, model.UIDControl, model.GIDKeys},
	{certificates + string(model.ForSSH), 0o700, model.UIDControl, model.GIDCauseway},
	{certificates + string(model.ForWeb), 0o700, model.UIDControl, model.GIDCauseway},
	{certificates + string(model.ForCOM), 0o700, model.UIDControl, model.GIDCauseway},
	{certificates + string(model.ForLicense), 0o700, model.UIDControl, model.GIDCauseway},
	{certificates + string(model.ForCallHome), 0o700, model.UIDControl, model.GIDCauseway},
	{certificates + string(model.ForSyslog), 0o700, model.UIDControl, model.GIDCauseway},
	{certificates + string(model.ForFiles), 0o700, model.UIDControl, model.GIDCauseway},
	{"/bootflash/console", 0o750, model.UIDConsole, model.GIDCauseway},
	{"/harddisk/billcache", 0o775 | os.ModeSetgid, 0, model.GIDJournal}, // control shows what is there
	{"/harddisk/init", 0o750, 0, model.GIDCauseway},
	{"/harddisk/crash", 0o750 | os.ModeSetgid, 0, model.GIDCauseway},
	{"/harddisk/log", 0o750, model.UIDControl, model.GIDCauseway},
	{"/harddisk/log/failed-calls", 0o750, model.UIDProxy, model.GIDCauseway},
	{"/harddisk/trace", 0o775 | os.ModeSetgid, model.UIDProxy, model.GIDCauseway}, // control copies and deletes traces
	{"/harddisk/reports", 0o750, model.UIDControl, model.GIDCauseway},
}

func (t directory) String() string { return fmt.Sprintf("make directory %s", t.path) }

// Create makes the directory, or sets owner and mode right if it is there. One
// that is right is left alone: a volume may be read-only.
func (t directory) Create(m *machine) error {
	path := m.path(t.path)
	if info, err := os.Stat(path); err == nil && info.Mode() == t.mode|os.ModeDir {
		owner := info.Sys().(*syscall.Stat_t)
		if int(owner.Uid) == t.uid && int(owner.Gid) == t.gid {
			return nil
		}
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("%v: %w", t, err)
	}
	if err := os.Chown(path, t.uid, t.gid); err != nil {
		return fmt.Errorf("%v: %w", t, err)
	}
	if err := os.Chmod(path, t.mode); err != nil { // after chown, which may clear setgid
		return fmt.Errorf("%v: %w", t, err)
	}
	return nil
}

// makeDirectories makes those below a path.
func (m *machine) makeDirectories(below string) {
	for _, directory := range directories {
		if !strings.HasPrefix(directory.path, below+"/") {
			continue
		}
		if err := directory.Create(m); err != nil {
			m.miss(err.Error())
		}
	}
}

// device is a node of the kernel's that belongs to a service.
type device struct {
	path string
	uid  int
}

// devices are opened by nobody else.
var devices = []device{
	{"/dev/tpmrm0", model.UIDControl}, // the resource manager of a TPM 2.0: keys of certificates
}

func (t device) String() string { return fmt.Sprintf("give %s to its service", t.path) }

// Create gives the node to its service, if the machine has such a device.
func (t device) Create(m *machine) error {
	err := os.Chown(m.path(t.path), t.uid, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.Chmod(m.path(t.path), 0o600)
	}
	if err != nil {
		return fmt.Errorf("%v: %w", t, err)
	}
	return nil
}

// sysctl is one kernel parameter and its value.
type sysctl struct{ name, value string }

// sysctls, by subject. What Debian's kernel does by itself is not here: SYN
// cookies, no source routes, no answer to a broadcast ping, no forwarding. What
// stands below all/ binds every port together with the port's own value, in
// IPv4 only; default/ is what a port begins with, and network keeps it.
var sysctls = []sysctl{
	// A kernel that went wrong reboots; crash evidence is in pstore.
	{"kernel/panic", "5"},
	{"kernel/panic_on_oops", "1"},
	// Our own lines in the kernel log are not rationed by the kernel.
	{"kernel/printk_devkmsg", "on"},

	// Nobody but PID 1 learns or changes anything of the kernel.
	{"kernel/kptr_restrict", "2"},
	{"kernel/dmesg_restrict", "1"},
	{"kernel/unprivileged_bpf_disabled", "1"},
	{"kernel/perf_event_paranoid", "3"},
	{"kernel/kexec_load_disabled", "1"},
	{"kernel/sysrq", "0"},
	{"kernel/yama/ptrace_scope", "2"},         // nobody looks into another process of his user
	{"kernel/unprivileged_userns_clone", "0"}, // Debian's: the way to most of the kernel's faults
	{"user/max_user_namespaces", "0"},
	{"dev/tty/ldisc_autoload", "0"},
	{"net/core/bpf_jit_harden", "2"},
	{"fs/protected_symlinks", "1"},
	{"fs/protected_hardlinks", "1"},
	{"fs/protected_fifos", "2"},
	{"fs/protected_regular", "2"},
	{"fs/suid_dumpable", "0"},

	// init alone loads modules: the kernel starts no program to do it.
	{"kernel/modprobe", ""},

	// SIP bursts fit in the sockets: what each asks for, in octets.
	{"net/core/rmem_max", "4194304"},
	{"net/core/wmem_max", "4194304"},

	// The services may ping (icmp(7)): all are in the one group.
	{"net/ipv4/ping_group_range", fmt.Sprintf("%d %[1]d", model.GIDCauseway)},

	// Two LANs: answers may leave by the other port (RFC 3704 §2.4), but each
	// port speaks only for its own addresses. The firewall does for IPv6 what
	// rp_filter does for IPv4.
	{"net/ipv4/conf/all/rp_filter", "2"},
	{"net/ipv4/conf/all/arp_ignore", "1"},
	{"net/ipv4/conf/all/arp_announce", "2"},

	// The network tells the box nothing about its routes, nor the box the
	// network when it forwards for NAT.
	{"net/ipv4/conf/all/accept_redirects", "0"},
	{"net/ipv4/conf/default/accept_redirects", "0"},
	{"net/ipv4/conf/all/send_redirects", "0"},
	{"net/ipv4/conf/default/send_redirects", "0"},
	{"net/ipv6/conf/default/accept_redirects", "0"},
	{"net/ipv6/conf/default/accept_ra", "0"},
}

// trackingSysctls are there when connection tracking is loaded. SIP is not
// tracked; this is for what the box asks others, and for the hosts behind NAT.
var trackingSysctls = []sysctl{
	// 16,384 connections take 5 MiB. The kernel's own choice for a box of
	// 256 MiB is 2,048.
	{"net/netfilter/nf_conntrack_buckets", "16384"},
	{"net/netfilter/nf_conntrack_max", "16384"},
	// In seconds: 2 h 4 min (RFC 5382 §5) instead of five days.
	{"net/netfilter/nf_conntrack_tcp_timeout_established", "7440"},
}

func (t sysctl) String() string {
	return fmt.Sprintf("set %s to %s", strings.ReplaceAll(t.name, "/", "."), t.value)
}

// Create sets the parameter.
func (t sysctl) Create(m *machine) error {
	file, err := os.OpenFile(filepath.Join(m.path("proc/sys"), t.name), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return fmt.Errorf("%v: %w", t, err)
	}
	defer file.Close()
	if _, err := file.WriteString(t.value + "\n"); err != nil { // some want the newline
		return fmt.Errorf("%v: %w", t, err)
	}
	return nil
}
