package backup

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

func TestTimes(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	daily := model.BackupSchedule{To: "usb0:/", At: 2*60 + 30}
	weekly := daily
	weekly.Weekly, weekly.Day = true, time.Sunday
	const layout = "2006-01-02 15:04:05 -0700"
	for _, test := range []struct {
		schedule        model.BackupSchedule
		now, last, next string
	}{
		{daily, "2026-11-22 02:29:59 +0100", "2026-11-21 02:30:00 +0100", "2026-11-22 02:30:00 +0100"},
		{daily, "2026-11-22 02:30:00 +0100", "2026-11-22 02:30:00 +0100", "2026-11-23 02:30:00 +0100"},
		{daily, "2026-01-01 00:00:00 +0100", "2025-12-31 02:30:00 +0100", "2026-01-01 02:30:00 +0100"},
		{weekly, "2026-11-22 02:29:59 +0100", "2026-11-15 02:30:00 +0100", "2026-11-22 02:30:00 +0100"},
		{weekly, "2026-11-22 02:30:00 +0100", "2026-11-22 02:30:00 +0100", "2026-11-29 02:30:00 +0100"},
		// 02:30 comes twice on 25 October, and not at all on 29 March.
		{daily, "2026-10-25 12:00:00 +0100", "2026-10-25 02:30:00 +0100", "2026-10-26 02:30:00 +0100"},
		{daily, "2026-03-29 12:00:00 +0200", "2026-03-29 03:30:00 +0200", "2026-03-30 02:30:00 +0200"},
	} {
		now, err := time.Parse(layout, test.now)
		if err != nil {
			t.Fatal(err)
		}
		now = now.In(berlin)
		if got := last(test.schedule, now).Format(layout); got != test.last {
			t.Errorf("last(%s, %s) = %s; want %s", describe(test.schedule), test.now, got, test.last)
		}
		if got := next(test.schedule, now).Format(layout); got != test.next {
			t.Errorf("next(%s, %s) = %s; want %s", describe(test.schedule), test.now, got, test.next)
		}
	}
}

// At each time of every day of a year, each time of the schedule comes once.
func TestTimesOnce(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for at := range 24 * 60 {
		s := model.BackupSchedule{To: "usb0:/", At: at}
		now, count := time.Date(2026, 1, 1, 0, 0, 0, 0, berlin).Add(-time.Second), 0
		for {
			after := next(s, now)
			if after.Year() != 2026 {
				break
			}
			if !last(s, after).Equal(after) {
				t.Fatalf("last(%d, %v) = %v; want the same", at, after, last(s, after))
			}
			now, count = after, count+1
		}
		if count != 365 {
			t.Errorf("a schedule at minute %d comes %d times in a year; want 365", at, count)
		}
	}
}

// scheduled gives a box with a schedule, and runs it until stop is called.
func scheduled(t *testing.T, line string) (b *box, stop func()) {
	b = newBox(t, "CWY11111111")
	b.zone = time.FixedZone("CET", 3600)
	b.commit("hostname cube\nbackup recipient " + ageKey(t).public + "\n" + line + "\n")
	return b, b.run()
}

// run begins to run the schedule.
func (b *box) run() (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error)
	go func() { ended <- b.Run(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("Run = %v", err)
		}
	}
}

// pass lets time go by, and what is due happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// wantStick compares the times of the backups on the stick.
func (b *box) wantStick(when string, want ...string) {
	b.t.Helper()
	var got []string
	for _, name := range b.stick() {
		name = strings.TrimSuffix(strings.TrimPrefix(name, "causeway-CWY11111111-"), ".tar.age")
		got = append(got, name)
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("%s there are the backups %q; want %q", when, got, want)
	}
}

// Backups come at their time by the zone of the box, as many as shall stay do,
// and nothing goes that the schedule has not made.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is 2000-01-01 00:00 UTC
		b, stop := scheduled(t, "backup schedule daily 02:30 usb0:/ keep 2")
		defer stop()
		pass(89 * time.Minute)
		b.wantStick("before the first one")
		pass(2 * time.Minute)
		b.wantStick("after the first one", "20000101T013000Z")
		if _, err := b.now(t.Context(), NowRequest{Operator: admin}); err != nil {
			t.Fatal(err)
		}
		b.write("usb0/causeway-CWY11111111-19990101T000000Z.tar.age", "of another time")
		pass(3 * 24 * time.Hour)
		b.wantStick("after four days", "19990101T000000Z", "20000101T013100Z", "20000103T013000Z", "20000104T013000Z")
		if status, _ := b.status(t.Context(), struct{}{}); len(status.Made) != 3 || status.Next.Format(time.RFC3339) != "2000-01-05T02:30:00+01:00" {
			t.Errorf("status = %+v; want three backups, the next one on 5 January at 02:30", status)
		}
	})
}

// One that was missed is caught up, once.
func TestMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, stop := scheduled(t, "backup schedule daily 02:30 usb0:/")
		stop()
		pass(3*24*time.Hour + 5*time.Hour)
		b.start()
		stop = b.run()
		defer stop()
		b.wantStick("after three days without power", "20000104T050000Z")
		pass(time.Hour)
		b.wantStick("an hour later", "20000104T050000Z")
		pass(24 * time.Hour)
		b.wantStick("a day later", "20000104T050000Z", "20000105T013000Z")
	})
}

// A new schedule begins when it is committed, whatever its time was that day.
func TestNewSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, stop := scheduled(t, "backup schedule daily 02:30 usb0:/")
		defer stop()
		pass(12 * time.Hour)
		b.wantStick("after the first one", "20000101T013000Z")
		text := b.revealed()
		b.commit(strings.Replace(text, "daily 02:30", "weekly saturday 12:00", 1)) // 11:00 UTC, an hour ago
		b.Apply()
		pass(24 * time.Hour)
		b.wantStick("a day later", "20000101T013000Z")
		pass(6 * 24 * time.Hour)
		b.wantStick("a week later", "20000101T013000Z", "20000108T110000Z")
	})
}

// What fails is tried again, ever more rarely, and an alarm until it succeeds,
// also for the next life of control.
func TestScheduleFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, stop := scheduled(t, "backup schedule daily 02:30 usb0:/")
		stick := filepath.Join(b.dir, "usb0")
		if err := os.Rename(stick, stick+" pulled"); err != nil {
			t.Fatal(err)
		}
		failures := func() int { return strings.Count(b.logged(), "the scheduled backup failed") }
		pass(90 * time.Minute)
		if failures() != 1 {
			t.Errorf("there are %d failures; want one", failures())
		}
		pass(24*time.Hour - time.Minute) // at 1, 3, 7, 15, 31 and 63 minutes, then hourly
		if got := failures(); got < 25 || got > 30 {
			t.Errorf("there are %d tries in a day; want some 28", got)
		}
		stop()
		b.start()
		conditions := b.Conditions()
		if len(conditions) != 1 || conditions[0].Name != alarm.BackupFailed || !strings.Contains(conditions[0].Text, "usb0: is not mounted") {
			t.Errorf("Conditions = %+v; want that the backup failed, and why", conditions)
		}
		if err := os.Rename(stick+" pulled", stick); err != nil {
			t.Fatal(err)
		}
		stop = b.run()
		defer stop()
		pass(look)
		if b.wantStick("with the stick", "20000102T012900Z"); len(b.Conditions()) != 0 {
			t.Errorf("Conditions = %+v; want none after a success", b.Conditions())
		}
	})
}

// The clock was wrong, and is set back by years: backups go on.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, stop := scheduled(t, "backup schedule daily 02:30 usb0:/")
		stop()
		b.keep(func(st *state) { st.Served = time.Now().AddDate(10, 0, 0) })
		b.start()
		stop = b.run()
		defer stop()
		pass(2 * time.Hour)
		b.wantStick("two hours later", "20000101T013000Z")
	})
}

// What a cut has left of a backup that was being written goes with the next one.
func TestHalfBackup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, stop := scheduled(t, "backup schedule daily 02:30 usb0:/")
		stop()
		half := Made{Dir: "usb0:/", Name: "causeway-CWY11111111-19991231T013000Z.tar.age", By: bySchedule}
		b.write("usb0/"+half.Name, "half")
		b.keep(func(st *state) { st.add(half) })
		b.start()
		stop = b.run()
		defer stop()
		if status, _ := b.status(t.Context(), struct{}{}); len(status.Made) != 0 {
			t.Errorf("status = %+v; want no backup", status)
		}
		pass(2 * time.Hour)
		b.wantStick("after the next one", "20000101T013000Z")
	})
}

// A state file that was cut anywhere, or is of somebody else, stops nothing: the
// list is lost, the next backup is made.
func TestStateCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, stop := scheduled(t, "backup schedule daily 02:30 usb0:/")
		pass(2 * time.Hour)
		stop()
		whole, err := os.ReadFile(b.stateFile())
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole {
			if err := os.WriteFile(b.stateFile(), whole[:i], 0o640); err != nil {
				t.Fatal(err)
			}
			if b.start(); len(b.snapshot().Made) != 0 {
				t.Errorf("%d of %d octets are taken for the state %+v", i, len(whole), b.snapshot())
			}
		}
		if !strings.Contains(b.logged(), "it is not known which backups there are") {
			t.Error("the log does not tell of the damage")
		}
		b.start()
		stop = b.run()
		defer stop()
		pass(24 * time.Hour)
		b.wantStick("a day later", "20000101T013000Z", "20000102T013000Z")
		if err := os.WriteFile(b.stateFile(), whole, 0o640); err != nil {
			t.Fatal(err)
		}
		if b.start(); len(b.snapshot().Made) != 1 {
			t.Errorf("the whole file gives %+v; want one backup", b.snapshot())
		}
	})
}

// The list is bounded.
func TestListBounded(t *testing.T) {
	var st state
	for n := range madeMax + 5 {
		st.add(Made{Name: time.Unix(int64(n), 0).String()})
	}
	if len(st.Made) != madeMax || st.Made[0].Name != time.Unix(5, 0).String() {
		t.Errorf("the list has %d backups from %s on; want the last %d", len(st.Made), st.Made[0].Name, madeMax)
	}
}
