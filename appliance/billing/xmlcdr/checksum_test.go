package xmlcdr

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/model"
)

// lines are lines of a checksum log for files of past times, just more than
// 2 MB, from a number on.
func lines(number int) string {
	var b strings.Builder
	for ; b.Len() <= logLimit; number++ {
		fmt.Fprintf(&b, "%032x  billing-0-20260102T030405Z-%06d.xml\n", number, number)
	}
	return b.String()
}

// The logs take turns at 2 MB: the other one is emptied and goes on.
func TestChecksumLogsSwitch(t *testing.T) {
	full := lines(1)
	lineSize := strings.IndexByte(full, '\n') + 1
	count := len(full) / lineSize
	newer := lines(count + 1)
	for _, c := range []struct {
		name  string
		logs  [2]string
		goes  int  // the log that goes on
		fresh bool // it is emptied
	}{
		{"none", [2]string{}, 0, true},
		{"at the limit", [2]string{full[:len(full)-lineSize]}, 0, false},
		{"beyond it", [2]string{full}, 1, true},
		{"the second", [2]string{full, newer[:lineSize]}, 1, false},
		{"the second beyond it", [2]string{full, newer}, 0, true},
		{"the first again", [2]string{lines(2 * count)[:lineSize], newer}, 0, false},
		{"the first beyond it again", [2]string{newer, full}, 1, true},
		{"cut while it was emptied", [2]string{"", newer}, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for i, text := range c.logs {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, logNames[i]), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			f := openTest(t, Options{Dir: dir, Settings: model.XMLMethod{Size: 1}})
			appendAll(t, f, numbered(1))
			f.close()
			status := f.Status()
			want := c.logs
			if c.fresh {
				want[c.goes] = ""
			}
			want[c.goes] += status.LastMD5 + "  " + status.LastFile + "\n"
			for i, name := range logNames {
				content, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil && want[i] != "" || string(content) != want[i] {
					t.Errorf("%s has %d octets, %v; want %d and the line of %s", name, len(content), err, len(want[i]), status.LastFile)
				}
			}
			// The file's number is greater than all in the logs.
			greatest := 0
			for line := range strings.Lines(strings.Join(slices.Collect(maps.Values(map[int]string{0: c.logs[0], 1: c.logs[1]})), "")) {
				number, _ := numberOf(strings.TrimSpace(line[34:]))
				greatest = max(greatest, number)
			}
			if number, _ := numberOf(status.LastFile); number != greatest+1 {
				t.Errorf("the file is number %d; want %d", number, greatest+1)
			}
		})
	}
}

// Files get their lines when the logs are gone.
func TestChecksumLogsDeleted(t *testing.T) {
	o := Options{Dir: t.TempDir(), Settings: model.XMLMethod{Size: 1}}
	f := openTest(t, o)
	appendAll(t, f, records(1, 12)...)
	f.close()
	if err := os.Remove(filepath.Join(o.Dir, logNames[0])); err != nil {
		t.Fatal(err)
	}
	openTest(t, o).close()
	wantCalls(t, "in files", finishedIn(t, o.Dir), numbers(1, 12))
}

// TestChecksumLogOfAnother: of a log that is larger than ours become, only so
// much is read, in whole lines.
func TestChecksumLogOfAnother(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, logNames[0]), []byte(strings.Repeat(lines(1), 3)), 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := openDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	content, err := readLog(d, logNames[0])
	if err != nil || len(content) > logMost || len(content) < logLimit || content[len(content)-1] != '\n' {
		t.Errorf("readLog gives %d octets, %v; want up to %d in whole lines", len(content), err, logMost)
	}
}
