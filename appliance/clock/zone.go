package clock

import (
	_ "embed" // for the names of the zones
	"fmt"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// zoneNames are the zones of the IANA database that places have (its
// zone.tab), and Etc/UTC. The database in the Go library has no list.
//
//go:embed zones.txt
var zoneNames string

// Zone is the name of a time zone: one of the IANA database, or any for a
// zone of a fixed offset. Its value is a string.
type Zone struct{}

// zoneMax is longer than any name of the IANA database, in characters.
const zoneMax = 32

// Parse reads a name. One that the list has is put right in its upper and
// lower case.
func (Zone) Parse(word string) (any, error) {
	for name := range strings.FieldsSeq(zoneNames) {
		if strings.EqualFold(name, word) {
			return name, nil
		}
	}
	for _, r := range word {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && !strings.ContainsRune("0123456789/_+-", r) {
			return nil, badZone(word)
		}
	}
	if len(word) > zoneMax {
		return nil, badZone(word)
	}
	return word, nil
}

func badZone(word string) error {
	return fmt.Errorf("%s is not the name of a time zone, such as Europe/Berlin", word)
}

// Format prints the name.
func (Zone) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (Zone) String() string { return "ZONE" }

// Known gives the names, for completion.
func (Zone) Known() []string { return strings.Fields(zoneNames) }

// The largest offsets of a fixed zone, in hours from UTC.
const (
	westMost = -12
	eastMost = 14
)

// zoneOf makes a zone of what was typed.
func zoneOf(a config.Args) (model.TimeZone, error) {
	zone := model.TimeZone{Name: a.Text("ZONE")}
	if a.Has("HOURS") {
		hours, minutes := a.Int("HOURS"), a.Int("MINUTES")
		if hours < 0 {
			minutes = -minutes
		}
		zone.Fixed, zone.Minutes = true, 60*hours+minutes
		if zone.Minutes < 60*westMost || zone.Minutes > 60*eastMost {
			return model.TimeZone{}, config.BadArgument("MINUTES", "an offset is between %d and %d hours", westMost, eastMost)
		}
		return zone, nil
	}
	switch zone.Name {
	case "UTC":
		return model.TimeZone{}, nil
	case "Local": // which package time knows
		return model.TimeZone{}, config.BadArgument("ZONE", "%v", badZone(zone.Name))
	}
	if _, err := zone.Location(); err != nil {
		return model.TimeZone{}, config.BadArgument("ZONE",
			"the IANA database has no time zone %s; give its hours from UTC to define one", zone.Name)
	}
	return zone, nil
}

// zoneArgs is the line of a zone.
func zoneArgs(zone model.TimeZone) config.Args {
	line := config.Args{"ZONE": zone.Name}
	if zone.Fixed {
		line["HOURS"] = zone.Minutes / 60
		if minutes := zone.Minutes % 60; minutes != 0 {
			line["MINUTES"] = max(minutes, -minutes)
		}
	}
	return line
}

// nextChange says when the zone of now changes its offset next; ok is false if
// it does not within 400 days.
func nextChange(now time.Time) (change time.Time, ok bool) {
	_, end := now.ZoneBounds()
	if end.IsZero() || end.Sub(now) > 400*24*time.Hour {
		return time.Time{}, false
	}
	return end, true
}

// offsetFromUTC prints the offset of a moment: "UTC+05:30".
func offsetFromUTC(t time.Time) string { return "UTC" + t.Format("-07:00") }
