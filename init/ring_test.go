package main

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
	"causeway/init/kmsg"
)

// lines is a kernel log of so many lines, one each millisecond.
type lines struct{ last, next int }

func (l *lines) Rewind() error { l.next = 0; return nil }

func (l *lines) Read(record []byte) (int, error) {
	if l.next == l.last {
		return 0, unix.EAGAIN
	}
	l.next++
	return copy(record, fmt.Sprintf("31,%d,%d,-;proxy: line\n", l.next, l.next*1000)), nil
}

func TestReadLog(t *testing.T) {
	m, k, _ := newTest(t)
	if page, err := m.readLog(model.LogQuery{From: 7}); err != nil || len(page.Entries) != 0 || page.Next != 7 {
		t.Errorf("readLog without a kernel log = %+v, %v; want nothing", page, err)
	}
	m.ring, k.now = kmsg.NewReader(&lines{last: 3000}), time.Hour
	for _, tt := range []struct {
		query       model.LogQuery
		first, want int
	}{
		{model.LogQuery{}, 1, defaultEntries},
		{model.LogQuery{From: 2990}, 2990, 11},
		{model.LogQuery{From: 10, Max: 2}, 10, 2},
		{model.LogQuery{From: 1, Max: 1 << 40}, 1, mostEntries},
	} {
		page, err := m.readLog(tt.query)
		if err != nil || len(page.Entries) != tt.want || page.Next != uint64(tt.first+tt.want) || page.Entries[0].Seq != uint64(tt.first) {
			t.Fatalf("readLog(%+v) = %d entries, next %d, %v; want %d from %d", tt.query, len(page.Entries), page.Next, err, tt.want, tt.first)
		}
		entry := page.Entries[0]
		age := time.Since(entry.Time) - time.Hour + time.Duration(tt.first)*time.Millisecond
		if entry.Text != "proxy: line" || entry.Priority != 31 || age < 0 || age > time.Minute {
			t.Errorf("entry = %+v; want line %d of a machine that runs for an hour", entry, tt.first)
		}
	}
}

func TestOpenLog(t *testing.T) {
	m, _, _ := newTest(t)
	if err := m.openLog(); err == nil || m.ring != nil {
		t.Errorf("openLog without /dev/kmsg = %v; want an error", err)
	}
	m.write(t, "dev/kmsg", "")
	if err := m.openLog(); err != nil || m.ring == nil {
		t.Errorf("openLog = %v; want it open", err)
	}
}
