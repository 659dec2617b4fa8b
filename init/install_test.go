package main

import (
	"testing"

	"causeway/init/slot"
)

// TestInstallStep: a box that was started from the installer's stick goes down
// when the installer has ended, however; any other boots on.
func TestInstallStep(t *testing.T) {
	for _, running := range []string{slot.Kernel, "A", "B"} {
		m, _, _ := newTest(t)
		m.running = running
		if err := m.install(); err != nil || len(m.endings) > 0 {
			t.Errorf("started from %s: install = %v, and the box goes down: %v; want neither", running, err, len(m.endings) > 0)
		}
	}
	m, _, _ := newTest(t)
	m.running, m.build.Board = slot.Installer, "x86_64"
	served := false
	steps := []step{
		{"install", (*machine).install, false},
		{"serve", func(*machine) error { served = true; return nil }, false},
	}
	if err := m.boot(steps); err != nil || served || len(m.endings) == 0 {
		t.Fatalf("boot from the installer's stick = %v, serves %v; want that the box goes down", err, served)
	}
	if end := <-m.endings; end.mode != modePowerOff || end.crashed {
		t.Errorf("the end is %+v; want a power-off", end)
	}
}
