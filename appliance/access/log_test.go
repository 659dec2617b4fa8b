package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

func newTestJournal(t *testing.T, dirs ...string) *journal {
	started := time.Now()
	return newJournal(Options{
		LogDirs: dirs, Uptime: func() time.Duration { return time.Since(started) }, Log: slog.New(slog.DiscardHandler),
	})
}

// wantLast compares the newest entries, as the log prints them.
func wantLast(t *testing.T, j *journal, most int, want ...string) {
	t.Helper()
	entries, err := j.last(most)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.String())
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestLogOutlives: what was written is there after a restart and after a cut in
// the middle of a line, which costs that line and no other.
func TestLogOutlives(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	j := newTestJournal(t, dir)
	for i := range 3 {
		j.add(Entry{Event: EventLogout, User: "u", Session: uint64(i + 1)})
	}
	wantLast(t, j, 2, "logout u, session 2", "logout u, session 3") // not written yet
	j.flush()
	file := filepath.Join(dir, logName)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndexByte(content[:len(content)-1], '\n') + 1
	for cut := last; cut <= len(content); cut++ {
		if err := os.WriteFile(file, content[:cut], 0o640); err != nil {
			t.Fatal(err)
		}
		want := []string{"logout u, session 1", "logout u, session 2"}
		if cut >= len(content)-1 {
			want = append(want, "logout u, session 3") // the line feed alone is missing
		}
		j := newTestJournal(t, dir)
		wantLast(t, j, 9, want...)
		j.add(Entry{Event: EventLogout, User: "v"})
		j.flush()
		wantLast(t, j, 9, append(want, "logout v")...)
	}
}

// TestLogElsewhere: without harddisk: it is on bootflash:, and both are read.
func TestLogElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		harddisk, bootflash := filepath.Join(dir, "harddisk"), filepath.Join(dir, "bootflash")
		write := func(user string) string {
			j := newTestJournal(t, harddisk, bootflash)
			time.Sleep(time.Second)
			j.add(Entry{Event: EventLogout, User: user})
			j.flush()
			return j.trouble()
		}
		write("a")
		if err := errors.Join(os.Rename(harddisk, harddisk+".gone"), os.WriteFile(harddisk, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		if trouble := write("b"); trouble != "" {
			t.Errorf("trouble = %q; want none, as bootflash: takes it", trouble)
		}
		if err := errors.Join(os.Remove(harddisk), os.Rename(harddisk+".gone", harddisk)); err != nil {
			t.Fatal(err)
		}
		write("c")
		wantLast(t, newTestJournal(t, harddisk, bootflash), 9, "logout a", "logout b", "logout c")
	})
}

// TestLogFault: what cannot be written is an alarm, and nobody waits for it.
func TestLogFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, admin)
		if err := os.WriteFile(b.options.LogDirs[0], nil, 0o600); err != nil {
			t.Fatal(err)
		}
		b.logIn("admin", right, "ttyS0", nil)
		time.Sleep(2 * time.Second)
		got := b.Conditions()
		if len(got) != 1 || got[0].Name != alarm.AccessLogFault || !strings.Contains(got[0].Text, "not a directory") {
			t.Errorf("Conditions = %+v; want why the log is not written", got)
		}
		if err := os.Remove(b.options.LogDirs[0]); err != nil {
			t.Fatal(err)
		}
		b.logIn("admin", right, "ttyS0", nil)
		time.Sleep(2 * time.Second)
		if got := b.Conditions(); got != nil {
			t.Errorf("Conditions when it can be written again = %+v; want none", got)
		}
	})
}

// TestLogInAFlood: refusals are all counted, and leave the log room for what
// succeeded.
func TestLogInAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newTestJournal(t, filepath.Join(t.TempDir(), "log"))
		ctx, cancel := context.WithCancel(t.Context())
		defer func() { cancel(); synctest.Wait() }()
		go j.run(ctx)
		const attempts = 20_000
		j.add(Entry{Event: EventLogin, User: "admin"})
		for range attempts {
			j.add(Entry{Event: EventRefused, User: unknownUser})
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		j.add(Entry{Event: EventLogout, User: "admin"})
		time.Sleep(2 * time.Second)
		entries, err := j.last(queryMost)
		if err != nil {
			t.Fatal(err)
		}
		counted := 0
		for _, e := range entries {
			if e.Event == EventRefused {
				counted += max(1, e.Times)
			}
		}
		if counted != attempts || entries[0].Event != EventLogin {
			t.Errorf("%d entries with %d refusals; want %d, and the login before them", len(entries), counted, attempts)
		}
		if most := refusedBurst + 2*int(attempts*10*time.Millisecond/refusedEvery) + 10; len(entries) > most {
			t.Errorf("%d entries; want up to %d", len(entries), most)
		}
		if j.trouble() != "" {
			t.Errorf("trouble = %q; want none", j.trouble())
		}
	})
}

// TestLogEndsInAFlood: refusals that were counted are in the log of a process
// that ends.
func TestLogEndsInAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "log")
		j := newTestJournal(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		go j.run(ctx)
		for range refusedBurst + 7 {
			j.add(Entry{Event: EventRefused, User: unknownUser})
		}
		cancel()
		synctest.Wait()
		wantLast(t, newTestJournal(t, dir), 1, "refused: too many to tell one by one (7 times)")
	})
}

// TestLogAfterAFlood: refusals that were counted are told soon after it, though
// nothing else happens.
func TestLogAfterAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "log")
		j := newTestJournal(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		defer func() { cancel(); synctest.Wait() }()
		go j.run(ctx)
		for range refusedBurst + 7 {
			j.add(Entry{Event: EventRefused, User: unknownUser})
		}
		time.Sleep(refusedEvery + 2*writePause)
		wantLast(t, newTestJournal(t, dir), 1, "refused: too many to tell one by one (7 times)")
	})
}

// TestLogOfASlowDisk: entries that it does not take in time are told, and those
// before them kept.
func TestLogOfASlowDisk(t *testing.T) {
	j := newTestJournal(t, filepath.Join(t.TempDir(), "log"))
	for i := range waitingMost + 1 {
		j.add(Entry{Event: EventCommand, Line: fmt.Sprint(i)})
	}
	j.flush()
	if !strings.Contains(j.trouble(), "too slow") {
		t.Errorf("trouble = %q; want that entries were lost", j.trouble())
	}
	wantLast(t, j, 1, fmt.Sprint("command: ", waitingMost-1))
	j.flush()
	if j.trouble() != "" {
		t.Errorf("trouble at the next look = %q; want none", j.trouble())
	}
}

// TestLogTroubleLasts: refusals that are only counted do not say that the disk
// is well again.
func TestLogTroubleLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, logName), 0o700); err != nil { // where the file goes
			t.Fatal(err)
		}
		j := newTestJournal(t, dir)
		for range refusedBurst + 1 {
			j.add(Entry{Event: EventRefused, User: unknownUser})
		}
		for look := range 2 {
			j.flush()
			if j.trouble() == "" {
				t.Errorf("trouble at look %d = none; want that the log cannot be written", look)
			}
		}
	})
}

// TestNoSecretIsWritten: neither files nor logs nor answers have in them what
// somebody typed as a password, or for a name by mistake.
func TestNoSecretIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const planted = "Geheim-4711-xyz"
		b := newBox(t, strings.ReplaceAll(withServers, stored, planted))
		b.logIn("admin", planted, "ttyS0", nil)
		b.logIn("admin", planted+"!", "ttyS0", ErrRefused)
		b.logIn(planted, right, "ttyS0", ErrRefused) // it was typed in the wrong place
		b.servers["192.0.2.1:1812"] = silent
		b.logIn(planted, planted, "ttyS0", ErrRefused)
		b.logIn(planted, planted, "ttyS0", ErrRefused)
		time.Sleep(2 * time.Second)
		text := b.log.String() + strings.Join(b.entries(), "\n") + fmt.Sprintf("%+v %+v", b.Users(), b.Conditions())
		err := filepath.Walk(filepath.Dir(b.options.LockFile), func(path string, info os.FileInfo, err error) error {
			if err != nil || info.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			text += string(content)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range []string{planted, "$argon2id$", secret} {
			if strings.Contains(text, found) {
				t.Errorf("%s is written in\n%s", found, text)
			}
		}
		if !strings.Contains(text, "admin") || !strings.Contains(text, nameKey("admin")) {
			t.Errorf("the user is not in what was searched:\n%s", text)
		}
	})
}

// TestLongTexts: what somebody else made is bounded.
func TestLongTexts(t *testing.T) {
	j := newTestJournal(t, t.TempDir())
	j.add(Entry{Event: EventCommand, User: model.COMAdmin, Line: strings.Repeat("ä", fieldMost)})
	entries, err := j.last(1)
	if err != nil || len(entries) != 1 || entries[0].Line != strings.Repeat("ä", fieldMost/2) {
		t.Errorf("last = %+v, %v; want a line of %d octets", entries, err, fieldMost)
	}
	j.add(Entry{Event: EventCommand, Line: "a" + strings.Repeat("ä", fieldMost)})
	if entries, _ = j.last(1); entries[0].Line != "a"+strings.Repeat("ä", fieldMost/2-1) {
		t.Errorf("a text cut within a character is %q; want whole characters", entries[0].Line)
	}
}
