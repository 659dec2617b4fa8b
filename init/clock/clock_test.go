package clock

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	build = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	later = time.Date(2026, 8, 9, 10, 11, 12, 0, time.UTC)
)

func TestFloor(t *testing.T) {
	tests := []struct {
		name, saved string
		want        time.Time
		fails       bool
	}{
		{"nothing saved", "", build, false},
		{"saved after the build", "2026-08-09T10:11:12Z\n", later, false},
		{"saved in another zone", "2026-08-09T12:11:12+02:00\n", later, false},
		{"saved before the build", "2020-01-01T00:00:00Z\n", build, false},
		{"no time", "yesterday\n", build, true},
		{"no newline", "2026-08-09T10:11:12Z", build, true},
		{"much text", strings.Repeat("2", 1<<20), build, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "clock")
			if tt.saved != "" {
				if err := os.WriteFile(path, []byte(tt.saved), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Floor(build, path)
			if !got.Equal(tt.want) || (err != nil) != tt.fails {
				t.Errorf("Floor = %v, %v; want %v, error %v", got, err, tt.want, tt.fails)
			}
		})
	}
}

func TestSave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	for _, now := range []time.Time{later, build.Add(time.Hour), later.Add(time.Hour)} {
		if err := Save(path, now); err != nil {
			t.Fatal(err)
		}
		if got, err := Floor(build, path); !got.Equal(now) || err != nil {
			t.Errorf("Floor after Save(%v) = %v, %v", now, got, err)
		}
	}
	if err := Save(filepath.Join(t.TempDir(), "no", "directory", "clock"), later); err == nil {
		t.Error("Save into a missing directory = nil; want an error")
	}
}

// Whatever is left of a saved time, the floor is the build or that time.
func TestCutAtAnyByte(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "clock")
	if err := Save(path, later); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) {
		if err := os.WriteFile(path, whole[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := Floor(build, path); !got.Equal(build) || err == nil {
			t.Errorf("Floor of %q = %v, %v; want the build time and an error", whole[:n], got, err)
		}
		// A cut while saving: the temporary file is torn, the old one whole.
		if err := os.WriteFile(path, whole, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+".new", whole[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := Floor(build, path); !got.Equal(later) || err != nil {
			t.Errorf("Floor with a torn temporary file = %v, %v; want %v", got, err, later)
		}
		if err := Save(path, later.Add(time.Hour)); err != nil {
			t.Errorf("Save over a torn temporary file: %v", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("2026-08-09T10:11:12Z\n")
	f.Add("2026-08-09T10:11:12Z")
	f.Fuzz(func(t *testing.T, text string) {
		if saved, err := parse(text); err == nil && !strings.HasSuffix(text, "\n") {
			t.Errorf("parse(%q) = %v; want an error", text, saved)
		}
	})
}
