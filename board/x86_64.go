package board

import "slices"

// x86_64 is any PC with UEFI, and QEMU's q35.
var x86_64 = Board{
	Name:   "x86_64",
	GOARCH: "amd64",

	DebianArch:    "amd64",
	KernelPackage: "linux-image-amd64",
	StubPackage:   "systemd-boot-efi",
	StubFile:      "usr/lib/systemd/boot/efi/linuxx64.efi.stub",

	Modules: slices.Concat(virtio, storage, []string{
		"e1000e", "igb", "igc", "ixgbe", "r8169",
		// The chips whose drivers announce the Intel watchdog iTCO_wdt.
		"lpc_ich", "i2c_i801",
	}),
	Always:    always,
	Firewall:  firewall,
	Later:     later,
	Watchdogs: []string{"iTCO_wdt", "i6300esb", "sp5100_tco", "wdat_wdt", "softdog"},

	// A busy host runs the timer of an emulated machine late, and the kernel would
	// take it for one that is not wired.
	Words:   []string{"no_timer_check"},
	Console: "ttyS0,115200",
	EFIFile: `\EFI\BOOT\BOOTX64.EFI`,
}
