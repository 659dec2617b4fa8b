package storage

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readAll gives what all files have, oldest first.
func readAll(t *testing.T, l LineFiles) string {
	t.Helper()
	var text strings.Builder
	if err := l.Read(func(file *os.File) error { _, err := io.Copy(&text, file); return err }); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestLineFiles(t *testing.T) {
	l := LineFiles{Dir: t.TempDir(), Name: "log.jsonl", Count: 3, Size: 6, Sync: true}
	if got := readAll(t, l); got != "" {
		t.Errorf("Read before anything was written = %q; want nothing", got)
	}
	for _, step := range []struct{ lines, want string }{
		{"", ""},
		{"1\n2\n", "1\n2\n"},
		{"3\n", "1\n2\n3\n"},
		{"4444444\n", "1\n2\n3\n4444444\n"},
		{"5\n", "1\n2\n3\n4444444\n5\n"},
		{"6666\n", "1\n2\n3\n4444444\n5\n6666\n"},
		{"7\n", "4444444\n5\n6666\n7\n"}, // the oldest file goes
	} {
		if err := l.Append([]byte(step.lines)); err != nil {
			t.Fatalf("Append(%q) = %v", step.lines, err)
		}
		if got := readAll(t, l); got != step.want {
			t.Errorf("after Append(%q) the files have %q; want %q", step.lines, got, step.want)
		}
	}
	if err := os.WriteFile(l.Path(0), []byte("to"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := l.Append([]byte("8\n")); err != nil {
		t.Fatal(err)
	}
	if got, want := readAll(t, l), "4444444\n5\n6666\nto\n8\n"; got != want {
		t.Errorf("behind a torn line the files have %q; want %q", got, want)
	}
	files, err := filepath.Glob(filepath.Join(l.Dir, "*"))
	if want := []string{l.Path(1), l.Path(2), l.Path(0)}; err != nil || !slices.Equal(files, want) || filepath.Base(want[0]) != "log.1.jsonl" {
		t.Errorf("the files are %q, %v; want %q", files, err, want)
	}
	if err := l.Remove(); err != nil || readAll(t, l) != "" {
		t.Errorf("Remove = %v, and then %q; want nothing left", err, readAll(t, l))
	}
}

func TestLineFilesFail(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l := LineFiles{Dir: file, Name: "log", Count: 2, Size: 10}
	if err := l.Append([]byte("1\n")); err == nil || !strings.Contains(err.Error(), filepath.Join(file, "log")) {
		t.Errorf("Append = %v; want what could not be written", err)
	}
	if err := l.Read(func(*os.File) error { return nil }); err == nil {
		t.Error("Read where there is no directory = no error; want one")
	}
}
