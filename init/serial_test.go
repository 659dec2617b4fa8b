package main

import (
	"os"
	"testing"

	"causeway/appliance/model"
	"causeway/init/volume"
)

func TestSerialNumbersAreOfTheForm(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		serial := newSerial()
		if !serialForm.MatchString(serial) {
			t.Fatalf("newSerial() = %q; want %v", serial, serialForm)
		}
		if seen[serial] {
			t.Fatalf("newSerial() = %q twice", serial)
		}
		seen[serial] = true
	}
}

// A bootflash: that is formatted, or comes late, does not make another box of
// a running one.
func TestSerialNumberStays(t *testing.T) {
	m, _, _ := newTest(t)
	m.volumes = volume.New(volume.Options{Root: m.root})
	const text = "0123456789A\n"
	m.write(t, model.SerialFile, text)
	if err := m.readSerial(); err != nil {
		t.Fatal(err)
	}
	if given, _ := os.ReadFile(m.path(model.SerialFile)); string(given) != text {
		t.Errorf("without bootflash: the processes are given %q; want %q still", given, text)
	}
}

// A serial number that was damaged is not replaced: what carries the old one
// would become another box's.
func TestDamagedSerialNumberIsReported(t *testing.T) {
	m, _, _ := newTest(t)
	for _, dir := range []string{"bootflash/init", "run/init"} {
		if err := os.MkdirAll(m.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for text, fails := range map[string]bool{"0123456789A\n": false, "0123456789A": true, "": true, "0123456789I\n": true} {
		if err := os.WriteFile(m.path("bootflash/init/serial"), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		err := m.readSerial()
		if (err != nil) != fails {
			t.Errorf("readSerial() with %q = %v; want failure %v", text, err, fails)
		}
		if given, _ := os.ReadFile(m.path(model.SerialFile)); err == nil && string(given) != text {
			t.Errorf("the processes are given %q; want %q", given, text)
		}
	}
}
