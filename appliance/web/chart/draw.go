package chart

import (
	"cmp"
	"fmt"
	"math"
	"strings"
)

// The room of a figure. Heights are of the page (CSS pixels), widths parts of it in
// percent, so that letters keep their size on a phone and on a wall. The figures of
// the scale stand left of the plot, in its padding. The marks stand in a box of their
// own that is stretched over the plot: a label is unit wide there, and the plot depth
// high.
const (
	top     = 8   // of the plot
	high    = 180 // of the plot, where the chart does not say
	below   = 24  // for the labels under it
	unit    = 10.0
	depth   = 1000.0
	rowHigh = 36 // of a lying bar, with its name
)

// figure is what chart.html is filled with.
type figure struct {
	Name, Title, Summary, Note string
	Height                     int
	Box, Right                 string // viewBox, and its width
	Top, High                  int
	Grid                       []grid
	Marks                      []label
	Bars                       []bar
	Lines                      []line
	Limits                     []line
	Ranks                      []rank
	Legend                     []key
}

type (
	// grid is a line of a round value.
	grid struct {
		Y     string // in the box
		TextY string
		Text  string
	}
	label struct{ X, Anchor, Text string }
	bar   struct {
		Class          string
		X, Y, W, H     string
		Opacity, Title string
	}
	line struct {
		Class, Path, Dashes string
	}
	rank struct {
		Name, Value, Width string
		TextY, BarY, Foot  int      // Foot: of the bar
		Limits             []string // where they cross it, percent
	}
	key struct {
		Class, Dashes, Opacity, Text string
		Filled                       bool
	}
)

// How series are told apart without their colours.
var (
	dashes  = []string{"none", "7 3", "2 3", "9 3 2 3"}
	opacity = []string{"1", "0.6", "0.35", "0.2"}
)

func (c Chart) figure() figure {
	f := figure{
		Name: c.Name, Title: c.Title, Summary: c.summary(), Note: c.Axis.Note,
		Top: top, High: cmp.Or(c.High, high),
		Right: coordinate(unit * float64(len(c.Axis.Labels))),
	}
	f.Height = f.Top + f.High + below
	f.Box = fmt.Sprintf("0 0 %s %s", f.Right, coordinate(depth))
	s := c.scale()
	if c.Shape == Ranks {
		c.drawRanks(&f, s)
	} else {
		c.drawGrid(&f, s)
		for i := range c.Series {
			if c.Shape == Bars {
				c.drawBars(&f, s, i)
			} else {
				f.Lines = append(f.Lines, line{Class: class(i), Dashes: dashes[i%len(dashes)], Path: c.path(s, c.Series[i])})
			}
		}
		for _, l := range c.Limits {
			f.Limits = append(f.Limits, line{Path: "M0 " + height(s, l.Value) + "H" + f.Right})
		}
	}
	if c.Shape != Ranks {
		for i, series := range c.Series {
			f.Legend = append(f.Legend, key{Class: class(i), Dashes: dashes[i%len(dashes)], Opacity: opacity[i%len(opacity)], Text: series.Name, Filled: c.Shape == Bars})
		}
	}
	dashed := "5 3"
	if c.Shape == Ranks { // a limit is as short as a bar is high
		dashed = "none"
	}
	for _, l := range c.Limits {
		f.Legend = append(f.Legend, key{Class: "limit", Dashes: dashed, Opacity: "1", Text: l.Name + ": " + c.withUnit(l.Value)})
	}
	return f
}

// scale reaches all values and limits.
func (c Chart) scale() scale {
	most, whole := 0.0, true
	see := func(v float64) {
		if !math.IsNaN(v) {
			most, whole = max(most, v), whole && v == math.Trunc(v)
		}
	}
	for i := range c.Axis.Labels {
		sum := 0.0
		for _, s := range c.Series {
			v := s.at(i)
			see(v)
			if c.Shape == Bars && !math.IsNaN(v) {
				sum += v
			}
		}
		see(sum)
	}
	for _, l := range c.Limits {
		see(l.Value)
	}
	return scaleTo(most, whole)
}

func (c Chart) drawGrid(f *figure, s scale) {
	for i := range s.n + 1 {
		v := s.step * float64(i)
		f.Grid = append(f.Grid, grid{
			Y: height(s, v), Text: short(v),
			TextY: coordinate(top + float64(f.High)*(1-v/s.top()) + 4), // the middle of a digit is so far above its foot
		})
	}
	for _, m := range c.Axis.marks {
		part := m.at / float64(len(c.Axis.Labels))
		at := label{X: coordinate(100 * part), Anchor: "middle", Text: m.text}
		switch {
		case part < 0.04:
			at.Anchor = "start"
		case part > 0.94:
			at.Anchor = "end"
		}
		f.Marks = append(f.Marks, at)
	}
}

// drawBars puts a series on top of those before it.
func (c Chart) drawBars(f *figure, s scale, series int) {
	const gap = unit / 8
	for i, at := range c.Axis.Labels {
		v := c.Series[series].at(i)
		if math.IsNaN(v) || v == 0 {
			continue
		}
		under := 0.0
		for _, before := range c.Series[:series] {
			if b := before.at(i); !math.IsNaN(b) {
				under += b
			}
		}
		f.Bars = append(f.Bars, bar{
			Class: class(series), Opacity: opacity[series%len(opacity)],
			X: coordinate(unit*float64(i) + gap), W: coordinate(unit - 2*gap),
			Y: height(s, under+v), H: coordinate(depth * v / s.top()),
			Title: fmt.Sprintf("%s, %s: %s", at, c.Series[series].Name, c.withUnit(v)),
		})
	}
}

// path is the line of a series.
func (c Chart) path(s scale, series Series) string {
	var b strings.Builder
	drawn := false // the value before
	for i := range c.Axis.Labels {
		v := series.at(i)
		if math.IsNaN(v) {
			drawn = false
			continue
		}
		x := coordinate(unit * (float64(i) + 0.5))
		if drawn {
			fmt.Fprintf(&b, "L%s %s", x, height(s, v))
		} else {
			fmt.Fprintf(&b, "M%s %sh0", x, height(s, v)) // one that stands alone is a dot
		}
		drawn = true
	}
	return b.String()
}

func (c Chart) drawRanks(f *figure, s scale) {
	for i, name := range c.Axis.Labels {
		v := c.Series[0].at(i)
		r := rank{Name: name, Value: c.withUnit(v), Width: "0", TextY: i*rowHigh + 14, BarY: i*rowHigh + 19, Foot: i*rowHigh + 29}
		for _, l := range c.Limits {
			r.Limits = append(r.Limits, coordinate(100*l.Value/s.top()))
		}
		if !math.IsNaN(v) {
			r.Width = coordinate(100 * v / s.top())
		}
		f.Ranks = append(f.Ranks, r)
	}
	f.Height = rowHigh * len(f.Ranks)
}

// height is where a value is in the box.
func height(s scale, v float64) string { return coordinate(depth * (1 - v/s.top())) }

// coordinate is a number of the drawing, to a tenth.
func coordinate(v float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
}

func class(series int) string { return fmt.Sprintf("s%d", series%len(dashes)) }
