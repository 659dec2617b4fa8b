package alarm

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

var discard = slog.New(slog.DiscardHandler)

// file makes a file of alarms with some of everything in it.
func file(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "alarms.db")
	a := Open(Options{File: path, Log: discard})
	for range 4 {
		var many []model.Condition
		for i := range 10 {
			many = append(many, model.Condition{Name: SlotOnTrial, Object: fmt.Sprint(i), Text: "slot B"})
		}
		a.Report("trial", many)
		a.Report("trial", nil)
	}
	a.Report("proxy", []model.Condition{{Name: BillingJournalFull, Text: "3 calls"}})
	if err := errors.Join(a.Advance("syslog", 60), a.Close()); err != nil {
		t.Fatal(err)
	}
	octets, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

// expectUsable opens a file with this content, and has the alarms work whatever
// it is. It gives the number of the last event that was known.
func expectUsable(t *testing.T, what string, content []byte) (last uint64, setAside bool) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "alarms.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	a := Open(Options{File: path, Log: discard})
	_, statErr := os.Stat(path + ".bad")
	setAside = statErr == nil
	last = a.Events(0, 0).Last
	a.Report("trial", []model.Condition{{Name: SlotOnTrial, Text: "slot A"}})
	number := a.Events(0, 0).Last
	if number != last+1 {
		t.Errorf("%s: the next event is %d; want %d", what, number, last+1)
	}
	told := strings.Contains(texts(a), AlarmStore)
	if told != setAside {
		t.Errorf("%s: set aside %t, and an alarm tells so %t", what, setAside, told)
	}
	if err := a.Close(); err != nil {
		t.Errorf("%s: Close = %v", what, err)
	}
	if setAside { // the new file serves
		a = Open(Options{File: path, Log: discard})
		if got := a.Events(0, 0).Last; got != number || !strings.Contains(texts(a), SlotOnTrial) {
			t.Errorf("%s: the new file ends with event %d and has %s; want %d, and the alarm", what, got, texts(a), number)
		}
		if err := a.Close(); err != nil {
			t.Errorf("%s: Close of the new file = %v", what, err)
		}
	}
	return last, setAside
}

func texts(a *Alarms) string {
	var text strings.Builder
	for _, alarm := range a.Active() {
		text.WriteString(alarm.Name + ": " + alarm.Text + "\n")
	}
	return text.String()
}

func TestCutFile(t *testing.T) {
	content := file(t)
	if last, aside := expectUsable(t, "the whole file", content); last != 81 || aside {
		t.Errorf("the whole file: last event %d, set aside %t; want 81, in place", last, aside)
	}
	if last, aside := expectUsable(t, "an empty file", nil); last != 0 || aside {
		t.Errorf("an empty file: last event %d, set aside %t; want a new one", last, aside)
	}
	cuts := []int{1, 2, 15, 16, 17, 79, 80, 81, 4095, 4096, 4097, 8191, 8193}
	for cut := 6000; cut < len(content); cut += 4096 {
		cuts = append(cuts, cut)
	}
	for _, cut := range cuts {
		last, aside := expectUsable(t, "a cut", content[:cut])
		if aside && last < uint64(time.Now().Add(-time.Hour).Unix()) {
			t.Errorf("cut at %d: numbers go on after %d; want a number never given", cut, last)
		}
		if !aside && last != 81 { // what was cut off was free
			t.Errorf("cut at %d: used as it is, with the last event %d", cut, last)
		}
	}
}

// A disk that returns something else than was written: whatever it is, the box
// has alarms.
func TestDamagedFile(t *testing.T) {
	content := file(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		damaged := bytes.Clone(content)
		at := random.IntN(len(damaged))
		length := min(1<<random.IntN(13), len(damaged)-at)
		switch random.IntN(3) {
		case 0:
			clear(damaged[at : at+length])
		case 1:
			damaged[at] ^= 1 << random.IntN(8)
		case 2:
			from := random.IntN(len(damaged) - length)
			copy(damaged[at:at+length], content[from:])
		}
		expectUsable(t, "damage", damaged)
	}
}

func TestNoDisk(t *testing.T) {
	a := Open(Options{File: filepath.Join(t.TempDir(), "missing", "alarms.db"), Log: discard})
	a.Report("trial", []model.Condition{{Name: SlotOnTrial, Text: "slot B"}})
	if got := texts(a); !strings.Contains(got, "alarm-store: alarms are kept in memory only: open ") || !strings.Contains(got, SlotOnTrial) {
		t.Errorf("active without a disk = %s; want both alarms", got)
	}
	page := a.Events(0, 10)
	if len(page.Events) != 2 || page.Missed != 0 {
		t.Errorf("events without a disk = %+v; want 2, none missed", page)
	}
	if err := a.Advance("syslog", page.Last); err == nil || a.Cursor("syslog") != page.Last {
		t.Errorf("Advance = %v, Cursor = %d; want an error as it is not durable, and %d", err, a.Cursor("syslog"), page.Last)
	}
	if err := a.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

// Another process has the file: nothing of it is touched.
func TestLockedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alarms.db")
	other, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	a := Open(Options{File: path, Log: discard})
	if got := texts(a); !strings.Contains(got, "in memory only: open "+path+": timeout") {
		t.Errorf("active = %s; want that the file is locked", got)
	}
	if _, err := os.Stat(path + ".bad"); err == nil {
		t.Error("the file of another process was set aside")
	}
}

// The process has no descriptor left: the file is whole, and stays where it is.
func TestOutOfDescriptors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alarms.db")
	if err := os.WriteFile(path, file(t), 0o600); err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	a := Open(Options{File: path, Log: discard})
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if got := texts(a); !strings.Contains(got, "in memory only: open "+path+": ") || !strings.Contains(got, "too many open files") {
		t.Errorf("active = %s; want that there was no room to open the file", got)
	}
	a = Open(Options{File: path, Log: discard})
	defer a.Close()
	if last := a.Events(0, 0).Last; last != 81 {
		t.Errorf("opened later, the last event is %d; want 81, as if nothing had been", last)
	}
}

// Writing fails for a while: it is told, nothing is lost, and the alarm clears.
func TestWriteFails(t *testing.T) {
	inBubble(t, func(b *box) {
		b.flap(2)
		db := b.store.db
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		b.flap(3)
		b.wait(time.Second)
		if got := texts(b.Alarms); !strings.Contains(got, AlarmStore+": keep alarms in ") {
			t.Errorf("active = %s; want the alarm about the file", got)
		}
		reopened, err := bbolt.Open(b.file, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		b.store.db = reopened
		b.flap(1) // reported again
		b.wait(holdDown)
		b.expectActive("written again", "6 slot-on-trial warning x1: ")
		b.restart()
		b.expectEvents(2,
			"3 raise 3 slot-on-trial warning: ",
			"4 raise 4 alarm-store minor: keep alarms in "+b.file+": database not open",
			"5 clear 3 slot-on-trial warning: the condition is over",
			"6 raise 6 slot-on-trial warning: ",
			"7 clear 4 alarm-store minor: the condition is over")
	})
}
