package main

import (
	"os"
	"testing"

	"causeway/appliance/model"
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
