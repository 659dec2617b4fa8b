package message

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDocs finds the table of fields in docs/callhome.md as it is here.
func TestDocs(t *testing.T) {
	var table strings.Builder
	for _, row := range fields {
		kinds := make([]string, len(row.kinds))
		for i, kind := range row.kinds {
			kinds[i] = string(kind)
		}
		told := strings.Join(kinds, ", ")
		if len(row.kinds) == len(all) {
			told = "all"
		}
		anonymous := "no"
		if row.anonymous {
			anonymous = "yes"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", row.name, told, anonymous)
	}
	const file, head = "../../../docs/callhome.md", "| element | messages | in Anonymous |\n|---|---|---|\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, after, _ := strings.Cut(string(text), head)
	end := 0
	for line := range strings.Lines(after) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		end += len(line)
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+head+table.String()+after[end:]), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if after[:end] != table.String() {
		t.Errorf("%s says\n%s\nwant\n%s(go test -update writes it)", file, after[:end], table.String())
	}
}
