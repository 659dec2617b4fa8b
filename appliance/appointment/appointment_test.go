package appointment

import (
	"testing"
	"time"
)

func TestStands(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	made := time.Date(2026, 3, 1, 22, 30, 0, 0, zone)
	at := Next("03:00", made)
	if want := time.Date(2026, 3, 2, 3, 0, 0, 0, zone); !at.Equal(want) {
		t.Fatalf("Next(03:00) = %v; want %v", at, want)
	}
	for _, test := range []struct {
		name string
		now  time.Time
		want bool
	}{
		{"a while later", made.Add(time.Hour), true},
		{"when it comes", at, true},
		{"a moment after", at.Add(late), true},
		{"long after", at.Add(late + 1), false},
		{"the clock went back by an hour", made.Add(-time.Hour), true},
		{"the clock went back by a day", made.Add(-24 * time.Hour), false},
		{"another zone", made.In(time.UTC), false},
	} {
		if got := Stands("03:00", at, test.now); got != test.want {
			t.Errorf("%s: it stands = %v; want %v", test.name, got, test.want)
		}
	}
	if got := Next("22:30", made); !got.Equal(made.Add(24 * time.Hour)) {
		t.Errorf("Next(now) = %v; want tomorrow", got)
	}
}
