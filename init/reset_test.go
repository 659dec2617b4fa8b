package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// wiped is a kernel whose file systems are directories: what is mounted from a
// device that was overwritten is empty.
type wiped struct {
	*fakeKernel
	refuse string // a mount point that takes no mount
}

// mark is the octet of a device that says that its file system is the old one.
const markAt = 40 << 20

func (k wiped) device(target string) string {
	return filepath.Join(k.root, "dev", map[string]string{"bootflash": "vda1", "harddisk": "vda2"}[filepath.Base(target)])
}

func (k wiped) Unmount(target string, flags int) error {
	device, err := os.OpenFile(k.device(target), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer device.Close()
	_, err = device.WriteAt([]byte{1}, markAt)
	return errors.Join(err, os.Rename(target, k.device(target)+".files"), os.Mkdir(target, 0o755))
}

func (k wiped) Mount(source, target, fstype string, flags uintptr, data string) error {
	if target == k.refuse {
		return unix.EIO
	}
	device, err := os.Open(source)
	if err != nil || fstype != "ext4" {
		return nil // memory
	}
	defer device.Close()
	var mark [1]byte
	if _, err := device.ReadAt(mark[:], markAt); err != nil {
		return err
	}
	files := source + ".files"
	if mark[0] == 0 {
		return os.RemoveAll(files)
	}
	return errors.Join(os.Remove(target), os.Rename(files, target))
}

var everyPart = []string{"configuration", "keys", "licences", "billing", "logs"}

// newWiped makes a box that was used and is to be reset.
func newWiped(t *testing.T) (*machine, wiped, *screen) {
	t.Helper()
	m, k, console := newRunning(t)
	kernel := wiped{fakeKernel: k}
	m.volumes.Kernel = kernel
	fill(t, m)
	for _, path := range ofTheBox {
		m.write(t, path, "of the box: "+path)
	}
	if err := m.eraseLater(everyPart); err != nil {
		t.Fatal(err)
	}
	return m, kernel, console
}

// wantReset fails the test unless only what is of the box is left.
func wantReset(t *testing.T, m *machine) {
	t.Helper()
	var left []string
	for _, name := range []string{"bootflash", "harddisk"} {
		err := filepath.WalkDir(m.path(name), func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				left = append(left, strings.TrimPrefix(path, m.root))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := slices.Sorted(slices.Values(ofTheBox))
	if slices.Sort(left); !slices.Equal(left, want) {
		t.Errorf("after a factory reset there are %q; want %q", left, want)
	}
	for _, path := range ofTheBox {
		if text, err := os.ReadFile(m.path(path)); string(text) != "of the box: "+path {
			t.Errorf("after a factory reset %s is %q, %v; want it as it was", path, text, err)
		}
	}
	if _, err := os.Stat(m.path("harddisk/log/failed-calls")); err != nil {
		t.Errorf("after a factory reset: %v; want the directories of services", err)
	}
}

func TestReset(t *testing.T) {
	m, k, console := newWiped(t)
	if err := m.erase(); err != nil {
		t.Fatal(err)
	}
	wantReset(t, m)
	if got, k := m.progress.Load(), int64(k.now); got != k {
		t.Errorf("the boot got on last at %d; want now, %d", got, k)
	}
	m.write(t, "bootflash/control/revisions/1.conf", "new")
	if err := m.erase(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(m.path("bootflash/control/revisions/1.conf")); err != nil {
		t.Errorf("the next boot erased again: %v", err)
	}
	m.log.Flush(wipePause)
	if got := strings.Count(console.String(), "erased: everything\n"); got != 1 {
		t.Errorf("it is said %d times that everything is erased; want once", got)
	}
}

// A cut after any step has the next boot finish the reset.
func TestResetIsCutOff(t *testing.T) {
	for name, cut := range map[string]func(m *machine) error{
		"harddisk wiped":       func(m *machine) error { return m.wipe("harddisk") },
		"what is kept written": func(m *machine) error { return m.halfReset() },
		"bootflash wiped":      func(m *machine) error { return errors.Join(m.halfReset(), m.wipe("bootflash")) },
		"some given back": func(m *machine) error {
			err := errors.Join(m.halfReset(), m.wipe("bootflash"))
			return errors.Join(err, os.WriteFile(m.path(ofTheBox[0]), []byte("of the box: "+ofTheBox[0]), 0o640))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, _, _ := newWiped(t)
			if err := cut(m); err != nil {
				t.Fatal(err)
			}
			if err := m.erase(); err != nil {
				t.Fatal(err)
			}
			wantReset(t, m)
		})
	}
}

// A disk that fails in the middle leaves the files to be erased one by one.
func TestResetFails(t *testing.T) {
	m, k, _ := newWiped(t)
	k.refuse = m.path("harddisk")
	m.volumes.Kernel = k
	err := m.erase()
	if !errors.Is(err, unix.EIO) || !strings.Contains(err.Error(), "factory reset: ") {
		t.Errorf("erase = %v; want what failed", err)
	}
	for _, file := range slices.Concat(partFiles["configuration"], partFiles["keys"], partFiles["licences"]) {
		if _, err := os.Stat(m.path(file)); err == nil {
			t.Errorf("%s is left", file)
		}
	}
	if text, _ := os.ReadFile(m.eraseFile()); string(text) != "billing\nlogs\n" {
		t.Errorf("left for another boot is %q; want billing and logs", text)
	}
}

// What an operator may have put where init keeps things is not obeyed.
func TestResetIsNotForged(t *testing.T) {
	for name, forge := range map[string]func(m *machine) error{
		"another's file": func(m *machine) error { return os.Chown(m.keptPath(), 1234, 0) },
		"a link":         func(m *machine) error { return errors.Join(os.Remove(m.keptPath()), os.Symlink("x", m.keptPath())) },
		"torn":           func(m *machine) error { return os.Truncate(m.keptPath(), 5) },
		"other names": func(m *machine) error {
			text, err := json.Marshal([]keptFile{{Path: "/bootflash/keys/box.key"}})
			return errors.Join(err, os.WriteFile(m.keptPath(), text, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, _, _ := newWiped(t)
			if err := errors.Join(m.noteErase(nil), m.halfReset(), forge(m)); err != nil {
				t.Fatal(err)
			}
			if err := m.erase(); err == nil {
				t.Error("erase = nil; want an error")
			}
			if _, err := os.Stat(m.path(partFiles["keys"][0])); err != nil {
				t.Errorf("bootflash: was wiped: %v", err)
			}
			if err := m.erase(); err != nil {
				t.Errorf("at the next boot erase = %v; want nothing left of it", err)
			}
		})
	}
}
