package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

func TestTree(t *testing.T) {
	b := newBox(t, all)
	b.fill("harddisk/cdr/a.xml", "record")
	b.fill("bootflash/control/revisions/000001.conf", "hostname old\n")
	if got, want := b.names("/CUSP/log"), ""; got != want {
		t.Errorf("before there is a licence log, /CUSP/log has %q; want %q", got, want)
	}
	if _, err := b.get("/CUSP/log/sml.log"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before there is a licence log, getting it = %v; want that it does not exist", err)
	}
	b.fill("harddisk/log/sml.log", "licence")
	for dir, want := range map[string]string{
		"/":                   "CUSP/ bootflash/ cdr/ config/ harddisk/ logs/ opt/ usb0/",
		"/CUSP":               "log/",
		"/CUSP/log":           "sml.log",
		"/opt":                "CUSP/",
		"/opt/CUSP/dsnrs/log": "sml.log",
		"/logs":               "sml.log",
		"/config":             "revisions/ running-config",
		"/config/revisions":   "000001.conf",
		"/cdr":                "a.xml",
		"/harddisk":           "cdr/ log/",
		"/etc":                "file does not exist",
		"/CUS":                "file does not exist",
	} {
		if got := b.names(dir); got != want {
			t.Errorf("%s has %q; want %q", dir, got, want)
		}
	}
	for name, want := range map[string]string{
		"CUSP/log/sml.log":                 "licence", // as seed 000 has it
		"/opt/CUSP/dsnrs/log/sml.log":      "licence", // as seed 001 has it
		"/logs/sml.log":                    "licence",
		"/config/running-config":           runningText,
		"/config/revisions/000001.conf":    "hostname old\n",
		"/harddisk//cdr/./a.xml":           "record",
		"/bootflash/../harddisk/cdr/a.xml": "record",
	} {
		if got, err := b.get(name); got != want || err != nil {
			t.Errorf("get %s = %q, %v; want %q", name, got, err, want)
		}
	}
	if got, err := b.RealPath("."); got != "/" || err != nil {
		t.Errorf("RealPath(.) = %s, %v; want /", got, err)
	}
}

// TestChanges makes each change where it is allowed, and where the console's
// commands refuse it.
func TestChanges(t *testing.T) {
	b := newBox(t, all)
	b.fill("harddisk/log/messages", "log")
	b.fill("harddisk/there", "old")
	denied := "permission denied"
	for _, step := range []struct {
		name string
		do   func() error
		want string // of the error; empty: none
	}{
		{"put", func() error { return b.put("/usb0/a", "one") }, ""},
		{"put over it", func() error { return b.put("/usb0/a", "two") }, ""},
		{"put to a volume", func() error { return b.put("/usb0", "x") }, denied},
		{"put to a log", func() error { return b.put("/logs/messages", "x") }, denied},
		{"put to a log by its volume", func() error { return b.put("/harddisk/log/messages", "x") }, denied},
		{"put to the licence log", func() error { return b.put("/CUSP/log/sml.log", "x") }, denied},
		{"put to the configuration", func() error { return b.put("/config/running-config", "x") }, denied},
		{"put to a revision", func() error { return b.put("/config/revisions/000002.conf", "x") }, denied},
		{"put to the tree", func() error { return b.put("/new", "x") }, "file does not exist"},
		{"put to a key", func() error { return b.put("/bootflash/keys/box.key", "x") }, denied},
		{"put to a blank", func() error { return b.put("/usb0/a b", "x") }, "a blank"},
		{"mkdir", func() error { return b.Mkdir("/usb0/d") }, ""},
		{"mkdir again", func() error { return b.Mkdir("/usb0/d") }, "file exists"},
		{"mkdir in the tree", func() error { return b.Mkdir("/CUSP/d") }, "file does not exist"},
		{"rename", func() error { return b.Rename("/usb0/a", "/usb0/d/b") }, ""},
		{"rename to what is there", func() error { return b.Rename("/harddisk/there", "/harddisk/log/messages") }, denied},
		{"rename to another volume", func() error { return b.Rename("/usb0/d/b", "/harddisk/b") }, denied},
		{"rename of a log", func() error { return b.Rename("/harddisk/log", "/harddisk/gol") }, denied},
		{"rename into itself", func() error { return b.Rename("/usb0/d", "/usb0/d/e") }, "invalid argument"},
		{"remove a directory as a file", func() error { return b.put("/usb0/d/c", "x") }, ""},
		{"rename over a file", func() error { return b.Rename("/usb0/d/b", "/usb0/d/c") }, "already exists"},
		{"rename over a file as POSIX has it", func() error { return b.PosixRename("/usb0/d/b", "/usb0/d/c") }, ""},
		{"rename over a directory", func() error { return b.PosixRename("/usb0/d/c", "/usb0/d") }, "is not a file"},
		{"rmdir what is not empty", func() error { return b.RemoveDirectory("/usb0/d") }, "not empty"},
		{"remove", func() error { return b.Remove("/usb0/d/c") }, ""},
		{"rmdir", func() error { return b.RemoveDirectory("/usb0/d") }, ""},
		{"remove what is not there", func() error { return b.Remove("/usb0/d") }, "file does not exist"},
		{"remove a log", func() error { return b.Remove("/logs/messages") }, denied},
		{"mode", func() error { return b.Chmod("/harddisk/there", 0o777) }, ""},
		{"cut", func() error { return b.Truncate("/harddisk/there", 1) }, "not cut"},
		{"symbolic link", func() error { return b.Symlink("/harddisk/there", "/harddisk/link") }, "unsupported"},
		{"link", func() error { return b.Link("/harddisk/there", "/harddisk/link") }, "unsupported"},
		{"read a link", func() error { _, err := b.ReadLink("/harddisk/there"); return err }, "unsupported"},
		{"append", func() error { return b.open("/harddisk/there", os.O_WRONLY|os.O_APPEND) }, "nothing is appended"},
		{"go on with an upload", func() error { return b.open("/harddisk/there", os.O_WRONLY|os.O_CREATE) }, "not gone on with"},
		{"only a new one", func() error { return b.open("/harddisk/there", os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_TRUNC) }, "exists"},
		{"not a new one", func() error { return b.open("/harddisk/new", os.O_WRONLY|os.O_TRUNC) }, "file does not exist"},
	} {
		if err := step.do(); (err == nil) != (step.want == "") || !strings.Contains(fmt.Sprint(err), step.want) {
			t.Errorf("%s = %v; want %q", step.name, err, step.want)
		}
	}
	if mode, err := os.Stat(b.path("harddisk/there")); err != nil || mode.Mode() != 0o644 {
		t.Errorf("the mode of a file is %v, %v; want it left as it was", mode.Mode(), err)
	}
	const who = "alice on sftp 192.0.2.7:50122: sftp "
	want := []string{"put usb0:/a", "put usb0:/a", "mkdir usb0:/d", "rename usb0:/a usb0:/d/b", "put usb0:/d/c",
		"rename usb0:/d/b usb0:/d/c", "remove usb0:/d/c", "rmdir usb0:/d"}
	if got := strings.ReplaceAll(strings.Join(b.audit, "\n"), who, ""); got != strings.Join(want, "\n") {
		t.Errorf("the audit has\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// TestRights is what the rights of groups are for.
func TestRights(t *testing.T) {
	b := newBox(t, mayLook)
	b.fill("bootflash/keys/box.key", "secret")
	b.fill("bootflash/control/revisions/000001.conf", "hostname old\n")
	b.fill("usb0/a", "text")
	if got, err := b.get("/usb0/a"); got != "text" || err != nil {
		t.Errorf("who may read gets %q, %v; want the text", got, err)
	}
	for name, do := range map[string]func() error{
		"put":                    func() error { return b.put("/usb0/b", "x") },
		"mkdir":                  func() error { return b.Mkdir("/usb0/d") },
		"remove":                 func() error { return b.Remove("/usb0/a") },
		"rename":                 func() error { return b.Rename("/usb0/a", "/usb0/b") },
		"mode":                   func() error { return b.Chmod("/usb0/a", 0o600) },
		"key":                    func() error { _, err := b.get("/bootflash/keys/box.key"); return err },
		"configuration":          func() error { _, err := b.get("/config/running-config"); return err },
		"revision":               func() error { _, err := b.get("/config/revisions/000001.conf"); return err },
		"revision on its volume": func() error { _, err := b.get("/bootflash/control/revisions/000001.conf"); return err },
	} {
		if err := do(); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s by who may read = %v; want it denied", name, err)
		}
	}
	if got, want := b.names("/config"), ""; got != want {
		t.Errorf("/config has %q for who may not see it; want %q", got, want)
	}
	client, _, _ := b.dial(model.Rights{})
	if _, err := client.ReadDir("/"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a listing by who may do nothing = %v; want it denied", err)
	}
}

// TestOutside tries every way out of the tree.
func TestOutside(t *testing.T) {
	b := newBox(t, all)
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.fill("bootflash/keys/box.key", "secret")
	for name, to := range map[string]string{
		"usb0/link": outside, "usb0/dir": filepath.Dir(outside), "usb0/up": "../bootflash/keys/box.key",
		"harddisk/key": b.path("bootflash/keys/box.key"), "harddisk/log/dir": "/", "bootflash/key": "keys/box.key",
	} {
		if err := os.Symlink(to, b.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(b.path("usb0/pipe"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(b.path("usb0/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"/usb0/../../../../../../../.." + outside, "/../.." + outside, outside, "/usb0/link", "/usb0/dir/secret", "/usb0/up",
		"/harddisk/key", "/logs/dir" + outside, "/bootflash/key", "/bootflash/keys/box.key", "/usb0/pipe", "/usb0/null", "/usb0", "/",
		"/usb0/" + strings.Repeat("a/", 10_000), "/usb0/" + strings.Repeat("n", 100_000), "/usb0/a\x00b", "/usb0/\xff", "/bootflash:/keys/box.key",
	} {
		if text, err := b.get(name); err == nil {
			t.Errorf("get %.80q = %.80q; want an error", name, text)
		}
	}
	for _, name := range []string{"/usb0/link", "/usb0/dir/new", "/usb0/pipe", "/usb0/null", "/harddisk/key", "/../../tmp/new"} {
		if err := b.put(name, "x"); err == nil {
			t.Errorf("put %s succeeds; want an error", name)
		}
	}
	if text, err := os.ReadFile(outside); string(text) != "secret" || err != nil {
		t.Errorf("the file outside has %q, %v; want it untouched", text, err)
	}
}

// A session that asks for 10,000 files gets as many as it may have, and can go on.
func TestOpens(t *testing.T) {
	b := newBox(t, all)
	b.fill("usb0/a", "text")
	var open []*sftp.File
	for range 10_000 {
		file, err := b.Open("/usb0/a")
		if err != nil {
			if want := "32 files are open already"; !strings.Contains(err.Error(), want) {
				t.Fatalf("Open = %v; want %q", err, want)
			}
			continue
		}
		open = append(open, file)
	}
	if len(open) != handlesMost {
		t.Errorf("%d files are open; want %d", len(open), handlesMost)
	}
	for _, do := range []func() error{
		func() error { return b.put("/usb0/b", "x") },
		func() error { _, err := b.ReadDir("/usb0"); return err },
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "are open already") {
			t.Errorf("one more = %v; want that too many are open", err)
		}
	}
	for _, file := range open {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
	for range 3 * handlesMost { // what is closed, or could not be opened, counts no more
		if err := b.put("/usb0/b", "x"); err != nil {
			t.Fatal(err)
		}
		if _, err := b.get("/usb0/none"); err == nil {
			t.Fatal("get of what is not there succeeds")
		}
		if got := b.names("/usb0"); got != "a b" {
			t.Fatalf("/usb0 has %q; want a b", got)
		}
	}
}

func TestSessions(t *testing.T) {
	b := newBox(t, all)
	for range sessionsMost - 1 {
		b.dial(all)
	}
	near, end := net.Pipe()
	defer end.Close()
	if err := b.server.Serve(t.Context(), near, model.Login{}); err == nil {
		t.Errorf("session %d is served", sessionsMost+1)
	}
}

// A directory is listed to its end, however large, and no more of it is held
// than a page.
func TestLargeDirectory(t *testing.T) {
	b := newBox(t, all)
	const count = 3000
	for i := range count {
		b.fill(fmt.Sprintf("usb0/%d", i), "")
	}
	entries, err := b.ReadDir("/usb0")
	if len(entries) != count || err != nil {
		t.Errorf("ReadDir = %d entries, %v; want %d", len(entries), err, count)
	}
}

// TestWhole breaks uploads off.
func TestWhole(t *testing.T) {
	b := newBox(t, all)
	text := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{}).Read(text)
	file, err := b.Create("/harddisk/new")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.ReadFrom(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stat("/harddisk/new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is being written: Stat = %v; want that it does not exist", err)
	}
	if err := b.put("/harddisk/new", "x"); err == nil || !strings.Contains(err.Error(), "is being written already") {
		t.Errorf("a second upload of it = %v; want it refused", err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(b.path("harddisk/new")); !bytes.Equal(got, text) || err != nil {
		t.Errorf("the file has %d octets, %v; want what was sent", len(got), err)
	}

	if file, err = b.Create("/harddisk/new"); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	b.session.Close()
	if err := <-b.ended; err == nil {
		t.Error("a session that is cut off with open files ends without an error")
	}
	if got, err := os.ReadFile(b.path("harddisk/new")); !bytes.Equal(got, text) || err != nil {
		t.Errorf("after an upload that broke off the file has %d octets, %v; want the old ones", len(got), err)
	}
	left, err := filepath.Glob(b.path("harddisk/.*"))
	if len(left) > 0 || err != nil {
		t.Errorf("left of the upload is %q, %v; want nothing", left, err)
	}
}

// A context that ends cuts the session off.
func TestContext(t *testing.T) {
	b := newBox(t, all)
	near, end := net.Pipe()
	defer end.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.server.Serve(ctx, near, model.Login{}) }()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v; want nil when its context ends", err)
	}
}
