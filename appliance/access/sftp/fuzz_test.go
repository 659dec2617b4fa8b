package sftp

import (
	"bytes"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"causeway/appliance/model"
	"causeway/appliance/storage"
	"causeway/appliance/storage/files"
)

func FuzzFind(f *testing.F) {
	cdr := storage.Path{Volume: storage.USB, Name: "cdr"}
	for _, b := range branches(cdr) {
		f.Add(b.at)
		f.Add(b.at + "/x/../../..//y")
	}
	for _, name := range []string{"", "/", "..", "/config/running-config", "/config/running-config/x", "/usb0/a:b", "/usb0/\x00", "/logs/../../etc", "usb0\\..\\x"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		n, err := find(name, cdr)
		if err != nil {
			return
		}
		on := n.on != storage.Path{}
		if kinds := []bool{on, n.running, len(n.within) > 0}; slices.Index(kinds, true) < 0 || on && (n.running || len(n.within) > 0) {
			t.Errorf("find(%q) = %+v; want one kind of node", name, n)
		}
		if n.name != path.Clean("/"+name) {
			t.Errorf("find(%q) is named %s; want its clean form", name, n.name)
		}
		if !on {
			return
		}
		if !slices.ContainsFunc(branches(cdr), func(b branch) bool { return n.on.Within(b.leads) }) {
			t.Errorf("find(%q) = %v; want a path within a branch", name, n.on)
		}
		if again, err := storage.ParsePath(n.on.String()); again != n.on || err != nil {
			t.Errorf("find(%q) = %v, which parses as %v, %v", name, n.on, again, err)
		}
	})
}

// FuzzServe sends octets to a session.
func FuzzServe(f *testing.F) {
	counted := func(text string) string { return string([]byte{0, 0, 0, byte(len(text))}) + text } // a packet, or a string in it
	begin := counted("\x01\x00\x00\x00\x03")
	f.Add([]byte(begin + counted("\x03\x00\x00\x00\x01"+counted("/usb0/a")+"\x00\x00\x00\x01\x00\x00\x00\x00")))
	f.Add([]byte(begin + counted("\x0b\x00\x00\x00\x01"+counted("/")) + counted("\x0c\x00\x00\x00\x02"+counted("1"))))
	f.Add([]byte(begin + counted("\x14\x00\x00\x00\x01"+counted("/usb0/../../x")+counted("/harddisk/y"))))
	f.Add([]byte(begin + counted("\xc8\x00\x00\x00\x01"+counted("posix-rename@openssh.com")+counted("/usb0/a")+counted("/usb0/b"))))
	f.Fuzz(func(t *testing.T, sent []byte) {
		dir := t.TempDir()
		for _, volume := range storage.Volumes() {
			if err := os.Mkdir(filepath.Join(dir, volume), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		s := New(Options{
			Files: files.New(dir, nil), Running: func() string { return runningText }, Audit: func(model.Audit) {},
			CDR: func() storage.Path { return storage.Path{Volume: storage.Harddisk, Name: "cdr"} },
		})
		s.Serve(t.Context(), octets{bytes.NewReader(sent)}, model.Login{Rights: all})
	})
}

// octets is a channel that ends after them.
type octets struct{ io.Reader }

func (octets) Write(p []byte) (int, error) { return len(p), nil }
func (octets) Close() error                { return nil }
