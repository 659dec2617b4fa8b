package config

import (
	"causeway/appliance/model"
)

// Parse makes the model of a whole configuration text, or says which lines
// broke which rules: the error is then of type Errors. Lines that the text
// keeps aside are tried, and left out again where they still do not fit.
func (g *Grammar) Parse(text string) (*model.Config, error) {
	e := g.editor(&model.Config{})
	faults, _ := e.read(scan(text), false)
	if len(faults) == 0 {
		for _, wrong := range g.check(e.config, e.typed) {
			faults = append(faults, wrong.fault)
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	c, _ := g.tryAside(e.config, outlineOf(scanAside(text)))
	return c, nil
}

// Merge brings the lines of a text into c, those that the text keeps aside
// included where they fit by now. It does not hold c as a whole against the
// rules. With Errors, c is to be dropped.
func (g *Grammar) Merge(c *model.Config, text string) Errors {
	faults, _ := g.editor(c).read(scan(text), false)
	if len(faults) > 0 {
		return faults
	}
	merged, _ := g.tryAside(c, outlineOf(scanAside(text)))
	*c = *merged
	return nil
}

// Validate holds every line of c against the rest of it. The error is of type
// Errors, whose lines have no number.
func (g *Grammar) Validate(c *model.Config) error {
	var faults Errors
	for _, wrong := range g.check(c, nil) {
		faults = append(faults, wrong.fault)
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// read brings in the lines of a text. The lines that are indented below one at
// fault are part of that fault: in the modes around it they would mean
// something else. A lenient reading also takes the indentation for what it
// says about the mode of a line, and gives the lines at fault back.
func (e *editor) read(lines []typedLine, lenient bool) (faults Errors, aside outline) {
	for i := 0; i < len(lines); i++ {
		outermost := 0
		if lenient {
			outermost = e.outermost(lines[i].indent)
		}
		fault := e.line(lines[i], outermost)
		if fault == nil {
			continue
		}
		faults = append(faults, fault)
		block := []typedLine{lines[i]}
		for i+1 < len(lines) && lines[i+1].indent > block[0].indent {
			i++
			block = append(block, lines[i])
		}
		if lenient {
			set := outlineOf(block)
			set[0].fault = fault
			aside = aside.with(e.innermost().openingLines(), set)
		}
	}
	return faults, aside
}

// outermost is how far out a line so indented may be tried: not beyond a place
// whose opening line stands further left.
func (e *editor) outermost(indent int) int {
	depth := len(e.places) - 1
	for indent <= e.places[depth].indent {
		depth--
	}
	return depth
}

// wrongLine is a line of a configuration that its Check refuses.
type wrongLine struct {
	printed
	fault *Error
}

// check holds each line of c against the rest; typed tells where they came from.
func (g *Grammar) check(c *model.Config, typed map[string]source) []wrongLine {
	var wrong []wrongLine
	g.walk(c, place{mode: Global}, 0, func(l printed) {
		if l.command == nil || l.command.Check == nil {
			return
		}
		if err := l.command.Check(c, l.args); err != nil {
			src, known := typed[l.key()]
			if !known {
				src.text = l.text
			}
			wrong = append(wrong, wrongLine{l, src.fault(err)})
		}
	})
	return wrong
}
