package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFlashCommand: nothing but the image that was built, for that board, comes
// near a disk, and not before somebody has typed which.
func TestFlashCommand(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	flash := func(args string) error {
		return run(context.Background(), append([]string{"flash", "-o", dir}, strings.Fields(args)...), io.Discard, io.Discard)
	}
	write(diskFile, "an image")
	write(installerFile, "another")
	write(infoFile, `{"board": "arm64"}`)
	if err := writeSums(dir); err != nil {
		t.Fatal(err)
	}
	write(installerFile, "one that was altered")
	for args, want := range map[string]string{
		"":                                     "one argument",
		"/dev/sdx /dev/sdy":                    "one argument",
		"/dev/null":                            "for the board arm64, not for x86_64",
		"-board arm64 -installer /dev/null":    "not the one that was built",
		"-board arm64 /dev/null":               "/dev/null: it is not a disk",
		"-board arm64 -o /nowhere /dev/null":   "what image is in /nowhere",
		"-board arm64 -hurry /dev/null":        "-hurry",
		"-board arm64 " + dir + "/" + infoFile: "it is not a disk",
	} {
		if err := flash(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("images flash %s = %v; want %q", args, err, want)
		}
	}
}

func TestConfirmed(t *testing.T) {
	for answer, want := range map[string]bool{
		"/dev/sdb\n":  true,
		"/dev/sdb \n": true,
		"/dev/sdb1\n": false,
		"yes\n":       false,
		"\n":          false,
		"":            false,
		"/dev/sd":     false,
	} {
		var said strings.Builder
		err := confirm("/dev/sdb", "Flash 1, 2.0 GB", strings.NewReader(answer), &said)
		if (err == nil) != want || !strings.Contains(said.String(), "Flash 1, 2.0 GB") {
			t.Errorf("confirm with %q = %v, said %q; want it confirmed: %v", answer, err, &said, want)
		}
	}
}
