package chart

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// Axis is what the values are of: steps of time, or things with names.
type Axis struct {
	Name   string   // "Time"
	Labels []string // one for each value
	Note   string   // what else is to be said of it; empty: nothing
	marks  []mark
}

// mark is a label under the axis.
type mark struct {
	at   float64 // in labels from the beginning
	text string
}

// marksMost is what a phone has room for.
const marksMost = 6

// Times is an axis of steps of time, each from one of the edges to the next, which is
// later. The labels are when they begin, in the zone of the first edge, and name it.
func Times(edges []time.Time) Axis {
	from, zone := edges[0], edges[0].Location()
	a := Axis{Name: "Time", Note: "Times are of the zone " + zone.String() + "."}
	layout := layoutOf(edges)
	for _, t := range edges[:len(edges)-1] {
		a.Labels = append(a.Labels, t.In(zone).Format(layout))
	}
	step := 0
	for _, t := range marksOf(from, edges[len(edges)-1]) {
		for !t.Before(edges[step+1]) {
			step++
		}
		text := t.Format("15:04")
		if t.Hour() == 0 && t.Minute() == 0 {
			text = t.Format("2 Jan")
		}
		part := float64(t.Sub(edges[step])) / float64(edges[step+1].Sub(edges[step]))
		a.marks = append(a.marks, mark{float64(step) + part, text})
	}
	return a
}

// layoutOf prints as much of times as they need to be told apart.
func layoutOf(times []time.Time) string {
	layout := "2006-01-02 MST"
	for _, t := range times {
		switch {
		case t.Second() != 0 || t.Nanosecond() != 0:
			return "2006-01-02 15:04:05 MST"
		case t.Hour() != 0 || t.Minute() != 0:
			layout = "2006-01-02 15:04 MST"
		}
	}
	return layout
}

// Names is an axis of things.
func Names(name string, labels ...string) Axis { return Axis{Name: name, Labels: labels} }

// The distances of marks: of minutes that a day is made of, or of days.
var (
	minutesApart = []int{1, 2, 5, 10, 15, 30, 60, 2 * 60, 3 * 60, 6 * 60, 12 * 60}
	daysApart    = []int{1, 2, 7, 14, 30, 90, 365}
)

// marksOf are at most marksMost moments of a time that people count by, in its zone.
func marksOf(from, to time.Time) []time.Time {
	midnight := func(day int) time.Time {
		return time.Date(from.Year(), from.Month(), from.Day()+day, 0, 0, 0, 0, from.Location())
	}
	days := int(to.Sub(from)/(24*time.Hour)) + 2
	if days <= marksMost {
		for _, minutes := range minutesApart {
			if to.Sub(from) > marksMost*time.Duration(minutes)*time.Minute {
				continue
			}
			var list []time.Time
			for day := range days {
				for minute := 0; minute < 24*60; minute += minutes {
					t := midnight(day)
					// By the clock of that day, which may have 23 or 25 hours.
					t = time.Date(t.Year(), t.Month(), t.Day(), 0, minute, 0, 0, t.Location())
					if !t.Before(from) && t.Before(to) && !slices.ContainsFunc(list, t.Equal) {
						list = append(list, t)
					}
				}
			}
			if len(list) <= marksMost {
				return list
			}
		}
	}
	for _, apart := range daysApart {
		var list []time.Time
		for day := 0; day < days; day += apart {
			if t := midnight(day); !t.Before(from) && t.Before(to) {
				list = append(list, t)
			}
		}
		if len(list) <= marksMost {
			return list
		}
	}
	return nil
}

// scale is an axis of values from zero to top in even steps.
type scale struct {
	step float64
	n    int // of them
}

func (s scale) top() float64 { return s.step * float64(s.n) }

// stepsMost of values are told apart at a glance.
const stepsMost = 5

// scaleTo is the scale of round figures that reaches a value. Of whole numbers there
// are no halves.
func scaleTo(most float64, whole bool) scale {
	const least = 1e-6 // of what can be told apart in print
	if most < least {
		most = 1
	}
	power := math.Pow(10, math.Floor(math.Log10(most/stepsMost)))
	for _, factor := range []float64{1, 2, 5, 10, 20} {
		step := factor * power
		if whole {
			step = max(1, math.Round(step))
		}
		if n := math.Ceil(most / step * (1 - 1e-9)); n <= stepsMost {
			return scale{step, int(max(1, n))}
		}
	}
	return scale{most, 1}
}

// short is a figure for the edge of the chart.
func short(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if v >= unit.size {
			size := unit.size
			if unit.name == "k" {
				size = 1e3
			}
			return strconv.FormatFloat(v/size, 'g', 4, 64) + unit.name
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
