package callhome

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/callhome/message"
	"causeway/appliance/model"
)

const day = 24 * time.Hour

// alarmed runs a box with alarms in a bubble. It has sent what is due every month.
func alarmed(t *testing.T, do func(b *box, alarms *alarm.Alarms)) {
	live(t, func(b *box) {
		alarms := alarm.Open(alarm.Options{File: filepath.Join(t.TempDir(), "alarms.db"), Log: slog.New(slog.DiscardHandler)})
		defer alarms.Close()
		b.options.Alarms = alarms
		b.options.Volumes = "/volumes"
		b.start()
		time.Sleep(catchUp + lookEvery)
		b.alerts()
		do(b, alarms)
	})
}

// alerts are those that the vendor got since the last time, as name, object, and
// how often there were more before.
func (b *box) alerts() (list []string) {
	synctest.Wait()
	b.world.mu.Lock()
	defer b.world.mu.Unlock()
	for _, a := range b.world.got {
		if e := a.m.Event; e != nil && a.to.Profile == model.ProfileVendor {
			list = append(list, fmt.Sprintf("%s %s %d", e.Name, e.Object, e.Repeated))
		}
	}
	b.world.got = nil
	return list
}

// expect holds the alerts since the last time against what should be told.
func (b *box) expect(when string, want ...string) {
	b.t.Helper()
	if got := b.alerts(); !slices.Equal(got, want) {
		b.t.Errorf("%s: the vendor got %q; want %q", when, got, want)
	}
}

// crash has a service leave a crash file.
func crash(alarms *alarm.Alarms, service string) {
	alarms.Report("crash "+service, []model.Condition{{
		Name: alarm.CrashFile, Object: time.Now().UTC().Format("20060102T150405.000Z-") + service + ".txt", Text: service + " crashed",
	}})
}

func TestAlert(t *testing.T) {
	alarmed(t, func(b *box, alarms *alarm.Alarms) {
		b.set(func(c *model.CallHome) { c.Copies = []string{"noc@example.com"} })
		crash(alarms, "proxy")
		synctest.Wait()
		row, _ := alarm.Find(alarm.CrashFile)
		want := message.Event{
			Name: "Coredumpfilefound", Type: message.Reactive, Group: model.GroupCrash, Object: "proxy", Severity: row.Severity,
			Description: "proxy crashed", Impact: row.Text, Remedy: row.Remedy, First: time.Now().UTC(), Node: "box",
		}
		var profiles []string
		for _, a := range b.world.got {
			profiles = append(profiles, a.to.Profile)
			if e := a.m.Event; e == nil || *e != want || len(a.m.Attachments) != 0 {
				t.Errorf("%+v with %+v was sent; want %+v alone", a.m, a.m.Event, want)
			}
		}
		if slices.Sort(profiles); !slices.Equal(profiles, []string{model.ProfileCopies, model.ProfileVendor}) {
			t.Errorf("the alert went to %q; want the vendor and those who get copies", profiles)
		}
	})
}

// TestEveryRow has each alarm raised and cleared.
func TestEveryRow(t *testing.T) {
	alarmed(t, func(b *box, _ *alarm.Alarms) {
		b.world.set(down)
		for i, row := range alarm.Table() {
			event := model.AlarmEvent{Number: uint64(i + 1), Time: time.Now(), Kind: "clear", Alarm: uint64(i + 1), Name: row.Name, Severity: row.Severity}
			if row.Object != "" {
				event.Object = "harddisk"
			}
			want, _, about := alertOf(event.Name, event.Object)
			for _, kind := range []string{"clear", "raise"} {
				if _, err := b.clearQueue(b.t.Context(), ClearRequest{}); err != nil {
					t.Fatal(err)
				}
				event.Kind = kind
				if _, err := b.process(b.t.Context(), event); err != nil {
					t.Fatal(err)
				}
				waiting := b.Status().Waiting
				if told := len(waiting) > 0; told != (want != nil && kind == "raise") || told && waiting[0].Name != want.Name {
					t.Errorf("a %s of %s has %+v wait; want %+v about %q", kind, row.Name, waiting, want, about)
				}
			}
			if _, err := b.clearDedup(b.t.Context(), ClearRequest{}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestDeduplication: CH-24, over restarts (CH-45).
func TestDeduplication(t *testing.T) {
	alarmed(t, func(b *box, alarms *alarm.Alarms) {
		crash(alarms, "proxy")
		b.expect("the first", "Coredumpfilefound proxy 0")
		for range 3 {
			time.Sleep(6 * time.Hour)
			crash(alarms, "proxy")
		}
		b.expect("three within 24 hours")
		crash(alarms, "billing")
		b.expect("another object", "Coredumpfilefound billing 0")
		b.stop()
		b.start()
		time.Sleep(6*time.Hour - time.Millisecond)
		crash(alarms, "proxy")
		b.expect("a little less than 24 hours, after a restart")
		time.Sleep(time.Millisecond)
		crash(alarms, "proxy")
		b.expect("24 hours", "Coredumpfilefound proxy 4")
		time.Sleep(time.Hour)
		crash(alarms, "proxy")
		b.expect("an hour after that")
		if _, err := b.clearDedup(b.t.Context(), ClearRequest{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		crash(alarms, "proxy")
		b.expect("an operator has cleared it", "Coredumpfilefound proxy 0")
	})
}

// TestWorse: a severity that gets worse is news, also for profiles that want such
// only; one that gets better never is.
func TestWorse(t *testing.T) {
	alarmed(t, func(b *box, alarms *alarm.Alarms) {
		fill := func(percent float64) {
			for range 2 { // it must hold for a while
				alarms.Measure("test", []alarm.Reading{{Condition: model.Condition{Name: alarm.VolumeSpace, Object: "harddisk", Text: "full"}, Percent: percent}})
				time.Sleep(time.Minute)
			}
		}
		const name = "LowActivePartitionAvailableDiskSpace harddisk"
		b.set(func(c *model.CallHome) {
			c.Profiles = []model.CallHomeProfile{{Name: "noc", URL: "https://noc.example", Groups: []model.CallHomeSubscription{{Group: model.GroupPerformance, Severity: model.Major}}}}
		})
		fill(85)
		b.expect("minor", name+" 0")
		fill(92)
		synctest.Wait()
		if got := b.world.take("noc"); got != model.GroupPerformance {
			t.Errorf("a profile that wants major alerts got %q; want the one that was minor", got)
		}
		fill(85)
		fill(92)
		b.expect("as bad as before")
		fill(85)
		time.Sleep(day)
		fill(92)
		b.expect("on another day", name+" 1")
		time.Sleep(day)
		fill(85)
		b.expect("better")
		fill(96)
		b.expect("much worse", name+" 0")
		time.Sleep(day)
		fill(10)
		b.expect("well")
	})
}

// TestAlertsOnlyInSmart: while nothing may be told the alarms go by, and are not
// told later.
func TestAlertsOnlyInSmart(t *testing.T) {
	for name, settings := range map[string]func(*model.CallHome){
		"none":          func(c *model.CallHome) { c.Mode = model.CallHomeNone },
		"disabled":      func(c *model.CallHome) { c.Mode = model.CallHomeDisabled },
		"anonymous":     func(c *model.CallHome) { c.Mode = model.CallHomeAnonymous },
		"pending":       func(c *model.CallHome) { c.Accepted = false },
		"nobody to ask": func(c *model.CallHome) { c.ContactEmail = "" },
	} {
		t.Run(name, func(t *testing.T) {
			alarmed(t, func(b *box, alarms *alarm.Alarms) {
				b.set(settings)
				crash(alarms, "proxy")
				synctest.Wait()
				if at, last := alarms.Cursor(consumer), alarms.Events(0, 0).Last; at != last || len(b.Status().Waiting) != 0 || len(b.Status().Dedup) != 0 {
					t.Errorf("looked at %d of %d alarms, %+v; want all, and nothing kept", at, last, b.Status())
				}
				b.set(func(c *model.CallHome) { *c = ready() })
				time.Sleep(time.Hour)
				b.expect("when alerts are told again")
				crash(alarms, "billing")
				b.expect("and one more", "Coredumpfilefound billing 0")
			})
		})
	}
}

// TestOldAlarms are not told: nobody needs them any more (CH-27).
func TestOldAlarms(t *testing.T) {
	for off, want := range map[time.Duration][]string{alertLife: {"Coredumpfilefound proxy 0"}, alertLife + time.Second: nil} {
		alarmed(t, func(b *box, alarms *alarm.Alarms) {
			b.stop()
			crash(alarms, "proxy")
			time.Sleep(off)
			b.start()
			b.expect(fmt.Sprintf("control was off for %v", off), want...)
		})
	}
}

// TestForgottenAlarms: more have happened than the history has.
func TestForgottenAlarms(t *testing.T) {
	alarmed(t, func(b *box, alarms *alarm.Alarms) {
		crash(alarms, "billing")
		b.expect("the first", "Coredumpfilefound billing 0")
		b.stop()
		var flood []model.Condition
		for i := range 300 {
			flood = append(flood, model.Condition{Name: alarm.SIPFlood, Object: fmt.Sprint(i)})
		}
		for range 2 {
			alarms.Report("flood", flood)
			alarms.Report("flood", nil)
			time.Sleep(time.Minute)
			alarms.Report("flood", nil)
		}
		crash(alarms, "proxy")
		if page := alarms.Events(alarms.Cursor(consumer), 0); page.Missed == 0 {
			t.Fatalf("nothing is missed: %+v", page)
		}
		b.start()
		b.expect("after a gap", "Coredumpfilefound proxy 0")
		if at, last := alarms.Cursor(consumer), alarms.Events(0, 0).Last; at != last {
			t.Errorf("looked at events up to %d; want %d", at, last)
		}
	})
}

// stuck are alarms whose cursors do not move.
type stuck struct{ *alarm.Alarms }

func (stuck) Advance(string, uint64) error { return errors.New("the disk is full") }

// TestCutBeforeTheCursor: what was kept and is met again is not told again.
func TestCutBeforeTheCursor(t *testing.T) {
	alarmed(t, func(b *box, alarms *alarm.Alarms) {
		b.stop()
		b.options.Alarms = stuck{alarms}
		b.start()
		crash(alarms, "proxy")
		b.expect("before the cut", "Coredumpfilefound proxy 0")
		b.stop()
		b.options.Alarms = alarms
		b.start()
		b.expect("after it")
	})
}

// TestUnkept: the cursor stays while what came of the alarms is in memory only.
func TestUnkept(t *testing.T) {
	alarmed(t, func(b *box, alarms *alarm.Alarms) {
		at := alarms.Cursor(consumer)
		b.world.set(down)
		b.mu.Lock()
		if err := b.store.close(); err != nil { // it cannot be written any more
			t.Fatal(err)
		}
		b.mu.Unlock()
		crash(alarms, "proxy")
		synctest.Wait()
		if n := len(b.Status().Waiting); n != 1 || alarms.Cursor(consumer) != at {
			t.Errorf("%d messages wait and the cursor is at %d; want one, and %d", n, alarms.Cursor(consumer), at)
		}
		b.stop()
		b.world.set(nil)
		b.start()
		b.expect("the next life", "Coredumpfilefound proxy 0")
		if last := alarms.Events(0, 0).Last; alarms.Cursor(consumer) != last {
			t.Errorf("the cursor is at %d; want %d", alarms.Cursor(consumer), last)
		}
	})
}

func TestDiagnostics(t *testing.T) {
	alarmed(t, func(b *box, alarms *alarm.Alarms) {
		var asked []string
		b.CallHome.options.Diagnose = func(ctx context.Context, line string) message.Attachment {
			asked = append(asked, line)
			a := message.Attachment{Name: line, Type: "command", Text: strings.Repeat("é", printedMost)}
			if line == "show system" {
				<-ctx.Done() // it hangs
				a.Text = "0"
			}
			return a
		}
		b.set(func(c *model.CallHome) { c.Traces = true })
		began := time.Now()
		crash(alarms, "proxy")
		time.Sleep(commandPatience)
		synctest.Wait()
		row, _, _ := alertOf(alarm.CrashFile, "1-proxy.txt")
		if !slices.Equal(asked, row.Commands) {
			t.Errorf("typed were %q; want %q", asked, row.Commands)
		}
		if len(b.world.got) != 1 || !b.world.got[0].at.Equal(began.Add(commandPatience)) {
			t.Fatalf("%+v was sent; want one alert, %v after the crash", b.world.got, commandPatience)
		}
		sent := b.world.got[0].m.Attachments
		for i, line := range row.Commands {
			a := sent[i]
			if cut := strings.HasSuffix(a.Text, "[131072 octets in all, cut here]\n"); a.Name != line || len(a.Text) > printedMost || cut != (line != "show system") {
				t.Errorf("attached is %q with %d octets, cut: %t", a.Name, len(a.Text), cut)
			}
		}
		file := began.UTC().Format("20060102T150405.000Z-") + "proxy.txt"
		want := message.Attachment{Name: "harddisk:crash/" + file, Type: "trace", Path: "harddisk:crash/" + file, File: "/volumes/harddisk/crash/" + file}
		if last := sent[len(sent)-1]; last != want || len(sent) != len(row.Commands)+1 {
			t.Errorf("the last of %d attachments is %+v; want %+v", len(sent), last, want)
		}
	})
}

// TestTracesNoMore: what an alert brings stays here when the operator wants none
// sent before it goes.
func TestTracesNoMore(t *testing.T) {
	alarmed(t, func(b *box, alarms *alarm.Alarms) {
		b.CallHome.options.Diagnose = func(context.Context, string) message.Attachment { return message.Attachment{} }
		b.world.set(down)
		b.set(func(c *model.CallHome) { c.Traces = true })
		crash(alarms, "proxy")
		time.Sleep(time.Minute)
		b.set(func(c *model.CallHome) { c.Traces = false })
		b.world.set(nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(b.world.got) != 1 || len(b.world.got[0].m.Attachments) != 0 {
			t.Errorf("%+v was sent; want an alert that brings nothing", b.world.got)
		}
	})
}

// TestAllThatCommandsPrint is bounded, whatever the alert.
func TestAllThatCommandsPrint(t *testing.T) {
	c := &CallHome{options: Options{Diagnose: func(_ context.Context, line string) message.Attachment {
		return message.Attachment{Name: line, Text: strings.Repeat("x", 1<<20)}
	}}}
	for _, a := range Alerts() {
		if len(a.Commands) == 0 {
			continue
		}
		all := 0
		for _, attached := range c.diagnose(t.Context(), a.Commands) {
			all += len(attached.Text)
			if len(attached.Text) > printedMost {
				t.Errorf("%s: %s has %d octets; want %d at most", a.Name, attached.Name, len(attached.Text), printedMost)
			}
		}
		if all > allPrintedMost {
			t.Errorf("%s: the commands have %d octets; want %d at most", a.Name, all, allPrintedMost)
		}
	}
}

// TestModeChangesMeanwhile: who becomes anonymous while an alert is made is not
// told of.
func TestModeChangesMeanwhile(t *testing.T) {
	alarmed(t, func(b *box, alarms *alarm.Alarms) {
		b.CallHome.options.Diagnose = func(context.Context, string) message.Attachment {
			b.set(func(c *model.CallHome) { c.Mode, c.Traces = model.CallHomeAnonymous, false })
			return message.Attachment{}
		}
		b.set(func(c *model.CallHome) { c.Traces = true })
		crash(alarms, "proxy")
		synctest.Wait()
		if s := b.Status(); len(s.Waiting) != 0 || len(s.Dedup) != 0 {
			t.Errorf("%+v is kept; want nothing", s)
		}
		b.expect("anonymous")
	})
}
