package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// sealRoot makes the root read-only: the one file system that programs are run
// from is none that anybody writes to. Mount points on it are in the image.
func (m *machine) sealRoot() error {
	return m.kernel.Mount("", m.path("/"), "", unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
}

// hotplug is what must be loaded before loading ends, on a machine with such a
// bus, for what may be plugged in later: sticks, and disks beside those there.
var hotplug = []struct {
	bus     string
	modules []string
}{
	{"usb", []string{"usb_storage", "uas", "sd_mod"}},
	{"scsi", []string{"sd_mod"}},
}

// noModules forbids the kernel to take modules, until it restarts.
var noModules = sysctl{"kernel/modules_disabled", "1"}

// sealKernel ends the loading of modules when all that is loaded beside the boot
// has been, and all that what is plugged in later asks for.
func (m *machine) sealKernel() {
	m.loading.Wait()
	if m.loader == nil || m.ctx.Err() != nil {
		return
	}
	for _, h := range hotplug {
		if _, err := os.Stat(m.path("sys/bus", h.bus)); err == nil {
			m.loader.Beside(h.modules...)
		}
	}
	m.volumes.LoadDrivers()
	m.loader.Close()
	if err := noModules.Create(m); err != nil {
		m.miss(err.Error())
		return
	}
	m.log.Debugf("%d kernel modules loaded, no more will be", m.loader.Loaded())
}
