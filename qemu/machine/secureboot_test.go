package machine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway/qemu/nvram"
)

// TestVariables makes variables once, with the certificate, and keeps what a machine
// wrote there.
func TestVariables(t *testing.T) {
	board, err := FindBoard("x86_64")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certificate := write("certificate", "our certificate")
	for _, test := range []struct {
		name   string
		config Config
		want   string // of the error
	}{
		{"no certificate", Config{Board: board}, "needs a certificate"},
		{"missing certificate", Config{Board: board, Certificate: filepath.Join(dir, "none")}, "no such file"},
		{"no firmware", Config{Board: Board{Variables: certificate}, Certificate: certificate}, "no firmware volume"},
	} {
		if path, err := test.config.variables(t.TempDir()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: variables = %q, %v; want %q", test.name, path, err, test.want)
		}
	}

	private := t.TempDir()
	path, err := Config{Board: board, Certificate: certificate}.variables(private)
	if err != nil || filepath.Dir(path) != private {
		t.Fatalf("variables = %q, %v; want a file in %s", path, err, private)
	}
	flash, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	variables, err := nvram.Parse(flash)
	if db := variables[nvram.Name{Vendor: nvram.Security, Name: "db"}]; err != nil || !strings.HasSuffix(string(db), "our certificate") || len(db) > 60 {
		t.Errorf("db = %q, %v; want our certificate alone", db, err)
	}

	kept := write("kept", "as a machine left it")
	path, err = Config{Board: board, Variables: kept}.variables(private)
	if content, readErr := os.ReadFile(path); err != nil || readErr != nil || path != kept || string(content) != "as a machine left it" {
		t.Errorf("kept variables = %q, %v: %q, %v; want them as they were", path, err, content, readErr)
	}
}
