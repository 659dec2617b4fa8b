// Package usb keeps the box from using any USB device but mass storage, and the
// hubs that it hangs on: a stick that is a keyboard or a network card, too, is
// not used at all.
//
// In: the descriptors of devices that the kernel shows in sysfs, and uses only
// on init's word (usbcore.authorized_default=0 on its command line;
// Documentation/usb/authorization.rst). Out: that word, and a line about each
// device that does not get it.
package usb

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Classes of devices and interfaces (USB-IF, Defined Class Codes).
const (
	perInterface byte = 0x00 // of a device: its interfaces say
	massStorage  byte = 0x08
	hub          byte = 0x09
)

// Gate lets devices in.
type Gate struct {
	Sys string // where sysfs is mounted
	Log func(format string, args ...any)
}

// Added decides about the device at a path below sysfs,
// "/devices/pci0000:00/…/usb1/1-1".
func (g *Gate) Added(path string) {
	if err := g.decide(filepath.Join(g.Sys, path)); err != nil && !errors.Is(err, fs.ErrNotExist) { // it may be gone
		g.Log("usb: %s is not used: %v", filepath.Base(path), err)
	}
}

// Look decides about all devices that there are.
func (g *Gate) Look() {
	devices := filepath.Join(g.Sys, "bus/usb/devices")
	entries, err := os.ReadDir(devices)
	if err != nil {
		return // no USB
	}
	for _, entry := range entries {
		if !strings.Contains(entry.Name(), ":") { // that is an interface
			g.Added(filepath.Join("bus/usb/devices", entry.Name()))
		}
	}
}

// decide has the kernel use the device in a directory of sysfs, or says why not.
// What it says goes to the device that was there first: who pulls a stick, and
// plugs another device in its place, has nothing of the stick's word.
func (g *Gate) decide(dir string) error {
	authorized, err := os.OpenFile(filepath.Join(dir, "authorized"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer authorized.Close()
	state := make([]byte, 1)
	if _, err := authorized.ReadAt(state, 0); err != nil || state[0] != '0' {
		return err // a controller's own hub is used from the beginning
	}
	descriptors, err := os.ReadFile(filepath.Join(dir, "descriptors"))
	if err != nil {
		return err
	}
	if err := Allowed(descriptors); err != nil {
		return err
	}
	_, err = authorized.WriteAt([]byte("1"), 0)
	return err
}

// Descriptors begin with their length and type (USB 2.0, §9.5 and §9.6).
const (
	typeDevice    = 1
	typeInterface = 4

	deviceLength    = 18
	interfaceLength = 9

	classOfDevice    = 4 // where the class stands
	classOfInterface = 5
)

var errTorn = errors.New("its descriptors make no sense")

// Allowed says why a device with those descriptors, first its own and then all
// of its configurations, is not to be used; nil if it is. Every interface of
// every configuration must be of a class that is allowed.
func Allowed(descriptors []byte) error {
	allowed := []byte{massStorage, hub}
	if len(descriptors) < deviceLength || descriptors[0] != deviceLength || descriptors[1] != typeDevice {
		return errTorn
	}
	if class := descriptors[classOfDevice]; class != perInterface && !bytes.Contains(allowed, []byte{class}) {
		return fmt.Errorf("it is of class %02x; only mass storage and hubs are used", class)
	}
	var classes []byte
	for rest := descriptors[deviceLength:]; len(rest) > 0; rest = rest[rest[0]:] {
		if len(rest) < 2 || rest[0] < 2 || int(rest[0]) > len(rest) {
			return errTorn
		}
		if rest[1] != typeInterface {
			continue
		}
		if rest[0] < interfaceLength {
			return errTorn
		}
		classes = append(classes, rest[classOfInterface])
	}
	if len(classes) == 0 {
		return errors.New("it has no interface")
	}
	if i := slices.IndexFunc(classes, func(class byte) bool { return !bytes.Contains(allowed, []byte{class}) }); i >= 0 {
		return fmt.Errorf("it has an interface of class %02x; only mass storage and hubs are used", classes[i])
	}
	return nil
}
