package usb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// device makes descriptors: of a device of that class with a configuration of
// interfaces of these.
func device(class byte, interfaces ...byte) []byte {
	all := make([]byte, deviceLength)
	all[0], all[1], all[classOfDevice] = deviceLength, typeDevice, class
	all = append(all, 9, 2, byte(9+16*len(interfaces)), 0, byte(len(interfaces)), 1, 0, 0x80, 50)
	for i, class := range interfaces {
		all = append(all, interfaceLength, typeInterface, byte(i), 0, 1, class, 6, 0x50, 0)
		all = append(all, 7, 5, 0x81, 2, 0, 2, 0) // an endpoint
	}
	return all
}

var decisions = []struct {
	name        string
	descriptors []byte
	refusal     string // part of it; empty: allowed
}{
	{"stick", device(perInterface, massStorage), ""},
	{"stick that says so itself", device(massStorage, massStorage), ""},
	{"stick with two disks", device(perInterface, massStorage, massStorage), ""},
	{"hub", device(hub, hub), ""},
	{"keyboard", device(perInterface, 3), "class 03"},
	{"stick that is a keyboard, too", device(perInterface, massStorage, 3), "class 03"},
	{"stick that turns into a network card", append(device(perInterface, massStorage), device(perInterface, 2)[deviceLength:]...), "class 02"},
	{"stick of the vendor's own class", device(0xff, massStorage), "class ff"},
	{"stick with functions", device(0xef, massStorage), "class ef"},
	{"no interface", device(perInterface), "no interface"},
	{"nothing", nil, errTorn.Error()},
	{"torn device", device(perInterface, massStorage)[:17], errTorn.Error()},
	{"torn interface", device(perInterface, massStorage)[:deviceLength+9+5], errTorn.Error()},
	{"short interface", append(device(perInterface, massStorage), 2, typeInterface), errTorn.Error()},
	{"length 0", append(device(perInterface, massStorage), 0, 0), errTorn.Error()},
	{"no device first", device(perInterface, massStorage)[deviceLength:], errTorn.Error()},
}

func TestAllowed(t *testing.T) {
	for _, tt := range decisions {
		err := Allowed(tt.descriptors)
		if (err == nil) != (tt.refusal == "") || err != nil && !strings.Contains(err.Error(), tt.refusal) {
			t.Errorf("%s: Allowed = %v; want %q", tt.name, err, tt.refusal)
		}
	}
}

// Nothing but mass storage is ever allowed, whatever a device says.
func FuzzAllowed(f *testing.F) {
	for _, tt := range decisions {
		f.Add(tt.descriptors)
	}
	f.Fuzz(func(t *testing.T, descriptors []byte) {
		if Allowed(descriptors) != nil {
			return
		}
		for rest := descriptors; len(rest) > 1; rest = rest[rest[0]:] {
			if rest[1] == typeInterface && rest[classOfInterface] != massStorage && rest[classOfInterface] != hub {
				t.Errorf("Allowed(%x) = nil", descriptors)
			}
		}
	})
}

// plug shows a device in sysfs.
func plug(t *testing.T, sys, name, authorized string, descriptors []byte) (file string) {
	t.Helper()
	dir := filepath.Join(sys, "devices", name)
	err := errors.Join(os.MkdirAll(dir, 0o755), os.MkdirAll(filepath.Join(sys, "bus/usb/devices"), 0o755),
		os.WriteFile(filepath.Join(dir, "authorized"), []byte(authorized+"\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "descriptors"), descriptors, 0o444),
		os.Symlink(dir, filepath.Join(sys, "bus/usb/devices", name)))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "authorized")
}

func TestGate(t *testing.T) {
	var lines []string
	g := Gate{Sys: t.TempDir(), Log: func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }}
	g.Look() // a machine without USB
	root := plug(t, g.Sys, "usb1", "1", device(hub, hub))
	stick := plug(t, g.Sys, "1-1", "0", device(perInterface, massStorage))
	keyboard := plug(t, g.Sys, "1-2", "0", device(perInterface, 3))
	if err := os.Mkdir(filepath.Join(g.Sys, "bus/usb/devices/1-2:1.0"), 0o755); err != nil {
		t.Fatal(err)
	}
	g.Added("/devices/1-9") // gone again
	g.Look()
	for file, want := range map[string]string{root: "1\n", stick: "1\n", keyboard: "0\n"} {
		if text, err := os.ReadFile(file); string(text) != want {
			t.Errorf("%s is %q, %v; want %q", file, text, err, want)
		}
	}
	want := []string{"usb: 1-2 is not used: it has an interface of class 03; only mass storage and hubs are used"}
	if !slices.Equal(lines, want) {
		t.Errorf("said %q; want %q", lines, want)
	}
}

// TestSwapped: a keyboard that takes the place of a stick while that is looked at
// is not used for the stick's sake.
func TestSwapped(t *testing.T) {
	g := Gate{Sys: t.TempDir(), Log: t.Logf}
	dir := filepath.Dir(plug(t, g.Sys, "1-1", "0", nil))
	pipe := filepath.Join(dir, "descriptors")
	if err := errors.Join(os.Remove(pipe), unix.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.Added("/devices/1-1")
	}()
	stick, err := os.OpenFile(pipe, os.O_WRONLY, 0) // when it is being read
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(dir, dir+".gone"), os.Remove(filepath.Join(g.Sys, "bus/usb/devices/1-1"))); err != nil {
		t.Fatal(err)
	}
	keyboard := plug(t, g.Sys, "1-1", "0", device(perInterface, 3))
	if _, err := stick.Write(device(perInterface, massStorage)); err != nil {
		t.Fatal(err)
	}
	if err := stick.Close(); err != nil {
		t.Fatal(err)
	}
	<-done
	if text, err := os.ReadFile(keyboard); string(text) != "0\n" {
		t.Errorf("the keyboard is %q, %v; want that it is not used", text, err)
	}
}
