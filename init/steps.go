package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"causeway/appliance/link"
	"causeway/appliance/storage"
	"causeway/init/clock"
	"causeway/init/evidence"
	"causeway/init/supervise"
	"causeway/init/volume"
)

// step is one step of the boot.
type step struct {
	name  string
	run   func(*machine) error
	vital bool // without it nothing can live: the box reboots
}

const vital = true

// steps run in order. What fails in one that is not vital is reported, and the
// box does without.
var steps = []step{
	{"mount kernel file systems", (*machine).mountKernel, vital},
	{"make directories", (*machine).makeRunDirectories, vital},
	{"make the root read-only", (*machine).sealRoot, false},
	{"set kernel parameters", (*machine).setSysctls, false},
	{"forbid new privileges", (*machine).forbidPrivileges, false},
	{"raise the limit of open files", (*machine).limitFiles, false},
	{"load drivers", (*machine).loadDrivers, false},
	{"give devices to services", (*machine).giveDevices, false},
	{"load the firewall beside the boot", (*machine).loadFirewall, false},
	{"arm the watchdog", (*machine).armWatchdog, false},
	{"find out what was started", (*machine).findSlot, false},
	{"set the clock to the build time", (*machine).clockFromBuild, false},
	{"install on a disk, from the installer's stick", (*machine).install, false},
	{"mount volumes", (*machine).mountVolumes, false},
	{"erase what was asked", (*machine).erase, false},
	{"set the clock to the saved time", (*machine).clockFromVolume, false},
	{"judge what was started", (*machine).judgeSlot, false},
	{"read the serial number", (*machine).readSerial, false},
	{"set the host name", (*machine).setHostname, false},
	{"bring the network ports up", (*machine).namePorts, false},
	{"take the machine's configuration", (*machine).takeConfiguration, false},
	{"prepare the services", (*machine).prepareServices, false},
	{"open the log", (*machine).openLog, false},
	{"serve the local API", (*machine).serveAPI, false},
	{"start the services", (*machine).startServices, vital},
	{"look after the box", (*machine).lookAfter, false},
}

// boot runs the steps. Its error is the failure of a vital one.
func (m *machine) boot(steps []step) error {
	for _, step := range steps {
		if len(m.endings) > 0 {
			return nil // the box goes down already
		}
		began := m.kernel.Uptime()
		err := step.run(m)
		m.log.Debugf("step %q took %v", step.name, (m.kernel.Uptime() - began).Round(100*time.Microsecond))
		switch {
		case err == nil:
		case step.vital:
			return fmt.Errorf("%s: %w", step.name, err)
		default:
			for line := range strings.Lines(err.Error()) { // joined errors
				m.miss(fmt.Sprintf("%s: %s", step.name, strings.TrimSpace(line)))
			}
		}
	}
	m.mu.Lock()
	m.ready = m.kernel.Uptime()
	m.mu.Unlock()
	m.log.Printf("ready")
	return nil
}

func (m *machine) mountKernel() error {
	for _, mount := range kernelMounts {
		switch err := mount.Create(m); {
		case err == nil:
		case mount.vital:
			return err
		default:
			m.miss(err.Error())
		}
	}
	kmsg, err := os.OpenFile(m.path("dev/kmsg"), os.O_WRONLY, 0)
	if err != nil {
		m.miss(fmt.Sprintf("no kernel log: %v", err))
		return nil
	}
	m.log.useKernelLog(kmsg)
	m.log.Debugf("causeway %s on %s", m.build.Version, m.build.Board)
	return nil
}

func (m *machine) makeRunDirectories() error {
	m.makeDirectories("/run")
	_, err := os.Stat(m.path("run/init"))
	return err
}

func (m *machine) setSysctls() error {
	var errs []error
	for _, sysctl := range sysctls {
		errs = append(errs, sysctl.Create(m))
	}
	return errors.Join(errs...)
}

func (m *machine) giveDevices() error {
	var errs []error
	for _, device := range devices {
		errs = append(errs, device.Create(m))
	}
	return errors.Join(errs...)
}

func (m *machine) forbidPrivileges() error { return m.kernel.NoNewPrivileges() }

// openFiles is what every service may have open: each of the proxy's TCP and
// TLS connections is one, and the kernel's 4,096 would be too few.
const openFiles = 65536

func (m *machine) limitFiles() error { return m.kernel.LimitFiles(openFiles) }

func (m *machine) clockFromBuild() error { return m.raiseClock(m.build.Time) }

func (m *machine) clockFromVolume() error {
	floor, err := clock.Floor(m.build.Time, m.clockFile())
	return errors.Join(err, m.raiseClock(floor))
}

func (m *machine) clockFile() string { return m.path("bootflash/init/clock") }

// raiseClock sets the clock to floor if it is behind.
func (m *machine) raiseClock(floor time.Time) error {
	now := time.Now()
	if !now.Before(floor) {
		return nil
	}
	if err := m.kernel.SetTime(floor); err != nil {
		return fmt.Errorf("set the clock: %w", err)
	}
	m.log.Printf("clock: set from %s to %s", now.UTC().Format(time.RFC3339), floor.UTC().Format(time.RFC3339))
	return nil
}

// saveClock saves the floor; one in memory would be for nothing.
func (m *machine) saveClock() error {
	if !m.volumes.OnDisk(volume.Bootflash) {
		return errors.New("save the time: bootflash: is not there")
	}
	return clock.Save(m.clockFile(), time.Now())
}

// newVolumes gives the volumes of the box, of which nothing is mounted yet.
func (m *machine) newVolumes() *volume.Volumes {
	return volume.New(volume.Options{
		Root:   m.root,
		Kernel: m.kernel,
		Drivers: func(names ...string) {
			if m.loader != nil {
				m.loader.Names(names...)
			}
		},
		SlowDisks: m.loadAllDrivers,
		Log:       m.log.Printf,
		Mounted:   m.mounted,
		Paused:    m.paused,
		Go:        m.Go,
	})
}

func (m *machine) mountVolumes() error {
	m.volumes = m.newVolumes()
	m.volumes.Boot(m.ctx)
	m.evidence = &evidence.Store{Dir: m.path("harddisk/crash"), Now: time.Now}
	return nil
}

// mounted makes what belongs on a volume that was just mounted.
func (m *machine) mounted(name string) {
	m.makeDirectories("/" + name)
	if name == volume.Bootflash {
		m.moveCertificates()
	}
	for _, directory := range directories {
		if !strings.HasPrefix(directory.path, "/"+name+"/") || !m.volumes.OnDisk(name) {
			continue
		}
		// What cuts left; no service that may write there runs now.
		if err := storage.RemoveTemporary(m.path(directory.path)); err != nil {
			m.log.Printf("%v", err)
		}
	}
	if name != volume.Bootflash || !m.isReady() {
		return // the boot reads the serial number in a step of its own
	}
	if err := m.readSerial(); err != nil {
		m.log.Printf("read the serial number: %v", err)
	}
}

// paused makes a change while no service has a file open on a volume.
func (m *machine) paused(change func() error) error {
	ctx, cancel := context.WithTimeout(m.ctx, 2*stopLimit)
	defer cancel()
	if err := m.supervisor.Stop(ctx, usesVolumes...); err != nil {
		// Not with ctx: when that has ended they would stay down for ever.
		return errors.Join(err, m.supervisor.Release(m.ctx, usesVolumes...))
	}
	err := change()
	return errors.Join(err, m.supervisor.Release(m.ctx, usesVolumes...))
}

func (m *machine) setHostname() error {
	text, err := os.ReadFile(m.path("etc/hostname"))
	name := strings.TrimSpace(string(text))
	if err != nil || name == "" {
		name = "causeway"
	}
	return m.kernel.SetHostname(name)
}

func (m *machine) namePorts() error {
	loopback := m.kernel.LinkUp("lo")
	m.ports.Lock()
	defer m.ports.Unlock()
	m.named = true
	missing, err := m.nameLANs()
	if len(missing) > 0 {
		m.loadAllDrivers()
		missing, err = m.nameLANs()
	}
	for _, sentence := range missing {
		m.miss(sentence)
	}
	return errors.Join(loopback, err)
}

// configurationLimit bounds a configuration handed in, in octets.
const configurationLimit = 1 << 20

func (m *machine) takeConfiguration() error {
	file, err := os.Open(m.path("sys/firmware/qemu_fw_cfg/by_name/opt/causeway/config/raw"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, configurationLimit+1))
	if err != nil {
		return err
	}
	if len(text) > configurationLimit {
		return fmt.Errorf("it is longer than %d octets", configurationLimit)
	}
	path := m.path("run/init/startup-config")
	if err := os.WriteFile(path, text, 0o640); err != nil {
		return err
	}
	m.log.Printf("configuration: %d octets from the machine", len(text))
	return nil
}

func (m *machine) serveAPI() error {
	listener, err := link.Listen(link.Socket(m.path(link.RunDir), "init"))
	if err != nil {
		return err
	}
	m.Go(func() {
		if err := link.ServeListener(m.ctx, listener, m.methods()); err != nil {
			m.miss(fmt.Sprintf("the local API has ended: %v", err))
		}
	})
	return nil
}

func (m *machine) prepareServices() error {
	cgroups := m.path("sys/fs/cgroup")
	if err := supervise.EnableControllers(cgroups); err != nil {
		m.miss(err.Error())
	}
	m.launcher = supervise.NewLauncher(cgroups, m.log.Service, m.log.Printf)
	total, terminal := m.readMemory().total, m.terminal()
	if terminal == "" {
		m.miss("console: the kernel has no console, nobody can log in there")
	}
	var processes []supervise.Service
	for _, service := range services {
		if service.name == console && terminal == "" {
			continue
		}
		processes = append(processes, service.supervised(total, terminal))
	}
	m.supervisor = supervise.New(processes, supervise.Options{
		Processes: m.launcher,
		Log:       m.log.Printf,
		Trial:     m.slots.OnTrial,
		GiveUp:    func(reason string) { m.end(ending{mode: modeReboot, reason: reason}) },
		Crashed:   func(service, exit string) { m.Go(func() { m.keepEvidence(service, exit) }) },
	})
	return nil
}

func (m *machine) startServices() error {
	m.Go(func() { m.launcher.Reap(m.ctx) })
	m.Go(func() { m.supervisor.Run(m.ctx) })
	<-m.supervisor.Started()
	return nil
}

// keepEvidence keeps the last words of a service that crashed.
func (m *machine) keepEvidence(service, exit string) {
	text := fmt.Appendf(nil, "%s ended: %s\ncauseway %s (%s) on %s, slot %s\n\n",
		service, exit, m.build.Version, m.build.Commit, m.build.Board, m.running)
	if _, err := m.evidence.Save(service, append(text, m.launcher.Tail(service)...)); err != nil {
		m.log.Printf("%v", err)
	}
}

// lookAfter starts what goes on beside the services.
func (m *machine) lookAfter() error {
	m.Go(m.saveClockNowAndThen)
	m.loading.Add(2)
	m.Go(m.sealKernel)
	m.Go(func() {
		defer m.loading.Done()
		m.loadLater()
	})
	m.Go(func() {
		m.loadAllDrivers()
		m.loading.Done()
		m.volumes.Plugged()
		m.Go(m.followVolumes)
		m.Go(m.followSlots)
		m.collectPstore()
	})
	return nil
}

// collectPstore keeps what the kernel said when it crashed, also where harddisk: is in
// memory: pstore has room for the next crash, and this one is told of once.
func (m *machine) collectPstore() {
	kept, err := m.evidence.CollectPstore(m.path("sys/fs/pstore"))
	if kept > 0 {
		m.log.Printf("the kernel crashed before: %d records are in harddisk:/crash", kept)
	}
	if err != nil {
		m.log.Printf("%v", err)
	}
}

func (m *machine) saveClockNowAndThen() {
	tick := time.NewTicker(clock.Interval)
	defer tick.Stop()
	for {
		if m.volumes.OnDisk(volume.Bootflash) {
			if err := m.saveClock(); err != nil {
				m.log.Printf("%v", err)
			}
		}
		select {
		case <-tick.C:
		case <-m.ctx.Done():
			return
		}
	}
}
