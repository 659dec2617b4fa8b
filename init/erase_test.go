package main

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// what a used box has: of each part, and what no part takes.
var (
	partFiles = map[string][]string{
		"configuration": {"bootflash/control/revisions/7.conf", "bootflash/control/revisions/8.conf.new-1", "bootflash/control/dhcp.db", "bootflash/control/dhcp.db.bad", "bootflash/callhome/queue.db"},
		"keys":          {"bootflash/proxy/call.key", "bootflash/proxy/call.key.memory", "bootflash/keys/box.key", "bootflash/certificates/sip/identity.pem"},
		"licences":      {"bootflash/license/state", "bootflash/control/license-state", "bootflash/com/idem.db", "bootflash/control/subscription-state"},
		"billing":       {"harddisk/billcache/ev-00000001.jnl", "harddisk/billcache/ack", "harddisk/cdr/1.xml", "bootflash/billing/position"},
		"logs": {"harddisk/log/messages", "harddisk/log/failed-calls/failed-calls.1.jsonl", "harddisk/crash/x-proxy.txt", "harddisk/trace/fault.pcap",
			"harddisk/reports/2026-01.db", "bootflash/control/alarms.db", "bootflash/control/log/access.log",
			"bootflash/control/logins", "bootflash/control/backups.memory"},
	}
	kept = []string{"bootflash/init/serial", "bootflash/init/clock", "bootflash/control/trusted-time", "bootflash/control/clock-drift", "bootflash/mine.conf", "harddisk/capture.pcap"}
)

// fill makes everything that a used box has.
func fill(t *testing.T, m *machine) {
	t.Helper()
	for _, files := range partFiles {
		for _, file := range files {
			m.write(t, file, "x")
		}
	}
	for _, file := range kept {
		m.write(t, file, "x")
	}
}

// wantErased fails the test unless exactly these parts are gone.
func wantErased(t *testing.T, m *machine, names ...string) {
	t.Helper()
	for name, files := range partFiles {
		for _, file := range files {
			_, err := os.Stat(m.path(file))
			if gone := errors.Is(err, fs.ErrNotExist); gone != slices.Contains(names, name) {
				t.Errorf("after erasing %q %s is gone: %v", names, file, gone)
			}
		}
	}
	for _, file := range kept {
		if _, err := os.Stat(m.path(file)); err != nil {
			t.Errorf("after erasing %q: %v", names, err)
		}
	}
}

func TestErase(t *testing.T) {
	all := []string{"configuration", "keys", "licences", "billing", "logs"} // together they are a factory reset
	for _, names := range [][]string{nil, all[:4], {"configuration"}, {"configuration", "keys"}, {"licences"}, {"billing"}, {"logs"}} {
		m, _, console := newRunning(t)
		fill(t, m)
		if err := m.eraseLater(names); err != nil {
			t.Fatal(err)
		}
		wantErased(t, m) // nothing yet
		for range 2 {    // the second boot has nothing to do
			if err := m.erase(); err != nil {
				t.Fatal(err)
			}
			wantErased(t, m, names...)
		}
		m.log.Flush(time.Minute)
		for _, name := range all {
			if got := strings.Count(console.String(), "erased: "+name+"\n"); (got == 1) != slices.Contains(names, name) {
				t.Errorf("erasing %q is said %d times of %s", names, got, name)
			}
		}
		for _, directory := range []string{"bootflash/control/revisions", "harddisk/log/failed-calls", "harddisk/trace"} {
			if _, err := os.Stat(m.path(directory)); err != nil {
				t.Errorf("after erasing %q: %v", names, err)
			}
		}
	}
}

// A cut after any file that goes has the next boot finish it.
func TestEraseIsCutOff(t *testing.T) {
	for name, files := range partFiles {
		asked := []string{name}
		if name == "keys" {
			asked = append(asked, "configuration")
		}
		for i := range files {
			m, _, _ := newRunning(t)
			fill(t, m)
			if err := m.eraseLater(asked); err != nil {
				t.Fatal(err)
			}
			for _, file := range files[:i+1] {
				if err := os.Remove(m.path(file)); err != nil {
					t.Fatal(err)
				}
			}
			if err := m.erase(); err != nil {
				t.Error(err)
			}
			wantErased(t, m, asked...)
		}
	}
}

// What is on a volume that is not there is wiped when it is.
func TestEraseWithoutHarddisk(t *testing.T) {
	m, _, _ := newRunning(t)
	fill(t, m)
	if err := m.eraseLater([]string{"logs", "configuration"}); err != nil {
		t.Fatal(err)
	}
	if err := m.volumes.Unmount("harddisk"); err != nil {
		t.Fatal(err)
	}
	if err := m.erase(); err == nil || !strings.Contains(err.Error(), "erase logs: harddisk: cannot be written, it is left for another boot") {
		t.Errorf("erase = %v; want that the logs are left", err)
	}
	wantErased(t, m, "configuration")
	text, err := os.ReadFile(m.eraseFile())
	if err != nil || string(text) != "logs\n" {
		t.Errorf("left for the next boot is %q, %v; want the logs", text, err)
	}
	again, _, _ := newRunning(t)
	fill(t, again)
	again.write(t, "bootflash/init/erase", string(text))
	if err := again.erase(); err != nil {
		t.Error(err)
	}
	wantErased(t, again, "logs")
}

// What is erased is overwritten: a second name of a file shows it.
func TestEraseOverwrites(t *testing.T) {
	m, _, _ := newRunning(t)
	fill(t, m)
	for _, name := range []string{"bootflash/keys/box.key", "bootflash/certificates/sip/identity.pem"} {
		m.write(t, name, "secret")
		if err := os.Link(m.path(name), m.path("bootflash/link")); err != nil {
			t.Fatal(err)
		}
		if err := m.eraseLater([]string{"configuration", "keys"}); err != nil {
			t.Fatal(err)
		}
		if err := m.erase(); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(m.path("bootflash/link")); string(text) != strings.Repeat("\x00", len("secret")) {
			t.Errorf("after it was erased %s is %q, %v; want zeros", name, text, err)
		}
		if err := os.Remove(m.path("bootflash/link")); err != nil {
			t.Fatal(err)
		}
	}
}

// A directory that cannot be read is not taken for an empty one.
func TestEraseUnreadable(t *testing.T) {
	m, _, _ := newRunning(t)
	fill(t, m)
	if err := os.RemoveAll(m.path("bootflash/keys")); err != nil {
		t.Fatal(err)
	}
	m.write(t, "bootflash/keys", "no directory")
	if err := m.eraseLater([]string{"configuration", "keys"}); err != nil {
		t.Fatal(err)
	}
	if err := m.erase(); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("erase = %v; want %v", err, unix.ENOTDIR)
	}
	if text, err := os.ReadFile(m.eraseFile()); err != nil || string(text) != "keys\n" {
		t.Errorf("left to be erased is %q, %v; want the keys", text, err)
	}
}

func TestEraseRefused(t *testing.T) {
	m, _, _ := newRunning(t)
	if err := m.eraseLater([]string{"configuration", "everything"}); err == nil || err.Error() != `"everything" is none of the parts that can be erased` {
		t.Errorf("eraseLater of no part = %v", err)
	}
	if _, err := os.Stat(m.eraseFile()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after a refusal the marker: %v; want none", err)
	}
	if err := m.eraseLater([]string{"keys"}); err == nil || err.Error() != "keys cannot be erased without the configuration" {
		t.Errorf("eraseLater of keys alone = %v; want a refusal", err)
	}
	for range 2 { // taking back what was not asked is no error
		if err := m.eraseLater(nil); err != nil {
			t.Error(err)
		}
	}
	if err := m.volumes.Unmount("bootflash"); err != nil {
		t.Fatal(err)
	}
	if err := m.eraseLater([]string{"licences"}); err == nil {
		t.Error("eraseLater without bootflash: = nil; want an error")
	}
}

func TestChoose(t *testing.T) {
	m, _, _ := newRunning(t)
	m.makeDirectories("/run")
	for _, tt := range []struct{ choice, want string }{
		{"built-in", "built-in\n"}, {"last good", "last good\n"}, {"", ""}, {"", ""},
	} {
		if err := m.choose(tt.choice); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(m.path("run/init/configuration")); string(got) != tt.want {
			t.Errorf("after choosing %q the file holds %q; want %q", tt.choice, got, tt.want)
		}
	}
	if err := m.choose("best"); err == nil {
		t.Error("choose of no configuration = nil; want an error")
	}
}

func TestLimitFiles(t *testing.T) {
	m, k, _ := newTest(t)
	k.fail["files 65536"] = unix.EPERM
	if err := m.limitFiles(); !errors.Is(err, unix.EPERM) {
		t.Errorf("limitFiles = %v; want what the kernel said", err)
	}
}
