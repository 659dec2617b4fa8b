package logging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// quick is the pace of tests.
var quick = pace{
	poll: time.Millisecond, sync: 5 * time.Millisecond, retry: 5 * time.Millisecond, last: limit,
	settle: 20 * time.Millisecond, first: time.Millisecond, longest: 10 * time.Millisecond,
	probe: 20 * time.Millisecond, gap: time.Millisecond, renew: 20 * time.Millisecond,
}

// keepFile runs the file of a boot until stop is called.
func keepFile(t *testing.T, dir, boot string, k *kernel, log *journal) (f *file, stop func()) {
	t.Helper()
	f = &file{dir: dir, boot: boot}
	r := newRing(k.read)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go r.follow(ctx, quick.poll, log.logger())
	go func() {
		defer close(ended)
		f.run(ctx, r, func() string { return "gw1" }, quick, log.logger())
	}()
	return f, func() { cancel(); <-ended }
}

// fileText is the whole log, oldest first.
func fileText(t testing.TB, dir string) string {
	t.Helper()
	var text []byte
	f := file{dir: dir}
	for age := fileCount; age >= 0; age-- {
		part, err := os.ReadFile(f.path(age))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		text = append(text, part...)
	}
	return string(text)
}

// holds waits until the log ends so.
func holds(t *testing.T, dir, end string) {
	t.Helper()
	eventually(t, dir, func() string {
		text, err := os.ReadFile(filepath.Join(dir, fileName))
		if !strings.HasSuffix(string(text), end) {
			return fmt.Sprintf("ends with %q, %v; want %q", text[max(0, len(text)-200):], err, end)
		}
		return ""
	})
}

// TestFile: boot, restart of the process, another boot; each line once.
func TestFile(t *testing.T) {
	dir, k, log := t.TempDir(), &kernel{}, &journal{}
	_, stop := keepFile(t, dir, "boot-a", k, log)
	k.say("one", "two")
	holds(t, dir, "proxy[1]: msg=two\n")
	stop()
	k.say("while control is down")
	_, stop = keepFile(t, dir, "boot-a", k, log)
	holds(t, dir, "down\n")
	k.say("the last words")
	stop() // reads once more
	k.say("not ours")
	k = &kernel{}
	k.say("another boot")
	_, stop = keepFile(t, dir, "boot-b", k, log)
	holds(t, dir, "another boot\n")
	stop()

	want := ""
	for _, l := range []string{
		"notice boot: boot-a",
		"info proxy[0]: msg=one", "info proxy[1]: msg=two", "info proxy[2]: msg=while control is down",
		"info proxy[3]: msg=the last words",
		"notice boot: boot-b",
		"info proxy[0]: msg=another boot",
	} {
		want += "2026-01-02T11:00:00.345678Z gw1 " + l + "\n"
	}
	if got := fileText(t, dir); got != want {
		t.Errorf("the file holds\n%s; want\n%s", got, want)
	}
}

// TestFileAnew: a file that is empty again says which boot its lines are of,
// though the file system may give it the number of the one before.
func TestFileAnew(t *testing.T) {
	dir, k, log := t.TempDir(), &kernel{}, &journal{}
	_, stop := keepFile(t, dir, "boot-a", k, log)
	k.say("one")
	holds(t, dir, "msg=one\n")
	if err := os.Truncate(filepath.Join(dir, fileName), 0); err != nil {
		t.Fatal(err)
	}
	k.say("two")
	holds(t, dir, "msg=two\n")
	stop()
	_, stop = keepFile(t, dir, "boot-a", k, log)
	k.say("three")
	holds(t, dir, "msg=three\n")
	stop()
	text := fileText(t, dir)
	if want := "gw1 notice boot: boot-a\n"; strings.Count(text, want) != 1 || strings.Count(text, "\n") != 3 {
		t.Errorf("the file holds\n%s; want %q, two and three", text, want)
	}
}

// TestFileRotation: a restart at any moment loses and repeats nothing, and the
// files stay within their bound.
func TestFileRotation(t *testing.T) {
	dir, k, log := t.TempDir(), &kernel{}, &journal{}
	long := strings.Repeat("x", 900)
	var seen uint64 // lines that the files have or had
	for round := range 12 {
		f, stop := keepFile(t, dir, "boot-a", k, log)
		for range 1000 {
			k.say(long)
		}
		holds(t, dir, fmt.Sprintf("proxy[%d]: msg=%s\n", k.next-1, long))
		stop()
		if round == 11 {
			if status := f.status(); status.Files != fileCount || status.Bytes > fileCount*fileMax || status.Bytes < (fileCount-1)*fileMax/2 {
				t.Errorf("status = %+v; want %d files within %d octets", status, fileCount, fileCount*fileMax)
			}
		}
	}
	for i, l := range strings.Split(strings.TrimSpace(fileText(t, dir)), "\n") {
		tag := strings.Fields(l)[3]
		if tag == bootTag {
			continue
		}
		var seq uint64
		if _, err := fmt.Sscanf(tag, "proxy[%d]:", &seq); err != nil || i > 1 && seq != seen+1 {
			t.Fatalf("line %d begins %.60q after Seq %d, %v; want the next one", i, l, seen, err)
		}
		seen = seq
	}
	if seen != k.next-1 {
		t.Errorf("the last line is of Seq %d; want %d", seen, k.next-1)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != fileCount {
		t.Errorf("the directory has %d files, %v; want %d", len(entries), err, fileCount)
	}
	// A cut after the old file was renamed and before the new one was made.
	f := file{dir: dir}
	if err := f.rotate(); err != nil {
		t.Fatal(err)
	}
	_, stop := keepFile(t, dir, "boot-a", k, log)
	k.say("after the cut")
	holds(t, dir, "after the cut\n")
	stop()
	if text, err := os.ReadFile(f.path(0)); err != nil || strings.Count(string(text), "\n") != 2 {
		t.Errorf("%s holds %.200q, %v; want the boot and one line", fileName, text, err)
	}
}

// TestFileCut cuts the file at every octet, as a power cut does. After it
// every line that was there whole is there once, and so is every line that the
// ring has.
func TestFileCut(t *testing.T) {
	k := &kernel{}
	k.say("one", "two", "three")
	page, err := k.read(t.Context(), model.LogQuery{Max: 10})
	if err != nil {
		t.Fatal(err)
	}
	whole := appendBoot(nil, noon, "gw1", "boot-a")
	for _, l := range readLines(0, page.Entries) {
		whole = appendLine(whole, "gw1", l)
	}
	for size := range len(whole) + 1 {
		for _, boot := range []string{"boot-a", "boot-b"} {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, fileName), whole[:size], 0o640); err != nil {
				t.Fatal(err)
			}
			f := &file{dir: dir, boot: boot}
			if err := f.recall(); err != nil {
				t.Fatal(err)
			}
			if err := f.append("gw1", readLines(f.next, page.Entries)); err != nil {
				t.Fatal(err)
			}
			text := fileText(t, dir)
			kept := whole[:bytes.LastIndexByte(whole[:size], '\n')+1]
			if !strings.HasPrefix(text, string(kept)) || !strings.HasSuffix(text, "\n") {
				t.Fatalf("cut at %d: the file holds %q; want what was whole, %q, at its begin", size, text, kept)
			}
			var of []string // boot and text of each line
			now := ""
			for l := range strings.Lines(text) {
				fields := strings.Fields(l)
				if strings.HasSuffix(l, cutMark) || len(fields) < 5 {
					continue
				}
				if now == "" || fields[3] == bootTag {
					now = fields[4]
				}
				of = append(of, now+" "+fields[4])
			}
			for _, want := range []string{"msg=one", "msg=two", "msg=three"} {
				n := 0
				for _, l := range of {
					if l == boot+" "+want {
						n++
					}
				}
				if n != 1 {
					t.Fatalf("cut at %d, then %s: line %s is there %d times; want once:\n%s", size, boot, want, n, text)
				}
			}
			end, err := readEnd(filepath.Join(dir, fileName))
			if err != nil || end.boot != boot || end.next != 3 {
				t.Fatalf("cut at %d: readEnd = %+v, %v; want %s, 3", size, end, err, boot)
			}
		}
	}
}

// TestFileTrouble: no directory, and a volume that is full and that is changed
// for another. It is told once, and made good.
func TestFileTrouble(t *testing.T) {
	parent, k, log := t.TempDir(), &kernel{}, &journal{}
	dir := filepath.Join(parent, "log")
	k.say("one")
	f, stop := keepFile(t, dir, "boot-a", k, log)
	defer stop()
	problem := func(want string) {
		t.Helper()
		eventually(t, "problem", func() string {
			if got := f.status().Problem; (want == "") != (got == "") || !strings.Contains(got, want) {
				return got + "; want " + want
			}
			return ""
		})
	}
	problem("no such file or directory")
	if err := unix.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	problem("")
	holds(t, dir, "one\n")

	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) }) // if the test fails before it does
	k.say("two")
	holds(t, dir, "two\n")
	if text := fileText(t, dir); strings.Contains(text, "one") || !strings.Contains(text, "boot: boot-a") {
		t.Errorf("on another volume the file holds %q; want the boot and what is new", text)
	}
	before := fileText(t, dir)
	k.say(strings.Repeat("x", 10000))
	problem("no space left on device")
	eventually(t, "a full disk", func() string { // what it takes of a line at each try is cut off again
		if text := fileText(t, dir); text != before {
			return fmt.Sprintf("the file holds %d octets; want the %d from before", len(text), len(before))
		}
		return ""
	})
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=80k"); err != nil {
		t.Fatal(err)
	}
	problem("")
	holds(t, dir, "xxx\n")
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	k.say("three")
	holds(t, dir, "three\n")
	if n := strings.Count(log.String(), "not written"); n != 2 {
		t.Errorf("trouble is told %d times; want twice:\n%s", n, log)
	}
}

// FuzzFindEnd: no content of a file is too strange; and where lines of ours
// follow, they alone say where to go on.
func FuzzFindEnd(f *testing.F) {
	lines := appendLine(appendBoot(nil, noon, "gw1", "boot-a"), "gw1", line{seq: 41, process: "proxy", text: "x"})
	f.Add([]byte(""))
	f.Add(lines)
	f.Add(lines[:len(lines)-1])
	f.Add(append(slices.Clone(lines[:len(lines)-3]), cutMark...))
	f.Add([]byte("a b c d[99999999999999999999]: e\na b c boot:\n\x00\x00\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		findEnd(text)
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(slices.Clone(text), cutMark...)
		}
		if got := findEnd(append(slices.Clone(text), lines...)); got != (end{"boot-a", 42}) {
			t.Errorf("findEnd(%q and lines of ours) = %+v; want boot-a, 42", text, got)
		}
	})
}
