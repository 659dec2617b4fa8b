package alarm

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
)

// box is a control that may start anew.
type box struct {
	t    *testing.T
	file string
	log  bytes.Buffer
	*Alarms
	stop func()
	up   int // conditions that raise has active
}

// inBubble runs a test on a box with a clock of its own, which begins in 2000.
func inBubble(t *testing.T, test func(*box)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &box{t: t, file: filepath.Join(t.TempDir(), "alarms.db")}
		b.start()
		defer func() { b.stop() }()
		test(b)
	})
}

func (b *box) start() {
	b.Alarms = Open(Options{File: b.file, Log: slog.New(slog.NewTextHandler(&b.log, nil))})
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	alarms := b.Alarms
	go func() { ended <- alarms.Run(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("Run = %v; want nil", err)
		}
		if err := alarms.Close(); err != nil {
			b.t.Errorf("Close = %v; want nil", err)
		}
	}
}

func (b *box) restart() {
	b.stop()
	b.start()
}

// wait lets time pass and what is due happen.
func (b *box) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// active is what is active in a line: "3 link-down LAN1 major x2: no link".
func (b *box) active() string {
	var lines []string
	for _, alarm := range b.Active() {
		lines = append(lines, fmt.Sprintf("%d %s %s x%d: %s", alarm.Number, subject(alarm.Name, alarm.Object), alarm.Severity, alarm.Count, alarm.Text))
	}
	return strings.Join(lines, "\n")
}

func (b *box) expectActive(when, want string) {
	b.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, b.active()); diff != "" {
		b.t.Errorf("%s: active (-want +got):\n%s", when, diff)
	}
}

// expectEvents compares the events after a number, each as
// "3 clear 1 link-down LAN1 major: the condition is over".
func (b *box) expectEvents(after uint64, want ...string) {
	b.t.Helper()
	synctest.Wait()
	var got []string
	for _, e := range b.Events(after, historyMost).Events {
		got = append(got, fmt.Sprintf("%d %s %d %s %s: %s", e.Number, e.Kind, e.Alarm, subject(e.Name, e.Object), e.Severity, e.Text))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("events after %d (-want +got):\n%s", after, diff)
	}
}

var operator = model.Operator{User: "console", Origin: "ttyS0"}

func TestEveryRowIsRaisedAndCleared(t *testing.T) {
	for _, row := range Table() {
		inBubble(t, func(b *box) {
			report := func(percent float64, active bool) {
				condition := model.Condition{Name: row.Name, Object: "it", Text: "so"}
				switch {
				case row.Levels != nil:
					b.Measure("test", []Reading{{condition, percent}})
				case active:
					b.Report("test", []model.Condition{condition})
				default:
					b.Report("test", nil)
				}
				synctest.Wait()
			}
			high, low := 0.0, 0.0
			if row.Levels != nil {
				high, low = row.Levels[0].Raise, row.Levels[0].Clear-0.1
			}
			raised := fmt.Sprintf("1 %s it %s x1: so", row.Name, row.Severity)

			report(high, true)
			if row.RaiseAfter > 0 {
				b.wait(row.RaiseAfter - time.Millisecond)
				b.expectActive(row.Name+" just before its time", "")
				b.wait(time.Millisecond)
			}
			b.expectActive(row.Name+" raised", raised)
			report(low, false)
			if row.ClearAfter > 0 {
				b.wait(row.ClearAfter - time.Millisecond)
				b.expectActive(row.Name+" just before it clears", raised)
				b.wait(time.Millisecond)
			}
			b.expectActive(row.Name+" cleared", "")
			b.expectEvents(0,
				fmt.Sprintf("1 raise 1 %s it %s: so", row.Name, row.Severity),
				fmt.Sprintf("2 clear 1 %s it %s: the condition is over", row.Name, row.Severity))
			for _, want := range []string{`msg="alarm raise" alarm=` + row.Name + " ", `level=INFO msg="alarm clear" alarm=` + row.Name + " "} {
				if strings.Count(b.log.String(), want) != 1 {
					t.Errorf("log = %s; want one %s", b.log.String(), want)
				}
			}
		})
	}
}

// link is the report of a LAN without link.
var link1 = []model.Condition{{Name: LinkDown, Object: "LAN1", Text: "no link"}}

func TestFolding(t *testing.T) {
	inBubble(t, func(b *box) {
		// A blip shorter than RaiseAfter is nothing.
		b.Report("watch", link1)
		b.wait(3 * time.Second)
		b.Report("watch", nil)
		b.wait(time.Hour)
		b.expectEvents(0)

		b.Report("watch", link1)
		b.wait(10 * time.Second)
		for range 3 {
			b.Report("watch", nil)
			b.wait(29 * time.Second)
			b.Report("watch", link1)
			b.wait(time.Second)
		}
		b.expectActive("after flapping", "1 link-down LAN1 major x4: no link")
		b.expectEvents(0, "1 raise 1 link-down LAN1 major: no link")
		b.Report("watch", nil)
		b.wait(holdDown)
		b.expectActive("at rest", "")
		b.expectEvents(1, "2 clear 1 link-down LAN1 major: the condition is over")

		b.Report("watch", link1)
		b.wait(10 * time.Second)
		b.expectActive("newly raised", "3 link-down LAN1 major x1: no link")
	})
}

func TestSources(t *testing.T) {
	inBubble(t, func(b *box) {
		b.Report("watch", []model.Condition{{Name: SlotOnTrial, Text: "slot B"}})
		b.Report("proxy", []model.Condition{{Name: BillingJournalFull, Text: "3 calls"}, {Name: "made-up", Object: "x", Text: "?"}})
		b.Report("proxy", []model.Condition{{Name: BillingJournalFull, Text: "7 calls"}, {Name: "made-up", Object: "x", Text: "?"}})
		b.expectActive("of both", "2 billing-journal-full critical x1: 7 calls\n3 made-up x warning x1: ?\n1 slot-on-trial warning x1: slot B")
		b.Report("watch", nil)
		b.expectActive("of the proxy", "2 billing-journal-full critical x1: 7 calls\n3 made-up x warning x1: ?")
		if !strings.Contains(b.log.String(), `level=ERROR msg="alarm that is not in the table" name=made-up source=proxy`) {
			t.Errorf("log = %s; want the unknown name", b.log.String())
		}

		var flood []model.Condition
		for i := range 2 * heldMost {
			flood = append(flood, model.Condition{Name: CrashFile, Object: fmt.Sprint(i), Text: strings.Repeat("long ", 1000)})
		}
		b.Report("flood", flood)
		active := b.Active()
		if len(active) != heldMost || len(active[1].Text) > textMost+len("…") {
			t.Errorf("a flood raises %d alarms, one of %d octets; want %d, and at most %d", len(active), len(active[1].Text), heldMost, textMost)
		}
		if n := strings.Count(b.log.String(), "too many conditions"); n != 1 {
			t.Errorf("the log tells %d times that there are too many; want once", n)
		}
	})
}

func space(percent float64) []Reading {
	return []Reading{{model.Condition{Name: VolumeSpace, Object: "harddisk", Text: fmt.Sprintf("%g %% used", percent)}, percent}}
}

func TestLevels(t *testing.T) {
	inBubble(t, func(b *box) {
		b.Measure("space", space(91))
		b.wait(10 * time.Second)
		for _, percent := range []float64{94.9, 95, 93, 92.9, 86.9, 90, 75} {
			b.Measure("space", space(percent))
		}
		b.expectEvents(0,
			"1 raise 1 volume-space harddisk major: 91 % used",
			"2 change 1 volume-space harddisk critical: 95 % used",
			"3 change 1 volume-space harddisk major: 92.9 % used",
			"4 change 1 volume-space harddisk minor: 86.9 % used",
			"5 change 1 volume-space harddisk major: 90 % used",
			"6 change 1 volume-space harddisk minor: 75 % used")
		b.Measure("space", nil) // the volume is gone
		b.wait(holdDown)
		b.expectActive("gone", "")

		b.Apply(&model.Config{Alarms: model.Alarms{Storage: 60}})
		b.Measure("space", space(60))
		b.wait(10 * time.Second)
		b.expectActive("with a threshold", "8 volume-space harddisk minor x1: 60 % used")
		if rows := b.Table(); len(rows) != len(table) || table[len(table)-2].Levels[0].Raise != 80 {
			t.Errorf("Table has %d rows, and the default is %v", len(rows), table[len(table)-2].Levels)
		}
	})
}

func TestClear(t *testing.T) {
	inBubble(t, func(b *box) {
		if _, err := b.Clear(Which{Name: LinkDown}, operator); err == nil {
			t.Error("Clear of nothing = nil; want an error")
		}
		both := append(link1[:1:1], model.Condition{Name: LinkDown, Object: "LAN2", Text: "no link"})
		b.Report("watch", both)
		b.wait(10 * time.Second)
		if cleared, err := b.Clear(Which{Name: LinkDown, Object: "LAN2"}, operator); err != nil || len(cleared) != 1 || cleared[0].Cleared.IsZero() {
			t.Errorf("Clear = %+v, %v; want LAN2", cleared, err)
		}
		b.Report("watch", both)
		b.wait(time.Hour)
		b.expectActive("cleared, though it holds", "1 link-down LAN1 major x1: no link")
		b.expectEvents(2, "3 clear 2 link-down LAN2 major: cleared by console on ttyS0")
		if _, err := b.Clear(Which{Number: 2}, operator); err == nil {
			t.Error("Clear of one that was cleared = nil; want an error")
		}

		b.restart()
		b.Report("watch", both)
		b.wait(time.Hour)
		b.expectActive("after a restart", "1 link-down LAN1 major x1: no link")
		b.Report("watch", link1)
		b.Report("watch", both)
		b.wait(10 * time.Second)
		b.expectActive("newly raised", "4 link-down LAN2 major x1: no link\n1 link-down LAN1 major x1: no link")
		if _, err := b.Clear(Which{Name: LinkDown}, operator); err != nil {
			t.Errorf("Clear of all = %v", err)
		}
		b.expectActive("cleared by name", "")
		b.expectEvents(4, "5 clear 1 link-down LAN1 major: cleared by console on ttyS0", "6 clear 4 link-down LAN2 major: cleared by console on ttyS0")
	})
}

func TestClearedAlarmThatGetsWorse(t *testing.T) {
	inBubble(t, func(b *box) {
		b.Measure("space", space(80))
		b.wait(10 * time.Second)
		if _, err := b.Clear(Which{Number: 1}, operator); err != nil {
			t.Fatal(err)
		}
		b.Measure("space", space(89))
		b.expectActive("no worse", "")
		b.Measure("space", space(90))
		b.expectActive("worse", "3 volume-space harddisk major x1: 90 % used")
		if cleared := b.Active()[0].Cleared; !cleared.IsZero() {
			t.Errorf("an active alarm was cleared at %v", cleared)
		}
	})
}

// TestClearedAlarmThatHasMore: what is missing besides is no part of what the
// operator has seen and cleared.
func TestClearedAlarmThatHasMore(t *testing.T) {
	inBubble(t, func(b *box) {
		report := func(text string) {
			b.Report("health", []model.Condition{{Name: BoxIncomplete, Text: text}})
		}
		report("no watchdog; no TPM")
		if _, err := b.Clear(Which{Name: BoxIncomplete}, operator); err != nil {
			t.Fatal(err)
		}
		report("no TPM; no watchdog")
		b.expectActive("the same", "")
		report("no TPM")
		b.expectActive("less", "")
		report("no TPM; no fan")
		b.expectActive("more", "3 box-incomplete minor x1: no TPM; no fan")
	})
}

func TestRestart(t *testing.T) {
	inBubble(t, func(b *box) {
		b.Report("watch", append(link1[:1:1], model.Condition{Name: SlotOnTrial, Text: "slot B"}))
		b.Report("proxy", []model.Condition{{Name: BillingJournalFull, Text: "3 calls"}})
		b.Measure("space", space(81))
		b.wait(10 * time.Second)
		const all = "2 billing-journal-full critical x1: 3 calls\n3 link-down LAN1 major x1: no link\n4 volume-space harddisk minor x1: 81 % used\n1 slot-on-trial warning x1: slot B"
		b.expectActive("before", all)

		b.restart()
		b.expectActive("after the restart", all)
		b.Report("watch", link1)
		b.Measure("space", space(79)) // hysteresis holds over the restart
		b.expectActive("as reported again", strings.TrimSuffix(strings.ReplaceAll(all, "81 %", "79 %"), "\n1 slot-on-trial warning x1: slot B"))
		b.wait(restartGrace - time.Millisecond)
		b.expectEvents(4, "5 clear 1 slot-on-trial warning: the condition is over")
		b.wait(time.Millisecond)
		b.expectEvents(5, "6 clear 2 billing-journal-full critical: not reported any more since control started")

		b.restart()
		b.wait(restartGrace)
		b.expectActive("nobody reports", "")
		b.restart()
		b.Report("watch", link1)
		b.wait(10 * time.Second)
		b.expectActive("numbers go on", "9 link-down LAN1 major x1: no link")
	})
}

func TestSubscribe(t *testing.T) {
	inBubble(t, func(b *box) {
		wake, stop := b.Subscribe()
		b.Report("watch", link1)
		woken := func() bool {
			synctest.Wait()
			select {
			case <-wake:
				return true
			default:
				return false
			}
		}
		if woken() {
			t.Error("woken before there is an event")
		}
		b.wait(10 * time.Second)
		if !woken() || woken() {
			t.Error("want one token for the raise")
		}
		stop()
		b.Report("watch", nil)
		b.wait(holdDown)
		if woken() {
			t.Error("woken after stop")
		}
	})
}
