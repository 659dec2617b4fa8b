package alarm

import (
	"fmt"
	"testing"

	"causeway/appliance/model"
)

// flap makes n events, each by itself: every second one clears the one before.
func (b *box) flap(n int) {
	for i := range n {
		if i%2 == 0 {
			b.Report("trial", []model.Condition{{Name: SlotOnTrial}})
		} else {
			b.Report("trial", nil)
		}
	}
}

// raise makes n events, many at a time.
func (b *box) raise(n int) {
	for n > 0 {
		if change := min(n, b.up); change > 0 {
			n, b.up = n-change, b.up-change
		} else {
			b.up = min(n, heldMost)
			n -= b.up
		}
		var active []model.Condition
		for i := range b.up {
			active = append(active, model.Condition{Name: SlotOnTrial, Object: fmt.Sprint(i)})
		}
		b.Report("trial", active)
	}
}

func numbers(page Page) string {
	text := fmt.Sprintf("missed %d, last %d:", page.Missed, page.Last)
	for _, e := range page.Events {
		text += fmt.Sprint(" ", e.Number)
	}
	return text
}

func TestEvents(t *testing.T) {
	inBubble(t, func(b *box) {
		if got, want := numbers(b.Events(0, 10)), "missed 0, last 0:"; got != want {
			t.Errorf("Events of a new box = %s; want %s", got, want)
		}
		b.raise(historyMost + 4)
		for _, test := range []struct {
			after uint64
			most  int
			want  string
		}{
			{0, 3, "missed 4, last 1004: 5 6 7"},
			{3, 3, "missed 1, last 1004: 5 6 7"},
			{4, 1, "missed 0, last 1004: 5"},
			{1000, 2, "missed 0, last 1004: 1001 1002"},
			{1002, 10, "missed 0, last 1004: 1003 1004"},
			{1004, 10, "missed 0, last 1004:"},
			{1 << 60, 10, "missed 0, last 1004:"},
			{1<<64 - 1, 10, "missed 0, last 1004:"},
		} {
			for _, when := range []string{"", " after a restart"} {
				if when != "" {
					b.restart()
				}
				if got := numbers(b.Events(test.after, test.most)); got != test.want {
					t.Errorf("Events(%d, %d)%s = %s; want %s", test.after, test.most, when, got, test.want)
				}
			}
		}
		b.raise(1)
		if got, want := numbers(b.Events(1003, 10)), "missed 0, last 1005: 1004 1005"; got != want {
			t.Errorf("Events after another one = %s; want %s", got, want)
		}
	})
}

func TestCursors(t *testing.T) {
	inBubble(t, func(b *box) {
		b.raise(10)
		expect := func(consumer string, want uint64) {
			t.Helper()
			if got := b.Cursor(consumer); got != want {
				t.Errorf("Cursor(%s) = %d; want %d", consumer, got, want)
			}
		}
		expect("syslog", 0)
		for _, number := range []uint64{7, 3, 7} { // it never goes back
			if err := b.Advance("syslog", number); err != nil {
				t.Errorf("Advance(%d) = %v", number, err)
			}
			expect("syslog", 7)
		}
		if err := b.Advance("syslog", 11); err == nil {
			t.Error("Advance beyond the last event = nil; want an error")
		}
		b.restart()
		expect("syslog", 7)
		expect("com", 0)
		b.raise(historyMost)
		expect("com", 10) // it begins with what is there
		if page := b.Events(b.Cursor("syslog"), 1); page.Missed != 3 || page.Events[0].Number != 11 {
			t.Errorf("after the gap: %s; want 3 missed, and event 11", numbers(page))
		}
	})
}
