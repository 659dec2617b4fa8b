package hardware

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// machine is one of files by their content.
func machine(content map[string]string) Machine {
	files := fstest.MapFS{}
	for name, text := range content {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return Machine{files}
}

// TestBoards: what is told of a PC, of a board with a device tree, and of a
// machine that tells nothing.
func TestBoards(t *testing.T) {
	type told struct {
		Vendor, Product, Version string
		Firmware                 Firmware
		Processor                Processor
		Memory                   uint64
	}
	for name, test := range map[string]struct {
		files map[string]string
		want  told
	}{
		"nothing": {nil, told{}},
		"PC": {map[string]string{
			"sys/class/dmi/id/sys_vendor":        "Example Boards\n",
			"sys/class/dmi/id/product_name":      "Edge 4\n",
			"sys/class/dmi/id/product_version":   "rev C\n",
			"sys/class/dmi/id/bios_vendor":       "Example Firmware\n",
			"sys/class/dmi/id/bios_version":      "E4 1.07\n",
			"sys/class/dmi/id/bios_date":         "02/03/2025\n",
			"sys/class/dmi/id/bios_release":      "5.19\n",
			"sys/firmware/efi/fw_platform_size":  "64\n",
			"sys/firmware/devicetree/base/model": "not asked",
			"proc/meminfo":                       "MemTotal:         250000 kB\nMemFree: 1 kB\n",
			"proc/cpuinfo": "processor\t: 0\nmodel name\t: Example CPU\ncpu MHz\t\t: 1996.800\n\n" +
				"processor\t: 1\nmodel name\t: Example CPU\ncpu MHz\t\t: 800.000\n",
		}, told{
			"Example Boards", "Edge 4", "rev C",
			Firmware{"UEFI, 64 bits, release 5.19", "E4 1.07", "Example Firmware 02/03/2025"},
			Processor{2, "Example CPU", 1997}, 250_000,
		}},
		"device tree": {map[string]string{
			"sys/firmware/devicetree/base/model":                        "Example Board v1\x00",
			"sys/firmware/devicetree/base/chosen/u-boot,version":        "2024.01\x00",
			"sys/firmware/devicetree/base/cpus/cpu@0/clock-frequency":   "\x59\x68\x2f\x00",
			"sys/firmware/devicetree/base/cpus/cpu@100/clock-frequency": "bad",
			"proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n\nprocessor\t: 1\n",
		}, told{
			"", "Example Board v1", "", Firmware{Kind: "U-Boot 2024.01"}, Processor{2, "ARM implementer 0x41 part 0xd08", 1500}, 0,
		}},
		"speed of the driver": {map[string]string{
			"proc/cpuinfo": "cpu MHz\t: 800.000\n",
			"sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "2400000\n",
		}, told{Processor: Processor{Speed: 2400}}},
	} {
		m := machine(test.files)
		got := told{Firmware: m.Firmware(), Processor: m.Processor(), Memory: m.Memory()}
		got.Vendor, got.Product, got.Version = m.Board()
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRAID(t *testing.T) {
	if got := machine(nil).RAID(); got != "none" {
		t.Errorf("RAID of a machine without = %q; want none", got)
	}
	m := machine(map[string]string{
		"sys/block/md0/md/level": "raid1\n", "sys/block/md0/md/raid_disks": "2\n", "sys/block/md0/md/array_state": "clean\n",
		"sys/block/md127/md/level": "raid5\n", "sys/block/md127/md/raid_disks": "3 (4)\n", "sys/block/mdisk/size": "1\n",
	})
	if got, want := m.RAID(), "md0: raid1, 2 disks, clean; md127: raid5, 3 disks, state unknown"; got != want {
		t.Errorf("RAID = %q; want %q", got, want)
	}
}

func TestMatches(t *testing.T) {
	m := machine(map[string]string{"sys/cpu10/a": "", "sys/cpu9/a": "", "sys/cpu/b": ""})
	if got, want := m.Matches("sys/cpu*/a"), []string{"sys/cpu9/a", "sys/cpu10/a"}; !slices.Equal(got, want) {
		t.Errorf("Matches = %q; want %q", got, want)
	}
}

func TestUsage(t *testing.T) {
	m := machine(map[string]string{"proc/stat": "cpu  10 0 5 80 2 1 1 1 0 0\ncpu0 6 0 3 40 0 0 0 1 0 0\ncpu1 4 0 2 40 2 1 1 0 0 0\nintr 5\n"})
	u, err := m.ProcessorUsage()
	if err != nil || len(u.Each) != 2 || u.All.Share(InUser, InNice) != 10 {
		t.Errorf("ProcessorUsage = %v, %v; want two processors, of which users have 10 %%", u, err)
	}
	if got := u.Each[0].Since(Usage{InUser: 5, InIdle: 41}); got != (Usage{InUser: 1, InSystem: 3, InStolen: 1}) {
		t.Errorf("Since = %v; want what went back not to count", got)
	}
	if _, err := machine(nil).ProcessorUsage(); err == nil {
		t.Error("ProcessorUsage of a machine without /proc/stat has no error")
	}
}

// FuzzMachine reads what no kernel writes.
func FuzzMachine(f *testing.F) {
	f.Add("cpu  1 2 3 4 5 6 7 8\n")
	f.Add("MemTotal: 18446744073709551615 kB\n")
	f.Add("processor : 0\ncpu MHz : 1e309\n")
	f.Fuzz(func(t *testing.T, text string) {
		content := map[string]string{}
		for _, name := range []string{
			"proc/stat", "proc/cpuinfo", "proc/meminfo", "sys/class/dmi/id/bios_release",
			"sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "sys/firmware/devicetree/base/cpus/cpu@0/clock-frequency",
		} {
			content[name] = text
		}
		m := machine(content)
		if u, err := m.ProcessorUsage(); err == nil && u.All.Share(InUser, InIdle) > 100.001 {
			t.Errorf("usage of %q = %+v; want shares of the whole", text, u)
		}
		if p := m.Processor(); p.Speed < 0 {
			t.Errorf("processor of %q = %+v; want no negative speed", text, p)
		}
		m.Memory()
		m.Firmware()
	})
}
