// Package shown takes apart what show commands print: "Name: value" lines become
// fields, columns under a heading become a table, and all else stays text. A page
// shows them so, and gives them away as CSV.
//
// In: the text that a terminal would show. Out: blocks that hold every character
// of it but blanks and the colons behind names. It is pure, takes any text, and
// its time grows with the length of that.
package shown

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Block is a piece of an answer. One of its parts is there.
type Block struct {
	Fields []Field
	Table  *Table
	Text   string // lines, each with its end, as a terminal shows them
	Fault  string // what could not be done or said: a line that began with "% "
}

// Line is the text if it is one line that needs no columns, else empty.
func (b Block) Line() string {
	line := strings.TrimSuffix(b.Text, "\n")
	if strings.ContainsAny(line, "\n\t") || strings.Contains(line, "  ") || strings.HasPrefix(line, " ") {
		return ""
	}
	return line
}

// Field is what stands behind a name.
type Field struct {
	Level int // how deep it is below others, from 0
	Name  string
	Value string // lines of it end in "\n" but for the last one
	Heads bool   // it has no value, and stands above others
}

// Table is what stands under a heading. Its rows have as many cells as that.
type Table struct {
	Heading []string // the first may be empty
	Rule    string   // a line of hyphens below the heading; empty: none
	Rows    []Row
}

// Row is a row of a table, and what is said of it in lines below.
type Row struct {
	Cells []string
	Notes []string
}

// Parse takes an answer apart.
func Parse(answer string) []Block {
	p := parser{lines: strings.Split(strings.TrimSuffix(answer, "\n"), "\n")}
	for i := range p.lines {
		p.lines[i] = strings.TrimRight(p.lines[i], " \t\r")
	}
	for len(p.lines) > 0 {
		p.block()
	}
	p.endText()
	return p.blocks
}

// parser is how far an answer is taken apart.
type parser struct {
	lines  []string // that are left
	blocks []Block
	text   []string // lines of the text that has begun
}

// block takes the lines of what comes next.
func (p *parser) block() {
	line := p.lines[0]
	if fault, ok := strings.CutPrefix(line, "% "); ok {
		p.add(Block{Fault: fault})
		p.lines = p.lines[1:]
		return
	}
	if table, n := readTable(p.lines); n > 0 {
		p.add(Block{Table: table})
		p.lines = p.lines[n:]
		return
	}
	if fields, n := readFields(p.lines); n > 0 {
		for i := range fields {
			more := fields[i+1:]
			fields[i].Heads = fields[i].Value == "" && len(more) > 0 && (i == 0 || more[0].Level > fields[i].Level)
		}
		p.add(Block{Fields: fields})
		p.lines = p.lines[n:]
		return
	}
	p.text = append(p.text, line)
	p.lines = p.lines[1:]
}

func (p *parser) add(b Block) {
	p.endText()
	p.blocks = append(p.blocks, b)
}

// endText makes the lines since the last block one, without empty lines around them.
func (p *parser) endText() {
	text := p.text
	p.text = nil
	for len(text) > 0 && text[0] == "" {
		text = text[1:]
	}
	for len(text) > 0 && text[len(text)-1] == "" {
		text = text[:len(text)-1]
	}
	if len(text) > 0 {
		p.blocks = append(p.blocks, Block{Text: strings.Join(text, "\n") + "\n"})
	}
}

// span is a part of a line without two blanks in a row, by where it begins and ends,
// in characters.
type span struct {
	start, end int
	text       string
}

// spans cuts a line into them.
func spans(line string) (list []span) {
	column := 0
	for part := range strings.SplitSeq(line, "  ") {
		text := strings.TrimLeft(part, " ")
		start := column + len(part) - len(text)
		column = start + utf8.RuneCountInString(text) + len("  ")
		if text != "" {
			list = append(list, span{start, column - len("  "), text})
		}
	}
	return list
}

// indent is how many blanks a line begins with.
func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// nameMax is the longest name of a field, in octets. What is longer is a sentence.
const nameMax = 64

var name = regexp.MustCompile(`^\pL(?:[^ :]|:[^ ]| [^ :])*$`)

func isName(text string) bool { return len(text) <= nameMax && name.MatchString(text) }

// cutField cuts "Name: value" apart.
func cutField(text string) (Field, bool) {
	before, after, ok := strings.Cut(text, ": ")
	if !ok {
		before, ok = strings.CutSuffix(text, ":")
	}
	if before = strings.TrimSuffix(before, " "); !ok || !isName(before) {
		return Field{}, false
	}
	return Field{Name: before, Value: strings.TrimSpace(after)}, true
}

// readFields takes the fields that lines begin with, and says how many lines they are.
func readFields(lines []string) (fields []Field, n int) {
	var open []int // how far the fields are indented that the next may be below
	level := func(column int) int {
		for len(open) > 0 && open[len(open)-1] >= column {
			open = open[:len(open)-1]
		}
		open = append(open, column)
		return len(open) - 1
	}
	for ; n < len(lines) && lines[n] != ""; n++ {
		if n > 0 {
			if _, rows := readTable(lines[n:]); rows > 0 {
				break
			}
		}
		parts := fieldsOf(lines[n])
		switch {
		case len(parts) > 0:
			for _, part := range parts {
				fields = append(fields, Field{Level: level(part.column), Name: part.Name, Value: part.Value})
			}
		case heads(lines[n:]):
			fields = append(fields, Field{Level: level(indent(lines[n])), Name: strings.TrimSpace(lines[n])})
		case len(fields) > 0 && indent(lines[n]) > 0 && indent(lines[n]) >= open[len(open)-1]:
			last := &fields[len(fields)-1]
			last.Value = strings.TrimPrefix(last.Value+"\n"+strings.TrimSpace(lines[n]), "\n")
		default:
			return fields, n
		}
	}
	return fields, n
}

// heads reports whether the first line stands above fields that are indented more.
func heads(lines []string) bool {
	return len(lines) > 1 && len(lines[0]) <= nameMax && !strings.HasPrefix(lines[0], "% ") &&
		len(spans(lines[0])) == 1 && indent(lines[1]) > indent(lines[0]) && len(fieldsOf(lines[1])) > 0
}

// placed is a field and the column that it begins in.
type placed struct {
	Field
	column int
}

// fieldsOf gives the fields of a line: one, or several with two blanks between
// them, which what heads them may stand before: "proxy  PID: 312  Restarts: 1".
func fieldsOf(line string) []placed {
	all := spans(line)
	if len(all) == 0 {
		return nil
	}
	var list []placed
	for i, s := range all {
		f, ok := cutField(s.text)
		switch head := i == 0 && f.Value == ""; {
		case !ok && head && len(all) > 1 && isName(s.text):
			f.Name = s.text
		case !ok, f.Value == "" && !head:
			return oneField(line)
		}
		column := all[0].start
		if i > 0 && list[0].Value == "" {
			column = all[1].start
		}
		list = append(list, placed{f, column})
	}
	return list
}

// oneField gives the field that a line is as a whole, or none.
func oneField(line string) []placed {
	f, ok := cutField(strings.TrimSpace(line))
	if !ok {
		return nil
	}
	return []placed{{f, indent(line)}}
}
