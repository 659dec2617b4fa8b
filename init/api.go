package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// The parameters of the methods.
type (
	nothing       struct{} // {} or none at all
	rebootRequest struct {
		Mode   string `json:"mode"`
		Reason string `json:"reason"`
	}
	fallbackRequest struct {
		Reason string `json:"reason"`
	}
	restartRequest struct {
		Service string `json:"service"`
		Force   bool   `json:"force"`
	}
	volumeRequest struct {
		Volume string `json:"volume"`
	}
	mountRequest struct {
		Volume string `json:"volume"`
		Write  bool   `json:"write"` // usb0: write to a stick that is mounted read-only or was not unmounted
	}
	formatRequest struct {
		Volume string `json:"volume"`
		Erase  bool   `json:"erase"`
	}
	eraseRequest struct {
		Parts []string `json:"parts"` // names in the table parts; none: take it back
	}
	chooseRequest struct {
		Configuration string `json:"configuration"` // one of choices; empty: take it back
	}
)

// methods are the local API (docs/architecture.md). Everything but health,
// protections, log and firmware changes the box, and so is for root, control and
// console alone.
func (m *machine) methods() link.Methods {
	return link.Methods{
		"init.health":      func(ctx context.Context, _ nothing) (model.SystemHealth, error) { return m.health(ctx) },
		"init.protections": func(ctx context.Context, _ nothing) ([]model.Protection, error) { return m.protections(ctx) },
		"init.log":         func(_ context.Context, q model.LogQuery) (model.LogPage, error) { return m.readLog(q) },
		"init.firmware":    func(context.Context, nothing) (model.Firmware, error) { return m.firmware(), nil },
		"init.activate": func(ctx context.Context, wanted model.Activation) error {
			return m.allowed(ctx, func() error { return m.slots.Activate(m.ctx, wanted) })
		},
		"init.bless": func(ctx context.Context, _ nothing) error {
			return m.allowed(ctx, m.slots.Bless)
		},
		"init.fallback": func(ctx context.Context, r fallbackRequest) error {
			return m.allowed(ctx, func() error { return m.slots.Fallback(plain(r.Reason)) })
		},
		"init.reboot": func(ctx context.Context, r rebootRequest) error {
			return m.allowed(ctx, func() error { return m.reboot(ctx, r) })
		},
		"init.restart": func(ctx context.Context, r restartRequest) error {
			return m.allowed(ctx, func() error { return m.supervisor.Restart(ctx, r.Service, r.Force) })
		},
		"init.mount": func(ctx context.Context, r mountRequest) error {
			return m.allowed(ctx, func() error { return m.volumes.Mount(r.Volume, r.Write) })
		},
		"init.unmount": func(ctx context.Context, r volumeRequest) error {
			return m.allowed(ctx, func() error { return m.volumes.Unmount(r.Volume) })
		},
		"init.format": func(ctx context.Context, r formatRequest) error {
			return m.allowed(ctx, func() error { return m.volumes.Format(r.Volume, r.Erase) })
		},
		"init.erase": func(ctx context.Context, r eraseRequest) error {
			return m.allowed(ctx, func() error { return m.eraseLater(r.Parts) })
		},
		"init.choose": func(ctx context.Context, r chooseRequest) error {
			return m.allowed(ctx, func() error { return m.choose(r.Configuration) })
		},
		"init.clock": func(ctx context.Context, _ nothing) error {
			return m.allowed(ctx, m.saveClock)
		},
	}
}

// mayChange are the users that may change the box.
var mayChange = []uint32{0, model.UIDControl, model.UIDConsole}

// allowed does what a caller asked if the caller may.
func (m *machine) allowed(ctx context.Context, do func() error) error {
	defer m.caught()
	uid, known := link.PeerUID(ctx)
	if !known || !slices.Contains(mayChange, uid) {
		return fmt.Errorf("user %d may not do this", uid)
	}
	return do()
}

// longestReason bounds the reason of a restart, in octets.
const longestReason = 200

func (m *machine) reboot(ctx context.Context, r rebootRequest) error {
	if _, known := lastLines[r.Mode]; !known {
		return fmt.Errorf("mode %q is neither %s nor %s", r.Mode, modeReboot, modePowerOff)
	}
	uid, _ := link.PeerUID(ctx)
	m.end(ending{mode: r.Mode, reason: fmt.Sprintf("%s (asked by user %d)", plain(r.Reason), uid)})
	return nil
}

// plain gives a reason as it may be shown and kept.
func plain(reason string) string {
	reason = strings.Map(printable, reason)
	if reason == "" {
		return "no reason given"
	}
	return reason[:min(len(reason), longestReason)]
}

// printable drops what is not plain text: the reason goes to terminals.
func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return -1
	}
	return r
}

// health reports on the whole box.
func (m *machine) health(ctx context.Context) (model.SystemHealth, error) {
	defer m.caught()
	memory := m.readMemory()
	// Before the lock, which the watchdog waits for: the slots may wait for a disk.
	trial, slots, wrong := m.slots.OnTrial(), m.slots.Status(), m.slots.Problems()
	m.mu.Lock()
	report := model.SystemHealth{
		Uptime:       m.kernel.Uptime(),
		BootToReady:  m.ready,
		Slot:         m.running,
		Trial:        trial,
		Slots:        slots,
		Missing:      append(slices.Clone(m.missing), wrong...),
		MemTotalKB:   memory.total >> 10,
		MemAvailable: memory.available >> 10,
	}
	m.mu.Unlock()
	if m.watchdog != nil {
		report.Watchdog = m.watchdog.Status()
	}
	if m.volumes != nil {
		report.Volumes = m.volumes.Status()
		report.Missing = append(report.Missing, m.volumes.Problems()...)
	}
	if m.loader != nil {
		report.Missing = append(report.Missing, m.loader.Problems()...)
	}
	if m.supervisor == nil {
		return report, nil
	}
	var err error
	report.Services, err = m.supervisor.Status(ctx)
	return report, err
}
