package slot

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// TestAlwaysComesBack: whatever is put on trial, wherever the power fails, and
// whatever the firmware does to its variables, the box comes to rest in an image
// that has proved itself.
func TestAlwaysComesBack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(r, memory(t))
		w.settle()
		for i := range rapid.IntRange(1, 6).Draw(r, "events") {
			version := fmt.Sprintf("v1.%d.0", i+1)
			if rapid.Bool().Draw(r, "cut") {
				w.left = rapid.IntRange(0, 25).Draw(r, "writes until the cut")
			}
			switch rapid.SampledFrom([]string{"activate", "activate", "roll back", "lose", "reorder", "copy", "damage", "nothing"}).Draw(r, "event") {
			case "activate":
				kind := rapid.SampledFrom([]string{good, bad, hanging, stuck, refused}).Draw(r, "kind")
				wanted := model.Activation{Bundle: w.bundle(kind, version, "v0.1.0")}
				w.run(func(s *Slots) { s.Activate(t.Context(), wanted) })
			case "roll back":
				w.run(func(s *Slots) { s.Activate(t.Context(), model.Activation{}) })
			case "lose":
				clear(w.nvram)
			case "reorder":
				order, _ := variables{w}.numbers(bootOrder)
				slices.Reverse(order)
				w.nvram[bootOrder] = encodeNumbers(order)
			case "copy":
				from := entryVariable(number(rapid.SampledFrom([]string{"A", "B"}).Draw(r, "slot")))
				if content := w.nvram[from]; content != nil {
					w.nvram[entryVariable(7)] = bytes.Clone(content)
					w.nvram[bootOrder] = append(encodeNumbers([]uint16{7, 7}), w.nvram[bootOrder]...)
				}
			case "damage":
				if text, err := os.ReadFile(w.stateFile()); err == nil && len(text) > 0 {
					text = text[:rapid.IntRange(0, len(text)-1).Draw(r, "octets of the state that are left")]
					if err := os.WriteFile(w.stateFile(), text, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			w.run(nil) // with the cut, if it is still to come
			w.left = -1
			s := w.settle()
			if runs := w.slots[s.Running]; !strings.HasPrefix(runs, good) {
				r.Fatalf("the box rests in %q of slot %s:\n%s", runs, s.Running, strings.Join(w.logged, "\n"))
			}
			if s.state.Blessed != s.Running || s.wrong != "" {
				r.Fatalf("slot %s runs, %s is blessed (%s):\n%s", s.Running, s.state.Blessed, s.wrong, strings.Join(w.logged, "\n"))
			}
			order, _ := variables{w}.numbers(bootOrder)
			if want := []uint16{number(s.Running), number(other(s.Running))}; !slices.Equal(order, want) {
				r.Fatalf("the firmware's order is %x; want %x", order, want)
			}
			before := w.starts
			if w.settle(); w.starts != before+1 {
				r.Fatalf("at rest the box takes %d starts", w.starts-before)
			}
		}
	})
}
