// Package watchdog feeds the hardware watchdog while the box is healthy: a
// hung kernel, a hung PID 1 or a supervision that does not turn is reset.
package watchdog

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The pace: a device resets the machine when it was not fed for Timeout.
const (
	Timeout  = 60 * time.Second
	interval = 10 * time.Second
	patience = 5 * time.Second // for one check of health
)

// Device is an armed watchdog.
type Device interface {
	Feed() error
	// Disarm stops it, if the driver can be stopped, and closes it.
	Disarm() error
	Identity() string
	// Fired reports whether it was this device that reset the machine last.
	Fired() bool
}

// Feeder arms a watchdog as soon as there is one and feeds it.
type Feeder struct {
	// Open arms the device; Open is the package's function of that name.
	Open func() (Device, error)
	// Healthy returns nil while the watchdog may be fed.
	Healthy func(ctx context.Context) error
	Log     func(format string, args ...any)

	mu      sync.Mutex
	device  Device
	problem string // why it is not armed, or not fed
}

// Arm arms the device if it is not armed yet.
func (f *Feeder) Arm() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.device != nil {
		return nil
	}
	device, err := f.Open()
	if err != nil {
		f.problem = err.Error()
		return err
	}
	f.device, f.problem = device, ""
	f.Log("watchdog: %s armed, %v", device.Identity(), Timeout)
	return nil
}

// Run feeds the device until ctx ends; then it stays armed. While there is
// none, it looks for one.
func (f *Feeder) Run(ctx context.Context) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		f.feed(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (f *Feeder) feed(ctx context.Context) {
	if f.Arm() != nil {
		return
	}
	check, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := f.Healthy(check)
	if ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.device == nil {
		return
	}
	if err == nil {
		err = f.device.Feed()
	}
	before := f.problem
	f.problem = ""
	if err != nil {
		f.problem = "not fed: " + err.Error()
	}
	if f.problem != before && f.problem != "" {
		f.Log("watchdog: %s", f.problem)
	}
}

// Fired reports whether the machine was reset by its watchdog last.
func (f *Feeder) Fired() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.device != nil && f.device.Fired()
}

// Last feeds the device once more, on the way down: what hangs from here on is
// reset like anything else.
func (f *Feeder) Last() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.device == nil {
		return nil
	}
	return f.device.Feed()
}

// Disarm stops the device at a clean end.
func (f *Feeder) Disarm() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.device == nil {
		return nil
	}
	device := f.device
	f.device = nil
	return device.Disarm()
}

// Status is the identity of the armed device, or why it is not armed or fed.
func (f *Feeder) Status() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.problem != "" || f.device == nil {
		return f.problem
	}
	return f.device.Identity()
}

// Open arms the watchdog at path (Documentation/watchdog/watchdog-api) with
// Timeout; one that cannot do that long keeps its own.
func Open(path string) (Device, error) {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("arm the watchdog: %w", err)
	}
	device := &kernelDevice{file: file, identity: "unnamed watchdog"}
	fd := int(file.Fd())
	if info, err := unix.IoctlGetWatchdogInfo(fd); err == nil {
		device.identity = unix.ByteSliceToString(info.Identity[:])
	}
	seconds := int(Timeout / time.Second)
	if err := unix.IoctlSetPointerInt(fd, unix.WDIOC_SETTIMEOUT, seconds); err != nil {
		device.identity += " (with its own timeout)"
	}
	return device, nil
}

type kernelDevice struct {
	file     *os.File
	identity string
}

func (d *kernelDevice) Identity() string { return d.identity }

// cardReset is the status after a reset by the watchdog (WDIOF_CARDRESET).
const cardReset = 0x20

func (d *kernelDevice) Fired() bool {
	status, err := unix.IoctlGetInt(int(d.file.Fd()), unix.WDIOC_GETBOOTSTATUS)
	return err == nil && status&cardReset != 0
}

func (d *kernelDevice) Feed() error { return unix.IoctlWatchdogKeepalive(int(d.file.Fd())) }

func (d *kernelDevice) Disarm() error {
	_, err := d.file.WriteString("V") // the "magic close"
	if closed := d.file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("disarm the watchdog: %w", err)
	}
	return nil
}
