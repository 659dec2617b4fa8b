package config

import (
	"slices"
	"strings"
)

// outline is a text as a tree: each line with the lines indented below it.
// Lines that say exit are no part of it, as the tree says where a mode ends.
type outline []*entry

// entry is one line of an outline.
type entry struct {
	text    string
	below   outline
	fault   *Error // why it was set aside; nil if the text said so
	refused bool   // it was tried again and does not fit, nor does what is below it
}

// outlineOf makes the tree of lines by their indentation.
func outlineOf(lines []typedLine) outline {
	var top outline
	var open []*entry // the last entry of each depth
	var indents []int // their indentation
	for _, l := range lines {
		for len(open) > 0 && l.indent <= indents[len(open)-1] {
			open, indents = open[:len(open)-1], indents[:len(open)-1]
		}
		if l.text == "exit" {
			continue
		}
		e := &entry{text: l.text}
		if len(open) == 0 {
			top = append(top, e)
		} else {
			open[len(open)-1].below = append(open[len(open)-1].below, e)
		}
		open, indents = append(open, e), append(indents, l.indent)
	}
	return top
}

// with adds entries below the given opening lines, which are made where they
// do not exist. A line that is there already is not added twice.
func (o outline) with(path []string, more outline) outline {
	if len(path) > 0 {
		more = outline{{text: path[0], below: outline{}.with(path[1:], more)}}
	}
	for _, e := range more {
		i := slices.IndexFunc(o, func(have *entry) bool { return have.text == e.text })
		if i < 0 {
			o = append(o, e)
			continue
		}
		o[i].below = o[i].below.with(nil, e.below)
	}
	return o
}

// lines prints the outline, a blank of indentation for each depth.
func (o outline) lines(depth int) []string {
	var lines []string
	for _, e := range o {
		lines = append(lines, strings.Repeat(" ", depth)+e.text)
		lines = append(lines, e.below.lines(depth+1)...)
	}
	return lines
}

// untried reports whether a line of the entry may still fit.
func (e *entry) untried() bool {
	return !e.refused && (len(e.below) == 0 || slices.ContainsFunc(e.below, (*entry).untried))
}

// refused gives the entries that were refused, with their opening lines.
func (o outline) refused() outline {
	var all outline
	for _, e := range o {
		if below := e.below.refused(); e.refused {
			all = append(all, e)
		} else if len(below) > 0 {
			all = append(all, &entry{text: e.text, below: below})
		}
	}
	return all
}

// forgive lets all entries be tried again.
func (o outline) forgive() {
	for _, e := range o {
		e.refused = false
		e.below.forgive()
	}
}

// faults says why the entries were set aside.
func (o outline) faults() Errors {
	var all Errors
	for _, e := range o {
		if e.fault != nil {
			all = append(all, e.fault)
		}
		all = append(all, e.below.faults()...)
	}
	return all
}
