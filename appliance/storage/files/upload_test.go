package files

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"causeway/appliance/storage"
)

// newService makes a service with volumes that are directories.
func newService(t *testing.T) (*Service, string) {
	t.Helper()
	dir := t.TempDir()
	for _, volume := range storage.Volumes() {
		if err := os.Mkdir(filepath.Join(dir, volume), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return New(dir, nil), dir
}

func parse(t *testing.T, text string) storage.Path {
	t.Helper()
	p, err := storage.ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// piece is a part of an upload.
type piece struct {
	offset int64
	data   string
}

// TestUpload writes pieces as they may come. What cannot be whole is not there.
func TestUpload(t *testing.T) {
	broken := errors.New("the connection broke")
	for name, test := range map[string]struct {
		pieces  []piece
		abort   error
		want    string // of the file
		failure string // of Close; empty: none
	}{
		"nothing":              {},
		"in order":             {pieces: []piece{{0, "ab"}, {2, "cd"}}, want: "abcd"},
		"in another order":     {pieces: []piece{{2, "cd"}, {0, "ab"}}, want: "abcd"},
		"a piece again":        {pieces: []piece{{0, "ab"}, {0, "AB"}}, want: "AB"},
		"a piece is missing":   {pieces: []piece{{0, "ab"}, {3, "d"}}, failure: errGap.Error()},
		"far behind the end":   {pieces: []piece{{aheadMax + 1, "a"}}, failure: errGap.Error()},
		"before the beginning": {pieces: []piece{{0, "ab"}, {-1, "a"}}, failure: errGap.Error()},
		"broken off":           {pieces: []piece{{0, "ab"}}, abort: broken, failure: broken.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := newService(t)
			file := filepath.Join(dir, "harddisk", "f")
			if err := os.WriteFile(file, []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
			u, err := s.Create(parse(t, "harddisk:/f"), 0, true)
			if err != nil {
				t.Fatal(err)
			}
			var failed error
			for _, p := range test.pieces {
				if _, err := u.WriteAt([]byte(p.data), p.offset); failed == nil {
					failed = err
				}
			}
			if test.abort != nil {
				u.Abort(test.abort)
			}
			err = u.Close()
			if failed != nil && (err == nil || err.Error() != failed.Error()) {
				t.Errorf("Close = %v; want what WriteAt said, %v", err, failed)
			}
			if (err == nil) != (test.failure == "") || err != nil && !strings.Contains(err.Error(), test.failure) {
				t.Errorf("Close = %v; want %q", err, test.failure)
			}
			want := test.want
			if test.failure != "" {
				want = "old"
			}
			if got, err := os.ReadFile(file); string(got) != want || err != nil {
				t.Errorf("the file has %q, %v; want %q", got, err, want)
			}
			if entries, err := os.ReadDir(filepath.Dir(file)); len(entries) != 1 || err != nil {
				t.Errorf("beside the file there is %v, %v; want nothing", entries, err)
			}
			if again, err := s.Create(parse(t, "harddisk:/f"), 0, true); err != nil {
				t.Errorf("the next upload: %v", err)
			} else if err := again.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A stick that fills up keeps nothing of an upload, and tells its sender at once.
func TestUploadWithoutRoom(t *testing.T) {
	s, dir := newService(t)
	stick := filepath.Join(dir, "usb0")
	if err := unix.Mount("tmpfs", stick, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(stick, 0); err != nil {
			t.Error(err)
		}
	})
	u, err := s.Create(parse(t, "usb0:/f"), 0, false)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 32<<10)
	var failed error
	offset := int64(0)
	for ; failed == nil && offset < 1<<20; offset += int64(len(data)) {
		_, failed = u.WriteAt(data, offset)
	}
	if !errors.Is(failed, unix.ENOSPC) || offset > 288<<10 {
		t.Errorf("WriteAt at %d = %v; want that there is no space, at once", offset, failed)
	}
	if err := u.Close(); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Close = %v; want that there is no space", err)
	}
	if entries, err := os.ReadDir(stick); len(entries) > 0 || err != nil {
		t.Errorf("left on the stick is %v, %v; want nothing", entries, err)
	}
}

// A directory takes the name while a file is uploaded: that stays.
func TestUploadTaken(t *testing.T) {
	s, dir := newService(t)
	u, err := s.Create(parse(t, "harddisk:/f"), 0, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(parse(t, "harddisk:/f"), 0, true); err == nil {
		t.Error("two uploads of one file go on at once")
	}
	if err := os.Mkdir(filepath.Join(dir, "harddisk", "f"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := u.Close(); !errors.Is(err, errNotFile) {
		t.Errorf("Close = %v; want that a directory is no file", err)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "harddisk")); len(entries) != 1 || err != nil {
		t.Errorf("beside the directory there is %v, %v; want nothing", entries, err)
	}
}
