// Package chart draws charts as SVG: lines and bars over time, and bars with names.
//
// In: numbers, what they are called, limits. Out: a figure for a page that needs
// neither script nor inline style, is as wide as there is room with letters that keep
// their size, and says in words what it shows; and the same numbers as a table, for
// who cannot see it and for CSV. Colours are the style sheet's (chart.css); without
// it the marks still tell the series apart.
package chart

import (
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Shape is how values are drawn.
type Shape uint8

// The shapes.
const (
	Lines Shape = iota // one for each series; where nothing is known there is a gap
	Bars               // at each place the series stand on top of each other
	Ranks              // lying bars of the first series, with the labels of the axis above them
)

// Chart is what is drawn.
type Chart struct {
	Name   string // of its elements in the page: letters, digits and hyphens
	Title  string
	Unit   string // of the values: "calls/s"; empty: they are counts
	Shape  Shape
	High   int // of the plot in CSS pixels; 0: 180; Ranks are as high as they are many
	Axis   Axis
	Series []Series
	Limits []Limit
}

// Series is a row of values, one for each label of the axis: from zero to valueMost,
// or math.NaN where nothing is known.
type Series struct {
	Name   string
	Values []float64
}

// valueMost is what no value of this box comes near.
const valueMost = 1e15

// Limit is a line across all values; from zero to valueMost, too.
type Limit struct {
	Name  string
	Value float64
}

// Stylesheet is what colours charts, light and dark.
//
//go:embed chart.css
var Stylesheet string

//go:embed chart.html
var source string

var drawing = template.Must(template.New("chart").Parse(source))

// HTML is the figure. A Chart has at least one label and one series.
func (c Chart) HTML() (template.HTML, error) {
	var b strings.Builder
	name := "upright"
	if c.Shape == Ranks {
		name = "ranks"
	}
	if err := drawing.ExecuteTemplate(&b, name, c.figure()); err != nil {
		return "", fmt.Errorf("draw chart %s: %w", c.Name, err)
	}
	return template.HTML(b.String()), nil // made by html/template
}

// Table gives the numbers: a row for each label; what is not known is "-".
func (c Chart) Table() (heading []string, rows [][]string) {
	heading = []string{c.Axis.Name}
	for _, s := range c.Series {
		name := s.Name
		if c.Unit != "" {
			name += " (" + c.Unit + ")"
		}
		heading = append(heading, name)
	}
	for i, label := range c.Axis.Labels {
		row := []string{label}
		for _, s := range c.Series {
			row = append(row, number(s.at(i)))
		}
		rows = append(rows, row)
	}
	return heading, rows
}

// Knows says whether there is a value to draw.
func (c Chart) Knows() bool {
	return slices.ContainsFunc(c.Series, func(s Series) bool {
		return slices.ContainsFunc(s.Values, func(v float64) bool { return !math.IsNaN(v) })
	})
}

// at is a value that can be drawn, or NaN.
func (s Series) at(i int) float64 {
	if i < len(s.Values) && s.Values[i] >= 0 && s.Values[i] <= valueMost {
		return s.Values[i]
	}
	return math.NaN()
}

// number is a value as people read it.
func number(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(v, 'f', 2, 64), "0"), ".")
}

// withUnit is a value and what it counts.
func (c Chart) withUnit(v float64) string {
	if c.Unit == "" {
		return number(v)
	}
	return number(v) + " " + c.Unit
}

// summary says in words what there is to see.
func (c Chart) summary() string {
	var b strings.Builder
	for _, s := range c.Series {
		most, last := -1, -1
		for i := range c.Axis.Labels {
			if v := s.at(i); !math.IsNaN(v) {
				last = i
				if most < 0 || v > s.at(most) {
					most = i
				}
			}
		}
		if most < 0 {
			fmt.Fprintf(&b, "%s: nothing is known. ", s.Name)
			continue
		}
		fmt.Fprintf(&b, "%s: at most %s (%s)", s.Name, c.withUnit(s.at(most)), c.Axis.Labels[most])
		if c.Shape != Ranks {
			fmt.Fprintf(&b, ", in the end %s", number(s.at(last)))
		}
		b.WriteString(". ")
	}
	for _, l := range c.Limits {
		fmt.Fprintf(&b, "%s: %s. ", l.Name, c.withUnit(l.Value))
	}
	return strings.TrimSpace(b.String())
}
