package board

import "slices"

// arm64 is any server with UEFI and ACPI (Arm SBSA), and QEMU's virt.
var arm64 = Board{
	Name:   "arm64",
	GOARCH: "arm64",

	DebianArch:    "arm64",
	KernelPackage: "linux-image-arm64",
	StubPackage:   "systemd-boot-efi",
	StubFile:      "usr/lib/systemd/boot/efi/linuxaa64.efi.stub",

	Modules: slices.Concat(virtio, storage, []string{
		"ahci_platform", "e1000e", "igb",
	}),
	Always:    always,
	Firewall:  firewall,
	Later:     later,
	Watchdogs: []string{"sbsa_gwdt", "sp805_wdt", "i6300esb", "softdog"},

	Console: "ttyAMA0,115200",
	EFIFile: `\EFI\BOOT\BOOTAA64.EFI`,
}
