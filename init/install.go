package main

import (
	"fmt"
	"os"

	"causeway/appliance/bundle"
	"causeway/board"
	"causeway/init/install"
	"causeway/init/slot"
)

// install puts the firmware on a disk of this box if it was started from the
// installer's stick. The box goes down then, whatever came of it: it is not to
// serve from a stick.
func (m *machine) install() error {
	if m.running != slot.Installer {
		return nil
	}
	m.asks.Store(true)
	if err := m.installFromStick(); err != nil {
		m.end(ending{mode: modePowerOff, reason: fmt.Sprintf("install: %v", err)})
		return nil
	}
	m.end(ending{mode: modePowerOff, reason: "the installer has ended"})
	return nil
}

func (m *machine) installFromStick() error {
	target, err := board.Find(m.build.Board)
	if err != nil {
		return err
	}
	keys, err := bundle.ReadKeys(m.path(bundle.KeysFile))
	if err != nil {
		return err
	}
	console, err := os.OpenFile(m.terminal(), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	defer console.Close()
	m.loadAllDrivers()
	installer := install.Installer{Disks: m.newVolumes(), Board: target, Build: m.build, Keys: keys, Console: console}
	return installer.Run(m.ctx)
}
