package evidence

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newStore makes a store whose clock goes on a second at each look.
func newStore(t *testing.T) *Store {
	t.Helper()
	now := time.Date(2026, 8, 9, 10, 11, 12, 0, time.UTC)
	return &Store{Dir: t.TempDir(), Now: func() time.Time {
		now = now.Add(time.Second)
		return now
	}}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}

func TestSave(t *testing.T) {
	for _, tt := range []struct{ what, want string }{
		{"proxy", "20260809T101113.000Z-proxy.txt"},
		{"../../etc/passwd", "20260809T101113.000Z-.._.._etc_passwd.txt"},
		{strings.Repeat("x", 1000), "20260809T101113.000Z-" + strings.Repeat("x", 100) + ".txt"},
	} {
		s := newStore(t)
		path, err := s.Save(tt.what, []byte("panic: x"))
		if err != nil || path != filepath.Join(s.Dir, tt.want) {
			t.Errorf("Save(%q) = %s, %v; want %s", tt.what, path, err, tt.want)
		}
		if text, err := os.ReadFile(path); string(text) != "panic: x" || err != nil {
			t.Errorf("evidence = %q, %v", text, err)
		}
	}
}

func TestBounds(t *testing.T) {
	s := newStore(t)
	torn := filepath.Join(s.Dir, "20260101T000000.000Z-proxy.txt.new")
	if err := os.WriteFile(torn, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	const more = 5
	for i := range MaxFiles + more {
		if _, err := s.Save(fmt.Sprint("crash", i), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	got := names(t, s.Dir)
	if len(got) != MaxFiles {
		t.Errorf("%d files; want %d", len(got), MaxFiles)
	}
	if want := fmt.Sprintf("-crash%d.txt", more); !strings.HasSuffix(got[0], want) {
		t.Errorf("oldest = %s; want …%s", got[0], want)
	}
	path, err := s.Save("long", append(bytes.Repeat([]byte("a"), MaxSize), "the end"...))
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); len(text) != MaxSize || !bytes.HasSuffix(text, []byte("athe end")) {
		t.Errorf("kept %d octets, …%q; want the last %d", len(text), text[len(text)-10:], MaxSize)
	}
}

func TestSaveFails(t *testing.T) {
	s := newStore(t)
	s.Dir = filepath.Join(s.Dir, "missing")
	if _, err := s.Save("proxy", nil); err == nil || !strings.Contains(err.Error(), "crash of proxy") {
		t.Errorf("Save = %v; want an error naming the proxy", err)
	}
}

func TestCollectPstore(t *testing.T) {
	s := newStore(t)
	pstore := t.TempDir()
	for _, name := range []string{"dmesg-efi-1", "dmesg-efi-2"} {
		if err := os.WriteFile(filepath.Join(pstore, name), []byte("Kernel panic "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := s.CollectPstore(pstore); kept != 2 || err != nil {
		t.Errorf("CollectPstore = %d, %v; want 2", kept, err)
	}
	if left := names(t, pstore); len(left) != 0 {
		t.Errorf("left in pstore: %q", left)
	}
	if got := names(t, s.Dir); len(got) != 2 || !strings.HasSuffix(got[0], "-kernel-dmesg-efi-1.txt") {
		t.Errorf("kept %q; want both records", got)
	}
	if kept, err := s.CollectPstore(filepath.Join(pstore, "none")); kept != 0 || err != nil {
		t.Errorf("CollectPstore without pstore = %d, %v; want 0", kept, err)
	}
}

// A record that cannot be read does not keep the others from being kept.
func TestUnreadableRecord(t *testing.T) {
	s, pstore := newStore(t), t.TempDir()
	if err := os.Mkdir(filepath.Join(pstore, "dmesg-efi-1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pstore, "dmesg-efi-2"), []byte("Kernel panic"), 0o600); err != nil {
		t.Fatal(err)
	}
	if kept, err := s.CollectPstore(pstore); kept != 1 || err == nil || !strings.Contains(err.Error(), "dmesg-efi-1") {
		t.Errorf("CollectPstore = %d, %v; want 1 and an error about the other", kept, err)
	}
	if left := names(t, pstore); len(left) != 1 || left[0] != "dmesg-efi-1" {
		t.Errorf("left in pstore: %q; want the unreadable record", left)
	}
}

// What could not be kept stays in pstore.
func TestPstoreStaysWhenNotKept(t *testing.T) {
	s := newStore(t)
	s.Dir = filepath.Join(s.Dir, "missing")
	pstore := t.TempDir()
	if err := os.WriteFile(filepath.Join(pstore, "dmesg-efi-1"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if kept, err := s.CollectPstore(pstore); kept != 0 || err == nil {
		t.Errorf("CollectPstore = %d, %v; want an error", kept, err)
	}
	if left := names(t, pstore); len(left) != 1 {
		t.Errorf("left in pstore: %q; want the record", left)
	}
}
