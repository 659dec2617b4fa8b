package slot

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/efivarfs"

	"causeway/appliance/model"
)

// TestTrialEnds: what became of a trial is told with its reason.
func TestTrialEnds(t *testing.T) {
	for _, tt := range []struct {
		kind, evidence, want string
	}{
		{good, "", ""},
		{bad, "", "the gate did not open"},
		{stuck, "", "it ended without a word: a hang, a panic or a power cut"},
		{stuck, "the watchdog reset it", "the watchdog reset it"},
		{hanging, "", "it did not get far enough to be on trial, or the firmware did not start it"},
		{hanging, "its kernel crashed", "its kernel crashed"},
		{refused, "", "it did not get far enough to be on trial, or the firmware did not start it"},
	} {
		t.Run(tt.kind+" "+tt.evidence, func(t *testing.T) {
			w := newWorld(t, memory(t))
			w.settle()
			operator := model.Operator{User: "anna"}
			path := w.bundle(tt.kind, "v1.1.0", "v1.0.0")
			w.run(func(s *Slots) {
				if err := s.Activate(t.Context(), model.Activation{Bundle: path, Operator: operator, Confirm: true}); err != nil {
					t.Fatal(err)
				}
			})
			if w.restart != "firmware v1.1.0 on trial in slot B" {
				t.Errorf("the box restarts with %q", w.restart)
			}
			w.evidence = tt.evidence
			s := w.settle()
			report := s.Firmware()
			last := report.Last
			if last == nil || last.Slot != "B" || last.Version != "v1.1.0" || last.Operator != operator || last.Reason != tt.want || last.Blessed != (tt.want == "") {
				t.Fatalf("the trial ended as %+v; want reason %q", last, tt.want)
			}
			states := []string{model.SlotBlessed, model.SlotFailed}
			floor, blessed := "v0.1.0", "A"
			if tt.want == "" {
				states, floor, blessed = []string{model.SlotReady, model.SlotBlessed}, "v0.1.0", "B"
			}
			got := []string{report.Slots[0].State, report.Slots[1].State}
			if !slices.Equal(got, states) || report.Blessed != blessed || report.Floor != floor || report.Trial != nil {
				t.Errorf("%+v; want states %q, blessed %s, floor %s", report, states, blessed, floor)
			}
			err := s.Activate(t.Context(), model.Activation{})
			if failed := err != nil && strings.Contains(err.Error(), "only its bundle brings it back"); failed != (tt.want != "") {
				t.Errorf("going back to slot %s = %v", other(blessed), err)
			}
		})
	}
}

// TestWithoutBootflash: an image that cannot read the state, perhaps by its own
// fault, is on trial once, and never blessed.
func TestWithoutBootflash(t *testing.T) {
	w := newWorld(t, memory(t))
	w.settle()
	path := w.bundle(good, "v1.1.0", "v0.1.0")
	w.run(func(s *Slots) {
		if err := s.Activate(t.Context(), model.Activation{Bundle: path}); err != nil {
			t.Fatal(err)
		}
	})
	w.noFlash = true
	if w.start() != "B" {
		t.Fatal("slot B was not started")
	}
	s := w.up()
	if restart, err := s.Boot(""); restart != "" || err != nil || !s.OnTrial() || s.Limit() != model.DefaultTrialLimit {
		t.Fatalf("Boot = %q, %v, on trial %v", restart, err, s.OnTrial())
	}
	if err := s.Bless(); err == nil {
		t.Error("blessed without bootflash:")
	}
	if err := s.Ending("whatever"); err != nil {
		t.Error(err)
	}
	w.nvram[bootNext] = encodeNumbers([]uint16{unprovenNumber}) // a firmware that starts it again
	if w.start() != "B" {
		t.Fatal("slot B was not started")
	}
	s = w.up()
	if _, err := s.Boot(""); err != nil || s.OnTrial() {
		t.Errorf("a second start is on trial %v, %v; want that it goes on", s.OnTrial(), err)
	}
	w.noFlash = false
	if s := w.settle(); s.Running != "A" {
		t.Errorf("with bootflash: slot %s runs; want A", s.Running)
	}
}

// TestWrongSlot: what the box does when the firmware starts what is not blessed.
func TestWrongSlot(t *testing.T) {
	// updated is a world in which B is blessed and A is what was before.
	updated := func(t *testing.T) *world {
		w := newWorld(t, memory(t))
		w.settle()
		path := w.bundle(good, "v1.1.0", "v0.1.0")
		w.run(func(s *Slots) {
			if err := s.Activate(t.Context(), model.Activation{Bundle: path}); err != nil {
				t.Fatal(err)
			}
		})
		if s := w.settle(); s.Running != "B" {
			t.Fatalf("slot %s runs", s.Running)
		}
		return w
	}
	for _, tt := range []struct {
		name    string
		do      func(*world)
		running string
		starts  int
	}{
		{"variables lost", func(w *world) { clear(w.nvram) }, "B", 2},
		{"blessed image lost", func(w *world) { delete(w.slots, "B") }, "A", 1},
		{"blessed image refused by the firmware", func(w *world) { w.slots["B"] = program(refused, "v1.1.0") }, "A", 1},
		{"the other slot lost", func(w *world) { delete(w.slots, "A") }, "B", 1},
		{"another image from the installer", func(w *world) { w.slots["A"] = program(good, "v0.9.0"); delete(w.slots, "B") }, "A", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := updated(t)
			tt.do(w)
			w.starts = 0
			s := w.settle()
			if s.Running != tt.running || s.state.Blessed != tt.running || w.starts != tt.starts || s.Problems() != nil {
				t.Errorf("slot %s runs, %s is blessed, %d starts, %q; want slot %s after %d:\n%s", s.Running, s.state.Blessed,
					w.starts, s.Problems(), tt.running, tt.starts, strings.Join(w.logged, "\n"))
			}
		})
	}
	t.Run("both ways barred", func(t *testing.T) {
		w := newWorld(t, memory(t))
		w.settle()
		path := w.bundle(bad, "v1.1.0", "v0.1.0")
		w.run(func(s *Slots) {
			if err := s.Activate(t.Context(), model.Activation{Bundle: path}); err != nil {
				t.Fatal(err)
			}
		})
		w.settle()
		delete(w.slots, "A")
		w.aside["B"] = false // somebody has put it there
		s := w.settle()
		if s.OnTrial() || s.state.Blessed != "A" || len(s.Problems()) != 1 {
			t.Errorf("on trial %v, %s blessed, %q; want a box that says what is wrong and stays", s.OnTrial(), s.state.Blessed, s.Problems())
		}
		for _, tt := range []struct{ kind, version, running string }{{bad, "v1.2.0", "B"}, {good, "v1.3.0", "A"}} {
			path := w.bundle(tt.kind, tt.version, "v0.1.0")
			w.run(func(s *Slots) {
				if err := s.Activate(t.Context(), model.Activation{Bundle: path}); err != nil {
					t.Errorf("the way out is barred, too: %v", err)
				}
			})
			if s := w.settle(); s.Running != tt.running {
				t.Errorf("slot %s runs after %s; want %s:\n%s", s.Running, tt.version, tt.running, strings.Join(w.logged, "\n"))
			}
		}
	})
}

// TestFullBootflash: a trial of which nothing can be kept ends all the same, in a
// box that stays up, also where the blessed slot does not start any more.
func TestFullBootflash(t *testing.T) {
	for _, tt := range []struct {
		name    string
		dead    bool // slot A, which is blessed, does not start
		proven  bool // what slot B has: it is gone back to
		running string
		starts  int
	}{
		{"back to slot B", false, true, "A", 2},
		{"back to slot B, slot A is dead", true, true, "B", 2},
		{"an image that nobody knows in slot B, slot A is dead", true, false, "B", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, memory(t))
			w.settle()
			w.slots["B"] = program(good, "v1.1.0")
			if tt.proven {
				s := w.settle()
				if err := s.change(func(next *state) {
					next.Images["B"] = image{Version: "v1.1.0", SHA256: sumOf(w.slots["B"]), Proven: true}
				}); err != nil {
					t.Fatal(err)
				}
				w.run(func(s *Slots) {
					if err := s.Activate(t.Context(), model.Activation{}); err != nil {
						t.Fatal(err)
					}
				})
			}
			w.full, w.starts = true, 0
			if tt.dead {
				w.slots["A"] = program(refused, "v1.0.0")
			}
			s := w.settle()
			if s.Running != tt.running || s.OnTrial() || w.starts != tt.starts || (s.Problems() != nil) != tt.dead {
				t.Errorf("slot %s runs, on trial %v, %d starts, %q; want slot %s after %d:\n%s", s.Running, s.OnTrial(),
					w.starts, s.Problems(), tt.running, tt.starts, strings.Join(w.logged, "\n"))
			}
			w.full = false
			if s := w.settle(); s.Running != tt.running || s.state.Blessed != tt.running || s.OnTrial() || s.Problems() != nil {
				t.Errorf("with room again slot %s runs, %s is blessed, on trial %v, %q; want slot %s", s.Running, s.state.Blessed, s.OnTrial(), s.Problems(), tt.running)
			}
		})
	}
}

// TestOrder: foreign entries stay, ours are first, copies go; what is right is
// not written again.
func TestOrder(t *testing.T) {
	w := newWorld(t, memory(t))
	foreign := entryVariable(3)
	w.nvram[foreign] = append([]byte{1, 0, 0, 0, 0, 0}, encodeText("PXE")...)
	w.nvram[bootOrder] = encodeNumbers([]uint16{3, 3, 0x10, 0xf1})
	w.settle()
	w.nvram[entryVariable(7)] = bytes.Clone(w.nvram[entryVariable(0xf0)])
	w.nvram[bootOrder] = encodeNumbers([]uint16{7, 3, 0xf0, 7, 0x10})
	s := w.settle()
	if order, _ := (variables{w}).numbers(bootOrder); !slices.Equal(order, []uint16{0xf0, 0xf1, 3, 0x10}) {
		t.Errorf("order = %x", order)
	}
	if w.nvram[entryVariable(7)] != nil || w.nvram[foreign] == nil {
		t.Error("the copy is there still, or what is not ours has gone")
	}
	if floor := string(w.nvram[floorCopy]); floor != "v0.1.0" {
		t.Errorf("the firmware keeps floor %q", floor)
	}
	w.refuse = errors.New("worn out")
	if err := s.Settle(); err != nil {
		t.Errorf("Settle of what is right = %v; want nothing written", err)
	}
}

// TestFloorKept: the floor outlives a bootflash: that was formatted.
func TestFloorKept(t *testing.T) {
	w := newWorld(t, memory(t))
	w.settle()
	w.nvram[floorCopy] = []byte("v2.0.0")
	if err := os.Remove(w.stateFile()); err != nil {
		t.Fatal(err)
	}
	s := w.settle()
	err := s.Activate(t.Context(), model.Activation{Bundle: w.bundle(good, "v1.9.9", "v0.1.0")})
	if err == nil || !strings.Contains(err.Error(), "version v1.9.9 is older than v2.0.0") {
		t.Errorf("Activate = %v; want that it is too old", err)
	}
}

func FuzzEntry(f *testing.F) {
	content, err := entry("Causeway A", slots[0].guid, (&world{}).Slot("A"), unprovenFile)
	if err != nil {
		f.Fatal(err)
	}
	if !isOurs(content) {
		f.Error("our own entry is not ours")
	}
	f.Add(content)
	f.Fuzz(func(t *testing.T, content []byte) {
		w := &world{t: t, left: -1, nvram: map[efivarfs.VariableDescriptor][]byte{bootOrder: content, startedFrom: content}}
		isOurs(content)
		if numbers, err := (variables{w}).numbers(bootOrder); err != nil || len(numbers) > len(content)/2 {
			t.Errorf("numbers = %x, %v", numbers, err)
		}
		if running, err := Running(w); err != nil || running == "" {
			t.Errorf("Running = %q, %v", running, err)
		}
	})
}
