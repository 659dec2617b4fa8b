package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	for _, content := range []string{"first", "second, longer", ""} {
		if err := WriteFile(path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Errorf("after WriteFile(%q) the file holds %q, %v", content, got, err)
		}
		if info, _ := os.Stat(path); info.Mode().Perm() != 0o640 {
			t.Errorf("mode = %v; want 0640", info.Mode().Perm())
		}
	}
}

// A failed write leaves the old file and nothing beside it.
func TestWriteFileFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "inside"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("new"), 0o640); err == nil {
		t.Error("WriteFile over a directory = nil; want an error")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("directory holds %v, %v; want the old entry only", entries, err)
	}
}

// TestOpenFile: a pipe in the place of a file is refused, and waited for by none.
func TestOpenFile(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	file, pipe, directory := filepath.Join(root.Name(), "file"), filepath.Join(root.Name(), "pipe"), filepath.Join(root.Name(), "directory")
	if err := errors.Join(os.WriteFile(file, []byte("text"), 0o600), unix.Mkfifo(pipe, 0o600), os.Mkdir(directory, 0o700)); err != nil {
		t.Fatal(err)
	}
	if text, err := ReadFile(file); err != nil || string(text) != "text" {
		t.Errorf("ReadFile = %q, %v; want the text", text, err)
	}
	for _, path := range []string{pipe, directory} {
		if _, err := ReadFile(path); !errors.Is(err, errNotFile) || !strings.Contains(err.Error(), path) {
			t.Errorf("ReadFile(%s) = %v; want that it is %v", path, err, errNotFile)
		}
	}
	if _, err := OpenFile(pipe, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600); !errors.Is(err, errNotFile) {
		t.Errorf("OpenFile of a pipe for writing = %v; want that it is %v", err, errNotFile)
	}
	if _, err := OpenIn(root, "pipe", os.O_RDONLY, 0); !errors.Is(err, errNotFile) {
		t.Errorf("OpenIn of a pipe = %v; want that it is %v", err, errNotFile)
	}
}

// What a cut leaves of WriteFile goes; nothing else does.
func TestRemoveTemporary(t *testing.T) {
	dir := t.TempDir()
	// A real temporary file, as it stands there while it is written.
	left, err := os.CreateTemp(dir, "state.new-*")
	if err != nil {
		t.Fatal(err)
	}
	left.Close()
	kept := []string{"state", "state.new", "state.new-", "state.new-x1", ".new-17"}
	for _, name := range kept {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "dir.new-1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := RemoveTemporary(dir); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != len(kept)+1 {
		t.Errorf("directory holds %v, %v; want all but %s", entries, err, filepath.Base(left.Name()))
	}
	if err := RemoveTemporary(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("RemoveTemporary of no directory = %v; want %v", err, fs.ErrNotExist)
	}
}
