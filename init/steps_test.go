package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"causeway/board"
	"causeway/board/modules"
	"causeway/init/drivers"
	"causeway/init/slot"
	"causeway/init/supervise"
	"causeway/init/volume"
)

func TestPlanLANs(t *testing.T) {
	nic := func(name, mac, path string) board.NIC { return board.NIC{Name: name, MAC: mac, BusPath: path} }
	var (
		lo      = nic("lo", "00:00:00:00:00:00", "")
		first   = nic("eth1", "52:54:00:00:00:01", "pci0000:00/0000:00:02.0/virtio0")
		second  = nic("eth0", "52:54:00:00:00:02", "pci0000:00/0000:00:03.0/virtio1")
		earlier = nic("eth5", "52:54:00:00:00:05", "pci0000:00/0000:00:01.0/virtio5")
		named   = nic("lan1", "52:54:00:00:00:01", "pci0000:00/0000:00:02.0/virtio0")
	)
	for _, tt := range []struct {
		name    string
		nics    []board.NIC
		lan1    string
		want    []rename
		missing int
	}{
		{"none", []board.NIC{lo}, "", nil, 2},
		{"one", []board.NIC{lo, first}, "", []rename{{"eth1", "lan1"}}, 1},
		{"two in PCI order", []board.NIC{second, lo, first}, "", []rename{{"eth1", "lan1"}, {"eth0", "lan2"}}, 0},
		{"two by MAC", []board.NIC{first, second}, second.MAC, []rename{{"eth0", "lan1"}, {"eth1", "lan2"}}, 0},
		{"named already", []board.NIC{named, second}, "", []rename{{"eth0", "lan2"}}, 0},
		{"a third comes before", []board.NIC{named, nic("lan2", second.MAC, second.BusPath), earlier}, "", nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, missing := planLANs(tt.nics, tt.lan1, "")
			if !slices.Equal(got, tt.want) || len(missing) != tt.missing {
				t.Errorf("planLANs = %v, missing %q; want %v, %d missing", got, missing, tt.want, tt.missing)
			}
		})
	}
}

func TestNamePorts(t *testing.T) {
	m, k, _ := newTest(t)
	for name, device := range map[string]string{"lo": "", "eth0": "pci0000:00/0000:00:03.0/virtio1", "eth1": "pci0000:00/0000:00:02.0/virtio0"} {
		m.write(t, "sys/class/net/"+name+"/address", "52:54:00:00:00:00\n")
		if device == "" {
			continue
		}
		m.write(t, "sys/devices/"+device+"/vendor", "0x1af4\n")
		if err := os.Symlink(m.path("sys/devices", device), m.path("sys/class/net", name, "device")); err != nil {
			t.Fatal(err)
		}
	}
	k.fail["rename eth0 lan2"] = unix.EBUSY
	err := m.namePorts()
	if want := []string{"up lo", "rename eth1 lan1", "rename eth0 lan2"}; !slices.Equal(k.all(), want) {
		t.Errorf("did %q; want %q", k.all(), want)
	}
	if err == nil || !strings.Contains(err.Error(), "name eth0 lan2: device or resource busy") {
		t.Errorf("namePorts = %v; want the failure", err)
	}
}

// Connection tracking has its bounds once its module is loaded.
func TestLoadFirewall(t *testing.T) {
	m, k, _ := newTest(t)
	m.build.Board = "x86_64"
	table, err := modules.Read(strings.NewReader("module nf_conntrack /nf_conntrack.ko\n" +
		"module nf_tables /nf_tables.ko\nmodule nft_ct /nft_ct.ko nf_conntrack nf_tables\n"))
	if err != nil {
		t.Fatal(err)
	}
	bounds := make(chan struct{})
	m.loader = drivers.NewLoader(table, m.path("sys"), func(path, _ string) error {
		if path == "/nft_ct.ko" {
			for _, sysctl := range trackingSysctls {
				m.write(t, "proc/sys/"+sysctl.name, "")
			}
			defer close(bounds)
		}
		return k.did("load %s", path)
	})
	if err := m.loadFirewall(); err != nil {
		t.Fatal(err)
	}
	<-bounds
	last := trackingSysctls[len(trackingSysctls)-1]
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if text, _ := os.ReadFile(m.path("proc/sys", last.name)); string(text) == last.value+"\n" {
			break
		}
	}
	for _, sysctl := range trackingSysctls {
		if text, _ := os.ReadFile(m.path("proc/sys", sysctl.name)); string(text) != sysctl.value+"\n" {
			t.Errorf("%s = %q; want %s", sysctl.name, text, sysctl.value)
		}
	}
	if want := []string{"load /nf_tables.ko", "load /nf_conntrack.ko", "load /nft_ct.ko"}; !slices.Equal(k.all(), want) {
		t.Errorf("did %q; want %q", k.all(), want)
	}
}

func TestRaiseClock(t *testing.T) {
	m, k, _ := newTest(t)
	if err := m.raiseClock(time.Now().Add(-time.Hour)); err != nil || len(k.all()) != 0 {
		t.Errorf("a floor in the past: %v, did %q; want nothing", err, k.all())
	}
	future := time.Date(2099, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := m.raiseClock(future); err != nil || !slices.Equal(k.all(), []string{"time 2099"}) {
		t.Errorf("a floor in the future: %v, did %q; want the clock set", err, k.all())
	}
	m.build.Time = future
	m.write(t, "bootflash/init/clock", "torn")
	if err := m.clockFromVolume(); err == nil || len(k.all()) != 2 {
		t.Errorf("with a torn file: %v, did %q; want the build's time and an error", err, k.all())
	}
	k.fail["time 2099"] = unix.EPERM
	if err := m.raiseClock(future); !errors.Is(err, unix.EPERM) {
		t.Errorf("a clock that cannot be set: %v; want %v", err, unix.EPERM)
	}
}

func TestSetHostname(t *testing.T) {
	for text, want := range map[string]string{"": "hostname causeway", "\n": "hostname causeway", "box-7\n": "hostname box-7"} {
		m, k, _ := newTest(t)
		if text != "" {
			m.write(t, "etc/hostname", text)
		}
		if err := m.setHostname(); err != nil || !slices.Equal(k.all(), []string{want}) {
			t.Errorf("with %q in /etc/hostname: %v, did %q; want %q", text, err, k.all(), want)
		}
	}
}

func TestTakeConfiguration(t *testing.T) {
	const item = "sys/firmware/qemu_fw_cfg/by_name/opt/causeway/config/raw"
	for _, tt := range []struct {
		name, text string
		there      bool
		taken      bool
		fails      bool
	}{
		{"none", "", false, false, false},
		{"one", "hostname box\n", true, true, false},
		{"the longest", strings.Repeat("!", configurationLimit), true, true, false},
		{"too long", strings.Repeat("!", configurationLimit+1), true, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, _, _ := newTest(t)
			m.makeDirectories("/run")
			if tt.there {
				m.write(t, item, tt.text)
			}
			if err := m.takeConfiguration(); (err != nil) != tt.fails {
				t.Errorf("takeConfiguration = %v; want error %v", err, tt.fails)
			}
			got, err := os.ReadFile(m.path("run/init/startup-config"))
			if (err == nil) != tt.taken || tt.taken && string(got) != tt.text {
				t.Errorf("%d octets taken, %v; want %v", len(got), err, tt.taken)
			}
		})
	}
}

func TestLoadDriversWithoutTable(t *testing.T) {
	m, k, _ := newTest(t)
	if err := m.loadDrivers(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("loadDrivers = %v; want %v", err, os.ErrNotExist)
	}
	m.loadAllDrivers() // what comes later does without
	if err := m.armWatchdog(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("armWatchdog = %v; want %v", err, os.ErrNotExist)
	}
	if len(k.all()) != 0 {
		t.Errorf("did %q; want nothing", k.all())
	}
}

// Drivers of watchdogs that no device asks for are tried until one works.
func TestArmWatchdog(t *testing.T) {
	m, k, _ := newTest(t)
	m.build.Board = "x86_64"
	m.write(t, "lib/modules/causeway.table", strings.Join([]string{
		"module iTCO_wdt /m/iTCO_wdt.ko", "module i6300esb /m/i6300esb.ko", "module sp5100_tco /m/sp5100_tco.ko",
		"module wdat_wdt /m/wdat_wdt.ko", "module softdog /m/softdog.ko",
	}, "\n"))
	if err := os.MkdirAll(m.path("sys/bus"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"iTCO_wdt", "i6300esb", "sp5100_tco"} {
		k.fail["load /m/"+name+".ko"] = unix.ENODEV
	}
	if err := m.loadDrivers(); err != nil {
		t.Fatal(err)
	}
	if err := m.armWatchdog(); err == nil {
		t.Error("armWatchdog without a device = nil; want an error")
	}
	if got := k.all(); len(got) != 5 || got[4] != "load /m/softdog.ko" {
		t.Errorf("did %q; want all tried, softdog last", got)
	}
	m.write(t, "dev/watchdog0", "")
	if err := m.armWatchdog(); err != nil || len(k.all()) != 5 {
		t.Errorf("armWatchdog with a device = %v, did %q", err, k.all()[5:])
	}
}

// A boot that formats a slow disk is not reset, one that hangs is.
func TestHealthyWhileBooting(t *testing.T) {
	m, k, _ := newTest(t)
	for _, tt := range []struct {
		uptime time.Duration
		fed    bool
	}{{3 * time.Second, true}, {bootLimit, true}, {bootLimit + 1, false}, {time.Hour, false}} {
		k.now = tt.uptime
		if err := m.healthy(t.Context()); (err == nil) != tt.fed {
			t.Errorf("healthy %v after power-on = %v; want fed %v", tt.uptime, err, tt.fed)
		}
	}
	m.progress.Store(int64(k.now - bootLimit)) // a step gets on
	if err := m.healthy(t.Context()); err != nil {
		t.Errorf("healthy %v after the boot got on = %v; want fed", bootLimit, err)
	}
	m.progress.Store(0)
	m.running = slot.Installer // which waits for an answer, and has ended here without a board
	if err := errors.Join(m.install(), m.healthy(t.Context())); err != nil {
		t.Errorf("healthy while the installer asks = %v; want fed", err)
	}
}

// A stick that comes while the box runs is mounted, whatever becomes of the
// events that its partitions make.
func TestStickIsPluggedIn(t *testing.T) {
	m, _, _ := newRunning(t)
	followed := make(chan struct{})
	m.Go(func() {
		defer close(followed)
		m.followVolumes()
	})
	const disk = "sys/devices/pci0000:00/usb1/1-1/block/sda"
	m.write(t, disk+"/device/model", "stick")
	m.write(t, disk+"/size", "2048")
	if err := os.Symlink(m.path(disk), m.path("sys/block/sda")); err != nil {
		t.Fatal(err)
	}
	m.write(t, "dev/sda", strings.Repeat("\x00", 0x438)+"\x53\xef"+strings.Repeat("\x00", 2048*512-0x43a))
	for range 5 {
		m.deviceChanged(drivers.Event{Action: "add", Subsystem: "block", Device: "sda"})
	}
	for deadline := time.Now().Add(time.Minute); m.volumes.Status()[2].State != "mounted"; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("usb0: is %+v; want it mounted", m.volumes.Status()[2])
		}
	}
	m.cancel()
	<-followed
}

// stubborn are processes that end only when they are told to by the test.
type stubborn struct {
	exits  chan supervise.Exit
	starts int
}

func (p *stubborn) Start(supervise.Service) (int, error) { p.starts++; return 100 + p.starts, nil }
func (p *stubborn) Signal(int, syscall.Signal) error     { return nil }
func (p *stubborn) Exits() <-chan supervise.Exit         { return p.exits }
func (p *stubborn) MemoryKB(string) uint64               { return 0 }

// Services that did not end in time for a change of a volume come back when
// they do end.
func TestPausedReleasesWhatDidNotStop(t *testing.T) {
	for range 8 { // a release with an ended context works half of the time
		synctest.Test(t, func(t *testing.T) {
			m, _, _ := newTest(t)
			processes := &stubborn{exits: make(chan supervise.Exit)}
			var all []supervise.Service
			for _, name := range usesVolumes {
				all = append(all, supervise.Service{Name: name})
			}
			m.supervisor = supervise.New(all, supervise.Options{Processes: processes, Log: m.log.Printf})
			go m.supervisor.Run(m.ctx)
			if err := m.paused(func() error { return nil }); err == nil {
				t.Fatal("paused with processes that do not end = nil; want an error")
			}
			processes.exits <- supervise.Exit{PID: 101}
			time.Sleep(time.Second)
			synctest.Wait()
			if want := len(usesVolumes) + 1; processes.starts != want {
				t.Errorf("%d starts; want %d, one again", processes.starts, want)
			}
			m.cancel()
		})
	}
}

// A port that appears while the boot goes on behind the naming, or whose event
// was lost, gets its name; before that none does, because the order counts.
func TestPortAppearsLater(t *testing.T) {
	for _, event := range []drivers.Event{{}, {Action: "add", Subsystem: "net"}} {
		m, k, _ := newTest(t)
		m.write(t, "sys/class/net/eth0/address", "52:54:00:00:00:00\n")
		m.write(t, "sys/devices/pci0000:00/0000:00:03.0/vendor", "0x1af4\n")
		if err := os.Symlink(m.path("sys/devices/pci0000:00/0000:00:03.0"), m.path("sys/class/net/eth0/device")); err != nil {
			t.Fatal(err)
		}
		m.deviceChanged(event)
		if got := k.all(); len(got) != 0 {
			t.Errorf("before the boot named them: did %q", got)
		}
		k.fail["rename eth0 lan1"] = unix.EBUSY
		if err := m.namePorts(); !errors.Is(err, unix.EBUSY) {
			t.Fatal(err)
		}
		before := len(k.all())
		m.deviceChanged(event)
		if got := k.all()[before:]; !slices.Equal(got, []string{"rename eth0 lan1"}) {
			t.Errorf("after %+v: did %q; want it renamed", event, got)
		}
	}
}

// What cuts left of the services' files goes before they run.
func TestMountedTidiesUp(t *testing.T) {
	m, _, _ := newRunning(t)
	for _, directory := range directories {
		if strings.HasPrefix(directory.path, "/run/") {
			continue
		}
		m.write(t, directory.path+"/state.new-17", "half")
		m.write(t, directory.path+"/state", "whole")
	}
	m.write(t, "bootflash/mine.new-17", "an operator's")
	for _, name := range []string{volume.Bootflash, volume.Harddisk} {
		m.mounted(name)
	}
	for _, directory := range directories {
		if strings.HasPrefix(directory.path, "/run/") {
			continue
		}
		if entries, err := os.ReadDir(m.path(directory.path)); err != nil || slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == "state.new-17" }) {
			t.Errorf("%s holds %v, %v; want nothing half", directory.path, entries, err)
		}
		if _, err := os.Stat(m.path(directory.path, "state")); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(m.path("bootflash/mine.new-17")); err != nil {
		t.Error(err)
	}
}

// TestCollectPstore: pstore is emptied on a box without a disk, too, and what it had
// ends one trial and not each one after it.
func TestCollectPstore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, console := newTest(t)
		if err := m.mountVolumes(); err != nil { // waits in vain for disks
			t.Fatal(err)
		}
		m.write(t, "sys/fs/pstore/dmesg-efi-1", "Kernel panic")
		if m.lastEnd() == "" {
			t.Error("before: nothing tells that the kernel crashed")
		}
		m.collectPstore()
		m.collectPstore()
		if end := m.lastEnd(); end != "" {
			t.Errorf("after: %q", end)
		}
		kept, err := filepath.Glob(m.path("harddisk/crash/*-kernel-dmesg-efi-1.txt"))
		if err != nil || len(kept) != 1 {
			t.Errorf("kept %q, %v; want the record", kept, err)
		}
		m.log.Flush(time.Minute)
		if said := strings.Count(console.String(), "the kernel crashed before: 1 records"); said != 1 {
			t.Errorf("said %d times:\n%s", said, console)
		}
	})
}
