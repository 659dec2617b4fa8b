package main

import (
	"context"
	"time"

	"causeway/init/volume"
)

// ending is how and why the box goes down.
type ending struct {
	mode    string // modeReboot or modePowerOff
	reason  string
	crashed bool // something is badly wrong: leave time to read the console
}

// The modes of an ending, and what is said about each.
const (
	modeReboot   = "reboot"
	modePowerOff = "poweroff"
)

var lastLines = map[string]string{
	modeReboot:   "rebooting",
	modePowerOff: "powering off",
}

// The time an end may take, all together less than 10 s.
const (
	stopLimit    = 5500 * time.Millisecond // services, with supervise's 5 s before SIGKILL
	consoleLimit = 1 * time.Second
	diskLimit    = 2 * time.Second
	wholeLimit   = 9500 * time.Millisecond
	flushLimit   = 200 * time.Millisecond
	crashPause   = 5 * time.Second
)

// shutdown is the one way down: services, clock, volumes, watchdog, reboot.
// Whatever hangs on the way, the box is down within wholeLimit (and crashPause
// before that, if it crashed).
func (m *machine) shutdown(e ending) {
	limit := wholeLimit
	if e.crashed {
		limit += crashPause
	}
	hurry := time.AfterFunc(limit, func() { m.kernel.Reboot(e.mode) })
	defer hurry.Stop()

	if e.crashed {
		m.log.Printf("%s; rebooting in %v", e.reason, crashPause)
		m.kernel.Sync()
		time.Sleep(crashPause)
	} else {
		m.log.Printf("shutting down (%s): %s", e.mode, e.reason)
	}
	clean := m.stopServices()
	m.cancel()
	clean = m.closeVolumes(e.reason) && clean
	m.leaveWatchdog(e.mode)
	if clean {
		m.log.Printf("%s", lastLines[e.mode])
	} else {
		m.log.Printf("%s, but not cleanly", lastLines[e.mode])
	}
	m.log.Flush(flushLimit)
	if err := m.kernel.Reboot(e.mode); err != nil {
		// Nothing is left to do: PID 1 ends, the kernel panics and reboots.
		panic(err)
	}
}

// leaveWatchdog disarms the watchdog where nothing would feed it any more. Over a
// restart it stays armed: firmware takes less than its time, and what hangs
// before that is reset.
func (m *machine) leaveWatchdog(mode string) {
	if m.watchdog == nil {
		return
	}
	leave := m.watchdog.Last
	if mode == modePowerOff {
		leave = m.watchdog.Disarm
	}
	if err := leave(); err != nil {
		m.log.Printf("%v", err)
	}
}

// stopServices stops all services, the console last so that someone can watch.
func (m *machine) stopServices() (clean bool) {
	if m.supervisor == nil {
		return true
	}
	clean = true
	for _, stop := range []struct {
		names []string
		limit time.Duration
	}{
		{usesVolumes, stopLimit},
		{nil, consoleLimit},
	} {
		ctx, cancel := context.WithTimeout(m.ctx, stop.limit)
		if err := m.supervisor.Stop(ctx, stop.names...); err != nil {
			m.log.Printf("%v", err)
			clean = false
		}
		cancel()
	}
	return clean
}

// closeVolumes saves the time, and the reason for what it ends, and brings
// everything to disk.
func (m *machine) closeVolumes(reason string) (clean bool) {
	if m.volumes == nil {
		m.kernel.Sync()
		return true
	}
	done := make(chan bool, 1)
	m.Go(func() {
		if m.volumes.OnDisk(volume.Bootflash) {
			if err := m.saveClock(); err != nil {
				m.log.Printf("%v", err)
			}
		}
		if err := m.slots.Ending(reason); err != nil {
			m.log.Printf("%v", err)
		}
		// What has escaped supervision would keep the volumes busy.
		if err := m.kernel.KillAll(); err != nil {
			m.log.Debugf("kill what is left: %v", err)
		}
		m.kernel.Sync()
		err := m.volumes.Close()
		if err != nil {
			m.log.Printf("%v", err)
		}
		m.kernel.Sync()
		done <- err == nil
	})
	select {
	case clean := <-done:
		return clean
	case <-time.After(diskLimit):
		m.log.Printf("the disks do not answer within %v", diskLimit)
		return false
	}
}
