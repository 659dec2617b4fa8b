package machine

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// firstExtraFile is the descriptor that the first file of exec.Cmd.ExtraFiles
// gets in the child.
const firstExtraFile = 3

// arguments gives QEMU's command line. The monitor is files[0], the TPM files[1] if
// there is one; the files of the network cards are appended. variables is the path of
// the UEFI variables of a machine that boots from disk.
func (c Config) arguments(h host, variables string, files *[]*os.File) []string {
	accel, cpu := h.accelerator(c.Board)
	args := []string{
		"-name", "causeway-" + c.Board.Name,
		"-no-user-config", "-nodefaults", "-display", "none",
		"-machine", c.Board.Machine, "-accel", accel, "-cpu", cpu,
		"-smp", strconv.Itoa(cmp.Or(c.CPUs, 2)),
		"-m", strconv.Itoa(cmp.Or(c.MemoryMB, 256)),
		"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", firstExtraFile),
		"-mon", "chardev=monitor,mode=control",
		"-device", "i6300esb", "-action", "watchdog=reset",
	}
	args = append(args, c.Board.Extra...)
	if c.Terminal {
		args = append(args, "-chardev", "stdio,id=serial,mux=on,signal=off", "-mon", "chardev=serial")
	} else {
		args = append(args, "-chardev", "stdio,id=serial,signal=off")
	}
	args = append(args, "-serial", "chardev:serial")

	if c.Kernel != nil {
		args = append(args, "-kernel", c.Kernel.Image, "-initrd", c.Kernel.Initramfs, "-append", c.Kernel.CommandLine)
	} else {
		args = append(args,
			"-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+escape(c.Board.Firmware))
		args = append(args, c.flash(variables)...)
	}
	for i, nic := range c.NICs {
		args = append(args, nic.arguments(i, files)...)
	}
	if c.Disk != "" {
		device := "virtio-blk-pci,id=disk0,drive=disk"
		if c.Kernel == nil {
			device += ",bootindex=0"
		}
		if c.diskSize > 0 {
			device += ",share-rw=on" // with the variables behind it
		}
		args = append(args, c.drive()...)
		args = append(args, "-device", device)
	}
	if c.USB || c.Stick != "" {
		args = append(args, "-device", "qemu-xhci,id="+usbBus)
	}
	if c.Stick != "" {
		args = append(args, "-drive", "if=none,id=stick,format=raw,"+fast+",file="+escape(c.Stick),
			"-device", "usb-storage,id=stick,drive=stick,bus="+usbBus+".0,removable=on,bootindex=1")
	}
	if c.TPM != "" {
		args = append(args,
			"-chardev", fmt.Sprintf("socket,id=tpm,fd=%d", firstExtraFile+1),
			"-tpmdev", "emulator,id=tpm,chardev=tpm",
			"-device", c.Board.TPM+",tpmdev=tpm")
	}
	if c.SetupFile != "" {
		args = append(args, "-fw_cfg", "name=opt/causeway/config,file="+escape(c.SetupFile))
	}
	if c.Saved != "" {
		args = append(args, "-incoming", "defer")
	}
	return args
}

// usbBus is the id of the USB controller.
const usbBus = "usb"

// drive gives the disk, below a driver that logs what is written to it when
// that is wanted. But for a person's, what this host has of the disk need not
// outlive its own power: flushes of the guest take no time, however busy the host
// is, and the box, which waits 2 seconds for its disks on the way down, finds them
// there. What was written before the machine is killed is in the file.
func (c Config) drive() []string {
	const drive = "if=none,id=disk,discard=unmap"
	switch {
	case c.diskSize > 0:
		return []string{"-blockdev", fmt.Sprintf("node-name=disk,driver=raw,discard=unmap,size=%d,file=%s", c.diskSize, loggedNode)}
	case c.DiskLog != "":
		return []string{"-drive", drive + "," + c.logged()}
	case c.Terminal:
		return []string{"-drive", drive + ",format=raw,file=" + escape(c.Disk)}
	}
	return []string{"-drive", drive + ",format=raw," + fast + ",file=" + escape(c.Disk)}
}

// fast has QEMU flush nothing.
const fast = "cache.no-flush=on"

// logged gives the driver that logs what is written to the disk's file.
func (c Config) logged() string {
	return "driver=blklogwrites,file.driver=file,file." + fast + ",file.filename=" + escape(c.Disk) +
		",log.driver=file,log." + fast + ",log.filename=" + escape(c.DiskLog)
}

// loggedNode is a disk and the variables behind it.
const loggedNode = "logged"

// flash gives the UEFI variables: the file of that name, or what is behind the disk.
func (c Config) flash(variables string) []string {
	if c.diskSize == 0 {
		return []string{"-drive", "if=pflash,unit=1,format=raw,file=" + escape(variables)}
	}
	return []string{
		"-blockdev", "node-name=" + loggedNode + ",discard=unmap," + c.logged(),
		"-blockdev", fmt.Sprintf("node-name=variables,driver=raw,offset=%d,file=%s", c.diskSize, loggedNode),
		"-machine", "pflash1=variables",
	}
}

// arguments gives the options of the i-th card (from 0). Fixed MAC addresses,
// so that the neighbour tables of a lab survive a machine.
func (n NIC) arguments(i int, files *[]*os.File) []string {
	id := fmt.Sprintf("lan%d", i+1)
	netdev, first := "", ""
	if n.Tap != nil {
		netdev = fmt.Sprintf("tap,id=%s,fd=%d", id, firstExtraFile+len(*files))
		*files = append(*files, n.Tap)
	} else {
		netdev = fmt.Sprintf("user,id=%s,net=%s,host=%s", id, n.User.Network, n.User.Host)
		for _, forward := range n.User.Forwards {
			netdev += ",hostfwd=" + forward
		}
		if n.User.Boot != "" {
			netdev += ",tftp=" + escape(filepath.Dir(n.User.Boot)) + ",bootfile=" + escape(filepath.Base(n.User.Boot))
			first = ",bootindex=2"
		}
	}
	// No option ROM: UEFI has a driver of its own, and looks for a network boot where
	// there is a bootindex.
	return []string{
		"-netdev", netdev,
		"-device", fmt.Sprintf("virtio-net-pci,id=nic%d,netdev=%s,mac=52:54:00:43:57:%02x,romfile=%s", i+1, id, i+1, first),
	}
}

// escape doubles the commas of a path within a QEMU option.
func escape(path string) string { return strings.ReplaceAll(path, ",", ",,") }
