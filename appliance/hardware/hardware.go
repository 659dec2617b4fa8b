// Package hardware reads what the kernel tells of the machine in /proc and /sys:
// to operators by package system, to the vendor by package callhome. Nothing here
// needs a privilege, and what the machine does not tell is empty or 0.
package hardware

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Machine is a machine by its files.
type Machine struct {
	Files fs.FS // its root directory
}

// Line reads a file of one line, empty where there is none.
func (m Machine) Line(name string) string {
	text, err := fs.ReadFile(m.Files, name)
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(text), "\n\x00 ")
}

// Matches gives the files that fit the pattern, those of a shorter name first,
// so that cpu10 comes after cpu9.
func (m Machine) Matches(pattern string) []string {
	names, err := fs.Glob(m.Files, pattern)
	if err != nil {
		panic("hardware: " + err.Error()) // a pattern is a constant
	}
	slices.SortStableFunc(names, func(a, b string) int { return len(a) - len(b) })
	return names
}

// Fields reads lines such as "MemTotal:  250000 kB" of /proc.
func Fields(text string) map[string]string {
	values := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			values[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return values
}

// Number reads the number at the beginning of a value of the kernel's, which
// may have a unit after it; 0 if there is none or it is beyond an int64.
func Number(value string) uint64 {
	word, _, _ := strings.Cut(strings.TrimSpace(value), " ")
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return uint64(n)
}

// Memory is all that the kernel has to give away, in KiB.
func (m Machine) Memory() uint64 { return Number(Fields(m.Line("proc/meminfo"))["MemTotal"]) }

// Where the BIOS's tables (SMBIOS) and the device tree are.
const (
	dmi  = "sys/class/dmi/id/"
	tree = "sys/firmware/devicetree/base/"
)

// Board is what the machine is built on: by its BIOS, or by the device tree
// where there is no BIOS.
func (m Machine) Board() (vendor, product, version string) {
	return m.Line(dmi + "sys_vendor"), cmp.Or(m.Line(dmi+"product_name"), m.Line(tree+"model")), m.Line(dmi + "product_version")
}

// Firmware is what started the kernel.
type Firmware struct {
	Kind    string // "UEFI, 64 bits, release 5.19", "U-Boot 2024.01"
	Version string // of the BIOS
	Maker   string // of the BIOS, and its date
}

// Firmware tells what started the kernel.
func (m Machine) Firmware() Firmware {
	f := Firmware{
		Version: m.Line(dmi + "bios_version"),
		Maker:   strings.TrimSpace(m.Line(dmi+"bios_vendor") + " " + m.Line(dmi+"bios_date")),
	}
	if boot := m.Line(tree + "chosen/u-boot,version"); boot != "" {
		f.Kind = "U-Boot " + boot
	}
	if bits := m.Line("sys/firmware/efi/fw_platform_size"); bits != "" {
		f.Kind = fmt.Sprintf("UEFI, %s bits", bits)
	}
	if release := m.Line(dmi + "bios_release"); release != "" {
		f.Kind = strings.TrimPrefix(f.Kind+", release "+release, ", ")
	}
	return f
}

// RAID is the arrays of disks that the kernel has made (md(4)), or "none".
func (m Machine) RAID() string {
	var arrays []string
	for _, dir := range m.Matches("sys/block/md*") {
		level := m.Line(dir + "/md/level")
		if level == "" {
			continue
		}
		arrays = append(arrays, fmt.Sprintf("%s: %s, %d disks, %s",
			path.Base(dir), level, Number(m.Line(dir+"/md/raid_disks")), cmp.Or(m.Line(dir+"/md/array_state"), "state unknown")))
	}
	return cmp.Or(strings.Join(arrays, "; "), "none")
}
