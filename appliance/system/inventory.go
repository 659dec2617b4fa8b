package system

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/hardware"
	"causeway/appliance/model"
)

// part is one thing in the box: what it is, and its product identifier,
// version and serial number as far as the hardware tells.
type part struct {
	name, description string
	pid, vid, sn      string
}

// showInventory prints each part in two lines, as IOS does.
func (b box) showInventory(ctx context.Context, s exec.Session, _ config.Args) error {
	parts := []part{b.chassis(), b.processor(), b.memory()}
	parts = append(parts, b.disks()...)
	parts = append(parts, b.ports()...)
	parts = append(parts, b.tpm(ctx, s)...)
	for _, p := range parts {
		fmt.Fprintf(s, "NAME: %q, DESCR: %q\n", p.name, p.description)
		fmt.Fprintf(s, "PID: %s, VID: %s, SN: %s\n\n",
			cmp.Or(p.pid, "unspecified"), cmp.Or(p.vid, "unspecified"), cmp.Or(p.sn, "unspecified"))
	}
	return nil
}

// chassis is the board; its serial number is the appliance's own.
func (b box) chassis() part {
	vendor, product, version := b.Board()
	return part{
		name:        "Chassis",
		description: cmp.Or(strings.TrimSpace(vendor+" "+product), "unknown board"),
		pid:         product,
		vid:         version,
		sn:          b.Line(strings.TrimPrefix(model.SerialFile, "/")),
	}
}

func (b box) processor() part {
	p := b.Processor()
	return part{name: "CPU", description: fmt.Sprintf("%d x %s", p.Count, cmp.Or(p.Model, "unknown processor")), pid: p.Model}
}

func (b box) memory() part {
	return part{name: "Memory", description: fmt.Sprintf("%d kB", b.Memory())}
}

// disks are the block devices that hardware stands behind.
func (b box) disks() []part {
	const sector = 512 // octets in the kernel's unit of size, whatever the disk's own is
	var all []part
	for _, dir := range b.Matches("sys/block/*") {
		if _, err := fs.Stat(b.Files, dir+"/device"); err != nil {
			continue // a loop, a RAM disk
		}
		name := path.Base(dir)
		vendor := b.Line(dir + "/device/vendor")
		if strings.HasPrefix(vendor, "0x") {
			vendor = "" // virtio's is a number
		}
		product := strings.TrimSpace(vendor + " " + b.Line(dir+"/device/model"))
		megabytes := hardware.Number(b.Line(dir+"/size")) * sector / 1e6
		all = append(all, part{
			name:        "Disk " + name,
			description: strings.TrimSpace(fmt.Sprintf("%s %d MB", b.driver(dir), megabytes)),
			pid:         product,
			vid:         cmp.Or(b.Line(dir+"/device/rev"), b.Line(dir+"/device/firmware_rev")),
			sn:          cmp.Or(b.Line(dir+"/serial"), b.Line(dir+"/device/serial"), serialPage(b.Line(dir+"/device/vpd_pg80"))),
		})
	}
	return all
}

// serialPage reads a disk's unit serial number page (SPC-4 §7.8.17): four
// octets of head, then the number in ASCII.
func serialPage(page string) string {
	const head = 4
	if len(page) < head {
		return ""
	}
	return strings.TrimSpace(page[head:])
}

// pciAddress is the name of a PCI device in a path of /sys.
var pciAddress = regexp.MustCompile(`^[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$`)

// ports are the network interfaces that hardware stands behind. An
// interface's serial number is its MAC address.
func (b box) ports() []part {
	var all []part
	for _, dir := range b.Matches("sys/class/net/*") {
		if _, err := fs.Stat(b.Files, dir+"/device"); err != nil {
			continue // loopback, a VLAN
		}
		p := part{name: "Port " + path.Base(dir), description: cmp.Or(b.driver(dir), "unknown driver"), sn: b.Line(dir + "/address")}
		if pci := b.pciDevice(dir); pci != "" {
			p.description += " at PCI " + path.Base(pci)
			p.pid = identifier(b.Line(pci+"/vendor")) + ":" + identifier(b.Line(pci+"/device"))
			p.vid = identifier(b.Line(pci + "/revision"))
		}
		all = append(all, p)
	}
	return all
}

// tpm is the TPM 2.0 that certificates have their keys in, where there is one. What
// it is, control alone may ask.
func (b box) tpm(ctx context.Context, s exec.Session) []part {
	const version = "sys/class/tpm/tpm0/tpm_version_major"
	if b.Line(version) != "2" {
		return nil
	}
	var t model.TPM
	if err := s.Call(ctx, "control", "control.tpm", nil, &t); err != nil {
		return []part{{name: "TPM", description: "TPM 2.0, not to be asked: " + err.Error()}}
	}
	return []part{{
		name:        "TPM",
		description: "TPM 2.0, revision " + t.Revision,
		pid:         strings.TrimSpace(t.Manufacturer + " " + t.Model),
		vid:         t.Firmware,
	}}
}

// identifier is a number of /sys without its 0x.
func identifier(text string) string { return strings.TrimPrefix(text, "0x") }

// driver names the driver of the device at dir.
func (b box) driver(dir string) string {
	target, err := fs.ReadLink(b.Files, dir+"/device/driver")
	if err != nil {
		return ""
	}
	return path.Base(target)
}

// pciDevice gives the directory of the PCI device behind a class device, which
// is a link into the tree of devices; empty where none is.
func (b box) pciDevice(dir string) string {
	target, err := fs.ReadLink(b.Files, dir)
	if err != nil {
		return ""
	}
	for at := path.Join(path.Dir(dir), target); at != "." && at != "/"; at = path.Dir(at) {
		if pciAddress.MatchString(path.Base(at)) {
			return at
		}
	}
	return ""
}
