package callhome

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/callhome/message"
	"causeway/appliance/model"
)

// waits are what waits for a profile: the names of alerts, and the groups of what
// else there is.
func (b *box) waits(profile string) string {
	var list []string
	for _, e := range b.Status().Waiting {
		if e.Profile == profile && e.Name != "" {
			list = append(list, e.Name)
		} else if e.Profile == profile {
			list = append(list, e.Group)
		}
	}
	return strings.Join(list, " ")
}

// expectDropped says how many deliveries must have been dropped, by why.
func (b *box) expectDropped(want map[string]int64) {
	b.t.Helper()
	if got := b.Status().Dropped; !maps.Equal(got, want) {
		b.t.Errorf("%v were dropped; want %v", got, want)
	}
}

// cutOff starts a box whose vendor cannot be reached, with what is due every month
// waiting.
func (b *box) cutOff() {
	b.t.Helper()
	b.world.set(down)
	b.start()
	time.Sleep(catchUp)
	synctest.Wait()
	if got := b.waits(model.ProfileVendor); got != allGroups {
		b.t.Fatalf("%q waits; want %q", got, allGroups)
	}
}

func TestFull(t *testing.T) {
	live(t, func(b *box) {
		b.cutOff()
		b.mustAlert("major 1", model.Major)
		b.mustAlert("warning 1", model.Warning)
		b.mustAlert("minor 1", model.Minor)
		b.mustAlert("warning 2", model.Warning)
		for range mostMessages - 3 - 4 {
			b.mustAlert("critical", model.Critical)
		}
		for i, want := range []string{
			"major 1 warning 1 minor 1 warning 2",
			"major 1 minor 1 warning 2", "major 1 minor 1", "major 1", "",
		} {
			if i > 0 {
				b.mustAlert("critical", model.Critical)
			}
			got, _, _ := strings.Cut(strings.TrimPrefix(b.waits(model.ProfileVendor), allGroups+" "), "critical")
			if strings.TrimSpace(got) != want {
				t.Errorf("after %d beyond the bound there are %q and critical ones; want %q", i, got, want)
			}
		}
		if err := b.alert("one more", model.Major); err != errFull {
			t.Errorf("put of a milder one = %v; want %v", err, errFull)
		}
		if _, seen := b.seen("one more", "", b.now()); seen {
			t.Error("what found no room counts as processed")
		}
		b.expectDropped(map[string]int64{"full": 5})
		if got := b.waits(model.ProfileVendor); !strings.HasPrefix(got, allGroups) || len(b.queue) != mostMessages {
			t.Errorf("%d wait: %q; want %d, with those of the month", len(b.queue), got, mostMessages)
		}
	})
}

func TestTooManyOctets(t *testing.T) {
	live(t, func(b *box) {
		b.cutOff()
		for range 40 {
			settings, _ := b.settings()
			settings.Traces = true
			m, err := message.New(message.Alert, b.newID(), b.now(), &settings, message.Facts{}, &message.Event{Name: "a", Severity: model.Major},
				message.Attachment{Name: "show processes", Type: "command", Text: strings.Repeat("x", 256<<10)})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.put(m, []string{model.ProfileVendor}, nil); err != nil {
				t.Fatal(err)
			}
		}
		octets := 0
		for _, q := range b.queue {
			octets += len(q.text)
		}
		if n := len(b.queue); octets > mostOctets || octets < mostOctets/2 || n != 3+15 {
			t.Errorf("%d messages of %d octets wait; want those of the month and 15", n, octets)
		}
		b.expectDropped(map[string]int64{"full": 25})
	})
}

func TestExpired(t *testing.T) {
	const late = 2 * idle // that it is seen at the latest
	for _, test := range []struct {
		name  string
		do    func(b *box)
		alive bool
	}{
		{"a little before", func(*box) { time.Sleep(alertLife - time.Second) }, true},
		{"after", func(*box) { time.Sleep(alertLife + late) }, false},
		{"after, while off", func(b *box) { b.stop(); time.Sleep(alertLife); b.start() }, false},
		{"before, while off", func(b *box) { b.stop(); time.Sleep(alertLife - time.Second); b.start() }, true},
		{"the clock is put ahead", func(b *box) { b.ahead = 365 * day; time.Sleep(late) }, true},
		{"the clock is put back", func(b *box) { b.ahead = -365 * day; time.Sleep(alertLife + late) }, false},
		{"the clock is put back while off", func(b *box) { b.stop(); b.ahead = -365 * day; b.start(); time.Sleep(alertLife + late) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			live(t, func(b *box) {
				b.cutOff()
				b.mustAlert("a", model.Critical)
				test.do(b)
				synctest.Wait()
				if alive := strings.Contains(" "+b.waits(model.ProfileVendor)+" ", " a "); alive != test.alive {
					t.Errorf("%q waits; the alert is to be alive: %t", b.waits(model.ProfileVendor), test.alive)
				}
				if expired := b.Status().Dropped["expired"] == 1; expired == test.alive {
					t.Errorf("expired: %t; want %t", expired, !test.alive)
				}
			})
		})
	}
}

func TestReplaced(t *testing.T) {
	live(t, func(b *box) {
		b.config.Copies = []string{"noc@example.com"}
		b.cutOff()
		if _, err := b.report(b.t.Context(), model.ProfileVendor, model.GroupInventory); err != nil {
			t.Fatal(err)
		}
		if got := b.waits(model.ProfileVendor); got != "telemetry configuration inventory" {
			t.Errorf("%q waits for the vendor; want one inventory, the newest", got)
		}
		if got := b.waits(model.ProfileCopies); got != allGroups {
			t.Errorf("%q waits for those who get copies; want %q", got, allGroups)
		}
		b.expectDropped(map[string]int64{"replaced": 1})
		time.Sleep(70 * day)
		synctest.Wait()
		if got := len(b.Status().Waiting); got != 6 {
			t.Errorf("after months %d wait; want 6, the newest of each", got)
		}
		b.expectDropped(map[string]int64{"replaced": 1 + 3*6})
	})
}

// TestModeChanges: what a mode may not send is gone when it is in force. What is
// due every month is made again, as the mode has it.
func TestModeChanges(t *testing.T) {
	live(t, func(b *box) {
		b.cutOff()
		b.mustAlert("a", model.Critical)
		b.set(func(c *model.CallHome) { c.Mode = model.CallHomeAnonymous })
		b.expectDropped(map[string]int64{"mode": 4})
		synctest.Wait()
		if got := b.waits(model.ProfileVendor); got != "inventory telemetry" {
			t.Errorf("in anonymous mode %q waits; want inventory and telemetry", got)
		}
		for _, q := range b.queue {
			if q.Mode != model.CallHomeAnonymous {
				t.Errorf("a message of mode %s waits", q.Mode)
			}
		}
		if err := b.alert("b", model.Critical); err == nil {
			t.Error("an alert is made in anonymous mode")
		}
		m := &message.Message{ID: b.newID(), Kind: message.Alert, Mode: model.CallHomeSmart}
		if err := b.put(m, []string{model.ProfileVendor}, nil); err != errMode {
			t.Errorf("put of an alert that was made before = %v; want %v", err, errMode)
		}
		b.set(func(c *model.CallHome) { c.Mode = model.CallHomeSmart })
		synctest.Wait()
		if got := b.waits(model.ProfileVendor); got != allGroups {
			t.Errorf("in smart mode %q waits; want %q", got, allGroups)
		}
		b.set(func(c *model.CallHome) { c.Mode = model.CallHomeNone })
		b.expectDropped(map[string]int64{"mode": 7})
		b.world.set(nil)
		time.Sleep(70 * day)
		b.expectGroups("mode none", "")
		b.set(func(c *model.CallHome) { c.Mode = "" })
		b.expectGroups("smart again", allGroups)
	})
}

// TestAgreementWithdrawn: what waits then is not sent, whatever is accepted later.
func TestAgreementWithdrawn(t *testing.T) {
	live(t, func(b *box) {
		b.cutOff()
		b.mustAlert("a", model.Critical)
		b.set(func(c *model.CallHome) { c.Accepted = false })
		b.expectDropped(map[string]int64{"mode": 4})
		b.world.set(nil)
		b.set(func(c *model.CallHome) { c.Accepted = true })
		b.expectGroups("accepted again", allGroups)
	})
}

func TestProfileGone(t *testing.T) {
	live(t, func(b *box) {
		b.config.Copies = []string{"noc@example.com"}
		b.config.Profiles = []model.CallHomeProfile{
			{Name: "p", URL: "https://p.example", Groups: []model.CallHomeSubscription{{Group: model.GroupInventory}}},
			{Name: "q", Emails: []string{"q@example.com"}, Groups: []model.CallHomeSubscription{{Group: model.GroupCrash, Severity: model.Major}}},
			{Name: "r", Groups: []model.CallHomeSubscription{{Group: model.GroupInventory}}}, // goes nowhere
		}
		b.cutOff()
		b.mustAlert("mild", model.Minor)
		b.mustAlert("bad", model.Critical)
		for profile, want := range map[string]string{
			model.ProfileCopies: allGroups + " mild bad", "p": "inventory", "q": "bad", "r": "",
		} {
			if got := b.waits(profile); got != want {
				t.Errorf("%q waits for %s; want %q", got, profile, want)
			}
		}
		b.set(func(c *model.CallHome) { c.Profiles[1].Off = true })
		b.expectDropped(map[string]int64{"profile": 1})
		b.set(func(c *model.CallHome) { c.Profiles, c.Copies = nil, nil })
		b.expectDropped(map[string]int64{"profile": 7})
		if s := b.Status(); len(s.Profiles) != 1 || len(s.Waiting) != 5 {
			t.Errorf("there are the profiles %+v, and %d wait; want the vendor, and 5", s.Profiles, len(s.Waiting))
		}
	})
}

func TestSeenIsBounded(t *testing.T) {
	live(t, func(b *box) {
		b.start()
		for i := range mostSeen + 10 {
			if err := b.put(nil, nil, &model.CallHomeSeen{Name: "a", Object: fmt.Sprint(i), At: b.now()}); err != nil {
				t.Fatal(err)
			}
		}
		if _, young := b.seen("a", "9", b.now()); young || len(b.Status().Dedup) != mostSeen {
			t.Errorf("%d alerts are remembered; want %d, the newest", len(b.Status().Dedup), mostSeen)
		}
		for _, test := range []struct {
			after time.Duration
			young bool
		}{{0, true}, {dedupLife - 1, true}, {dedupLife, false}, {-1, false}} {
			if _, young := b.seen("a", "10", b.now().Add(test.after)); young != test.young {
				t.Errorf("seen after %s: %t; want %t", test.after, young, test.young)
			}
		}
		time.Sleep(seenLife)
		if err := b.put(nil, nil, &model.CallHomeSeen{Name: "b", At: b.now()}); err != nil || len(b.state.Seen) != 1 {
			t.Errorf("put = %v, and %d alerts are remembered after a week; want one", err, len(b.state.Seen))
		}
	})
}

// TestOldGoesBeforeGood: what is too old makes room first.
func TestOldGoesBeforeGood(t *testing.T) {
	live(t, func(b *box) {
		b.cutOff()
		for range mostMessages - 4 {
			b.mustAlert("old", model.Critical)
		}
		time.Sleep(alertLife - time.Minute)
		b.mustAlert("young", model.Warning)
		time.Sleep(time.Minute)
		b.mustAlert("new", model.Warning)
		if got := b.waits(model.ProfileVendor); !strings.HasSuffix(got, "young new") || strings.Contains(got, "old") {
			t.Errorf("%q waits; want the young and the new alert", got)
		}
	})
}
