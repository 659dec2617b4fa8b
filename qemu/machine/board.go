package machine

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Board is how QEMU plays one board of the project.
type Board struct {
	Name      string   // as in board/: "x86_64"
	GoArch    string   // GOARCH of what runs on it
	Emulator  string   // the program
	Package   string   // the Debian package of the program
	Machine   string   // value of -machine
	Processor string   // value of -cpu under TCG
	Kernel    string   // file of the image that -kernel boots without firmware
	Console   string   // serial device as the kernel names it
	Firmware  string   // UEFI code with Secure Boot, read-only
	Variables string   // UEFI variables with keys in them, which each machine gets its own copy of
	TPM       string   // the device that is a TPM; empty where Debian's kernel has no driver for QEMU's
	Extra     []string // arguments that only this board needs
}

// boards are all boards that QEMU can play. x86_64 boots the decompressed
// kernel through its PVH entry: the compressed one takes twice as long to
// init under TCG.
var boards = []Board{
	{
		Name:      "x86_64",
		GoArch:    "amd64",
		Emulator:  "qemu-system-x86_64",
		Package:   "qemu-system-x86",
		Machine:   "q35,smbus=off,sata=off,usb=off,vmport=off",
		Processor: "max",
		Kernel:    "vmlinux",
		Console:   "ttyS0",
		// The build for system management mode (OVMF_CODE_4M.secboot.fd) checks signatures
		// just so, and guards its variables as a board does, but takes twice as long to
		// init under TCG.
		Firmware:  "/usr/share/OVMF/OVMF_CODE_4M.fd",
		Variables: "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd",
		TPM:       "tpm-tis",
	},
	{
		Name:      "arm64",
		GoArch:    "arm64",
		Emulator:  "qemu-system-aarch64",
		Package:   "qemu-system-arm",
		Machine:   "virt",
		Processor: "cortex-a72",
		Kernel:    "kernel",
		Console:   "ttyAMA0",
		Firmware:  "/usr/share/AAVMF/AAVMF_CODE.fd",
		Variables: "/usr/share/AAVMF/AAVMF_VARS.snakeoil.fd",
	},
}

// FindBoard gives the board of that name.
func FindBoard(name string) (Board, error) {
	var names []string
	for _, b := range boards {
		if b.Name == name {
			return b, nil
		}
		names = append(names, b.Name)
	}
	return Board{}, fmt.Errorf("no board %q: QEMU plays %s", name, strings.Join(names, " and "))
}

// host is what decides whether a guest can run on the processor itself.
type host struct {
	goArch    string
	cpuInfo   string // text of /proc/cpuinfo
	kvmUsable bool   // /dev/kvm opens for reading and writing
}

func thisHost() host {
	h := host{goArch: runtime.GOARCH}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		h.cpuInfo = string(text)
	}
	if kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err == nil {
		h.kvmUsable = true
		kvm.Close()
	}
	return h
}

// accelerator gives the values of -accel and -cpu. That /dev/kvm is there
// proves nothing on x86: in a guest without nested virtualisation it opens
// and then hangs, so the processor must say vmx or svm as well.
func (h host) accelerator(b Board) (accel, cpu string) {
	if h.kvmUsable && h.goArch == b.GoArch && (h.goArch != "amd64" || virtualises(h.cpuInfo)) {
		return "kvm", "host"
	}
	return "tcg,thread=multi", b.Processor
}

// virtualises says whether the first processor of cpuInfo has VT-x or AMD-V.
func virtualises(cpuInfo string) bool {
	for line := range strings.Lines(cpuInfo) {
		if name, flags, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "flags" {
			for flag := range strings.FieldsSeq(flags) {
				if flag == "vmx" || flag == "svm" {
					return true
				}
			}
			return false
		}
	}
	return false
}
