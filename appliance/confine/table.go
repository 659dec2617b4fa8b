package confine

import "golang.org/x/sys/unix"

// needs are what one process may use. Owners and modes of files say more: a
// rule here only ever takes away.
type needs struct {
	// read and write are directories below the box's root, with all that is
	// below them.
	read, write []string
	// Those of kernel and image: directories to read, likewise, and to write to
	// what is there; files to do so with.
	readSystem, useSystem, useFiles []string

	families []uint32  // of sockets, AF_…
	netlink  []uint32  // protocols of AF_NETLINK, NETLINK_…
	calls    []uintptr // system calls beyond those of every process
}

// Volumes is the directory in which init mounts what comes and goes while
// processes run. A rule for a mount point itself would hold for the one file
// system that is mounted there at the time.
const Volumes = "/run/volumes"

var table = map[string]needs{
	// Calls. It writes the journal, traces and the log of failed calls, all on
	// harddisk:, and may read tables of routing from any volume. Of bootflash:
	// it may change its own directory alone: no configuration, no key.
	"proxy": {
		read:       []string{"/run/init", "/bootflash", Volumes},
		write:      []string{"/run/proxy", "/bootflash/proxy", "/harddisk"},
		readSystem: []string{"/etc", "/proc"},
		useFiles:   []string{"/dev/null"},
		families:   []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK},
		netlink:    []uint32{unix.NETLINK_ROUTE},
	},
	// Records. Cache and records may be configured to lie on any volume.
	"billing": {
		read:       []string{"/run/init"},
		write:      []string{"/run/billing", "/bootflash", "/harddisk", Volumes},
		readSystem: []string{"/etc", "/proc"},
		useFiles:   []string{"/dev/null"},
		families:   []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK},
		netlink:    []uint32{unix.NETLINK_ROUTE},
	},
	// All else: the network, whose parameters are below /proc, the firewall,
	// DHCP, the clock, keys in the TPM, each file that an operator asks for.
	"control": {
		read:       []string{"/run"},
		write:      []string{"/run/control", "/bootflash", "/harddisk", Volumes},
		readSystem: []string{"/etc", "/sys"},
		useSystem:  []string{"/proc"},
		useFiles:   []string{"/dev/null", "/dev/tpmrm0"},
		families:   []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK, unix.AF_PACKET},
		netlink:    []uint32{unix.NETLINK_ROUTE, unix.NETLINK_NETFILTER},
		calls:      []uintptr{unix.SYS_ADJTIMEX, unix.SYS_CLOCK_ADJTIME, unix.SYS_CLOCK_SETTIME, unix.SYS_SETTIMEOFDAY},
	},
	// The serial port. Its terminal is open already, and it asks the others for
	// all but what the kernel tells anyone, and what ping and traceroute find out.
	"console": {
		read:       []string{"/run/init"}, // the serial number
		readSystem: []string{"/etc", "/proc", "/sys"},
		useFiles:   []string{"/dev/null"},
		families:   []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK},
		netlink:    []uint32{unix.NETLINK_ROUTE},
		calls:      []uintptr{unix.SYS_ADJTIMEX}, // it has no right to set the clock
	},
}
