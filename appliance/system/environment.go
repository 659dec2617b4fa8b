package system

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"causeway/appliance/config"
	"causeway/appliance/exec"
)

// sensorKinds are the kinds of sensor of the kernel's hwmon interface
// (Documentation/hwmon/sysfs-interface): the names of their files begin with
// the prefix and a number, and hold whole parts of the unit.
var sensorKinds = []struct {
	plural, prefix, unit string
	parts                float64
	decimals             int
}{
	{"temperatures", "temp", "C", 1000, 1},
	{"fans", "fan", "rpm", 1, 0},
	{"voltages", "in", "V", 1000, 2},
	{"currents", "curr", "A", 1000, 2},
	{"powers", "power", "W", 1e6, 1},
}

// sensorLimits are the files beside a reading that say what is out of order.
var sensorLimits = []struct{ file, name string }{
	{"min", "min"}, {"max", "max"}, {"crit", "critical"},
}

// showEnvironment prints the readings of all sensors that the kernel has a
// driver for, and says what there are none of.
func (b box) showEnvironment(_ context.Context, s exec.Session, _ config.Args) error {
	chips := make(map[string]bool) // by name
	var none []string
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Sensor\tReading\tLimits")
	for _, kind := range sensorKinds {
		found := b.Matches("sys/class/hwmon/hwmon*/" + kind.prefix + "[0-9]*_input")
		value := func(reading string) string {
			n, err := strconv.ParseFloat(reading, 64)
			if err != nil {
				return ""
			}
			return fmt.Sprintf("%.*f %s", kind.decimals, n/kind.parts, kind.unit)
		}
		for _, input := range found {
			sensor := strings.TrimSuffix(input, "_input")
			chip := b.Line(path.Dir(input) + "/name")
			chips[chip] = true
			var limits []string
			for _, limit := range sensorLimits {
				if at := value(b.Line(sensor + "_" + limit.file)); at != "" {
					limits = append(limits, limit.name+" "+at)
				}
			}
			fmt.Fprintf(table, "%s %s\t%s\t%s\n", chip, cmp.Or(b.Line(sensor+"_label"), path.Base(sensor)),
				cmp.Or(value(b.Line(input)), "not readable"), cmp.Or(strings.Join(limits, ", "), "-"))
		}
		zones := 0
		if kind.prefix == "temp" {
			zones = b.thermalZones(table, chips, value)
		}
		if len(found)+zones == 0 {
			none = append(none, kind.plural)
		}
	}
	if len(none) == len(sensorKinds) {
		fmt.Fprintln(s, "The kernel knows no sensors on this board")
		return nil
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(none) > 0 {
		exec.Field(s, "No sensors for", strings.Join(none, ", "))
	}
	return nil
}

// thermalZones prints the thermal zones that are not among the chips already
// (the kernel shows many a zone as a chip too), and gives their number.
func (b box) thermalZones(table *tabwriter.Writer, chips map[string]bool, value func(string) string) int {
	zones := b.Matches("sys/class/thermal/thermal_zone*")
	zones = slices.DeleteFunc(zones, func(zone string) bool {
		return chips[strings.ReplaceAll(b.Line(zone+"/type"), "-", "_")]
	})
	for _, zone := range zones {
		critical := "-"
		for _, trip := range b.Matches(zone + "/trip_point_*_type") {
			if b.Line(trip) == "critical" {
				critical = "critical " + value(b.Line(strings.TrimSuffix(trip, "type")+"temp"))
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", b.Line(zone+"/type"), cmp.Or(value(b.Line(zone+"/temp")), "not readable"), critical)
	}
	return len(zones)
}
