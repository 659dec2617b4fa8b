package shown

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestList(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		want         [][]string
	}{
		{"fields", "Send data\n  To: a\nNothing more\n", [][]string{{"Name", "Value"}, {"Send data, To", "a"}, {"", "Nothing more"}}},
		{"a table", "State: x\nSlot  State\nA     up\n      slow\nB     up\n", [][]string{{"Slot", "State", "Notes"}, {"A", "up", "slow"}, {"B", "up", ""}}},
		{"several", "Group a: up\nSlot  State\nA     up\n\nGroup b: down\nSlot  State\nB     up\n",
			[][]string{{"Of", "Slot", "State"}, {"Group a up", "A", "up"}, {"Group b down", "B", "up"}}},
		{"a fault", "% no answer\n", [][]string{{"Name", "Value"}, {"", "no answer"}}},
	} {
		heading, rows := List(test.answer)
		if diff := cmp.Diff(test.want, slices.Insert(rows, 0, heading)); diff != "" {
			t.Errorf("%s: List (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestNoFormula: what others have written is worked out by no spreadsheet, and what
// is a number stays one.
func TestNoFormula(t *testing.T) {
	cells := []string{"=1+1", "+49301", "@SUM(A1)", "-2+3", "\t=1", "\r=1", "-", "-1.5", "12", "a=b", "", `x"y,z`}
	want := []string{"'=1+1", "'+49301", "'@SUM(A1)", "'-2+3", "'\t=1", "'=1", "-", "-1.5", "12", "a=b", "", `x"y,z`}
	var text strings.Builder
	if err := WriteCSV(&text, cells, [][]string{cells}); err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(strings.NewReader(text.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{want, want}, got); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
}
