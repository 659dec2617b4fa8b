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
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"causeway/board/modules"
)

// Loader loads the modules of one image into the kernel.
type Loader struct {
	table *modules.Table
	sys   string                              // where sysfs is mounted
	load  func(path, parameters string) error // gives the kernel one file

	parameters map[string]string // by module

	mu       sync.Mutex
	tried    map[string]bool // modules; each is tried once
	asked    map[string]bool // modaliases
	looked   map[string]bool // devices, as "bus/name"
	mute     map[string]bool // buses whose devices ask for nothing
	patient  bool            // slow modules are loaded too
	waiting  []string        // slow modules that devices have asked for
	closed   bool            // no module is loaded any more
	problems []string
	loaded   int
}

// slow are modules whose loading takes long, because the kernel waits for each
// disk port to answer or goes through a whole bus. A box that has what it
// needs without them starts its services first.
var slow = []string{"ahci", "xhci_pci", "ehci_pci"}

// NewLoader makes a loader of the table's modules for the devices below sys.
// load hands a file to the kernel; LoadFile is the real one.
func NewLoader(table *modules.Table, sys string, load func(path, parameters string) error) *Loader {
	return &Loader{
		table:      table,
		sys:        sys,
		load:       load,
		parameters: map[string]string{},
		tried:      map[string]bool{},
		asked:      map[string]bool{},
		looked:     map[string]bool{},
		mute:       map[string]bool{},
	}
}

// Parameters takes those of modules from the kernel's command line, the words
// MODULE.NAME=VALUE: the kernel itself takes them only for what is built into it.
func (l *Loader) Parameters(commandLine string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, word := range strings.Fields(commandLine) {
		name, _, _ := strings.Cut(word, "=")
		module, parameter, found := strings.Cut(name, ".")
		if !found || module == "" || parameter == "" {
			continue
		}
		module = modules.Name(module)
		l.parameters[module] = strings.TrimSpace(l.parameters[module] + " " + word[len(module)+1:])
	}
}

// LoadFile loads the module in the file at path into the running kernel, with
// parameters as on its command line.
func LoadFile(path, parameters string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.FinitModule(int(file.Fd()), parameters, 0)
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
		if !l.tried[name] {
			l.tried[name] = true
			l.problems = append(l.problems, fmt.Sprintf("module %s is not in this image", name))
		}
	}
	for _, name := range order {
		if l.tried[name] {
			continue
		}
		l.tried[name] = true
		if l.closed {
			l.problems = append(l.problems, fmt.Sprintf("module %s is wanted for a new device: it is loaded when the box restarts", name))
			continue
		}
		err := l.load(l.table.Modules[name].Path, l.parameters[name])
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

// Close ends the loading of modules. What asks for one later is a problem.
func (l *Loader) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

// Beside does what Names does, and lets others load theirs in between.
func (l *Loader) Beside(names ...string) {
	order, _ := l.table.Closure(names...)
	for _, name := range append(order, names...) {
		l.Names(name)
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
	for _, name := range l.table.ForDevice(modalias) {
		if !l.patient && slices.Contains(slow, name) {
			l.waiting = append(l.waiting, name)
			continue
		}
		l.names(name)
	}
}

// Quick loads drivers for all devices that are there, and again for those that
// the drivers brought to light, until no new one appears; but no slow ones.
func (l *Loader) Quick() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settle()
}

// All does what Quick does, slow ones included. When it returns, disks that
// are not on USB have been found.
func (l *Loader) All() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.patient = true
	l.names(l.waiting...)
	l.waiting = nil
	clear(l.looked)
	return l.settle()
}

// settle looks at the devices until there is no new one.
func (l *Loader) settle() error {
	for {
		before := len(l.looked)
		if err := l.scan(); err != nil {
			return fmt.Errorf("look for devices: %w", err)
		}
		if len(l.looked) == before {
			return nil
		}
	}
}

// scan asks once for each device on each bus. It is on the way to the first
// call, and sysfs is not fast: what was looked at is not opened again.
func (l *Loader) scan() error {
	buses, err := os.ReadDir(filepath.Join(l.sys, "bus"))
	if err != nil {
		return err
	}
	for _, bus := range buses {
		if l.mute[bus.Name()] {
			continue
		}
		dir := filepath.Join(l.sys, "bus", bus.Name(), "devices")
		devices, err := os.ReadDir(dir)
		if err != nil {
			continue // a bus that went away, or has none
		}
		mute := len(devices) > 0
		for _, device := range devices {
			key := bus.Name() + "/" + device.Name()
			if l.looked[key] {
				mute = false
				continue
			}
			// Some have none, and one may go while we look.
			modalias, err := os.ReadFile(filepath.Join(dir, device.Name(), "modalias"))
			if err == nil {
				l.looked[key], mute = true, false
				l.device(strings.TrimSpace(string(modalias)))
			}
		}
		l.mute[bus.Name()] = mute
	}
	return nil
}
