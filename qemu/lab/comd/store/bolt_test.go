package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"causeway/appliance/com/wire"
)

// open opens a store in a folder of the test.
func open(t *testing.T, dir string) *Bolt {
	t.Helper()
	b, err := OpenBolt(filepath.Join(dir, "comd.db"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestUpdateBox has many change one box at the same time, and some fail.
func TestUpdateBox(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	wrong := errors.New("as the test wants it")
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			err := b.UpdateBox("FHK1234ABcd", func(box *Box) error {
				box.Revision++
				if i%2 == 0 {
					return wrong
				}
				return nil
			})
			if (i%2 == 0) != errors.Is(err, wrong) {
				t.Errorf("UpdateBox = %v", err)
			}
		})
	}
	all.Wait()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir)
	defer b.Close()
	if box, err := b.Box("FHK1234ABcd"); err != nil || box.Revision != 20 {
		t.Errorf("Box = %+v, %v; want revision 20", box, err)
	}
	if _, err := b.Box("none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Box(none) = %v; want %v", err, ErrNotFound)
	}
}

// TestEntries keeps the newest entries of a box, each once, also of one that
// numbers anew.
func TestEntries(t *testing.T) {
	b := open(t, t.TempDir())
	defer b.Close()
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	push := func(from, to uint64, later time.Duration) {
		t.Helper()
		var list []wire.Entry
		for n := from; n <= to; n++ {
			list = append(list, wire.Entry{Sequence: n, Time: at.Add(later), Class: wire.ClassAlarm})
		}
		if err := b.AddEntries("FHK1234ABcd", list); err != nil {
			t.Fatal(err)
		}
	}
	check := func(most int, want string) {
		t.Helper()
		list, err := b.Entries("FHK1234ABcd", most)
		got := ""
		for i, e := range list {
			if i == 0 || i == len(list)-1 {
				got += fmt.Sprint(e.Sequence, " ")
			}
		}
		if got = fmt.Sprint(len(list), ": ", got); err != nil || got != want {
			t.Errorf("Entries(%d) = %s, %v; want %s", most, got, err, want)
		}
	}
	check(10, "0: ")
	push(1, 3, 0)
	push(2, 5, 0)
	check(10, "5: 1 5 ")
	check(2, "2: 4 5 ")
	push(6, MostEntries+10, 0)
	check(MostEntries+100, fmt.Sprintf("%d: 11 %d ", MostEntries, MostEntries+10))
	push(1, 2, time.Hour) // the outbox was lost
	push(1, 3, time.Hour)
	check(4, fmt.Sprintf("4: %d 3 ", MostEntries+10))
}

// TestAudit keeps what was done in order.
func TestAudit(t *testing.T) {
	b := open(t, t.TempDir())
	defer b.Close()
	for _, who := range []string{"anna", "bert", "carl"} {
		if err := b.AddAudit(Audit{Who: who}); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := b.AuditTrail(2); err != nil || len(list) != 2 || list[0].Who != "bert" || list[1].Who != "carl" {
		t.Errorf("AuditTrail(2) = %+v, %v; want bert and carl", list, err)
	}
}
