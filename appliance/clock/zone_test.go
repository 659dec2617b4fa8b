package clock

import (
	"slices"
	"testing"
	"time"

	"causeway/appliance/model"
)

// Every name that Tab offers is in the database of the Go library.
func TestZoneNames(t *testing.T) {
	names := Zone{}.Known()
	for _, name := range names {
		if _, err := time.LoadLocation(name); err != nil {
			t.Errorf("zone %s: %v", name, err)
		}
		if _, err := (Zone{}).Parse(name); err != nil {
			t.Errorf("Parse(%s) = %v", name, err)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(names)) != len(names) || len(names) < 400 {
		t.Errorf("%d names; want all, sorted, each once", len(names))
	}
}

// What a fixed zone is rendered as is read as the same zone.
func TestFixedZone(t *testing.T) {
	for minutes := -720; minutes <= 840; minutes++ {
		if -60 < minutes && minutes < 0 { // there is no such zone, and IOS's syntax cannot say it
			continue
		}
		want := model.TimeZone{Name: "X", Fixed: true, Minutes: minutes}
		args := zoneArgs(want)
		if args["MINUTES"] == nil {
			args["MINUTES"] = nil
		}
		if got, err := zoneOf(args); err != nil || got != want {
			t.Errorf("zoneOf(zoneArgs(%+v)) = %+v, %v", want, got, err)
		}
	}
}

func TestNextChange(t *testing.T) {
	for _, test := range []struct{ zone, now, want string }{
		{"Europe/Berlin", "2026-01-15T00:00:00Z", "2026-03-29T01:00:00Z"},
		{"Europe/Berlin", "2026-07-15T00:00:00Z", "2026-10-25T01:00:00Z"},
		{"Asia/Tokyo", "2026-07-15T00:00:00Z", ""},
	} {
		zone, err := time.LoadLocation(test.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.RFC3339, test.now)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if change, ok := nextChange(now.In(zone)); ok {
			got = change.UTC().Format(time.RFC3339)
		}
		if got != test.want {
			t.Errorf("nextChange(%s in %s) = %q; want %q", test.now, test.zone, got, test.want)
		}
	}
}
