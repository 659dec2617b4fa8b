package shown

import (
	"encoding/csv"
	"io"
	"regexp"
	"slices"
	"strings"
)

// List gives an answer as the rows of one table. Of an answer with tables it is
// those that have the columns of the first one, and, of several, what stands above
// each; what a row's notes say stands at its end. Else it is names and values.
func List(answer string) (heading []string, rows [][]string) {
	blocks := Parse(answer)
	first := slices.IndexFunc(blocks, func(b Block) bool { return b.Table != nil })
	if first < 0 {
		return []string{"Name", "Value"}, pairs(blocks)
	}
	heading = slices.Clone(blocks[first].Table.Heading)
	several, notes, above := 0, false, make([]string, len(blocks))
	alike := func(b Block) bool { return b.Table != nil && slices.Equal(b.Table.Heading, heading) }
	for i, b := range blocks {
		if alike(b) {
			several++
			notes = notes || slices.ContainsFunc(b.Table.Rows, func(r Row) bool { return r.Notes != nil })
		}
		if i > 0 {
			above[i] = title(blocks[i-1])
		}
	}
	for i, b := range blocks {
		if !alike(b) {
			continue
		}
		for _, r := range b.Table.Rows {
			row := slices.Clone(r.Cells)
			if several > 1 {
				row = append([]string{above[i]}, row...)
			}
			if notes {
				row = append(row, strings.Join(r.Notes, " "))
			}
			rows = append(rows, row)
		}
	}
	if several > 1 {
		heading = append([]string{"Of"}, heading...)
	}
	if notes {
		heading = append(heading, "Notes")
	}
	return heading, rows
}

// title is what a block says of the table below it.
func title(b Block) string {
	if len(b.Fields) > 0 {
		return strings.TrimSpace(b.Fields[0].Name + " " + b.Fields[0].Value)
	}
	return strings.TrimSpace(b.Text + b.Fault)
}

// pairs are the fields of blocks, with the names of those that they are below, and
// the lines of text without a name.
func pairs(blocks []Block) (rows [][]string) {
	for _, b := range blocks {
		var names []string
		for _, f := range b.Fields {
			names = append(names[:f.Level], f.Name)
			if f.Value != "" {
				rows = append(rows, []string{strings.Join(names, ", "), f.Value})
			}
		}
		for line := range strings.Lines(b.Text + b.Fault) {
			rows = append(rows, []string{"", strings.TrimRight(line, "\n")})
		}
	}
	return rows
}

// number is what a spreadsheet may read as one.
var number = regexp.MustCompile(`^-?[0-9]*\.?[0-9]+$`)

// WriteCSV writes rows below a heading (RFC 4180). A cell that a spreadsheet would
// take for a formula begins with an apostrophe, which it does not show: what callers
// and neighbours write must not be worked out on the machine of who reads it.
func WriteCSV(w io.Writer, heading []string, rows [][]string) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	write := func(row []string) error {
		harmless := make([]string, len(row))
		for i, cell := range row {
			if strings.IndexAny(cell, "=+-@\t\r") == 0 && cell != "-" && !number.MatchString(cell) {
				cell = "'" + cell
			}
			harmless[i] = cell
		}
		return out.Write(harmless)
	}
	if err := write(heading); err != nil {
		return err
	}
	for _, row := range rows {
		if err := write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
