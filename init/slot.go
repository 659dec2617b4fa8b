package main

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"time"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
	"causeway/board"
	"causeway/init/slot"
)

// findSlot finds out what the firmware has started.
func (m *machine) findSlot() error {
	if _, err := os.Stat(m.path("sys/firmware/efi")); err != nil {
		return nil // no UEFI: no slots
	}
	if err := efiMount.Create(m); err != nil {
		return err
	}
	variables, err := m.kernel.Variables(m.path(efiMount.target))
	if err != nil {
		return err
	}
	m.variables = variables
	m.running, err = slot.Running(variables)
	return err
}

// judgeSlot judges whether what was started is what should run.
func (m *machine) judgeSlot() error {
	target, err := board.Find(m.build.Board)
	if err != nil {
		return err
	}
	m.slots = slot.New(slot.Options{
		Running:   m.running,
		Variables: m.variables,
		Disk:      m.volumes,
		File:      m.path("bootflash/init/slots"),
		Root:      m.root,
		Board:     target,
		Build:     m.build,
		Keys:      func() ([]ed25519.PublicKey, error) { return bundle.ReadKeys(m.path(bundle.KeysFile)) },
		Uptime:    m.kernel.Uptime,
		Now:       time.Now,
		Log:       m.log.Printf,
		Restart:   m.restart,
		Go:        m.Go,
	})
	restart, err := m.slots.Boot(m.lastEnd())
	if restart != "" {
		m.restart(restart)
	}
	if limit := m.slots.Limit(); limit > 0 {
		m.Go(func() { m.endTrial(limit) })
	}
	return err
}

// restart has the box go down for a reason, and come up again.
func (m *machine) restart(reason string) { m.end(ending{mode: modeReboot, reason: reason}) }

// lastEnd tells how the last run of the box ended, if anything saw it.
func (m *machine) lastEnd() string {
	if records, err := os.ReadDir(m.path("sys/fs/pstore")); err == nil && len(records) > 0 {
		return "its kernel crashed: what it said is in harddisk:/crash"
	}
	if m.watchdog != nil && m.watchdog.Fired() {
		return "the watchdog reset it"
	}
	return ""
}

// endTrial ends a trial that has not been blessed so long after the kernel's
// start.
func (m *machine) endTrial(limit time.Duration) {
	select {
	case <-time.After(limit - m.kernel.Uptime()):
	case <-m.ctx.Done():
		return
	}
	if m.slots.OnTrial() {
		m.restart(fmt.Sprintf("it did not prove itself within %v", limit))
	}
}

// How long after the boot, and then how often, the slots are read: the services
// come first.
const (
	firstVerification = time.Minute
	verifyInterval    = 24 * time.Hour
)

// followSlots brings the firmware's variables after the state, and looks that
// both slots have what was put there.
func (m *machine) followSlots() {
	if m.slots.Disk == nil {
		return // what was started could not be judged, which was said
	}
	if err := m.slots.Settle(); err != nil {
		m.miss(fmt.Sprintf("slots: %v", err))
	}
	m.slots.Look()
	for wait := firstVerification; ; wait = verifyInterval {
		select {
		case <-time.After(wait):
			m.slots.Verify()
		case <-m.ctx.Done():
			return
		}
	}
}

// firmware reports on the slots.
func (m *machine) firmware() model.Firmware {
	defer m.caught()
	return m.slots.Firmware()
}
