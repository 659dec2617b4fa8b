package clock

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestDriftFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), DriftFile)
	if ppm, err := loadDrift(path); ppm != 0 || err != nil {
		t.Errorf("loadDrift without a file = %v, %v; want 0", ppm, err)
	}
	if err := saveDrift(path, -12.3456); err != nil {
		t.Fatal(err)
	}
	if ppm, err := loadDrift(path); ppm != -12.346 || err != nil {
		t.Errorf("loadDrift = %v, %v; want -12.346", ppm, err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if ppm, err := parseDrift(string(whole[:n])); err == nil {
			t.Errorf("cut after %d octets it is %v; want it refused", n, ppm)
		}
	}
	for _, insane := range []string{"500.001\n", "-501\n", "NaN\n", "+Inf\n", "\n", "1 2\n", "1\n\n"} {
		if ppm, err := parseDrift(insane); err == nil {
			t.Errorf("parseDrift(%q) = %v; want it refused", insane, ppm)
		}
	}
}

func TestHardwareClock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "since_epoch")
	if _, err := readHardwareClock(path); err == nil {
		t.Error("a box without a hardware clock has a time")
	}
	for text, want := range map[string]time.Time{"946684800\n": epoch, "": {}, "soon\n": {}} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := readHardwareClock(path); !got.Equal(want) || (err == nil) != !want.IsZero() {
			t.Errorf("a hardware clock of %q = %v, %v; want %v", text, got, err, want)
		}
	}
}
