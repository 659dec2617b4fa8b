package slot

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
)

// TestRefused: what stands against an activation is said, and nothing has
// changed.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(*world, *Slots)
		wanted  model.Activation
		want    string
	}{
		{"without bundle", nil, model.Activation{}, "slot B has nothing to go back to"},
		{"no such file", nil, model.Activation{Bundle: "harddisk:/none"}, "harddisk:/none: no such file or directory"},
		{"no volume", nil, model.Activation{Bundle: "/etc/passwd"}, "does not begin with a volume"},
		{"out of the volume", nil, model.Activation{Bundle: "harddisk:/../etc/passwd"}, "leads out of its volume"},
		{"a directory", nil, model.Activation{Bundle: "harddisk:/"}, "is no bundle"},
		{"too short a trial", nil, model.Activation{Bundle: "harddisk:/good", Limit: time.Second}, "a trial takes 1m0s to 1h0m0s, not 1s"},
		{"too long a trial", nil, model.Activation{Bundle: "harddisk:/good", Limit: 2 * time.Hour}, "not 2h0m0s"},
		{"no bootflash:", func(w *world, _ *Slots) { w.noFlash = true }, model.Activation{Bundle: "harddisk:/good"}, "bootflash: is not on a disk that can be written"},
		{"no UEFI", func(_ *world, s *Slots) { s.Variables = nil }, model.Activation{Bundle: "harddisk:/good"}, "not started by UEFI firmware"},
		{"no slot", func(_ *world, s *Slots) { s.Running = Kernel }, model.Activation{Bundle: "harddisk:/good"}, "not started from a slot"},
		{"on trial", func(_ *world, s *Slots) { s.trial = &trial{Slot: "A", Version: "v1"} }, model.Activation{Bundle: "harddisk:/good"}, "version v1 in slot A is on trial"},
		{"another on its way", func(_ *world, s *Slots) { s.writing = &model.SlotWriting{Slot: "B", Version: "v3"} }, model.Activation{Bundle: "harddisk:/good"}, "version v3 is on its way into slot B"},
		{"another key", func(w *world, _ *Slots) { w.key[40] ^= 1 }, model.Activation{Bundle: "harddisk:/good"}, bundle.ErrSignature.Error()},
		{"too old", func(_ *world, s *Slots) { s.state.Floor = "v9.0.0" }, model.Activation{Bundle: "harddisk:/good"}, "version v1.1.0 is older than v9.0.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, memory(t))
			s := w.settle()
			file := filepath.Join(w.dir, "harddisk/good")
			if err := os.Rename(filepath.Join(w.dir, strings.Replace(w.bundle(good, "v1.1.0", "v0.1.0"), ":", "", 1)), file); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(w.stateFile())
			if err != nil {
				t.Fatal(err)
			}
			if tt.prepare != nil {
				tt.prepare(w, s)
			}
			err = s.Activate(t.Context(), tt.wanted)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), w.dir) {
				t.Errorf("Activate = %v; want %q", err, tt.want)
			}
			after, err := os.ReadFile(w.stateFile())
			if err != nil || !bytes.Equal(before, after) || len(w.later) > 0 || w.slots["B"] != "" {
				t.Errorf("something has changed: %s", after)
			}
		})
	}
}

// TestWritingFails: what fails on the way leaves the box running, and says why.
func TestWritingFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fail  func(*world) context.Context
		want  string
		empty bool
	}{
		{"the bundle is altered", func(w *world) context.Context { w.flip(-1536); return t.Context() }, "not the one that was signed", true},
		{"the operator has too long a name", func(*world) context.Context { return t.Context() }, "more than the 65536 that are read again", true},
		{"the firmware keeps nothing", func(w *world) context.Context { w.refuse = errors.New("worn out"); return t.Context() }, "worn out", false},
		{"the box goes down", func(*world) context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx
		}, "context canceled", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, memory(t))
			s := w.settle()
			path := w.bundle(good, "v1.1.0", "v0.1.0")
			ctx := tt.fail(w)
			wanted := model.Activation{Bundle: path}
			if strings.HasPrefix(tt.name, "the operator") {
				wanted.Operator.User = strings.Repeat("x", longestState)
			}
			if err := s.Activate(ctx, wanted); err != nil {
				t.Fatal(err)
			}
			for _, f := range w.later {
				f()
			}
			report := s.Firmware()
			if w.restart != "" || report.Writing == nil || !strings.Contains(report.Writing.Problem, tt.want) {
				t.Errorf("restarts %q, writing %+v; want %q", w.restart, report.Writing, tt.want)
			}
			if empty := report.Slots[1].State == model.SlotEmpty; empty != tt.empty || s.state.Trial != nil {
				t.Errorf("slot B is %+v, trial %+v; want it empty %v, no trial", report.Slots[1], s.state.Trial, tt.empty)
			}
			w.refuse = nil
			if s := w.settle(); s.Running != "A" {
				t.Errorf("slot %s runs", s.Running)
			}
		})
	}
}

// TestDamagedSlot: a slot that is not what was written there is told, and not
// gone back to.
func TestDamagedSlot(t *testing.T) {
	w := newWorld(t, memory(t))
	w.settle()
	path := w.bundle(good, "v1.1.0", "v0.1.0")
	w.run(func(s *Slots) {
		if err := s.Activate(t.Context(), model.Activation{Bundle: path}); err != nil {
			t.Fatal(err)
		}
	})
	s := w.settle()
	w.slots["A"] += "x"
	s.writing = &model.SlotWriting{Slot: "A", Version: "v1.2.0"}
	s.Verify()
	if status := s.Status()[0]; status.State == model.SlotDamaged {
		t.Errorf("slot A is %+v; want that nobody looks while a slot is written", status)
	}
	s.writing = nil
	s.Verify()
	if status := s.Status()[0]; status.State != model.SlotDamaged || status.Problem == "" {
		t.Errorf("slot A is %+v; want that it is damaged", status)
	}
	if err := s.Activate(t.Context(), model.Activation{}); err != nil {
		t.Fatal(err)
	}
	for _, f := range w.later {
		f()
	}
	if problem := s.Firmware().Writing.Problem; !strings.Contains(problem, "not what was written there") || w.restart != "" {
		t.Errorf("going back to it: %q, restarts %q", problem, w.restart)
	}
}
