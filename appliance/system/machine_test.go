package system

import (
	"io/fs"
	"testing/fstest"
	"time"
)

// files are files of the kernel by their content.
func files(content map[string]string) fstest.MapFS {
	made := fstest.MapFS{}
	for name, text := range content {
		made[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return made
}

// symlink is a symbolic link of the kernel.
func symlink(target string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
}

// wholeBoard is a machine that has one of everything.
func wholeBoard() fstest.MapFS {
	board := files(map[string]string{
		"etc/causeway/build.json": `{"version":"v1.2","commit":"abcdef","time":"2025-01-02T03:04:05Z",` +
			`"board":"x86_64","kernel":"6.1.0","variant":"release"}`,
		"run/init/serial": "CWY0123ABCD\n",

		"sys/class/dmi/id/sys_vendor":      "Example Boards\n",
		"sys/class/dmi/id/product_name":    "Edge 4\n",
		"sys/class/dmi/id/product_version": "rev C\n",

		"proc/cpuinfo": "processor\t: 0\nmodel name\t: Example CPU @ 2.00GHz\n\nprocessor\t: 1\nmodel name\t: Example CPU @ 2.00GHz\n",
		"proc/meminfo": "MemTotal:         250000 kB\nMemFree:          100000 kB\nMemAvailable:     168766 kB\n" +
			"Cached:            60000 kB\nDirty:               128 kB\nShmem:              4096 kB\nSlab:              20000 kB\n",
		"proc/loadavg": "0.25 0.10 0.05 1/123 4567\n",
		"proc/stat":    "cpu  1000 0 500 8000 200 50 50 200 0 0\ncpu0 600 0 300 4000 0 0 0 100 0 0\ncpu1 400 0 200 4000 200 50 50 100 0 0\nintr 5\n",

		"proc/1/status":   "Name:\tinit\nState:\tS (sleeping)\nVmSize:\t 1200000 kB\nVmHWM:\t   9000 kB\nVmRSS:\t   8000 kB\nThreads:\t9\n",
		"proc/1/stat":     "1 (init) S 0 1 1 0 -1 4194560 1 2 3 4 100 50 0 0 20 0 9 0 1 1 1\n",
		"proc/2/status":   "Name:\tkthreadd\nState:\tS (sleeping)\nThreads:\t1\n",
		"proc/2/stat":     "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 1 0 0 20 0 1 0 1 0 0\n",
		"proc/312/status": "Name:\tappliance\nState:\tR (running)\nVmSize:\t 1300000 kB\nVmHWM:\t  30000 kB\nVmRSS:\t  25000 kB\nThreads:\t12\n",
		"proc/312/stat":   "312 (app) (x) R 1 1 1 0 -1 4194560 1 2 3 4 12345 678 0 0 20 0 12 0 1 1 1\n",

		"sys/fs/cgroup/console/memory.current": "4096000\n",
		"sys/fs/cgroup/console/memory.max":     "max\n",
		"sys/fs/cgroup/proxy/memory.current":   "26214400\n",
		"sys/fs/cgroup/proxy/memory.peak":      "31457280\n",
		"sys/fs/cgroup/proxy/memory.max":       "153600000\n",
		"sys/fs/cgroup/proxy/memory.events":    "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\noom_group_kill 0\n",

		"sys/class/hwmon/hwmon0/name":        "coretemp\n",
		"sys/class/hwmon/hwmon0/temp1_input": "45500\n",
		"sys/class/hwmon/hwmon0/temp1_label": "Package id 0\n",
		"sys/class/hwmon/hwmon0/temp1_max":   "80000\n",
		"sys/class/hwmon/hwmon0/temp1_crit":  "100000\n",
		"sys/class/hwmon/hwmon1/name":        "nct6775\n",
		"sys/class/hwmon/hwmon1/fan2_input":  "1350\n",
		"sys/class/hwmon/hwmon1/fan2_min":    "500\n",
		"sys/class/hwmon/hwmon1/in0_input":   "1096\n",
		"sys/class/hwmon/hwmon2/name":        "acpitz\n",
		"sys/class/hwmon/hwmon2/temp1_input": "40000\n",

		"sys/class/thermal/thermal_zone0/type":              "acpitz\n",
		"sys/class/thermal/thermal_zone0/temp":              "40000\n",
		"sys/class/thermal/thermal_zone1/type":              "x86_pkg_temp\n",
		"sys/class/thermal/thermal_zone1/temp":              "46000\n",
		"sys/class/thermal/thermal_zone1/trip_point_0_type": "passive\n",
		"sys/class/thermal/thermal_zone1/trip_point_0_temp": "90000\n",
		"sys/class/thermal/thermal_zone1/trip_point_1_type": "critical\n",
		"sys/class/thermal/thermal_zone1/trip_point_1_temp": "105000\n",

		"sys/class/watchdog/watchdog0/identity":   "i6300ESB timer\n",
		"sys/class/watchdog/watchdog0/state":      "active\n",
		"sys/class/watchdog/watchdog0/timeout":    "30\n",
		"sys/class/watchdog/watchdog0/bootstatus": "32\n",

		"sys/class/tpm/tpm0/tpm_version_major": "2\n",

		"sys/block/loop0/size":            "0\n",
		"sys/block/sda/size":              "31250000\n",
		"sys/block/sda/device/vendor":     "ATA     \n",
		"sys/block/sda/device/model":      "Example SSD 16  \n",
		"sys/block/sda/device/rev":        "1.0 \n",
		"sys/block/sda/device/vpd_pg80":   "\x00\x80\x00\x08 S123456",
		"sys/block/vda/size":              "4194304\n",
		"sys/block/vda/serial":            "disk-1\n",
		"sys/block/vda/device/vendor":     "0x1af4\n",
		"sys/devices/virtual/net/lo/mtu":  "65536\n",
		pciPort + "/net/lan1/address":     "00:00:5e:00:53:01\n",
		pciPort + "/net/lan1/device/note": "",
		pciPort + "/vendor":               "0x8086\n",
		pciPort + "/device":               "0x1533\n",
		pciPort + "/revision":             "0x03\n",
	})
	board["sys/class/net/lo"] = symlink("../../devices/virtual/net/lo")
	board["sys/class/net/lan1"] = symlink("../../devices/pci0000:00/0000:00:1c.0/0000:03:00.0/net/lan1")
	board[pciPort+"/net/lan1/device/driver"] = symlink("../../../../bus/pci/drivers/igb")
	board["sys/block/sda/device/driver"] = symlink("../../../bus/scsi/drivers/sd")
	board["sys/block/vda/device/driver"] = symlink("../../../bus/virtio/drivers/virtio_blk")
	return board
}

const pciPort = "sys/devices/pci0000:00/0000:00:1c.0/0000:03:00.0"

// changing is a machine whose files are others from a moment on.
type changing struct {
	fs.FS
	after fs.FS
	from  time.Time
}

// Open opens a file as it is now.
func (c changing) Open(name string) (fs.File, error) {
	if time.Now().Before(c.from) {
		return c.FS.Open(name)
	}
	return c.after.Open(name)
}
