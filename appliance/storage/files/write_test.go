package files

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"

	"causeway/appliance/link"
	"causeway/appliance/storage"
)

// What ends too early is no copy: what was there before stays.
func TestCutShort(t *testing.T) {
	s, dir := newService(t)
	to, from := parse(t, "usb0:copy"), Place{Path: parse(t, "harddisk:log")}
	if err := os.WriteFile(filepath.Join(dir, "usb0/copy"), []byte("before"), 0o640); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		ctx     context.Context
		content io.Reader
		want    string
	}{
		{t.Context(), strings.NewReader("ab"), "usb0:/copy: harddisk:/log: only 2 of 3 octets came"},
		{t.Context(), iotest.ErrReader(&fs.PathError{Op: "read", Path: "/proc/self/fd/9", Err: unix.EIO}), "usb0:/copy: harddisk:/log: input/output error"},
		{gone, strings.NewReader("abc"), "usb0:/copy: context canceled"},
	} {
		err := s.put(test.ctx, to, true, incoming{place: from, content: test.content, size: 3})
		entries, _ := os.ReadDir(filepath.Join(dir, "usb0"))
		text, _ := os.ReadFile(filepath.Join(dir, "usb0/copy"))
		if err == nil || err.Error() != test.want || string(text) != "before" || len(entries) != 1 {
			t.Errorf("put = %v, and %q is there of %d; want %s", err, text, len(entries), test.want)
		}
	}
}

// Of one directory under two names, what is written under the one is no
// leftover under the other.
func TestTidyKnowsOtherPaths(t *testing.T) {
	b := newBox(t)
	b.must(os.Mkdir(b.path("usb0/LOGS"), 0o755))
	b.must(os.Symlink("LOGS", b.path("usb0/logs"))) // as FAT has it
	s := New(b.dir, nil)
	w, err := s.begin(storage.Path{Volume: storage.USB, Name: "LOGS/a"}, 1)
	b.must(err)
	b.fill("usb0/LOGS/"+w.temporary, "being written")
	_, err = s.write(t.Context(), WriteRequest{Place: Place{Path: storage.Path{Volume: storage.USB, Name: "logs/b"}}, Text: "x"})
	b.must(err)
	if _, err := os.Stat(b.path("usb0/LOGS/" + w.temporary)); err != nil {
		t.Errorf("what was being written: %v", err)
	}
}

// A caller who goes away takes his copy with him; meanwhile its progress is
// known, and nobody else writes the same file.
func TestCopyIsCancelled(t *testing.T) {
	b := newBox(t)
	b.fill("usb0/large", "")
	b.must(os.Truncate(b.path("usb0/large"), 2<<30))
	ctx, cancel := context.WithCancel(t.Context())
	copied := make(chan error)
	go func() {
		copied <- link.Call(ctx, b.socket, "control.files.copy", json.RawMessage(`{"from":"usb0:large","to":"harddisk:dir/copy"}`), nil)
	}()
	if err := <-copied; err == nil { // there is no directory
		t.Error("copy to no directory = nil")
	}
	b.must(os.Mkdir(b.path("harddisk/dir"), 0o755))
	b.fill("harddisk/dir/.causeway-copy-OLD", "left by a cut")
	go func() {
		copied <- link.Call(ctx, b.socket, "control.files.copy", json.RawMessage(`{"from":"usb0:large","to":"harddisk:dir/copy"}`), nil)
	}()
	var now Progress
	waitFor(t, "some of it is copied", func() bool {
		b.must(b.call("progress", `{"path":"harddisk:dir/copy"}`, &now))
		return now.Done > 0
	})
	if now.Total != 2<<30 || now.Done > now.Total {
		t.Errorf("progress = %+v; want some of %d", now, 2<<30)
	}
	err := b.call("write", `{"path":"harddisk:dir/copy","text":"x"}`, nil)
	if err == nil || err.Error() != "harddisk:/dir/copy: is being written already" {
		t.Errorf("write of the same file = %v", err)
	}
	b.must(b.call("write", `{"path":"harddisk:dir/other","text":"x"}`, nil)) // leaves the running one alone
	cancel()
	if err := <-copied; !errors.Is(err, context.Canceled) {
		t.Errorf("copy = %v; want %v", err, context.Canceled)
	}
	waitFor(t, "it is cleaned up", func() bool {
		entries, err := os.ReadDir(b.path("harddisk/dir"))
		b.must(err)
		return len(entries) == 1 && entries[0].Name() == "other"
	})
	waitFor(t, "it is over", func() bool {
		var now Progress
		b.must(b.call("progress", `{"path":"harddisk:dir/copy"}`, &now))
		return now == Progress{}
	})
}
