// Package drivers loads kernel modules: those that are always wanted, those
// that the devices of the machine ask for by their modalias, and those that
// devices ask for which come later.
//
// In: the image's module table (board/modules), sysfs, the kernel's device
// events. Out: loaded modules and a sentence for each that could not be.
package drivers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"causeway/board/modules"
)

// Loader loads the modules of one image into the kernel.
type Loader struct {
	table *modules.Table
	sys   string                  // where sysfs is mounted
	load  func(path string) error // gives the kernel one file

	mu       sync.Mutex
	tried    map[string]error // by module; a module is tried once
	asked    map[string]bool  // modaliases seen
	problems []string
	loaded   int
}

// NewLoader makes a loader of the table's modules for the devices below sys.
// load hands a file to the kernel; LoadFile is the real one.
func NewLoader(table *modules.Table, sys string, load func(path string) error) *Loader {
	return &Loader{table: table, sys: sys, load: load, tried: map[string]error{}, asked: map[string]bool{}}
}

// LoadFile loads the module in the file at path into the running kernel.
func LoadFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.FinitModule(int(file.Fd()), "", 0)
}

// Problems gives what could not be loaded, a sentence each.
func (l *Loader) Problems() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.problems...)
}

// Loaded gives the number of modules loaded so far.
func (l *Loader) Loaded() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.loaded
}

// Names loads modules by name, with what they need.
func (l *Loader) Names(names ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names(names...)
}

// names does so with l.mu held. A module whose need failed is tried all the
// same: soft dependencies may fail, and the kernel refuses what truly lacks one.
func (l *Loader) names(names ...string) {
	order, missing := l.table.Closure(names...)
	for _, name := range missing {
		if _, known := l.tried[name]; !known {
			l.tried[name] = fmt.Errorf("module %s is not in this image", name)
			l.problems = append(l.problems, l.tried[name].Error())
		}
	}
	for _, name := range order {
		if _, done := l.tried[name]; done {
			continue
		}
		err := l.load(l.table.Modules[name].Path)
		l.tried[name] = err
		switch {
		case err == nil:
			l.loaded++
		case errors.Is(err, unix.EEXIST): // it is there already
		case errors.Is(err, unix.ENODEV): // it looked for its hardware and found none
		default:
			l.problems = append(l.problems, fmt.Sprintf("load module %s: %v", name, err))
		}
	}
}

// Always loads what is wanted on every machine.
func (l *Loader) Always() { l.Names(l.table.Always...) }

// Device loads the drivers that a device with this modalias asks for.
func (l *Loader) Device(modalias string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.device(modalias)
}

func (l *Loader) device(modalias string) {
	if modalias == "" || l.asked[modalias] {
		return
	}
	l.asked[modalias] = true
	l.names(l.table.ForDevice(modalias)...)
}

// Devices loads drivers for all devices that are there, and again for those
// that the drivers brought to light, until no new one appears.
func (l *Loader) Devices() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		before := len(l.asked)
		if err := l.scan(); err != nil {
			return fmt.Errorf("look for devices: %w", err)
		}
		if len(l.asked) == before {
			return nil
		}
	}
}

// scan asks once for each device on each bus.
func (l *Loader) scan() error {
	buses, err := os.ReadDir(filepath.Join(l.sys, "bus"))
	if err != nil {
		return err
	}
	for _, bus := range buses {
		dir := filepath.Join(l.sys, "bus", bus.Name(), "devices")
		devices, err := os.ReadDir(dir)
		if err != nil {
			continue // a bus that went away, or has none
		}
		for _, device := range devices {
			// Many have none, and one may go while we look.
			modalias, err := os.ReadFile(filepath.Join(dir, device.Name(), "modalias"))
			if err == nil {
				l.device(strings.TrimSpace(string(modalias)))
			}
		}
	}
	return nil
}
