package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"causeway/board"
	"causeway/board/modules"
	"causeway/init/drivers"
	"causeway/init/usb"
	"causeway/init/watchdog"
)

func (m *machine) loadDrivers() error {
	table, err := readTable(m.path(modules.File))
	if err != nil {
		return err
	}
	m.loader = drivers.NewLoader(table, m.path("sys"), func(path, parameters string) error {
		return m.kernel.LoadModule(m.path(path), parameters)
	})
	if commandLine, err := os.ReadFile(m.path("proc/cmdline")); err == nil {
		m.loader.Parameters(string(commandLine))
	}
	// Before looking, so that no device falls between looking and listening.
	events, listenErr := drivers.Listen()
	m.loader.Always()
	err = m.loader.Quick()
	m.log.Debugf("%d kernel modules loaded", m.loader.Loaded())
	if listenErr != nil {
		return errors.Join(err, listenErr)
	}
	gate := &usb.Gate{Sys: m.path("sys"), Log: m.log.Printf}
	m.Go(func() {
		gate.Look() // what a controller that is built into the kernel has found
		if err := m.loader.Follow(m.ctx, events, func(event drivers.Event) {
			switch {
			case event == drivers.Event{}: // some were lost
				gate.Look()
			case event.Action == "add" && event.Type == "usb_device":
				gate.Added(event.Path)
			}
			m.deviceChanged(event)
		}); err != nil {
			m.miss(fmt.Sprintf("new devices are not noticed any more: %v", err))
		}
	})
	return err
}

// loadFirewall has the modules loaded that the firewall needs, while the boot
// goes on: control waits for them before it brings the ports up.
func (m *machine) loadFirewall() error {
	target, err := board.Find(m.build.Board)
	if err != nil || m.loader == nil {
		return err
	}
	m.loading.Add(1)
	m.Go(func() {
		defer m.loading.Done()
		m.loader.Beside(target.Firewall...)
		for _, sysctl := range trackingSysctls {
			if err := sysctl.Create(m); err != nil {
				m.miss(err.Error())
			}
		}
	})
	return nil
}

// laterPause leaves the processors to the services while they start.
const laterPause = 2 * time.Second

// loadLater loads what no device asks for and no first call needs.
func (m *machine) loadLater() {
	select {
	case <-time.After(laterPause):
	case <-m.ctx.Done():
		return
	}
	if target, err := board.Find(m.build.Board); err == nil && m.loader != nil {
		m.loader.Beside(target.Later...)
	}
}

// loadAllDrivers also loads those that take long.
func (m *machine) loadAllDrivers() {
	if m.loader == nil {
		return
	}
	if err := m.loader.All(); err != nil {
		m.log.Printf("%v", err)
	}
}

func readTable(path string) (*modules.Table, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the module table: %w", err)
	}
	defer file.Close()
	return modules.Read(file)
}

// deviceChanged follows a device event, or the loss of some.
func (m *machine) deviceChanged(event drivers.Event) {
	lost := event == (drivers.Event{})
	if lost || event.Subsystem == "block" {
		select {
		case m.disks <- struct{}{}:
		default: // it will be looked at anyway
		}
	}
	if !lost && (event.Subsystem != "net" || event.Action != "add") {
		return
	}
	m.ports.Lock()
	defer m.ports.Unlock()
	if !m.named {
		return // the boot names the first ports together: their order counts
	}
	if _, err := m.nameLANs(); err != nil {
		m.log.Printf("%v", err)
	}
}

// lookInterval is how often the volumes are looked at, for what happens to them
// without a device event: the kernel stops writing, a device stops answering.
const lookInterval = 15 * time.Second

// followVolumes mounts and unmounts sticks as they come and go, and keeps an
// eye on all volumes. A stick that hangs holds up nothing else.
func (m *machine) followVolumes() {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		m.volumes.Look()
		select {
		case <-m.disks:
			m.volumes.Plugged()
		case <-tick.C:
		case <-m.ctx.Done():
			return
		}
	}
}

func (m *machine) isReady() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ready != 0
}

func (m *machine) armWatchdog() error {
	m.watchdog = &watchdog.Feeder{
		Open:    func() (watchdog.Device, error) { return watchdog.Open(m.path("dev/watchdog0")) },
		Healthy: m.healthy,
		Log:     m.log.Printf,
	}
	feeder := m.watchdog
	defer m.Go(func() { feeder.Run(m.ctx) })
	err := feeder.Arm()
	// No device asked for a driver: try those that look for themselves.
	target, unknown := board.Find(m.build.Board)
	if err == nil || unknown != nil || m.loader == nil {
		return err
	}
	for _, driver := range target.Watchdogs {
		m.loader.Names(driver)
		if err = feeder.Arm(); err == nil {
			break
		}
	}
	return err
}

// bootLimit is how long a boot may take since it was last seen to get on: a slow
// disk is formatted in minutes, and one that is reset meanwhile would begin again
// for ever.
const bootLimit = 5 * time.Minute

// healthy is the condition for feeding the watchdog: the boot goes on, or waits
// for somebody who may take as long as he wants, then supervision turns.
func (m *machine) healthy(ctx context.Context) error {
	if m.asks.Load() {
		return nil
	}
	if m.isReady() {
		return m.supervisor.Alive(ctx)
	}
	if m.kernel.Uptime()-time.Duration(m.progress.Load()) > bootLimit {
		return fmt.Errorf("the boot is not done within %v", bootLimit)
	}
	return nil
}
