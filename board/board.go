// Package board describes the machines that Causeway is built for: what is
// different between them, as values. A new board is one file with one Board,
// and its line in boards.go.
//
// It also holds the rule by which a machine's network ports become LAN1 and
// LAN2 (see AssignLANs).
package board

import (
	"slices"
	"strings"
)

// Board is one kind of machine.
type Board struct {
	Name   string // as given to -board and written into the image
	GOARCH string // of everything in Go

	DebianArch    string // architecture of the two packages below
	KernelPackage string // Debian's kernel: a package that depends on the newest linux-image-VERSION
	StubPackage   string // Debian's package with the EFI stub
	StubFile      string // the stub's path in that package: what makes kernel and initramfs one EFI program

	// Modules are the kernel modules in the image, besides those below. What
	// they depend on comes with them; one that is built into the kernel is
	// left out. init loads what the hardware asks for.
	Modules []string
	Always  []string // loaded at every boot: what no device asks for
	// Firewall are loaded while the boot goes on: the ports wait for the rules
	// that need no more than these.
	Firewall []string
	Later    []string // loaded when the services run: what no first call needs

	// Watchdogs are the drivers of the hardware watchdogs, best first; the
	// last is the one that needs no hardware.
	Watchdogs []string

	Words   []string // of the kernel's command line, besides those of every board
	Console string   // the serial console's device with its speed, for console=
	EFIFile string   // the removable path: what firmware starts when nothing else is set
}

// AllModules are the modules of the image, each once, sorted.
func (b *Board) AllModules() []string {
	all := slices.Concat(b.Modules, b.Always, b.Firewall, b.Later, b.Watchdogs)
	slices.Sort(all)
	return slices.Compact(all)
}

// CommandLine is the kernel command line of an image, whichever slot it is in.
func (b *Board) CommandLine() string {
	return strings.Join(slices.Concat([]string{"console=" + b.Console}, words, b.Words), " ")
}

// words are those of the kernel's command line on every board. Left out:
// init_on_free, which costs calls (memory is cleared when it is given out anyway).
var words = []string{
	"panic=5",                      // Debian's kernel would halt for ever after a panic
	"loglevel=4",                   // every line on the serial console costs boot time at 115200 baud
	"log_buf_len=1M",               // the ring holds the lines of all services too
	"usbcore.authorized_default=0", // USB devices are used on init's word only
	"watchdog.stop_on_reboot=0",    // a hang on the way down is reset as well

	// What the kernel does by itself under Secure Boot alone, or leaves to whoever
	// builds on it.
	"lockdown=integrity",
	"module.sig_enforce=1",
	"slab_nomerge",
	"debugfs=off",
}

// Modules that every board takes.
var (
	// always has no device to ask for it.
	always = []string{
		"efivarfs",    // slot selection
		"efi_pstore",  // crash evidence
		"ext4",        // bootflash:, harddisk:
		"qemu_fw_cfg", // a configuration handed in by the machine
	}

	virtio = []string{
		"virtio_pci", "virtio_mmio",
		"virtio_blk", "virtio_scsi", "virtio_net", "virtio_rng", "virtio_console",
	}

	storage = []string{
		"ahci", "nvme", "sd_mod",
		"xhci_pci", "ehci_pci", "usb_storage", "uas",
		// The ESP and USB sticks; the kernel's FAT asks for these two tables.
		"vfat", "nls_cp437", "nls_ascii",
	}

	firewall = []string{"nf_tables", "nft_ct"}

	later = []string{
		"nft_limit",                 // pings
		"nft_fib_inet",              // IPv6 from where no route leads back
		"nft_chain_nat", "nft_masq", // NAT
		"8021q", // VLANs
	}
)
