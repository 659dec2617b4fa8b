package callhome

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/callhome/message"
	"causeway/appliance/model"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestInstant holds the days on which messages are due against the calendar, with
// every time of day there may be on the days that have 23 or 25 hours.
func TestInstant(t *testing.T) {
	for _, name := range []string{
		"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Amman", "America/Havana", "Pacific/Kiritimati",
	} {
		z := zone(t, name)
		for minute := range 21 * 60 {
			c := &CallHome{timeOfDay: earliest + time.Duration(minute)*time.Minute + 7*time.Second}
			at := c.instant(2009, time.January, z)
			for range 12 * 18 {
				next := c.following(at)
				y, m, d := next.Date()
				wantYear, wantMonth := at.Year(), at.Month()+1
				if wantMonth > time.December {
					wantYear, wantMonth = wantYear+1, time.January
				}
				if y != wantYear || m != wantMonth || d != 1 {
					t.Fatalf("%s, minute %d: after %s comes %s", name, minute, at, next)
				}
				if back := c.latest(next); !back.Equal(next) {
					t.Fatalf("%s: at %s the latest is %s", name, next, back)
				}
				if before := c.latest(next.Add(-time.Second)); !before.Equal(at) {
					t.Fatalf("%s: a second before %s the latest is %s; want %s", name, next, before, at)
				}
				at = next
			}
		}
	}
}

// until sleeps until it is a time for the box, and a little longer.
func (b *box) until(at time.Time) {
	time.Sleep(at.Sub(b.now()) + 2*lookEvery)
	synctest.Wait()
}

// expectGroups says what the vendor must have got since the last time.
func (b *box) expectGroups(when, want string) {
	b.t.Helper()
	synctest.Wait()
	if got := b.world.take(model.ProfileVendor); got != want {
		b.t.Errorf("%s: the vendor got %q; want %q (%s)", when, got, want, b.now())
	}
}

// nextDue is when messages are due next.
func (b *box) nextDue() time.Time { return b.Status().Next }

func TestCaughtUp(t *testing.T) {
	live(t, func(b *box) {
		b.start()
		b.until(b.nextDue())
		b.expectGroups("first", allGroups)
		due := b.nextDue()
		b.stop()
		time.Sleep(time.Until(due.Add(70 * 24 * time.Hour))) // it misses two more
		b.start()
		if wait := b.nextDue().Sub(b.now()); wait != b.spread || wait <= 0 || wait >= catchUp {
			t.Errorf("after a start the messages are due in %s; want %s, less than %s", wait, b.spread, catchUp)
		}
		b.expectGroups("at once", "")
		time.Sleep(b.spread + lookEvery)
		b.expectGroups("caught up", allGroups)
		b.stop()
		b.start()
		time.Sleep(24 * time.Hour)
		b.expectGroups("after one more start", "")
	})
}

func TestClockNotRightYet(t *testing.T) {
	live(t, func(b *box) {
		b.right = false
		b.start()
		if wait := b.nextDue().Sub(b.now()); wait != clockWait {
			t.Errorf("the messages are due in %s; want %s", wait, clockWait)
		}
		time.Sleep(clockWait - lookEvery)
		b.expectGroups("the clock is not synchronised", "")
		time.Sleep(2 * lookEvery)
		b.expectGroups("it is not for an hour", allGroups)
		b.stop()

		b.options.File += ".new"
		b.start()
		time.Sleep(20 * time.Minute)
		b.expectGroups("the clock is not synchronised", "")
		b.right = true
		time.Sleep(2 * lookEvery)
		b.expectGroups("it is", allGroups)
	})
}

// TestClockJumps: a clock that was ahead and comes back has no month sent twice,
// and none that is to come left out.
func TestClockJumps(t *testing.T) {
	for _, ahead := range []time.Duration{20 * day, 35 * day, 100 * day, 4 * 365 * day, 20 * 365 * day} {
		t.Run(fmt.Sprintf("%d days", ahead/day), func(t *testing.T) {
			live(t, func(b *box) {
				b.start()
				b.until(b.nextDue())
				b.expectGroups("first", allGroups)
				b.ahead = ahead
				time.Sleep(2 * idle)
				b.expectGroups("ahead", allGroups)
				sent := label(b.latest(b.now()))
				b.ahead = 0
				time.Sleep(2 * idle)
				b.expectGroups("back", "")
				b.stop()
				b.start()
				time.Sleep(time.Hour)
				b.expectGroups("back, and started again", "")
				for i := range 14 {
					due := b.nextDue()
					b.until(due)
					want := allGroups
					if i == 0 && sent == label(due) {
						want = "" // it was sent before its time
					}
					b.expectGroups(due.String(), want)
				}
			})
		})
	}
}

// TestZoneChanges: a change of zone on the first of the month has nothing sent
// twice.
func TestZoneChanges(t *testing.T) {
	live(t, func(b *box) {
		b.zone = zone(t, "Pacific/Kiritimati") // UTC+14
		b.start()
		b.until(b.nextDue())
		b.expectGroups("first", allGroups)
		for range 5 {
			b.until(b.nextDue())
			b.expectGroups("in the east", allGroups)
			b.zone = zone(t, "Pacific/Pago_Pago") // UTC-11: it is the month before again
			time.Sleep(2 * idle)
			b.expectGroups("in the west", "")
			due := b.nextDue()
			b.until(due)
			b.expectGroups("in the west, on the first", "")
			b.zone = zone(t, "Pacific/Kiritimati")
			time.Sleep(2 * idle)
			b.expectGroups("in the east again", "")
		}
	})
}

func TestUpgrades(t *testing.T) {
	live(t, func(b *box) {
		b.right = false
		for _, version := range []string{"1.0", "1.1", "1.1", "1.0"} {
			b.options.Version = version
			b.start()
			time.Sleep(2 * time.Hour)
			b.stop()
		}
		b.start()
		var got string
		for _, u := range b.Upgrades() {
			got += u.Version + " "
		}
		if got != "1.0 1.1 1.0 " {
			t.Errorf("Upgrades = %s; want 1.0 1.1 1.0", got)
		}
	})
}

// What the facts take does not hold up what waits, and they are asked for once.
func TestSlowFacts(t *testing.T) {
	live(t, func(b *box) {
		asked := 0
		b.options.Facts = func(ctx context.Context) message.Facts {
			asked++
			<-ctx.Done()
			return message.Facts{}
		}
		b.start()
		if err := b.alert("Coredumpfilefound", model.Major); err != nil {
			t.Fatal(err)
		}
		b.expectGroups("at once", "crash")
		time.Sleep(catchUp + factsLimit + 2*lookEvery)
		b.expectGroups("later", allGroups)
		if asked != 1 {
			t.Errorf("facts were asked for %d times; want once", asked)
		}
	})
}

// An operator who asks for everything while the schedule makes the first messages
// gets his own sent, after those or in their place.
func TestSendAllBesideSchedule(t *testing.T) {
	for _, later := range []time.Duration{0, time.Second} {
		live(t, func(b *box) {
			b.config = model.CallHome{}
			facts := b.options.Facts
			b.options.Facts = func(ctx context.Context) message.Facts {
				time.Sleep(5 * time.Second)
				return facts(ctx)
			}
			b.start()
			synctest.Wait()
			b.set(func(c *model.CallHome) { *c = ready() })
			time.Sleep(later)
			answer, err := b.sendAll(context.Background(), SendAllRequest{})
			if err != nil {
				t.Fatal(err)
			}
			sent := 0
			for _, d := range answer.Deliveries {
				if d.Outcome == outcomeSent {
					sent++
				}
			}
			if sent != len(periodic) || len(answer.Deliveries) != sent {
				t.Errorf("asked %v after the commit: %+v; want %d sent", later, answer.Deliveries, len(periodic))
			}
		})
	}
}
