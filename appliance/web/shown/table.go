package shown

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// columnName is what may stand in a heading.
var columnName = regexp.MustCompile(`^\pL[\pL /%()-]*$`)

// heading gives the names of columns that a line has; nil: it is none. Most begin
// with a capital letter, so that lines of two words in columns are not taken for one.
func heading(line string) []span {
	all, capitals := spans(line), 0
	for _, s := range all {
		if !columnName.MatchString(s.text) {
			return nil
		}
		if first, _ := utf8.DecodeRuneInString(s.text); unicode.IsUpper(first) {
			capitals++
		}
	}
	if len(all) < 2 || capitals*2 <= len(all) {
		return nil
	}
	return all
}

var rule = regexp.MustCompile(`^ *-{4,}$`)

// readTable takes the table that lines begin with, and says how many lines it is:
// the heading, and those below it that leave a blank between any two columns.
// Without rows it is one if nothing follows.
func readTable(lines []string) (table *Table, n int) {
	names := heading(lines[0])
	if names == nil {
		return nil, 0
	}
	table, n = &Table{}, 1
	if n < len(lines) && rule.MatchString(lines[n]) {
		table.Rule = strings.TrimSpace(lines[n])
		n++
	}
	left := names[0].start
	if n < len(lines) {
		if row := spans(lines[n]); len(row) > 1 && row[0].end < names[0].start {
			names = append([]span{row[0]}, names...)
			names[0].text = ""
		}
	}
	gaps := make([][]int, len(names)-1)
	for i := range gaps {
		for column := names[i].end; column < names[i+1].start; column++ {
			gaps[i] = append(gaps[i], column)
		}
	}
	var rows [][]rune
	for ; n < len(lines) && lines[n] != "" && !strings.HasPrefix(lines[n], "% "); n++ {
		row, parts := []rune(lines[n]), spans(lines[n])
		if len(parts) == 1 {
			if len(rows) == 0 || indent(lines[n]) < left+2 {
				break
			}
			last := &table.Rows[len(table.Rows)-1]
			last.Notes = append(last.Notes, strings.TrimSpace(lines[n]))
			continue
		}
		narrower := make([][]int, len(gaps))
		for i := range gaps {
			if narrower[i] = blanks(row, gaps[i]); parts[len(parts)-1].start < gaps[i][0] && len(narrower[i]) == 0 {
				narrower[i] = gaps[i] // the row ends in a cell that nothing stands behind
			}
		}
		if !all(narrower) {
			break
		}
		gaps = narrower
		rows = append(rows, row)
		table.Rows = append(table.Rows, Row{})
	}
	if len(rows) == 0 && n < len(lines) && lines[n] != "" {
		return nil, 0
	}
	for _, name := range names {
		table.Heading = append(table.Heading, name.text)
	}
	for i, row := range rows {
		table.Rows[i].Cells = cells(row, gaps)
	}
	return table, n
}

// blanks are those of the columns where a row has one.
func blanks(row []rune, columns []int) (list []int) {
	for _, column := range columns {
		if column >= len(row) || row[column] == ' ' {
			list = append(list, column)
		}
	}
	return list
}

// all reports whether no gap is closed.
func all(gaps [][]int) bool {
	for _, columns := range gaps {
		if len(columns) == 0 {
			return false
		}
	}
	return true
}

// widest is where the longest run of columns begins, the last of several: a blank
// within what stands in a column is narrower than the gap behind it.
func widest(columns []int) (start int) {
	run, most := 0, 0
	for i, column := range columns {
		if run++; i > 0 && columns[i-1] != column-1 {
			run = 1
		}
		if run >= most {
			start, most = column-run+1, run
		}
	}
	return start
}

// cells cuts a row in its gaps.
func cells(row []rune, gaps [][]int) (list []string) {
	parts := spans(string(row))
	start, last := 0, parts[len(parts)-1].start
	for _, columns := range gaps {
		end := min(widest(columns), len(row))
		if end > last {
			end = len(row)
		}
		list = append(list, strings.TrimSpace(string(row[start:end])))
		start = end
	}
	return append(list, strings.TrimSpace(string(row[start:])))
}
