package shown

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// together are all characters of blocks but blanks and colons, in their order.
func together(blocks []Block) string {
	var text strings.Builder
	for _, b := range blocks {
		text.WriteString(b.Text)
		if b.Fault != "" {
			text.WriteString("%" + b.Fault)
		}
		for _, f := range b.Fields {
			text.WriteString(f.Name + f.Value)
		}
		if b.Table == nil {
			continue
		}
		text.WriteString(strings.Join(b.Table.Heading, "") + b.Table.Rule)
		for _, r := range b.Table.Rows {
			text.WriteString(strings.Join(r.Cells, "") + strings.Join(r.Notes, ""))
		}
	}
	return compact(text.String())
}

func compact(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == ':' {
			return -1
		}
		return r
	}, text)
}

// TestNothingIsLost: whatever a show command of the box prints, all of it is shown.
func TestNothingIsLost(t *testing.T) {
	answers := 0
	err := filepath.WalkDir("../..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".golden" {
			return err
		}
		for _, answer := range read(t, path) {
			answers++
			if diff := cmp.Diff(compact(answer), together(Parse(answer))); diff != "" {
				t.Errorf("%s (-printed +shown): %s", path, diff)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if answers < 200 {
		t.Errorf("there are %d answers of commands to try; want those of all commands", answers)
	}
}

// read gives the answers in a golden file: some hold several commands.
func read(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n# ")
}

// TestKinds: what is made for it comes out as fields and tables, with no text between.
func TestKinds(t *testing.T) {
	for path, want := range map[string]string{
		"admission/testdata/cps-rejecting.golden":           "fields table",
		"admission/testdata/cps-new.golden":                 "fields table",
		"alarm/testdata/show-alarms.golden":                 "fields table",
		"alarm/testdata/show-alarms-history.golden":         "fields table",
		"backup/testdata/show-backup.golden":                "fields table",
		"billing/testdata/sbc-client-stats.golden":          "fields fields fields",
		"callhome/testdata/show-call-home-smart.golden":     "fields",
		"com/testdata/show-com-connected.golden":            "fields",
		"com/testdata/show-com-services-connected.golden":   "fields table",
		"network/dhcp/testdata/binding.golden":              "table text",
		"network/dhcp/testdata/lease-none.golden":           "text",
		"routing/servergroup/testdata/groups.golden":        "fields table fields table fields table",
		"routing/servergroup/testdata/group.golden":         "fields fields fields fields",
		"sip/testdata/show-sip-status-down.golden":          "fault",
		"storage/files/testdata/show-storage.golden":        "fields",
		"system/testdata/show-cpu.golden":                   "fields table",
		"system/testdata/show-memory.golden":                "fields table",
		"system/testdata/show-processes.golden":             "table",
		"system/testdata/show-processes-bare.golden":        "fault table",
		"system/testdata/show-system.golden":                "fields",
		"system/testdata/show-environment.golden":           "table fields",
		"update/testdata/show-firmware.golden":              "fields table fields",
		"license/testdata/show-summary-expired.golden":      "text fields fields fields table",
		"logging/testdata/show-logging-control-down.golden": "fields text",
	} {
		var got []string
		for _, b := range Parse(read(t, filepath.Join("../..", path))[0]) {
			switch {
			case b.Table != nil:
				got = append(got, "table")
			case b.Fields != nil:
				got = append(got, "fields")
			case b.Fault != "":
				got = append(got, "fault")
			default:
				got = append(got, "text")
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v; want %s", path, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		want         []Block
	}{
		{"nothing", "", nil},
		{"empty lines", "\n\n\n", nil},
		{"fields", "Link: up\nAddress: [2001:db8::1]:5060\nCopies to:\n", []Block{{Fields: []Field{
			{Level: 0, Name: "Link", Value: "up"}, {Level: 0, Name: "Address", Value: "[2001:db8::1]:5060"}, {Level: 0, Name: "Copies to", Value: ""}}}}},
		{"a value of several lines", "    Impact: When it is full\n    calls are refused.\n    Remedy: x\n", []Block{{Fields: []Field{
			{Level: 0, Name: "Impact", Value: "When it is full\ncalls are refused."}, {Level: 0, Name: "Remedy", Value: "x"}}}}},
		{"fields below others", "Send data\n  To: a\n  Proxy:\n    Port: 1\nAgreement: yes\n", []Block{{Fields: []Field{
			{Level: 0, Name: "Send data", Value: "", Heads: true}, {Level: 1, Name: "To", Value: "a"}, {Level: 1, Name: "Proxy", Value: "", Heads: true}, {Level: 2, Name: "Port", Value: "1"}, {Level: 0, Name: "Agreement", Value: "yes"}}}}},
		{"several in a line", "proxy  PID: 312   Restarts: 1\n       Last exit: none\n", []Block{{Fields: []Field{
			{Level: 0, Name: "proxy", Value: "", Heads: true}, {Level: 1, Name: "PID", Value: "312"}, {Level: 1, Name: "Restarts", Value: "1"}, {Level: 1, Name: "Last exit", Value: "none"}}}}},
		{"a sentence", "Is that its key? The password goes to whoever has it.\n\nLet it go on\n",
			[]Block{{Text: "Is that its key? The password goes to whoever has it.\n\nLet it go on\n"}}},
		{"a fault in between", "Link: up\n% no answer\nState: x\n", []Block{
			{Fields: []Field{{Level: 0, Name: "Link", Value: "up"}}}, {Fault: "no answer"}, {Fields: []Field{{Level: 0, Name: "State", Value: "x"}}}}},
		{"columns to the left and to the right", "Service    Used (kB)  Limit\nproxy          25600  -\na long one         1  7\n", []Block{{Table: &Table{
			Heading: []string{"Service", "Used (kB)", "Limit"},
			Rows:    []Row{{Cells: []string{"proxy", "25600", "-"}}, {Cells: []string{"a long one", "1", "7"}}}}}}},
		{"a blank in a cell", "Made                         Octets  By\n2026-11-21 02:30:00 +0100     12345  me\n", []Block{{Table: &Table{
			Heading: []string{"Made", "Octets", "By"},
			Rows:    []Row{{Cells: []string{"2026-11-21 02:30:00 +0100", "12345", "me"}}}}}}},
		{"a column without a name, and a note", "    Destination  Port\nS*  ::/0         LAN1\n      a note\n", []Block{{Table: &Table{
			Heading: []string{"", "Destination", "Port"},
			Rows:    []Row{{Cells: []string{"S*", "::/0", "LAN1"}, Notes: []string{"a note"}}}}}}},
		{"a table that ends", "Slot  State\nA     blessed\nand 2 more\n", []Block{{Table: &Table{
			Heading: []string{"Slot", "State"}, Rows: []Row{{Cells: []string{"A", "blessed"}}}}}, {Text: "and 2 more\n"}}},
		{"what is in no columns", "Slot  State\nArthur's seat\n", []Block{{Text: "Slot  State\nArthur's seat\n"}}},
		{"lines of the log", "2026-01-02T12:00:00Z info    init: ready\n2026-01-02T12:00:00Z info    init: up\n",
			[]Block{{Text: "2026-01-02T12:00:00Z info    init: ready\n2026-01-02T12:00:00Z info    init: up\n"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Parse(test.answer)); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzParse: nothing is lost of any text, and what is there has its shape.
func FuzzParse(f *testing.F) {
	f.Add("Link: up\n  Below: it\n% fault\n\nSlot  State\nA     x\n      note\n")
	f.Add("    Aa  Bb\nS*  ä   b\n -----\na: b:\n")
	f.Fuzz(func(t *testing.T, answer string) {
		if len(answer) > 1<<12 || strings.ToValidUTF8(answer, "?") != answer {
			return // a page makes it valid before
		}
		blocks := Parse(answer)
		if got, want := together(blocks), compact(answer); got != want {
			t.Fatalf("shown: %q; printed: %q", got, want)
		}
		for _, b := range blocks {
			level := -1
			for _, field := range b.Fields {
				if field.Level < 0 || field.Level > level+1 || field.Name == "" {
					t.Fatalf("field %+v below level %d", field, level)
				}
				level = field.Level
			}
			if b.Table == nil {
				continue
			}
			for _, r := range b.Table.Rows {
				if len(r.Cells) != len(b.Table.Heading) {
					t.Fatalf("a row of %d cells below a heading of %d", len(r.Cells), len(b.Table.Heading))
				}
			}
		}
		heading, rows := List(answer)
		for _, row := range rows {
			if len(row) != len(heading) {
				t.Fatalf("a row of %d cells below a heading of %d", len(row), len(heading))
			}
		}
	})
}
