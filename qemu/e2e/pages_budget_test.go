//go:build e2e

package e2e

import (
	"flag"
	"slices"
	"testing"
	"time"

	"causeway/qemu/lab"
)

var paintsFlag = flag.Int("paints", 1, "open each page of TestPagesBudget `n` times")

// TestPagesBudget opens each page of the menu as a browser does that has never been
// there: what it has to fetch, which has a limit, and how long it takes until there is
// something to see, which depends on the machine and is printed. Of several times the
// middle one counts.
func TestPagesBudget(t *testing.T) {
	b := newPagesBox(t, pagesWorld)
	answerCalls(t, b.Lab)
	v := b.operator("anna", lab.Screen{})
	largest, slowest := 0, time.Duration(0)
	for _, p := range v.menu() {
		var paints []time.Duration
		for range *paintsFlag {
			v.opens(p.Path)
			seen, err := lab.Script[seenPage](v.ctx, v.Tab, look)
			v.check(err)
			paints = append(paints, time.Duration(seen.Paint*float64(time.Millisecond)))
		}
		slices.Sort(paints)
		octets, paint := v.Octets(), paints[len(paints)/2]
		t.Logf("page=%s page_bytes=%d first_paint_ms=%.0f", p.Path, octets, paint.Seconds()*1000)
		if octets > pageOctets || paint == 0 {
			t.Errorf("%s has %d octets and is seen after %v; want %d at most, and something to see", p.Path, octets, paint, pageOctets)
		}
		largest, slowest = max(largest, octets), max(slowest, paint)
	}
	t.Logf("pages=%d largest_page_bytes=%d slowest_first_paint_ms=%.0f", len(v.menu()), largest, slowest.Seconds()*1000)
}
