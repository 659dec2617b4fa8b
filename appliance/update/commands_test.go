package update

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

func TestShowFirmware(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name   string
		f      model.Firmware
		status Status
	}{
		{"show-firmware-bare", model.Firmware{Running: "kernel"}, Status{}},
		{"show-firmware", model.Firmware{
			Running: "A", Blessed: "A", Floor: "v1.0.0",
			Slots: []model.SlotStatus{
				{Name: "A", State: model.SlotBlessed, Version: "v1.1.0+0123456789ab", UsedKB: 31000, TotalKB: 98304},
				{Name: "B", State: model.SlotDamaged, Version: "v1.2.0+ba9876543210", UsedKB: 31000, TotalKB: 98304, Problem: "its SHA-256 is another one"},
			},
			Last: &model.TrialEnd{Slot: "B", Version: "v1.2.0", Operator: admin, Reason: "the watchdog reset it", Time: at},
		}, Status{
			Staged:    &Staged{Name: "causeway-x86_64-v1.2.1.causeway", Version: "v1.2.1", Time: at},
			Scheduled: &Scheduled{Version: "v1.2.1", When: "when there are no calls, within 60 minutes", Operator: admin},
		}},
		{"show-firmware-trial", model.Firmware{
			Running: "B", Blessed: "A", Slots: []model.SlotStatus{{Name: "A", State: model.SlotReady}, {Name: "B", State: model.SlotTrial}},
			Trial: &model.Trial{Slot: "B", Version: "v1.2.0", Operator: admin, Left: 9*time.Minute + 300*time.Millisecond},
		}, Status{Waits: "no service runs", Staging: &Staging{From: "usb0:/x", Have: 5, Size: 10}}},
	} {
		s := exectest.Session{Answers: map[string]any{"init.firmware": test.f, "control.update.status": test.status}}
		exectest.Golden(t, test.name, s.Type(t.Context(), t, ExecCommands(), "show firmware"))
	}
}

// TestCommands types commands against a box, over link.
func TestCommands(t *testing.T) {
	b := newBox(t)
	b.put("usb0/new.causeway", bundleOf(t, manifest("v1.2.0"), releaseKey))
	s := exectest.Session{Answers: map[string]any{"init.firmware": model.Firmware{
		Writing: &model.SlotWriting{Slot: "B", Version: "v1.2.0", Problem: "input/output error"},
	}}}
	s.Serve(t, "control", b.Methods())
	for _, test := range []struct{ line, want string }{
		{"upgrade activate", "% no bundle is staged"},
		{"upgrade cancel", "% no firmware is to be put on trial later"},
		{"upgrade confirm", "no firmware is on trial"},
		{"upgrade stage usb0:", "Staged causeway-x86_64-v1.2.0.causeway: version v1.2.0"},
		{"upgrade activate idle within 60 trial 5", "When: when there are no calls, within 60 minutes"},
		{"upgrade stage usb0:", "upgrade cancel forgets that"},
		{"upgrade cancel", "v1.2.0 is not put on trial"},
		{"upgrade activate at 3:00", "When: at 20"},
		{"upgrade rollback drain", "To be put on trial: v1.0.5"},
		{"upgrade activate", "Restart with v1.2.0 on trial?\nThe box restarts by itself when the image is in its slot\n% slot B is not written, nothing else has changed: input/output error"},
		{"upgrade rollback now", "The box restarts by itself"},
	} {
		if got := s.Type(t.Context(), t, ExecCommands(), test.line); !strings.Contains(got, test.want) {
			t.Errorf("%s prints %q; want %q in it", test.line, got, test.want)
		}
	}
	if got := fmt.Sprint(b.calls()); strings.Count(got, "activate ") != 2 {
		t.Errorf("init was asked for %s; want the bundle and the other slot", got)
	}
	s.Refuses = true
	s.Type(t.Context(), t, ExecCommands(), "upgrade activate")
	if got := b.calls(); len(got) > 0 {
		t.Errorf("an operator who says no has init asked for %q", got)
	}
}
