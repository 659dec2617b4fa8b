// Command init is PID 1 of the box. It mounts, loads drivers, arms the
// watchdog, makes and mounts the volumes, and then keeps the services of
// /bin/appliance alive until it is told to reboot or power off.
//
// steps.go is the boot, read it first; shutdown.go is the end, and there is
// only one. Everything a box can be without (a disk, a network port, a driver)
// is reported and done without.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"
)

// PID 1 never needs much; what it does need is returned soon.
const (
	memoryLimit = 48 << 20 // octets
	gcPercent   = 50
)

func main() {
	runtime.MemProfileRate = 0
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "init: this is for process 1 only")
		os.Exit(1)
	}
	m := newMachine("/", linux{}, os.Stderr)
	m.shutdown(m.live())
}

// live boots and serves until something ends it, and says what that was. A
// crash ends it like anything else.
func (m *machine) live() (end ending) {
	defer func() {
		if crash := recover(); crash != nil {
			end = m.crashed(crash)
		}
	}()
	m.readBuild()
	m.log.Printf("causeway %s on %s starting", m.build.Version, m.build.Board)
	m.Go(m.signals)
	if err := m.boot(steps); err != nil {
		return ending{mode: modeReboot, reason: err.Error(), crashed: true}
	}
	return <-m.endings
}

// signals turns what the kernel and operators signal to PID 1 into an end.
func (m *machine) signals() {
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	// Ctrl-Alt-Del becomes SIGINT instead of a reset on the spot.
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF); err != nil {
		m.log.Printf("Ctrl-Alt-Del resets on the spot: %v", err)
	}
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGTERM, syscall.SIGINT)
	select {
	case s := <-received:
		m.end(ending{mode: modeReboot, reason: s.String()})
	case <-m.ctx.Done():
	}
}

// crashed makes an end of a panic, and evidence of it.
func (m *machine) crashed(crash any) ending {
	text := fmt.Sprintf("panic: %v\n\n%s", crash, debug.Stack())
	m.log.Printf("crashed: %s", text)
	if m.evidence != nil {
		if _, err := m.evidence.Save("init", []byte(text)); err != nil {
			m.log.Printf("%v", err)
		}
	}
	return ending{mode: modeReboot, reason: fmt.Sprintf("init crashed: %v", crash), crashed: true}
}
