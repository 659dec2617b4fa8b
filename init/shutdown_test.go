package main

import (
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"causeway/init/supervise"
	"causeway/init/watchdog"
)

// fakeProcesses are services that end when asked, or do not.
type fakeProcesses struct {
	kernel   *fakeKernel
	stubborn map[string]bool
	exits    chan supervise.Exit

	mu    sync.Mutex
	names map[int]string
}

func (f *fakeProcesses) Start(service supervise.Service) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	pid := 100 + len(f.names)
	f.names[pid] = service.Name
	return pid, nil
}

func (f *fakeProcesses) Signal(pid int, signal syscall.Signal) error {
	f.mu.Lock()
	name := f.names[pid]
	f.mu.Unlock()
	f.kernel.did("%v %s", signal, name)
	if signal == syscall.SIGKILL || !f.stubborn[name] {
		f.exits <- supervise.Exit{PID: pid, Status: syscall.WaitStatus(signal)}
	}
	return nil
}

func (f *fakeProcesses) Exits() <-chan supervise.Exit { return f.exits }
func (f *fakeProcesses) MemoryKB(string) uint64       { return 1 }

// newRunning makes a machine in a bubble, up and running on a disk.
func newRunning(t *testing.T, stubborn ...string) (*machine, *fakeKernel, *screen) {
	t.Helper()
	m, k, console := newTest(t)
	m.write(t, "sys/block/vda/device/model", "fake")
	for part, label := range map[string]string{"vda1": "bootflash", "vda2": "harddisk"} {
		m.write(t, "sys/block/vda/"+part+"/partition", "1")
		m.write(t, "sys/block/vda/"+part+"/size", "131072")
		m.write(t, "sys/block/vda/"+part+"/uevent", "PARTNAME="+label+"\n")
		m.write(t, "dev/"+part, "")
		if err := os.Truncate(m.path("dev", part), 131072*512); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.mountVolumes(); err != nil {
		t.Fatal(err)
	}
	processes := &fakeProcesses{kernel: k, stubborn: map[string]bool{}, exits: make(chan supervise.Exit, 100), names: map[int]string{}}
	for _, name := range stubborn {
		processes.stubborn[name] = true
	}
	var all []supervise.Service
	for _, s := range services {
		all = append(all, supervise.Service{Name: s.name})
	}
	m.supervisor = supervise.New(all, supervise.Options{Processes: processes, Log: m.log.Printf})
	m.Go(func() { m.supervisor.Run(m.ctx) })
	<-m.supervisor.Started()
	k.mu.Lock()
	k.calls = nil
	k.mu.Unlock()
	return m, k, console
}

func TestShutdown(t *testing.T) {
	orderly := []string{"terminated proxy", "terminated billing", "terminated control", "terminated console"}
	disks := []string{"kill all", "sync", "unmount /harddisk", "unmount /bootflash", "sync"}
	for _, tt := range []struct {
		name     string
		stubborn []string
		prepare  func(*fakeKernel)
		end      ending
		want     []string
		last     string
		atMost   time.Duration
	}{
		{
			name: "power off", end: ending{mode: modePowerOff, reason: "asked"},
			want: slices.Concat(orderly, disks, []string{"poweroff"}), last: "init: powering off", atMost: time.Second,
		},
		{
			name: "reboot", end: ending{mode: modeReboot, reason: "asked"},
			want: slices.Concat(orderly, disks, []string{"reboot"}), last: "init: rebooting", atMost: time.Second,
		},
		{
			name: "a service that does not listen", stubborn: []string{"billing"}, end: ending{mode: modeReboot},
			want: slices.Concat([]string{"terminated proxy", "terminated billing", "terminated control", "killed billing",
				"terminated console"}, disks, []string{"reboot"}),
			last: "init: rebooting", atMost: 6 * time.Second,
		},
		{
			name: "a busy volume", end: ending{mode: modeReboot},
			prepare: func(k *fakeKernel) { k.fail["unmount /harddisk"] = unix.EBUSY },
			want: slices.Concat(orderly, []string{"kill all", "sync", "unmount /harddisk", "mount  /harddisk",
				"unmount /harddisk", "unmount /bootflash", "sync", "reboot"}),
			last: "init: rebooting, but not cleanly", atMost: time.Second,
		},
		{
			name: "a disk that hangs", end: ending{mode: modePowerOff},
			prepare: func(k *fakeKernel) { k.slow["unmount /harddisk"] = time.Hour },
			want:    slices.Concat(orderly, []string{"kill all", "sync", "unmount /harddisk", "poweroff"}),
			last:    "init: powering off, but not cleanly", atMost: 3 * time.Second,
		},
		{
			name: "everything hangs", stubborn: []string{"proxy", "billing", "control", "console"}, end: ending{mode: modePowerOff},
			prepare: func(k *fakeKernel) { k.slow["sync"] = time.Hour },
			want: []string{"terminated proxy", "terminated billing", "terminated control", "killed proxy", "killed billing",
				"killed control", "terminated console", "kill all", "sync", "poweroff"},
			last: "init: powering off, but not cleanly", atMost: 10 * time.Second,
		},
		{
			name: "after a crash", end: ending{mode: modeReboot, reason: "init crashed", crashed: true},
			want: slices.Concat([]string{"sync"}, orderly, disks, []string{"reboot"}),
			last: "init: rebooting", atMost: crashPause + time.Second,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, k, console := newRunning(t, tt.stubborn...)
				if tt.prepare != nil {
					tt.prepare(k)
				}
				began := time.Now()
				m.shutdown(tt.end)
				if took := time.Since(began); took > tt.atMost {
					t.Errorf("took %v; want at most %v", took, tt.atMost)
				}
				if got := k.all(); !slices.Equal(got, tt.want) {
					t.Errorf("did\n%q; want\n%q", got, tt.want)
				}
				lines := strings.Split(strings.TrimSpace(console.String()), "\n")
				if got := lines[len(lines)-1]; got != tt.last {
					t.Errorf("last line = %q; want %q", got, tt.last)
				}
				if _, err := os.Stat(m.path("bootflash/init/clock")); err != nil {
					t.Errorf("the time was not saved: %v", err)
				}
				time.Sleep(2 * time.Hour) // what hangs comes back
			})
		})
	}
}

// dog is a watchdog that remembers how it was left.
type dog struct{ fed, disarmed int }

func (d *dog) Feed() error      { d.fed++; return nil }
func (d *dog) Disarm() error    { d.disarmed++; return nil }
func (d *dog) Identity() string { return "dog" }
func (d *dog) Fired() bool      { return false }

// TestShutdownWatchdog: over a restart the watchdog stays armed; when the power
// goes off it would only start the box again.
func TestShutdownWatchdog(t *testing.T) {
	for mode, want := range map[string]dog{modeReboot: {fed: 1}, modePowerOff: {disarmed: 1}} {
		synctest.Test(t, func(t *testing.T) {
			m, _, _ := newTest(t)
			d := &dog{}
			m.watchdog = &watchdog.Feeder{Open: func() (watchdog.Device, error) { return d, nil }, Log: m.log.Printf}
			if err := m.watchdog.Arm(); err != nil {
				t.Fatal(err)
			}
			m.shutdown(ending{mode: mode})
			if *d != want {
				t.Errorf("%s leaves the watchdog %+v; want %+v", mode, *d, want)
			}
		})
	}
}

// Before there is anything to stop, the way down is short.
func TestShutdownAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, k, _ := newTest(t)
		m.shutdown(ending{mode: modeReboot, reason: "no /proc"})
		if want := []string{"sync", "reboot"}; !slices.Equal(k.all(), want) {
			t.Errorf("did %q; want %q", k.all(), want)
		}
	})
}
